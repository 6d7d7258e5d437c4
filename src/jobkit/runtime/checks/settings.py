"""Settings: there, and what they can be. Their values are only told where they are no secret."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Final, TypeAlias

from jobkit.runtime.errors import InvalidSetting
from jobkit.runtime.settings import DEFAULT_HUB, HUB, LOCAL_SETTINGS, RETENTION, hub_name, retention
from jobkit.runtime.storage.azure_account import SETTING, find_account

from .finding import Finding, Findings, Group

_DISABLED: Final = re.compile(r"AzureWebJobs[._](.+?)[._]+Disabled", re.IGNORECASE)
_ACCOUNT_NAME: Final = re.compile(r"AccountName=([^;]+)", re.IGNORECASE)
#: What is secret in a connection string or a signed address.
_SECRETS: Final = re.compile(r"(?i)\b(AccountKey|SharedAccessSignature|SharedAccessKey|Password|sig)=[^;&\s\"']+")
_TELL: Final = Findings(Group.SETTINGS)
#: Says where a setting was found.
Origin: TypeAlias = Callable[[str], str]


def check_hub(settings: Mapping[str, str], origin: Origin, *, is_app: bool) -> Iterator[Finding]:
    """Tell whether the hub can be one, and is an app's own."""
    try:
        hub = hub_name(settings)
    except InvalidSetting as exc:
        yield _TELL.error(HUB, str(exc), f"set {HUB} to 3 to 31 lower-case letters and digits, a letter first")
        return
    if HUB in settings:
        yield _TELL.ok(HUB, f"{hub}, in {origin(HUB)}")
    elif not is_app:
        yield _TELL.ok(HUB, f"{DEFAULT_HUB}, the default")
    else:
        evidence = f"not set, so {DEFAULT_HUB}: two apps of one storage account would take each other's messages"
        yield _TELL.warning(HUB, evidence, f"set {HUB} to a name of the app's own, here and in Azure")


def check_retention(settings: Mapping[str, str], origin: Origin) -> Iterator[Finding]:
    """Tell for how long jobs that have ended are kept, where that is set."""
    if not settings.get(RETENTION):
        return
    try:
        days = (retention(settings) or timedelta()).total_seconds() / 86_400
        yield _TELL.ok(RETENTION, f"jobs that ended {days:g} days ago are deleted, in {origin(RETENTION)}")
    except InvalidSetting as exc:
        yield _TELL.error(RETENTION, str(exc), f"set {RETENTION} to a time such as 30d, or take it away")


def check_account(settings: Mapping[str, str], origin: Origin) -> Iterator[Finding]:
    """Tell which storage account the settings name."""
    try:
        account = find_account(settings)
    except InvalidSetting as exc:
        yield _TELL.error(SETTING, str(exc), f"set {SETTING}, in {LOCAL_SETTINGS} or the environment")
        return
    if not account.connection_string:
        yield _TELL.ok(SETTING, f"an identity, for {account.tables_url} and {account.queues_url}")
        return
    given = _ACCOUNT_NAME.search(account.connection_string)
    name = "an account" if given is None else f"account {given.group(1)}"
    yield _TELL.ok(SETTING, f"connection string of {name}, in {origin(SETTING)}")


def check_disabled(settings: Mapping[str, str]) -> Iterator[Finding]:
    """Tell which functions are turned off."""
    off = [match.group(1) for name, value in settings.items() if (match := _DISABLED.fullmatch(name)) and _is_on(value)]
    if off:
        evidence = f"turned off by AzureWebJobs.NAME.Disabled: {', '.join(sorted(off))}"
        yield _TELL.warning("disabled functions", evidence, "take those settings away, unless it is meant to be so")


def without_secrets(text: str, settings: Mapping[str, str]) -> str:
    """Return a text in which no connection string and no key is left."""
    secret = settings.get(SETTING, "")
    if len(secret) > len("UseDevelopmentStorage=true;"):
        text = text.replace(secret, "…")
    return _SECRETS.sub(r"\1=…", text)


def _is_on(value: str) -> bool:
    return value.strip().lower() in ("1", "true")
