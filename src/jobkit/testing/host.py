"""Drives one job to its end in the calling thread, as a Functions host does in many, on a clock that never waits."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from jobkit.local.host import BATCH, LEASE_S, POISON_RETRY_S, RETRY_VISIBILITY_S
from jobkit.local.memory import MemoryStore
from jobkit.runtime.errors import EntityChanged, EntityNotFound
from jobkit.runtime.events import Event
from jobkit.runtime.messages import MAX_DEQUEUE_COUNT, POISON_SUFFIX
from jobkit.runtime.processing import QUEUES, Processing
from jobkit.runtime.registry import Registry
from jobkit.runtime.rows import TASKS
from jobkit.runtime.service import Service
from jobkit.runtime.storage.ports import Delivery, Insert

from .errors import NeverEnds
from .faults import FaultPlan
from .ports import Call, around_calls
from .watched import Run, WatchedJobs

T = TypeVar("T")

START: Final = datetime(2024, 2, 29, 12, tzinfo=UTC)  # the same in every run, so that whole records can be compared


class VirtualClock:
    """A clock that moves only when somebody waits by it: then at once."""

    def __init__(self) -> None:
        """Start at noon of a leap day."""
        self._now = START

    def now(self) -> datetime:
        """The present as an aware UTC datetime."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Move on by `seconds`."""
        self._now += timedelta(seconds=seconds)


class JobStore:
    """A store in memory that several runs may share: there they find the same job again, and one another's results."""

    def __init__(self) -> None:
        """Start empty."""
        self.clock = VirtualClock()
        self.rng = random.Random(7)  # noqa: S311 - names that must differ, and be the same in every run
        memory = MemoryStore(clock=self.clock, rng=self.rng)
        self.queues = memory.queues
        self.ports = memory.store


class _WorkerDied(BaseException):
    """Ends a worker. Every further call of its ports raises it too, so that nothing can take it for a task's error."""


class Host:
    """One job's host. Its worker dies when a fault says so, and another one takes its place.

    Attributes:
        events: What the service told, in order.
        errors: What the handling of a message raised, so that the message came again.
        service: The service of the worker that lives.
    """

    def __init__(self, store: JobStore, registry: Registry, faults: FaultPlan, *, max_steps: int) -> None:
        """Work on this store; `max_steps` is how many deliveries, and how many tasks, are too many."""
        self.events: list[Event] = []
        self.errors: list[BaseException] = []
        self._store = store
        self._ports = around_calls(store.ports, self._around_call)
        self._registry = registry
        self._faults = faults
        self._max_steps = max_steps
        self._deliveries = 0
        self._tasks = 0
        self._workers = 0
        self._delivery = 0
        self._died: BaseException | None = None
        self._interrupt: KeyboardInterrupt | None = None
        self._start_worker()

    def _start_worker(self) -> None:
        self._died = None
        self._workers += 1
        self.service = Service(
            self._ports,
            self._registry,
            clock=self._store.clock,
            rng=self._store.rng,
            worker=f"worker-{self._workers}",
            observe=self.events.append,
        )
        self.service.jobs = WatchedJobs(self.service.repository, self._registry, self._around_code)
        self._processing = Processing(self.service)

    def run(self, job_type: str) -> None:
        """Work until the queues are empty. Raises NeverEnds."""
        queues, clock = self._store.queues, self._store.clock
        while True:
            held = self._receive()
            if not held:
                wait_s = queues.first_visible_in_s(QUEUES)
                if wait_s is None:
                    return
                clock.sleep(wait_s)
            for queue, delivery in held:
                self._deliveries += 1
                if self._deliveries > self._max_steps:
                    last = f"; the last error was {self.errors[-1]!r}" if self.errors else ""
                    reason = f"{self._max_steps:,} messages were delivered (max_steps){last}"
                    raise NeverEnds(job_type=job_type, reason=reason)
                try:
                    self._process(queue, delivery)
                except _WorkerDied:
                    if self._tasks > self._max_steps:
                        reason = f"a fan-out has yielded more than {self._max_steps:,} items (max_steps)"
                        raise NeverEnds(job_type=job_type, reason=reason) from None
                    if self._interrupt is not None:
                        raise self._interrupt from None
                    self._start_worker()
                    break  # what else it held comes again too

    def _receive(self) -> list[tuple[str, Delivery]]:
        limit = BATCH if self._workers == 1 else 1  # a message that kills workers takes others with it only once
        for queue in QUEUES:
            found = self._store.queues.receive(queue, limit=limit, visibility_s=LEASE_S)
            if found:
                return [(queue, delivery) for delivery in found]
        return []

    def _process(self, queue: str, delivery: Delivery) -> None:
        """Handle one delivery, then delete it; one whose handling raises comes again, or goes to the poison queue."""
        queues = self._store.queues
        poison_queue = None if queue.endswith(POISON_SUFFIX) else queue + POISON_SUFFIX
        self._delivery = delivery.dequeue_count
        count = delivery.dequeue_count
        with contextlib.suppress(EntityChanged, EntityNotFound):  # a newer delivery does the rest
            died = poison_queue is not None and count > MAX_DEQUEUE_COUNT  # the last worker, over this message
            handled = not died and self._handle(queue, delivery)
            if not handled and poison_queue is None:
                queues.extend(queue, delivery, visibility_s=POISON_RETRY_S)
            elif not handled and count < MAX_DEQUEUE_COUNT:
                queues.extend(queue, delivery, visibility_s=RETRY_VISIBILITY_S * 2.0 ** (count - 1))
            else:
                if not handled and poison_queue is not None:
                    queues.send(poison_queue, delivery.body)
                queues.delete(queue, delivery)

    def _handle(self, queue: str, delivery: Delivery) -> bool:
        """Tell whether the handler has done all."""
        try:
            self._processing.handle(queue, delivery)
        except (Exception, SystemExit) as exc:  # noqa: BLE001 - a user's constructor, hook or validator, as in any host
            self.errors.append(exc)
            return False
        return True

    def _around_call(self, call: Call, do: Callable[[], T]) -> T:
        if self._died is not None:
            raise self._died
        if call.place == TASKS and call.verb == "transact":
            self._tasks += sum(isinstance(operation, Insert) for operation in call.operations)
            if self._tasks > self._max_steps:
                raise self._die()
        return do()

    def _around_code(self, run: Run) -> Any:
        fault = self._faults.find(run.number, run.task.index, run.task.attempt, self._delivery)
        if fault is not None and fault.error is not None:
            error = fault.error() if isinstance(fault.error, type) else fault.error
            raise error.with_traceback(None)
        if fault is not None:
            if fault.moment == "after":
                with contextlib.suppress(Exception, SystemExit):  # what it gives, or raises, dies with its worker
                    run.code()
            raise self._die()
        try:
            return run.code()
        except KeyboardInterrupt as exc:  # whoever runs the tests wants them to end
            raise self._die(exc) from None

    def _die(self, interrupt: KeyboardInterrupt | None = None) -> BaseException:
        self._interrupt = interrupt
        self._died = _WorkerDied()
        return self._died
