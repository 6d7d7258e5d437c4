"""Times and durations as users write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from .errors import InvalidFilter

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION: Final = re.compile(r"(\d{1,6})([smhdw])")


def read_duration(text: str) -> timedelta | None:
    """Read a duration of one unit: `90s`, `30m`, `12h`, `2d`, `1w`; None for what is none."""
    found = _DURATION.fullmatch(text)
    return None if found is None else timedelta(**{_UNITS[found[2]]: int(found[1])})


def read_time(text: str, name: str, *, now: datetime) -> datetime:
    """Read a moment: how long ago (`30m`, `12h`, `2d`, `1w`), a date, or a time in RFC 3339; without an offset it is UTC.

    Raises InvalidFilter, which calls it `name`.
    """
    try:
        ago = read_duration(text)
        if ago is not None:
            return now - ago
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        reason = "give how long ago (30m, 12h, 2d, 1w), a date (2026-11-26) or a time (2026-11-26T03:00Z)"
        raise InvalidFilter(name=name, value=text, reason=reason) from None
