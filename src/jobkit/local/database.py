"""Opens the local store's SQLite file, and runs every read and write on it with all errors mapped."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import quote

from jobkit.runtime.errors import JobkitError, StoreDamaged, StoreTooNew, StoreUnavailable

from . import schema
from .group_commit import Call, Fate, GroupCommit, Lost, Work, patiently

BUSY_S: Final = 60.0
QUICK_S: Final = 0.002  # a thread that has paused for longer than this leaves no transaction open
CHECKPOINT_PAGES: Final = 8_000  # 32 MB
LOOK_S: Final = 0.25  # what is written into a deleted file meanwhile is lost

T = TypeVar("T")

_REASONS: Final[Mapping[int, str]] = {
    sqlite3.SQLITE_BUSY: f"another process has kept it locked for {BUSY_S:.0f} s. End that process, or try again.",
    sqlite3.SQLITE_FULL: "the disk is full. Free some space, then go on: what was stored is intact.",
    sqlite3.SQLITE_READONLY: "it can't be written to. Check who owns the file and its folder, and their permissions.",
    sqlite3.SQLITE_CANTOPEN: "it can't be opened. Check that its folder exists and may be written to.",
    sqlite3.SQLITE_NOTADB: "this file is no store of jobkit. Give another path, or move the file away.",
    sqlite3.SQLITE_CORRUPT: "the file is damaged. Move it away to begin with an empty store.",
}


class _Thread(threading.local):
    """What this thread has left to its next call."""

    together = False
    fate: Fate | None = None
    called_at = 0.0

    def keep(self, fate: Fate) -> None:
        self.fate = fate

    def take_fate(self) -> Fate | None:
        fate, self.fate = self.fate, None
        return fate


def _is_frozen(path: Path) -> bool:
    """Whether a file can't be written to, and holds all that there is: then it can be read, without a write-ahead log."""
    if not os.access(path, os.R_OK) or os.access(path.parent, os.W_OK):
        return False
    log = path.with_name(f"{path.name}-wal")
    return not log.exists() or log.stat().st_size == 0


class Database:
    """One SQLite file in WAL mode, shared by the threads of this process and by other processes."""

    def __init__(self, path: Path) -> None:
        """Open the file, or create it and its folder. Raises StoreUnavailable, StoreDamaged, StoreTooNew."""
        self.path = path
        self._look_at = 0.0
        self._pid = os.getpid()
        self._thread = _Thread()
        with self.mapped_errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            self.is_frozen = _is_frozen(path)
            connection = self.connect()
            try:
                self._prepare(connection)
            except BaseException:
                connection.close()
                raise
            found = path.stat()
            self._inode = (found.st_dev, found.st_ino)
        self._group = GroupCommit(connection, refusals=JobkitError, check=self._check_in_place, busy_s=BUSY_S)

    def connect(self) -> sqlite3.Connection:
        """Open one more connection to the file, in autocommit mode."""
        name = f"file:{quote(str(self.path.absolute()))}?immutable=1" if self.is_frozen else self.path
        return sqlite3.connect(name, uri=self.is_frozen, timeout=0.005, isolation_level=None, check_same_thread=False)

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Check whose file it is, and make or migrate its tables."""
        cursor = connection.cursor()
        found = patiently(lambda: self._known_version(cursor), BUSY_S)
        if self.is_frozen and found == len(schema.MIGRATIONS):
            return
        mode = patiently(lambda: cursor.execute("pragma journal_mode = wal").fetchall()[0][0], BUSY_S)
        if mode != "wal":
            raise StoreUnavailable(
                store=str(self.path), reason="its folder can't hold a write-ahead log. Give another."
            )
        cursor.execute("pragma synchronous = normal")
        cursor.execute(f"pragma wal_autocheckpoint = {CHECKPOINT_PAGES}")
        if found < len(schema.MIGRATIONS):
            patiently(lambda: cursor.execute("begin immediate"), BUSY_S)
            schema.migrate(cursor, self._known_version(cursor))
            cursor.execute("commit")

    def _known_version(self, cursor: sqlite3.Cursor) -> int:
        found = schema.found_version(cursor)
        if found is None:
            raise StoreDamaged(store=str(self.path), reason=_REASONS[sqlite3.SQLITE_NOTADB])
        if found > len(schema.MIGRATIONS):
            raise StoreTooNew(store=str(self.path), found=found, known=len(schema.MIGRATIONS))
        return found

    def write(self, work: Work[T], *, single: bool = False, last: bool = False) -> T:
        """Run `work` in a transaction, and return what it returns after the commit.

        It may run twice, the first time without effect. If it raises a JobkitError, then before it writes anything.
        `single` says that it writes with one statement, which needs no transaction around it; `last` that it may be
        left open together with what was done before, as in `together`.
        """
        return self._run(work, writes=True, alone=single, last=last)

    def read(self, work: Work[T]) -> T:
        """Run `work`, which only reads. It sees all writes that have returned, and maybe some that have not."""
        return self._run(work, writes=False, alone=True, last=False)

    @contextlib.contextmanager
    def together(self) -> Generator[None]:
        """Let this thread's calls in here be committed with its next one after, if they follow its last one at once.

        A commit costs as much as all else of a small write. If the transaction is lost, so is everything in it, and the
        thread's next call raises StoreUnavailable. A thread that pauses afterwards calls `flush` first.
        """
        thread = self._thread
        thread.together = time.monotonic() - thread.called_at < QUICK_S
        try:
            yield
        finally:
            thread.together = False

    def flush(self) -> None:
        """Commit what this thread has left open. Raises StoreUnavailable when that is lost."""
        after = self._thread.take_fate()
        if after is not None and not self.forked:
            with self.mapped_errors():
                self._group.flush(after)

    def _run(self, work: Work[T], *, writes: bool, alone: bool, last: bool) -> T:
        if self.forked:
            raise StoreUnavailable(store=str(self.path), reason="a forked process can't go on with it: open it there.")
        thread = self._thread
        after = thread.take_fate()
        opens = thread.together or (last and after is not None)
        try:
            if alone and (done := self._group.run_alone(work, after=after, leave_open=thread.keep if opens else None)):
                return done[0]
            call = Call(work, writes=writes, after=after)
            self._group.run(call)
            if call.failure is None:
                return call.result
            raise call.failure
        except (sqlite3.Error, OSError, Lost) as error:
            raise self._mapped(error) from error
        finally:
            thread.called_at = time.monotonic()

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        if not self.forked:
            self._group.close()

    @property
    def forked(self) -> bool:
        """Whether this is a copy in a forked process, which must leave the file alone."""
        return os.getpid() != self._pid

    def _check_in_place(self) -> None:
        """Refuse to go on with a file that nobody finds any more; look from time to time."""
        now = time.monotonic()
        if now < self._look_at:
            return
        try:
            found = os.stat(self.path)  # noqa: PTH116 - half the time of Path.stat
        except FileNotFoundError:
            found = None
        if found is None or (found.st_dev, found.st_ino) != self._inode:
            raise StoreUnavailable(store=str(self.path), reason="the file was deleted or replaced while it was in use.")
        self._look_at = now + LOOK_S

    @contextlib.contextmanager
    def mapped_errors(self) -> Generator[None]:
        """Raise what SQLite or the file system refuses as a StoreUnavailable that says what to do."""
        try:
            yield
        except (sqlite3.Error, OSError, Lost) as error:
            raise self._mapped(error) from error

    def _mapped(self, error: BaseException) -> StoreUnavailable:
        if isinstance(error, Lost):
            return self._mapped(error.__cause__ or error)
        if isinstance(error, OSError):
            reason = f"{error.strerror or error}: {error.filename or self.path}"
            return StoreUnavailable(store=str(self.path), reason=reason)
        if isinstance(error, sqlite3.ProgrammingError) and "closed" in str(error):
            return StoreUnavailable(store=str(self.path), reason="it is closed.")
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
        name = getattr(error, "sqlite_errorname", type(error).__name__)
        reason = _REASONS.get(code & 0xFF, f"SQLite can't go on: {error} ({name}). Check the disk.")
        damaged = code & 0xFF in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)
        return (StoreDamaged if damaged else StoreUnavailable)(store=str(self.path), reason=reason)
