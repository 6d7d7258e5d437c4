"""The whole examination: every check, to its end whatever is broken, and the safe fixes of what was found."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, TypeAlias

from jobkit.runtime.errors import JobkitError, StoreUnavailable, UnknownJob

from . import storage
from .controllers import check_controllers
from .files import check_backups, check_runtime
from .finding import Finding, Findings, Group, State
from .foreign import check_with_foreign
from .funcignore import check_funcignore
from .functions import check_functions
from .host_file import check_host
from .jobs import check_active, check_job, check_poison
from .machine import check_dependencies, check_python
from .settings import check_settings
from .storage import Access, Opened
from .subject import Subject

_Check: TypeAlias = tuple[Group, str, Callable[[Subject], Iterable[Finding]]]

_OF_MACHINE: Final[tuple[_Check, ...]] = (
    (Group.MACHINE, "Python", check_python),
    (Group.MACHINE, "dependencies", check_dependencies),
)
_OF_CONTROLLERS: Final[tuple[_Check, ...]] = ((Group.APP, "controllers", check_controllers),)
_OF_APP: Final[tuple[_Check, ...]] = (
    (Group.APP, "functions", check_functions),
    (Group.APP, "host.json", check_host),
    (Group.APP, ".funcignore", check_funcignore),
    (Group.APP, "runtime", check_runtime),
    (Group.APP, "backups", check_backups),
    (Group.APP, "azure-functions-doctor", check_with_foreign),
)
_OF_SETTINGS: Final[tuple[_Check, ...]] = ((Group.SETTINGS, "settings", check_settings),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    """What a safe fix came to; `done` is None where it failed, for the reason `error`."""

    finding: Finding
    done: str | None
    error: str = ""


def examine(subject: Subject, access: Access, *, write: bool) -> list[Finding]:
    """Check everything: machine, app, settings, storage and jobs. Without `write` nothing is, not even in passing."""
    found: list[Finding] = []
    for group, name, check in _OF_MACHINE + _OF_CONTROLLERS + (_OF_APP if subject.is_app else ()) + _OF_SETTINGS:
        found += _guarded(group, name, partial(check, subject))
    if not subject.is_app:
        evidence = "no project here or above" if subject.project is None else f"no host.json in {subject.folder}"
        fix = "name its folder, jobkit doctor APP, or make one: jobkit new-app DIR"
        found.append(Findings(Group.APP).not_checked("Function App", evidence, fix))
    found += _examine_store(subject, access, write=write)
    return sorted((_without_secrets(subject, one) for one in found), key=lambda one: list(Group).index(one.group))


def examine_jobs(subject: Subject, access: Access, prefixes: Sequence[str], *, write: bool) -> list[Finding]:
    """Check jobs alone, by how their ids begin. Raises UnknownJob, AmbiguousId."""
    if access.path is not None and not access.path.exists():
        raise UnknownJob(job_id=prefixes[0])
    found: list[Finding] = []
    with contextlib.ExitStack() as stack:
        opened, found = _opened(access, stack)
        if opened is not None:
            for job_id in opened.service.repository.resolve_job_ids(prefixes):
                check = partial(check_job, job_id, access, opened, write=write)
                found += _guarded(Group.JOBS, f"job {job_id[:12]}", check)
    return [_without_secrets(subject, finding) for finding in found]


def mend(findings: Iterable[Finding]) -> list[Mended]:
    """Do the safe fixes of what was found, each once; one that fails is told, and the others are done."""
    done: list[Mended] = []
    for finding in findings:
        if finding.mend is None:
            continue
        try:
            done.append(Mended(finding=finding, done=finding.mend()))
        except (OSError, ValueError, TypeError, AttributeError, JobkitError) as exc:
            done.append(Mended(finding=finding, done=None, error=f"{type(exc).__name__}: {exc}"))
    return done


def worst(findings: Iterable[Finding]) -> int:
    """Return the exit code: 0 without errors, 5 if all there is wrong is that the store can't be reached, else 1."""
    errors = [finding for finding in findings if finding.state is State.ERROR]
    if not errors:
        return 0
    return StoreUnavailable.exit_code if all(finding.unreachable for finding in errors) else 1


def _examine_store(subject: Subject, access: Access, *, write: bool) -> list[Finding]:
    if access.path is not None and not os.path.lexists(access.path):
        return [*_guarded(Group.STORAGE, "reachable", partial(storage.check_file, access.path)), *_no_jobs()]
    with contextlib.ExitStack() as stack:
        opened, found = _opened(access, stack)
        if opened is None:
            return found
        if write:
            found += _guarded(Group.STORAGE, "writable", partial(storage.check_writable, opened))
            found += _guarded(Group.STORAGE, "round trip", partial(storage.check_message, subject, access, opened))
        else:
            found.append(storage.writes_not_checked())
        found += _guarded(Group.JOBS, "poison messages", partial(check_poison, access, opened))
        found += _guarded(Group.JOBS, "jobs", partial(check_active, access, opened, write=write))
        return found


def _opened(access: Access, stack: contextlib.ExitStack) -> tuple[Opened | None, list[Finding]]:
    """Open the store and ask it something; None where that fails, and the findings that tell of it."""
    try:
        opened = stack.enter_context(access.open())
        return opened, list(storage.check_reachable(access, opened))
    except Exception as exc:  # noqa: BLE001 - a store that is broken in whatever way is a finding, and no end
        return None, list(storage.tell_unreachable(access, exc))


def _no_jobs() -> Iterator[Finding]:
    for name in ("poison messages", "jobs"):
        yield Findings(Group.JOBS).ok(name, "none: there is no store yet")


def _guarded(group: Group, name: str, check: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """Do a check to its end; what it could not check for an error of its own is told as that."""
    found: list[Finding] = []
    try:
        found.extend(check())
    except Exception as exc:  # noqa: BLE001 - one check that fails must not cost the others
        fix = "mend what the error names, and run this again"
        found.append(Findings(group).not_checked(name, f"{type(exc).__name__}: {exc}", fix))
    return found


def _without_secrets(subject: Subject, finding: Finding) -> Finding:
    hide = subject.without_secrets
    return replace(finding, evidence=hide(finding.evidence), fix=hide(finding.fix))
