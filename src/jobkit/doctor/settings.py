"""The app's settings: there, and what they can be. Their values are only told where they are no secret."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from jobkit.runtime.errors import InvalidSetting
from jobkit.runtime.settings import DEFAULT_HUB, HUB, LOCAL_SETTINGS, RETENTION, hub_name, retention
from jobkit.runtime.storage.azure_account import SETTING, find_account

from .finding import Finding, Findings, Group
from .subject import Broken, Subject

WORKER: Final = "FUNCTIONS_WORKER_RUNTIME"
_DISABLED: Final = re.compile(r"AzureWebJobs[._](.+?)[._]+Disabled", re.IGNORECASE)
_ACCOUNT_NAME: Final = re.compile(r"AccountName=([^;]+)", re.IGNORECASE)
_TELL: Final = Findings(Group.SETTINGS)


def check_settings(subject: Subject) -> Iterator[Finding]:
    """Tell which settings are missing or wrong here; those in Azure can't be seen from here."""
    if isinstance(subject.settings, Broken):
        fix = f'correct {LOCAL_SETTINGS}: {{"IsEncrypted": false, "Values": {{"NAME": "VALUE"}}}}'
        yield _TELL.error(LOCAL_SETTINGS, subject.settings.reason, fix)
    yield _hub(subject)
    yield from _retention(subject)
    if not subject.is_app:
        return
    settings = subject.known_settings
    runtime = settings.get(WORKER)
    if runtime is None:
        yield _TELL.error(WORKER, "not set: func start does not know that this is Python", f"set {WORKER}=python")
    elif runtime != "python":
        yield _TELL.error(WORKER, f"is {runtime!r}", f"set {WORKER}=python")
    else:
        yield _TELL.ok(WORKER, f"python, in {subject.origin(WORKER)}")
    yield _account(subject)
    off = [match.group(1) for name, value in settings.items() if (match := _DISABLED.fullmatch(name)) and _is_on(value)]
    if off:
        evidence = f"turned off by AzureWebJobs.NAME.Disabled: {', '.join(sorted(off))}"
        yield _TELL.warning("disabled functions", evidence, "take those settings away, unless it is meant to be so")
    yield _TELL.not_checked(
        "settings in Azure",
        "what the deployed app has can't be seen from here",
        "GET /api/health of the app; az functionapp config appsettings list",
    )


def _hub(subject: Subject) -> Finding:
    settings = subject.known_settings
    try:
        hub = hub_name(settings)
    except InvalidSetting as exc:
        return _TELL.error(HUB, str(exc), f"set {HUB} to 3 to 31 lower-case letters and digits, a letter first")
    if HUB in settings:
        return _TELL.ok(HUB, f"{hub}, in {subject.origin(HUB)}")
    if not subject.is_app:
        return _TELL.ok(HUB, f"{DEFAULT_HUB}, the default")
    evidence = f"not set, so {DEFAULT_HUB}: two apps of one storage account would take each other's messages"
    return _TELL.warning(HUB, evidence, f"set {HUB} to a name of the app's own, here and in Azure")


def _retention(subject: Subject) -> Iterator[Finding]:
    settings = subject.known_settings
    if not settings.get(RETENTION):
        return
    try:
        days = (retention(settings) or timedelta()).total_seconds() / 86_400
        yield _TELL.ok(RETENTION, f"jobs that ended {days:g} days ago are deleted, in {subject.origin(RETENTION)}")
    except InvalidSetting as exc:
        yield _TELL.error(RETENTION, str(exc), f"set {RETENTION} to a time such as 30d, or take it away")


def _account(subject: Subject) -> Finding:
    settings = subject.known_settings
    try:
        account = find_account(settings)
    except InvalidSetting as exc:
        return _TELL.error(SETTING, str(exc), f"set {SETTING}, in {LOCAL_SETTINGS} or the environment")
    if not account.connection_string:
        return _TELL.ok(SETTING, f"an identity, for {account.tables_url} and {account.queues_url}")
    given = _ACCOUNT_NAME.search(account.connection_string)
    name = "an account" if given is None else f"account {given.group(1)}"
    return _TELL.ok(SETTING, f"connection string of {name}, in {subject.origin(SETTING)}")


def _is_on(value: str) -> bool:
    return value.strip().lower() in ("1", "true")
