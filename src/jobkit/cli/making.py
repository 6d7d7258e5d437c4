"""Makes what completion lacks: here, or in a process of its own that may go on when the shell has its answer.

That process runs the project's code. It has no terminal and a time limit, and there is one at most for each folder.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from .kept import Node

#: How long the process may take; the system ends it then.
MOST_S = 10.0


def here(make: Callable[[], Node], _folder: Path, _wait_s: float) -> Node | None:
    """Make something in this process, whatever that reads and prints; None if it can't be made."""
    sys.stdout.flush()
    kept = [os.dup(descriptor) for descriptor in (0, 1, 2)]
    _detach_streams()
    try:
        with contextlib.suppress(Exception):
            return make()
        return None
    finally:
        sys.stdout.flush()
        for descriptor, copy in enumerate(kept):
            os.dup2(copy, descriptor)
            os.close(copy)


def apart(make: Callable[[], Node], folder: Path, wait_s: float) -> Node | None:
    """Make something in a process of its own; return it, or None if that takes longer or another is at it already."""
    if not hasattr(os, "fork"):  # Windows
        return here(make, folder, wait_s)
    lock = _lock(folder)
    if lock is None:
        return None
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.close(reading)
        _make_and_end(make, writing)
    os.close(writing)
    os.close(lock)  # the other process has it still
    try:
        return _answer(reading, time.monotonic() + wait_s)
    finally:
        os.close(reading)


def _make_and_end(make: Callable[[], Node], writing: int) -> NoReturn:
    """Make it, and tell it to whoever still waits."""
    with contextlib.suppress(BaseException):  # the project's code may raise, and exit
        os.setsid()  # no Ctrl-C reaches it, nor can it ask anything of a terminal
        _detach_streams()  # the shell reads until all have closed its pipe
        signal.setitimer(signal.ITIMER_REAL, MOST_S)
        gc.disable()  # a tenth of what imports cost, for a process that is about to end
        os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")  # they watch validations, and there are none
        left = json.dumps(make()).encode()
        while left:
            left = left[os.write(writing, left) :]
    os._exit(0)  # whatever threads the imports have started


def _answer(reading: int, deadline: float) -> Node | None:
    """Read what the other process tells until it ends."""
    import select

    parts: list[bytes] = []
    while select.select([reading], [], [], max(0.0, deadline - time.monotonic()))[0]:
        part = os.read(reading, 1 << 16)
        if not part:
            with contextlib.suppress(ValueError):  # it was killed half way
                answer: Node = json.loads(b"".join(parts))
                return answer
            return None
        parts.append(part)
    return None


def _lock(folder: Path) -> int | None:
    """Lock a folder as long as what is returned is open in some process; None if it is locked."""
    import fcntl

    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    except OSError:
        return lock  # a file system without locks: then there may be several
    return lock


def _detach_streams() -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)
