"""Numbers in the local store's texts: ETags, receipts, ids and times."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_LARGEST: Final = 2**63 - 1  # that SQLite keeps


def fresh_numbers() -> count[int]:
    """Count up from a random start of 59 bits: no number is used twice, whoever else writes into the file."""
    return count(int.from_bytes(os.urandom(8), "big") >> 5)


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
