"""An instance of the simulated Functions host on a store in memory, with handlers that a test can hold."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from jobkit.local.host import Instance
from jobkit.local.memory import MemoryStore
from jobkit.runtime.clock import SystemClock
from jobkit.runtime.storage.ports import Delivery, Queues
from waiting import wait_until


class Waiter:
    """Looks every few milliseconds."""

    def wait(self, queues: Sequence[str], timeout_s: float) -> None:
        time.sleep(min(timeout_s, 0.002))

    def wake(self) -> None:
        pass

    def flush(self) -> None:
        pass


class Watched:
    """The queues of a store: the size of each receive that got something, each lease's end, what `extend` asked for."""

    def __init__(self, queues: Queues) -> None:
        self._queues = queues
        self.batches: dict[str, list[int]] = {}
        self.leases: list[datetime] = []
        self.extended_s: list[float] = []
        self.failing: Exception | None = None

    def receive(self, queue: str, *, limit: int, visibility_s: float) -> list[Delivery]:
        if self.failing is not None:
            raise self.failing
        found = self._queues.receive(queue, limit=limit, visibility_s=visibility_s)
        if found:
            self.batches.setdefault(queue, []).append(len(found))
            self.leases += [delivery.visible_at for delivery in found]
        return found

    def extend(self, queue: str, delivery: Delivery, *, visibility_s: float) -> Delivery:
        extended = self._queues.extend(queue, delivery, visibility_s=visibility_s)
        self.leases.append(extended.visible_at)
        self.extended_s.append(visibility_s)
        return extended

    def __getattr__(self, name: str) -> Any:
        return getattr(self._queues, name)


class Host:
    """Instances on one store. What a handler is to do stands in the message: `hold`, `fail` or anything else."""

    def __init__(self) -> None:
        self.store = MemoryStore(clock=SystemClock(), rng=random.Random(1))
        self.queues = Watched(self.store.queues)
        self.release = threading.Semaphore(0)
        self.seen: list[tuple[str, str]] = []
        self.errors: list[tuple[str, str, str]] = []
        self.running: Counter[str] = Counter()
        self._lock = threading.Lock()
        self.instances: list[Instance] = []

    def start(self, **options: Any) -> Instance:
        instance = Instance(self.queues, self._handle, waiter=Waiter(), on_error=self._on_error, **options)
        self.instances.append(instance)
        instance.start()
        return instance

    def _handle(self, queue: str, delivery: Delivery) -> None:
        self.seen.append((queue, delivery.body))
        if delivery.body.startswith("hold"):
            self._count(queue, 1)
            self.release.acquire()
            self._count(queue, -1)
        if delivery.body.startswith("fail"):
            raise ValueError(f"delivery {delivery.dequeue_count} of {delivery.body}")

    def _count(self, queue: str, change: int) -> None:
        with self._lock:
            self.running[queue] += change

    def _on_error(self, queue: str, delivery: Delivery, error: Exception) -> None:
        self.errors.append((queue, delivery.body, str(error)))

    def send(self, queue: str, *bodies: str) -> None:
        for body in bodies:
            self.store.queues.send(queue, body)

    def length(self, queue: str) -> int:
        return self.store.queues.length(queue)

    def visible(self, queue: str) -> list[str]:
        return [delivery.body for delivery in self.store.queues.peek(queue, limit=32)]

    def wait_until_empty(self, queue: str) -> None:
        wait_until(lambda: self.length(queue) == 0, f"{queue} is empty")

    def wait_until_running(self, count: int, queue: str) -> None:
        wait_until(lambda: self.running[queue] == count, f"{count} handlers of {queue} run, not {self.running[queue]}")
