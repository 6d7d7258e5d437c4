"""What the contract's tests know of a backend, and the threads they put it under."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from jobkit.runtime.storage.ports import Delivery, Queues, Tables

T = TypeVar("T")

PATIENCE_S = 10.0


@dataclass(frozen=True, kw_only=True)
class Backend:
    """A store that nobody else uses, with the tables and queues that jobkit uses.

    `advance` lets time pass: at once where the clock is ours, by sleeping where it is not.
    """

    tables: Tables
    queues: Queues
    now: Callable[[], datetime]
    advance: Callable[[float], None]

    def receive_soon(self, queue: str, *, limit: int = 32, visibility_s: float = 30.0) -> list[Delivery]:
        """Receive; a queue that is not exact to the second gets some more time."""
        return until(lambda: self.queues.receive(queue, limit=limit, visibility_s=visibility_s))


def until(probe: Callable[[], T], patience_s: float = PATIENCE_S) -> T:
    """Call until it returns something true; return the last it returned."""
    deadline = time.monotonic() + patience_s
    while not (found := probe()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return found


def in_parallel(threads: int, do: Callable[[int], T]) -> list[T | Exception]:
    """Call with 0, 1, 2, … in as many threads at once; return what came of each."""

    def outcome(number: int) -> T | Exception:
        try:
            return do(number)
        except Exception as exc:  # noqa: BLE001 - it is what is asked for
            return exc

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(outcome, range(threads)))
