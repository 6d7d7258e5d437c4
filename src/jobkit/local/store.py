"""The local store: tables and queues in one SQLite file that threads and processes share."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from jobkit.runtime.clock import Clock, SystemClock
from jobkit.runtime.errors import StoreUnavailable
from jobkit.runtime.storage.ports import Store

from .database import Database
from .numbers import fresh_numbers
from .presence import LOOK_S, Presence
from .sqlite_queues import SqliteQueues
from .sqlite_tables import SqliteTables
from .store_clock import StoreClock
from .wakeups import Wakeups


class LocalStore:
    """An open local store. What it still holds of messages is visible to others as soon as it is closed, or dies.

    Attributes:
        path: The file, absolute.
        tables: The port for rows.
        queues: The port for messages.
        store: Both.
        each: Does items one by one, their sends in groups.
        together: A context in which a thread's calls may be committed with its next one.
        flush: Commits what the calling thread has left open by that.
    """

    def __init__(self, path: Path, *, clock: Clock | None, hub: str) -> None:
        """See `open`."""
        self.path = path.absolute()
        self._database = Database(self.path)
        self._presence = Presence(self.path.with_name(f"{self.path.name}.holders"), self._database.mapped_errors)
        self._wakeups = Wakeups(self._database)
        self._interruptions = 0
        self._closed = False
        numbers = fresh_numbers()
        self.tables = SqliteTables(self._database, hub=hub, numbers=numbers)
        self.queues = SqliteQueues(
            self._database,
            hub=hub,
            clock=clock or (SystemClock() if self._database.is_frozen else StoreClock(self._database)),
            numbers=numbers,
            presence=self._presence,
            wakeups=self._wakeups,
        )
        self.store = Store(self.tables, self.queues)
        self.each = self.queues.each
        self.together = self._database.together
        self.flush = self._database.flush

    @classmethod
    def open(cls, path: Path | str, *, clock: Clock | None = None, hub: str = "jobkit") -> Self:
        """Open the store in this file, or create it and its folder.

        Hubs keep apart in one file. `clock` says when messages become visible; by default the store has its own.
        Raises StoreUnavailable, StoreDamaged, StoreTooNew.
        """
        return cls(Path(path), clock=clock, hub=hub)

    def wait(self, queues: Sequence[str], timeout_s: float) -> None:
        """Return when a message of one of the queues may be visible, at `wake`, or after `timeout_s` of real time.

        What this process sends is noticed at once, what another one does within some 20 ms.
        """
        deadline = time.monotonic() + timeout_s
        interruptions = self._interruptions
        with self._wakeups.listening():
            while True:
                changes = self._wakeups.changes
                due_s = self.queues.first_visible_in_s(queues)
                left_s = deadline - time.monotonic()
                if due_s == 0 or left_s <= 0 or self._interruptions != interruptions:
                    return
                if not self.queues.free_dead():
                    self._wakeups.sleep(changes, min(left_s, LOOK_S, LOOK_S if due_s is None else due_s))

    def count_living(self) -> int:
        """Count the processes, this one included, that have asked for messages of this file and still live."""
        return self._presence.count_living()

    def wake(self) -> None:
        """Let all who wait return."""
        self._interruptions += 1
        self._wakeups.wake()

    def close(self) -> None:
        """Give back what is held, and close the file; a second time does nothing."""
        if self._closed or self._database.forked:
            return
        self._closed = True
        try:
            self._interruptions += 1
            self._wakeups.close()
            with contextlib.suppress(StoreUnavailable):  # then others free what is held, as for a dead process
                self._presence.close(self.queues.give_back)
        finally:
            self._database.close()

    def __enter__(self) -> Self:
        """Return the store itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the store."""
        self.close()
