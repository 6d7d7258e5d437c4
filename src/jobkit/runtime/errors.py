"""Every error of jobkit.

    JobkitError
    ├── WrongUsage                    exit code 2
    │   ├── InvalidController
    │   ├── DuplicateJobType
    │   ├── InvalidParams
    │   ├── InvalidSelection
    │   ├── InvalidSource
    │   ├── InvalidFilter
    │   ├── InvalidRetry
    │   ├── InvalidSetting
    │   ├── OptionsContradict
    │   └── NotHashable
    ├── NotFound                      exit code 3
    │   ├── UnknownJobType
    │   ├── UnknownJob
    │   ├── UnknownTask
    │   ├── NoStore
    │   ├── UnknownPoison
    │   └── AmbiguousId
    ├── StoreUnavailable              exit code 5
    │   ├── StoreDamaged
    │   │   └── RowDamaged
    │   └── StoreTooNew
    ├── EntityExists, EntityNotFound, EntityChanged, LimitExceeded       what the ports refuse
    │   └── RefusedAsTooLarge
    ├── JobHasEnded                   nothing can be cancelled any more
    ├── NothingToRetry                the job has not failed
    ├── NotToBePurged                 the job is still needed
    ├── SourcesUnknown                which jobs are still needed is not known
    ├── JobIsBeingPurged              what is left of a job is no use any more
    ├── CodeChanged                   a job is at a stage that its controller has no more
    ├── HookFailed                    a controller's `on_complete` raised
    ├── MessageRefused                a queue message that is not ours, or of another version
    └── PayloadRefused                what a task or fan-out gives and the store can't keep
        ├── NotJson
        ├── DoesNotFit
        └── PayloadTooLarge

Signals that a task raises on purpose are no errors and stand apart: PermanentError and RetryLater in `signals`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import ClassVar, Final


class JobkitError(Exception):
    """The base. `exit_code` is what the command line ends with; the message says what, which and what to do next."""

    exit_code: ClassVar[int] = 1


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return " Did you mean 'x'?" for the nearest of the known names, or nothing."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" Did you mean {near[0]!r}?" if near else ""


class WrongUsage(JobkitError):
    """Raised when what the user asked for can't be meant."""

    exit_code = 2


class InvalidController(WrongUsage):
    """Raised when a controller class is wrong, as soon as the class is made."""

    def __init__(self, *, controller: str, reason: str, stage: str | None = None, option: str | None = None) -> None:
        """Name the class, its stage and option where there is one, and what is wrong."""
        self.controller, self.stage, self.option, self.reason = controller, stage, option, reason
        where = controller
        if stage is not None:
            where += f", stage {stage!r}"
        if option is not None:
            where += f", option {option}"
        super().__init__(f"{where}: {reason}")


class DuplicateJobType(WrongUsage):
    """Raised when two controllers have one job type."""

    def __init__(self, *, job_type: str, first: str, second: str) -> None:
        """Name the job type and both classes."""
        self.job_type, self.first, self.second = job_type, first, second
        super().__init__(f"two controllers have the job type {job_type!r}: {first} and {second}. Rename one of them.")


class InvalidParams(WrongUsage):
    """Raised when a job's parameters don't fit its controller."""

    def __init__(self, *, job_type: str, problems: list[str]) -> None:
        """Keep one line for each wrong field."""
        self.job_type, self.problems = job_type, problems
        super().__init__(f"wrong parameters for {job_type}: " + "; ".join(problems))


class InvalidSelection(WrongUsage):
    """Raised when the stages chosen with `--stage` don't exist or don't follow one another."""

    def __init__(self, *, job_type: str, reason: str) -> None:
        """Say what is wrong with the choice."""
        self.job_type, self.reason = job_type, reason
        super().__init__(f"stages of {job_type}: {reason}")


class InvalidSource(WrongUsage):
    """Raised when earlier results can't be taken from what `--from` names."""

    def __init__(self, *, source: str, reason: str) -> None:
        """Name the source and what is wrong with it."""
        self.source, self.reason = source, reason
        super().__init__(f"earlier results from {source}: {reason}")


class InvalidFilter(WrongUsage):
    """Raised when a filter over jobs can't be meant."""

    def __init__(self, *, name: str, value: str, reason: str) -> None:
        """Name the field of the filter, its value and what it must be."""
        self.name, self.value, self.reason = name, value, reason
        super().__init__(f"{name} {value!r}: {reason}")


class InvalidSetting(WrongUsage):
    """Raised when a setting or an option's value can't be used."""

    def __init__(self, *, setting: str, value: object, reason: str) -> None:
        """Name the setting, its value and what it must be."""
        self.setting, self.value, self.reason = setting, value, reason
        super().__init__(f"{setting}={value}: {reason}")


class OptionsContradict(WrongUsage):
    """Raised when options can't be meant together, or one without another."""

    def __init__(self, *, option: str, reason: str) -> None:
        """Name the option and what it does not go with."""
        self.option, self.reason = option, reason
        super().__init__(f"{option} {reason}")


class NotHashable(WrongUsage):
    """Raised when a parameter can't be part of an id: canonical JSON (RFC 8785) can't hold it."""

    def __init__(self, *, job_type: str, reason: str) -> None:
        """Keep what canonical JSON refused."""
        self.job_type, self.reason = job_type, reason
        super().__init__(f"the parameters of {job_type} can't be hashed to an id: {reason}")


class NotFound(JobkitError):
    """Raised when a job, a task or a controller does not exist."""

    exit_code = 3


class UnknownJobType(NotFound):
    """Raised when no controller has the job type."""

    def __init__(self, *, job_type: str, known: Iterable[str], note: str = "") -> None:
        """Name it and the nearest known one; `note` tells of modules that could not be imported."""
        self.job_type, self.known = job_type, sorted(known)
        hint = did_you_mean(job_type, self.known)
        text = f"no controller has the job type {job_type!r}.{hint}"
        super().__init__(f"{text} {note}".rstrip() + " See them with: jobkit controllers")


class UnknownJob(NotFound):
    """Raised when no job has the id, or an id that begins so."""

    def __init__(self, *, job_id: str) -> None:
        """Name the id."""
        self.job_id = job_id
        super().__init__(f"no job {job_id!r} in this store")


class UnknownTask(NotFound):
    """Raised when no task has the id."""

    def __init__(self, *, task_id: str, reason: str) -> None:
        """Name the id and why there is none."""
        self.task_id, self.reason = task_id, reason
        super().__init__(f"no task {task_id!r}: {reason}")


class NoStore(NotFound):
    """Raised when jobs are looked for where no store has been made yet."""

    def __init__(self, *, place: str) -> None:
        """Name the place."""
        self.place = place
        super().__init__(f"there is no store at {place}: no job has been submitted to it")


class UnknownPoison(NotFound):
    """Raised when no poison message that can be seen has the id, or an id that begins so."""

    def __init__(self, *, message_id: str, hidden: int, is_cut: bool = False) -> None:
        """Name the id, and how many messages were not seen: `is_cut` if just the first of a queue were looked at."""
        self.message_id, self.hidden, self.is_cut = message_id, hidden, is_cut
        text = f"no poison message {message_id!r} in this store"
        if hidden and is_cut:
            text = (
                f"no poison message {message_id!r} was seen; {hidden:,} were not looked at: --all (?all=true) does that"
            )
        elif hidden:
            text += f"; {hidden:,} can't be seen at the moment, a worker may hold them: try again later"
        super().__init__(text)


class AmbiguousId(NotFound):
    """Raised when more than one id begins with what was given."""

    def __init__(self, *, prefix: str, matches: list[str]) -> None:
        """Name some of them."""
        self.prefix, self.matches = prefix, matches
        super().__init__(f"{prefix!r} begins more than one id: {', '.join(matches)}. Give more of it.")


class JobHasEnded(JobkitError):
    """Raised when something is to be done to a job that only one that has not ended can have done to it."""

    def __init__(self, *, job_id: str, status: str) -> None:
        """Name the job and how it ended."""
        self.job_id, self.status = job_id, status
        super().__init__(f"job {job_id[:12]} has ended ({status}): there is nothing to cancel")


class NothingToRetry(JobkitError):
    """Raised when a job is to be retried, and has nothing that failed."""

    def __init__(self, *, job_id: str, what: str) -> None:
        """Name the job and what holds for it."""
        self.job_id, self.what = job_id, what
        super().__init__(f"job {job_id[:12]} {what}: there is nothing to retry")


class WasCancelled(JobkitError):
    """Raised when a filter over failed jobs has found one to retry that somebody has cancelled."""

    def __init__(self, *, job_id: str) -> None:
        """Name the job."""
        self.job_id = job_id
        super().__init__(f"job {job_id[:12]} was cancelled: it is retried when it is named")


class InvalidRetry(WrongUsage):
    """Raised when what of a job is to be retried is not there."""

    def __init__(self, *, job_id: str, reason: str) -> None:
        """Name the job and what is wrong with the choice."""
        self.job_id, self.reason = job_id, reason
        super().__init__(f"job {job_id[:12]}: {reason}")


class NotToBePurged(JobkitError):
    """Raised when a job is to be deleted that is still needed."""

    def __init__(self, *, job_id: str, reason: str) -> None:
        """Name the job and what it is needed for."""
        self.job_id, self.reason = job_id, reason
        super().__init__(f"job {job_id[:12]} is kept: {reason}")


class SourcesUnknown(JobkitError):
    """Raised when nothing can be deleted, since whose results an active job reads can't be told."""

    def __init__(self, *, job_id: str, reason: str) -> None:
        """Name the active job and why it can't be read."""
        self.job_id, self.reason = job_id, reason
        super().__init__(
            f"nothing is purged: active job {job_id[:12]} can't be read, so nobody knows whose results it needs: {reason}"
            f"\n  What is broken: jobkit doctor --job {job_id[:12]}"
        )


class JobIsBeingPurged(JobkitError):
    """Raised when something is asked of a job that is being deleted."""

    def __init__(self, *, job_id: str) -> None:
        """Name the job."""
        self.job_id = job_id
        super().__init__(
            f"job {job_id[:12]} is being deleted. When nobody does it any more: jobkit purge {job_id[:12]}"
        )


class StoreUnavailable(JobkitError):
    """Raised when the store can't be reached or refuses; whether a write happened is then not known."""

    exit_code = 5

    def __init__(self, *, store: str, reason: str) -> None:
        """Name the store (never its secrets) and the reason."""
        self.store, self.reason = store, reason
        super().__init__(f"store {store}: {reason}")


class StoreDamaged(StoreUnavailable):
    """Raised when the local store's file is no store, or broken."""


class RowDamaged(StoreDamaged):
    """Raised when a row does not hold what jobkit writes: somebody has changed it."""

    def __init__(self, *, partition: str, row: str, reason: str) -> None:
        """Name the row and what is wrong in it."""
        self.partition, self.row = partition, row
        super().__init__(store=f"row {partition} / {row}", reason=f"it is damaged: {reason}")


class StoreTooNew(StoreUnavailable):
    """Raised when the store, or a row in it, was written by a newer jobkit."""

    def __init__(self, *, store: str, found: int, known: int) -> None:
        """Name both schema versions."""
        self.found, self.known = found, known
        super().__init__(
            store=store, reason=f"it has schema version {found}, this jobkit knows {known} at most. Upgrade jobkit."
        )


#: What may be wrong with a row, and is no reason to leave those of other jobs.
UNREADABLE: Final = (RowDamaged, StoreTooNew)


class _Refused(JobkitError):
    def __init__(self, *, table: str, partition: str, row: str) -> None:
        self.table, self.partition, self.row = table, partition, row
        super().__init__(f"{table}: {partition} / {row}")


class EntityExists(_Refused):
    """Raised when a row is to be inserted that is there already."""


class EntityNotFound(_Refused):
    """Raised when a row or message is not there."""


class EntityChanged(_Refused):
    """Raised when a row's ETag, or a message's receipt, is no longer the one given. No verdict: read again."""


class LimitExceeded(JobkitError):
    """Raised when a write passes a limit of Azure Storage; nothing was written."""

    def __init__(self, *, what: str, size: float, limit: float, unit: str) -> None:
        """Name the thing, its size and the limit."""
        self.what, self.size, self.limit, self.unit = what, size, limit, unit
        super().__init__(f"{what}: {size:,} {unit}, the limit is {limit:,}")


class RefusedAsTooLarge(LimitExceeded):
    """Raised when the store itself found a write too large; nothing was written."""

    def __init__(self, *, what: str, code: str) -> None:
        """Name the thing and the store's code."""
        self.what, self.code = what, code
        JobkitError.__init__(self, f"{what}: the store refused it as too large ({code})")


class CodeChanged(JobkitError):
    """Raised when a job is at a stage that its controller's code does not have any more."""

    def __init__(self, *, job_type: str, number: int, name: str | None, now: str | None) -> None:
        """Name the stage as it was when the job was submitted, and what is at its number now (None: nothing)."""
        self.job_type, self.number, self.name, self.now = job_type, number, name, now
        gone = f"stage {number}" if name is None else f"stage {number} {name!r}"
        instead = "there is none" if now is None else f"it is {now!r} now"
        super().__init__(f"{gone} of {job_type} is gone, {instead}: the code has changed since the job was submitted")


class HookFailed(JobkitError):
    """Raised when a controller's `on_complete` raised; its message is delivered again."""

    def __init__(self, *, job_type: str, error_type: str, text: str) -> None:
        """Name the job type and what was raised."""
        self.job_type, self.error_type, self.text = job_type, error_type, text
        super().__init__(f"on_complete of {job_type} raised {error_type}: {text}")


class MessageRefused(JobkitError):
    """Raised when a queue message is foreign or of an unknown version."""

    def __init__(self, *, reason: str, text: str) -> None:
        """Keep the reason and the beginning of the text."""
        self.reason = reason
        super().__init__(f"refused a queue message: {reason}: {text[:120]!r}")


class PayloadRefused(JobkitError):
    """Raised when parameters or a result can't be stored: the task (or the plan) fails with it."""


class NotJson(PayloadRefused):
    """Raised when a value can't be JSON."""

    def __init__(self, *, what: str, where: str, reason: str) -> None:
        """Name the place in the value and what is there."""
        self.what, self.where, self.reason = what, where, reason
        super().__init__(f"{what} can't be stored as JSON: {where} {reason}")


class DoesNotFit(PayloadRefused):
    """Raised when what is stored does not fit the type that a stage declares for it now."""

    def __init__(self, *, what: str, stage: str, declared: str, problems: Sequence[str]) -> None:
        """Name the value, the stage, the type and what is wrong, a text for each place."""
        self.what, self.stage, self.declared, self.problems = what, stage, declared, tuple(problems)
        super().__init__(f"{what} does not fit {declared}, which stage {stage!r} declares now: {'; '.join(problems)}")


class PayloadTooLarge(PayloadRefused):
    """Raised when a value passes what one row, or one job's result, may take."""

    def __init__(self, *, what: str, size_bytes: int, limit_bytes: int) -> None:
        """Name the value and both sizes."""
        self.what, self.size_bytes, self.limit_bytes = what, size_bytes, limit_bytes
        super().__init__(
            f"{what} takes {size_bytes:,} bytes as JSON, the limit is {limit_bytes:,}: "
            "store it in a blob (or a file) and return the reference"
        )
