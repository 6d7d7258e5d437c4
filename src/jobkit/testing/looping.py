"""Where an `async def` test calls: its event loop runs in this thread, and a task's own can't."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def outside_of_a_loop(do: Callable[[], T]) -> T:
    """Return what `do` returns, or raise what it raises; in a thread of its own where an event loop runs in this one."""
    if not _loop_runs():
        return do()
    done: list[T] = []
    raised: list[BaseException] = []

    def work() -> None:
        try:
            done.append(do())
        except BaseException as exc:  # noqa: BLE001 - it is raised again, in the caller's thread
            raised.append(exc)

    thread = threading.Thread(target=work, name="jobkit-testing")
    thread.start()
    thread.join()
    if raised:
        raise raised[0]
    return done[0]


def _loop_runs() -> bool:
    asyncio = sys.modules.get("asyncio")  # slow to import, and where nobody has, no loop runs
    if asyncio is None:
        return False
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
