"""Tells which processes that hold messages still live: each keeps a lock on a file of its own while it does."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> bool:
        """Lock an open file, unless another has it locked."""
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _lock(file: int) -> bool:
        """Lock an open file, unless another has it locked."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


LOOK_S: Final = 0.5


class Presence:
    """One open store among those that share a file. What it holds is kept under its `number`.

    The operating system gives a lock back when its process ends, however it ends. So a holder whose lock can be had
    is dead. Opened and locked are two steps: whoever locks a file checks afterwards that it is still in its place.
    """

    def __init__(self, folder: Path, mapped_errors: Callable[[], AbstractContextManager[None]]) -> None:
        """Use the folder's files; it is created with the first message that is held."""
        self._folder = folder
        self._mapped_errors = mapped_errors
        self._lock = threading.Lock()
        self._number: int | None = None
        self._file: int | None = None
        self._looking = threading.Lock()
        self._looked_at = -LOOK_S
        if sys.platform != "win32":
            # A lock lives as long as any copy of its file: a forked child must not keep it for a dead parent.
            own = weakref.ref(self)
            os.register_at_fork(after_in_child=lambda: _forget(own()))

    def number(self) -> int:
        """Return the number under which messages are held; others see from now on that this process lives."""
        if self._number is None:
            with self._lock, self._mapped_errors():
                while self._number is None:
                    self._number = self._appear()
        return self._number

    def forget(self) -> None:
        """Let go of the lock's file in a forked child; the parent keeps the lock."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _appear(self) -> int | None:
        """Take a number; None if its file was taken for a dead process's before it was locked."""
        self._folder.mkdir(parents=True, exist_ok=True)
        number = int.from_bytes(os.urandom(8), "big") >> 1
        path = self._path(number)
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        if _lock(file) and _is_at(file, path):
            self._file = file
            return number
        os.close(file)
        return None

    def bury_dead(self, free: Callable[[int], None]) -> bool:
        """Call `free` with the number of each dead holder, at most every LOOK_S; tell whether there was one."""
        if time.monotonic() - self._looked_at < LOOK_S or not self._looking.acquire(blocking=False):
            return False
        try:
            self._looked_at = time.monotonic()
            found = False
            for path in self._folder.iterdir():
                found = self._bury(path, free) or found
            return found
        except OSError:  # there is no folder, or no descriptor left to look with: later, then
            return False
        finally:
            self._looking.release()

    def _bury(self, path: Path, free: Callable[[int], None]) -> bool:
        try:
            number = int(path.name, 16)
        except ValueError:
            return False  # not ours
        if number == self._number:
            return False
        try:
            file = os.open(path, os.O_RDWR)
        except OSError:  # buried by another just now; or another user's
            return False
        try:
            if not _lock(file):
                return False
            free(number)
            _remove(path)
        finally:
            os.close(file)
        _remove(path)  # on Windows only now
        return True

    def count_living(self) -> int:
        """Count the processes that hold messages, or have asked for any; nothing is freed."""
        with contextlib.suppress(OSError):  # there is no folder
            return sum(self._is_living(path) for path in self._folder.iterdir())
        return 0

    def is_living(self, number: int) -> bool:
        """Whether the process that holds messages under a number lives; nothing is freed."""
        return number == self._number or self._is_living(self._path(number))

    def _is_living(self, path: Path) -> bool:
        if path == self._own_path():
            return True
        try:
            int(path.name, 16)
            file = os.open(path, os.O_RDWR)
        except (ValueError, OSError):  # not ours; or gone, or another user's
            return False
        try:
            return not _lock(file)
        finally:
            os.close(file)

    def _own_path(self) -> Path | None:
        return None if self._number is None else self._path(self._number)

    def close(self, free: Callable[[int], None]) -> None:
        """Call `free` with the own number if anybody knows it, and disappear; a second time does nothing."""
        with self._lock:
            if self._file is None or self._number is None:
                return
            try:
                free(self._number)
                _remove(self._path(self._number))
            finally:
                os.close(self._file)
                self._file = None
            _remove(self._path(self._number))  # on Windows only now

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:016x}"


def _is_at(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def _remove(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError, PermissionError):  # Windows keeps a file that is open
        path.unlink()


def _forget(presence: Presence | None) -> None:
    if presence is not None:
        presence.forget()
