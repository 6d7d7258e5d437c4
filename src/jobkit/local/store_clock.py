"""The time of one store, by which messages become visible: the same for all processes, and it never jumps."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

from .database import Database
from .numbers import from_us

BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


def boot_number() -> int:
    """Return a number that the system has until it is started anew; 0 where it tells none."""
    try:
        return int(BOOT_ID.read_text("ascii").replace("-", "")[:15], 16)
    except (OSError, ValueError):
        return 0


class StoreClock:
    """Counts with the machine's monotonic clock, which all its processes share, from where the first one began.

    So a wall clock that is set, or differs between processes, neither frees leases that are held nor hides messages.
    After the machine was started anew (Linux tells; elsewhere, when the monotonic clock is behind what was seen) this
    one goes on from the latest of what was seen last and the wall clock.
    """

    def __init__(
        self,
        database: Database,
        *,
        monotonic_us: Callable[[], int] = lambda: time.monotonic_ns() // 1000,
        wall_us: Callable[[], int] = lambda: time.time_ns() // 1000,
        boot: Callable[[], int] = boot_number,
    ) -> None:
        """Agree with whoever uses the file already, or begin."""
        self._monotonic_us = monotonic_us
        monotonic, wall, this_boot = monotonic_us(), wall_us(), boot()

        def agree(cursor: sqlite3.Cursor) -> int:
            stored = dict(cursor.execute("select name, value from meta where name like 'clock_%'").fetchall())
            offset: int = stored.get("clock_offset_us", wall - monotonic)
            seen: int = stored.get("clock_seen_us", 0)
            if monotonic + offset < seen or stored.get("clock_boot", this_boot) != this_boot:
                offset = max(seen, wall) - monotonic
            seen = max(seen, monotonic + offset)
            values = (("clock_offset_us", offset), ("clock_seen_us", seen), ("clock_boot", this_boot))
            cursor.executemany("insert or replace into meta (name, value) values (?, ?)", values)
            return offset

        self._offset_us = database.write(agree)

    def now(self) -> datetime:
        """The store's present; near the wall clock, but not to be shown as it."""
        return from_us(self._monotonic_us() + self._offset_us)

    def sleep(self, seconds: float) -> None:
        """Wait for `seconds` of real time."""
        time.sleep(seconds)
