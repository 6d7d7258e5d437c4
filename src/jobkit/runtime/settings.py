"""The settings of an app: the environment and, for what that lacks, `local.settings.json` as Functions' tools read it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from .errors import InvalidSetting
from .times import read_duration

LOCAL_SETTINGS: Final = "local.settings.json"
HUB: Final = "JOBKIT_HUB"
RETENTION: Final = "JOBKIT_RETENTION"
DEFAULT_HUB: Final = "jobkit"
#: With the longest suffix, `-jobs-poison`, a queue's name stays below the 56 characters that Functions can poison.
_HUB: Final = re.compile(r"[a-z][a-z0-9]{2,30}")


def read_settings(environment: Mapping[str, str], folder: Path | None = None) -> dict[str, str]:
    """Return the environment's settings and, for what it lacks, those of `local.settings.json` in `folder`.

    Raises InvalidSetting when that file can't be read.
    """
    return {**_local_settings(folder), **environment}


def hub_name(settings: Mapping[str, str]) -> str:
    """Return the hub, the prefix of all tables and queues, that JOBKIT_HUB names. Raises InvalidSetting."""
    hub = settings.get(HUB, DEFAULT_HUB)
    if not _HUB.fullmatch(hub):
        reason = "must be 3 to 31 lower-case letters and digits, a letter first"
        raise InvalidSetting(setting=HUB, value=hub, reason=reason)
    return hub


def retention(settings: Mapping[str, str]) -> timedelta | None:
    """Return for how long JOBKIT_RETENTION keeps jobs that have ended; None where it is not set: for ever.

    Raises InvalidSetting.
    """
    text = settings.get(RETENTION)
    if not text:
        return None
    found = read_duration(text)
    if found is None:
        raise InvalidSetting(setting=RETENTION, value=text, reason="must be a time such as 30d, 12h or 8w")
    return found


def _local_settings(folder: Path | None) -> dict[str, str]:
    if folder is None or not (path := folder / LOCAL_SETTINGS).is_file():
        return {}
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8-sig"))
        values: Any = found["Values"]
        return {str(name): str(value) for name, value in values.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise InvalidSetting(setting=LOCAL_SETTINGS, value=str(path), reason=f"can't be read: {exc!r}") from exc
