"""Runs the reads and writes of many threads on one SQLite connection, as many as there are to a transaction.

A commit costs more than the statements in it. So every caller leaves its call in a list, and whoever finds nobody at
work leads: it does all that is in the list, and what comes in meanwhile, in one transaction. A caller goes on only
after the commit of its own call.

A thread that does one small thing after the other may leave a call's commit to its next one (`Fate`): what happens in
one transaction is there as a whole or not at all, as if the process had died a moment earlier.
"""

from __future__ import annotations

import contextlib
import random
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

T = TypeVar("T")

Work = Callable[[sqlite3.Cursor], T]

_RETRY_S: Final = 0.001  # SQLite's own busy handler waits up to 100 ms, and starves


class Call(Generic[T]):
    """One caller's work, and what came of it."""

    __slots__ = ("after", "done", "failure", "result", "wake", "work", "writes")

    def __init__(self, work: Work[T], *, writes: bool, after: Fate | None = None) -> None:
        """Keep what is to be done, if what the caller left open `after` which it comes is not lost."""
        self.work = work
        self.writes = writes
        self.after = after
        self.done = False
        self.result: T
        self.failure: Exception | None = None
        self.wake = threading.Lock()
        self.wake.acquire()

    def do(self, cursor: sqlite3.Cursor) -> T:
        """Do the work. Raises Lost when what it comes after was undone."""
        if self.after is not None:
            self.after.check()
        return self.work(cursor)


class Lost(Exception):
    """Raised when the transaction that a thread had left open was undone, by the error that this comes from."""


class Fate:
    """What becomes of a transaction that was left open: `failure` is set when it was undone."""

    __slots__ = ("failure",)

    def __init__(self) -> None:
        """Begin."""
        self.failure: Exception | None = None

    def check(self) -> None:
        """Raise Lost when it was undone; to be asked by who leads, for others may undo it until then."""
        if self.failure is not None:
            raise Lost from self.failure


class GroupCommit:
    """A connection whose transactions are shared by the callers that wait for it."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        *,
        refusals: type[Exception],
        check: Callable[[], None],
        busy_s: float,
    ) -> None:
        """Take over a connection in autocommit mode.

        Args:
            connection: Used by nobody else, with a short busy timeout of its own.
            refusals: What work raises before it has written anything; the rest of its transaction stands.
            check: Called before each transaction that writes; what it raises fails the transaction.
            busy_s: How long another process may keep the file locked.
        """
        self._connection = connection
        self._cursor = connection.cursor()
        self._refusals = refusals
        self._check = check
        self._busy_s = busy_s
        self._leading = threading.Lock()
        self._waiting: deque[Call[Any]] = deque()
        self._fate: Fate | None = None  # of the transaction that was left open

    def run_alone(
        self, work: Work[T], *, after: Fate | None = None, leave_open: Callable[[Fate], None] | None = None
    ) -> tuple[T] | None:
        """Do a read, or a write of one statement, and commit it; None when others are at work.

        With `leave_open`, which is given the fate, the next call of anybody commits it. What was read and written then
        stands or falls with that transaction: the thread names the fate with its next call, or with `flush`.
        Raises Lost when what it comes `after` was undone.
        """
        if self._waiting or not self._leading.acquire(blocking=False):
            return None
        try:
            if after is not None:
                after.check()
            if leave_open is not None or self._fate is not None:
                return (self._join(work, leave_open),)
            self._check()
            try:
                return (work(self._cursor),)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    raise
            return (patiently(lambda: work(self._cursor), self._busy_s),)
        finally:
            self._leading.release()
            if self._waiting:
                self._nudge()

    def flush(self, after: Fate) -> None:
        """Commit what was left open. Raises Lost when that was undone."""
        with self._leading:
            if self._fate is after:
                with contextlib.suppress(Exception):  # its fate says so
                    self._commit()
        self._nudge()
        after.check()

    def run(self, call: Call[T]) -> None:
        """Do the call's work; it is done when this returns: committed, or `failure` says why not."""
        self._waiting.append(call)
        try:
            while not call.done:
                if self._leading.acquire(blocking=False):
                    self._lead()
                else:
                    call.wake.acquire()
        except BaseException:  # an interrupt, while it may just have been this caller's turn to lead
            self._nudge()
            raise

    def close(self) -> None:
        """Close the connection once nobody uses it; a second time does nothing."""
        with self._leading:
            with contextlib.suppress(sqlite3.ProgrammingError):  # it is closed
                if self._fate is not None:
                    self._commit()
                self._cursor.close()  # or its statement would keep the file open
            self._connection.close()
        self._nudge()

    def _lead(self) -> None:
        taken: list[Call[Any]] = []
        try:
            self._do_waiting(taken)
        finally:
            for call in taken:
                call.done = True
                _release(call.wake)
            self._leading.release()
            self._nudge()

    def _nudge(self) -> None:
        """Have the first that still waits try to lead."""
        if self._waiting:
            with contextlib.suppress(IndexError):  # somebody else leads already, and took it
                _release(self._waiting[0].wake)

    def _do_waiting(self, taken: list[Call[Any]]) -> None:
        """Do what waits, and what comes in meanwhile, in one transaction."""
        waiting, connection, cursor = self._waiting, self._connection, self._cursor
        first = 0  # of those in the open transaction
        try:
            while waiting:
                call = waiting.popleft()
                taken.append(call)
                if call.writes and not connection.in_transaction:
                    self._begin()
                try:
                    call.result = call.do(cursor)
                except (self._refusals, Lost) as refusal:
                    call.failure = refusal
                except Exception as error:  # noqa: BLE001 - whatever it is, it must not undo the others' work
                    self._undo(error)
                    for each in taken[first:]:
                        self._do_alone(each)
                    first = len(taken)
            if connection.in_transaction:
                self._commit()
        except BaseException as error:
            self._undo(error)
            for each in taken[first:]:
                each.failure = error if isinstance(error, Exception) else InterruptedError("interrupted")
            if not isinstance(error, Exception):
                raise

    def _do_alone(self, call: Call[Any]) -> None:
        """Do one call in a transaction of its own, after the one that it shared was undone."""
        call.failure = None
        try:
            call.result = patiently(lambda: self._attempt(call), self._busy_s)
        except Exception as error:  # noqa: BLE001 - it is the caller's
            call.failure = error

    def _attempt(self, call: Call[T]) -> T:
        try:
            if call.writes:
                self._begin()
            result = call.do(self._cursor)
            if call.writes:
                self._cursor.execute("commit")
        except Exception:
            self._roll_back()
            raise
        return result

    def _begin(self) -> None:
        """Start to write, as soon as no other process does."""
        self._check()
        try:
            self._cursor.execute("begin immediate")
        except sqlite3.OperationalError:
            patiently(lambda: self._cursor.execute("begin immediate"), self._busy_s)

    def _join(self, work: Work[T], leave_open: Callable[[Fate], None] | None) -> T:
        """Do a call in the transaction that was left open, or a new one, and commit both or leave both open."""
        if self._fate is None:
            self._begin()
            self._fate = Fate()
        try:
            result = work(self._cursor)
        except self._refusals:
            self._settle(leave_open)
            raise
        except BaseException as error:
            self._undo(error)
            raise
        self._settle(leave_open)
        return result

    def _settle(self, leave_open: Callable[[Fate], None] | None) -> None:
        if leave_open is not None and self._fate is not None:
            leave_open(self._fate)
        else:
            self._commit()

    def _commit(self) -> None:
        try:
            self._cursor.execute("commit")
        except BaseException as error:
            self._undo(error)
            raise
        self._fate = None

    def _undo(self, error: BaseException) -> None:
        """Roll back, and let those know who have not waited for the commit."""
        if self._fate is not None:
            self._fate.failure = error if isinstance(error, Exception) else InterruptedError("interrupted")
            self._fate = None
        self._roll_back()

    def _roll_back(self) -> None:
        try:
            if self._connection.in_transaction:
                self._cursor.execute("rollback")
        except sqlite3.Error:
            self._connection.close()  # nothing may go on within what can't be undone


def patiently(action: Callable[[], T], busy_s: float) -> T:
    """Do something again and again while another process has the file locked, for up to `busy_s`."""
    deadline = time.monotonic() + busy_s
    while True:
        try:
            return action()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                raise
        time.sleep(_RETRY_S * random.uniform(0.5, 1.5))  # noqa: S311 - no secret


def _release(lock: threading.Lock) -> None:
    """Wake the one thread that waits for the lock; it may have been woken already."""
    try:
        lock.release()
    except RuntimeError:
        return
