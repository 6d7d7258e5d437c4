"""The whole examination: every check, to its end whatever is broken, and the safe fixes of what was found."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias

from jobkit.runtime.checks.examination import cleaned, examine_store, guarded, open_store
from jobkit.runtime.checks.finding import Finding, Findings, Group, State
from jobkit.runtime.checks.jobs import SHOWN
from jobkit.runtime.checks.storage import Access
from jobkit.runtime.errors import JobkitError, StoreUnavailable, UnknownJob

from .controllers import check_controllers
from .files import check_backups, check_runtime
from .foreign import check_with_foreign
from .funcignore import check_funcignore
from .functions import check_functions
from .host_file import check_host
from .jobs import check_job
from .machine import check_dependencies, check_python
from .settings import check_settings
from .storage import check_file, check_soundness
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
        found += guarded(group, name, partial(check, subject))
    if not subject.is_app:
        evidence = "no project here or above" if subject.project is None else f"no host.json in {subject.folder}"
        fix = "name its folder, jobkit doctor APP, or make one: jobkit new-app DIR"
        found.append(Findings(Group.APP).not_checked("Function App", evidence, fix))
    if access.path is not None and not os.path.lexists(access.path):
        found += guarded(Group.STORAGE, "reachable", partial(check_file, access.path))
        found += (Findings(Group.JOBS).ok(name, "none: there is no store yet") for name in ("poison messages", "jobs"))
    else:
        if access.path is not None:
            found += guarded(Group.STORAGE, "file", partial(check_soundness, access.path))
        found += examine_store(access, write=write)
    return cleaned(found, subject.known_settings)


def examine_jobs(subject: Subject, access: Access, prefixes: Sequence[str], *, write: bool) -> list[Finding]:
    """Check jobs alone, by how their ids begin. Raises UnknownJob, AmbiguousId."""
    if access.path is not None and not access.path.exists():
        raise UnknownJob(job_id=prefixes[0])
    found: list[Finding] = []
    with contextlib.ExitStack() as stack:
        opened, found = open_store(access, stack)
        if opened is not None:
            for job_id in opened.service.repository.resolve_job_ids(prefixes):
                check = partial(check_job, job_id, access, opened, write=write)
                found += guarded(Group.JOBS, f"job {job_id[:SHOWN]}", check)
    return cleaned(found, subject.known_settings)


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
