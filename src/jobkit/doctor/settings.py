"""The settings that hold on this machine: those of the environment and of local.settings.json."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from jobkit.runtime.checks.finding import Broken, Finding, Findings, Group
from jobkit.runtime.checks.settings import check_account, check_disabled, check_hub, check_retention
from jobkit.runtime.settings import LOCAL_SETTINGS

from .subject import Subject

WORKER: Final = "FUNCTIONS_WORKER_RUNTIME"
_TELL: Final = Findings(Group.SETTINGS)


def check_settings(subject: Subject) -> Iterator[Finding]:
    """Tell which settings are missing or wrong here; those in Azure can't be seen from here."""
    if isinstance(subject.settings, Broken):
        fix = f'correct {LOCAL_SETTINGS}: {{"IsEncrypted": false, "Values": {{"NAME": "VALUE"}}}}'
        yield _TELL.error(LOCAL_SETTINGS, subject.settings.reason, fix)
    settings, origin = subject.known_settings, subject.origin
    yield from check_hub(settings, origin, is_app=subject.is_app)
    yield from check_retention(settings, origin)
    if not subject.is_app:
        return
    yield _worker(subject)
    yield from check_account(settings, origin)
    yield from check_disabled(settings)
    yield _TELL.not_checked(
        "settings in Azure",
        "what the deployed app has can't be seen from here",
        "POST /api/doctor of the app; az functionapp config appsettings list",
    )


def _worker(subject: Subject) -> Finding:
    runtime = subject.known_settings.get(WORKER)
    if runtime is None:
        return _TELL.error(WORKER, "not set: func start does not know that this is Python", f"set {WORKER}=python")
    if runtime != "python":
        return _TELL.error(WORKER, f"is {runtime!r}", f"set {WORKER}=python")
    return _TELL.ok(WORKER, f"python, in {subject.origin(WORKER)}")
