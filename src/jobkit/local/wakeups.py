"""Wakes threads that wait for messages: at once for what this process does, soon for what others do."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Generator
from typing import Final

from .database import BUSY_S, Database
from .group_commit import patiently

POLL_S: Final = 0.02


class Wakeups:
    """Counts changes of a store. One of the threads that wait looks for those that other processes make."""

    def __init__(self, database: Database) -> None:
        """Watch this file."""
        self._database = database
        self._watch = database.connect()
        self._changed = threading.Condition()
        self._changes = 0
        self._listeners = 0
        self._polled = False
        self._data_version = -1

    @property
    def changes(self) -> int:
        """How many changes are known."""
        return self._changes

    @contextlib.contextmanager
    def listening(self) -> Generator[None]:
        """Be counted among those who want to know. Look at the store only afterwards: then no change is missed."""
        with self._changed:
            self._listeners += 1
        try:
            yield
        finally:
            with self._changed:
                self._listeners -= 1

    def wake(self) -> None:
        """Tell of a change. Call it after the commit."""
        if self._listeners:
            with self._changed:
                self._count()

    def sleep(self, seen: int, timeout_s: float) -> None:
        """Wait until there are other than `seen` changes, or `timeout_s` have passed."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while self._changes == seen and (left_s := deadline - time.monotonic()) > 0:
                if self._polled:
                    self._changed.wait(left_s)
                else:
                    self._poll(seen, deadline)

    def _poll(self, seen: int, deadline: float) -> None:
        """Look for changes by other processes, for all who sleep."""
        self._polled = True
        try:
            while self._changes == seen and (left_s := deadline - time.monotonic()) > 0:
                self._changed.wait(min(left_s, POLL_S))
                if self._changes == seen and self._is_changed_outside():
                    self._count()
        finally:
            self._polled = False
            self._changed.notify()  # somebody else goes on

    def _is_changed_outside(self) -> bool:
        before = self._data_version
        with self._database.mapped_errors():
            self._data_version = patiently(lambda: self._watch.execute("pragma data_version").fetchall()[0][0], BUSY_S)
        return self._data_version != before

    def _count(self) -> None:
        self._changes += 1
        self._changed.notify_all()

    def close(self) -> None:
        """Let all who sleep return, and look no more; a second time does nothing."""
        with self._changed:
            self._count()
            self._watch.close()
