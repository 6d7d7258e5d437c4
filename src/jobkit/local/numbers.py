"""Numbers in the local store's texts: ETags, receipts, ids and times."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_LARGEST: Final = 2**63 - 1  # that SQLite keeps


def fresh_numbers() -> count[int]:
    """Count up from a random start of 59 bits: no number is used twice, whoever else writes into the file."""
    return count(int.from_bytes(os.urandom(8), "big") >> 5)


class MessageIds:
    """Gives ids that grow with the time: messages of several processes keep the order in which they were sent."""

    _STEP: Final = 4096  # ns; what is below tells stores apart

    def __init__(self) -> None:
        """Take a random mark among those stores that may send at the same time."""
        self._mark = int.from_bytes(os.urandom(2), "big") % self._STEP
        self._last = 0

    def next(self) -> int:
        """Return the next id. For one thread at a time."""
        now = time.time_ns()
        self._last = max(self._last + self._STEP, now - now % self._STEP + self._mark)
        return self._last


def number_of(text: str) -> int:
    """Read a number back; -1, which none is, for a text that is none."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(_LARGEST)) else -1
    return number if number <= _LARGEST else -1


def to_us(moment: datetime) -> int:
    """Turn a time into microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


def from_us(moment_us: int) -> datetime:
    """Turn microseconds since 1970 into a time."""
    return _EPOCH + timedelta(microseconds=moment_us)
