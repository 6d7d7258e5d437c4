"""Drives jobs to their end in one thread, as a Functions host does in many: deterministic, on a clock of its own."""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from azurite import new_account
from clocked_queues import ClockedQueues
from clocks import ManualClock
from jobkit.local.memory import MemoryStore
from jobkit.local.store import LocalStore
from jobkit.runtime.controller import BaseController
from jobkit.runtime.documents import error_document, job_document
from jobkit.runtime.errors import EntityChanged, EntityNotFound, JobkitError, StoreUnavailable
from jobkit.runtime.events import Action, Event
from jobkit.runtime.messages import POISON_SUFFIX
from jobkit.runtime.processing import QUEUES, Processing
from jobkit.runtime.registry import Registry
from jobkit.runtime.repository import Repository
from jobkit.runtime.service import Service, Submitted
from jobkit.runtime.storage.azure import AzureStore
from jobkit.runtime.storage.ports import Delivery, Span, Store

MAX_DEQUEUE_COUNT = 5
LEASE_S = 30.0
RETRY_VISIBILITY_S = 1.0
POISON_RETRY_S = 30.0
BATCH = 16
LONGEST_WAIT_S = 7 * 24 * 3600.0
START = datetime(2024, 2, 29, 12, 0, 0, tzinfo=UTC)
TABLES = ("jobs", "tasks", "index")
EVERYTHING = Span("", "\x7f")


#: Which message is being handled here, by its id in the queue, and the how-manieth delivery of it that is.
DELIVERED: ContextVar[tuple[str, int]] = ContextVar("DELIVERED")


class Crash(BaseException):
    """The death of the process. Nothing in the product may catch it for good: see `faulty`."""


@contextlib.contextmanager
def new_store(kind: str, *, clock: Any, folder: Path, hub: str = "jobkit") -> Iterator[Store]:
    """Open an empty store: `memory`, `sqlite` (one file in `folder`, shared by hubs) or `azure` (Azurite, a hub of its own)."""
    if kind == "memory":
        yield MemoryStore(clock=clock, rng=random.Random(7)).store
    elif kind == "azure":
        account, own_hub = new_account()
        with AzureStore(account, hub=own_hub) as azure:
            yield Store(azure.tables, ClockedQueues(azure.queues, clock))
    else:
        with LocalStore.open(folder / "local.db", clock=clock, hub=hub) as local:
            yield local.store


class NeverEnds(AssertionError):
    """The queues do not run empty, or the clock has to move for ever: the job hangs."""


class Driver:
    """Receives, handles and deletes; a message whose handler raises comes again, or goes to its poison queue.

    A `Crash` ends the process: what it held stays leased until that runs out, and a new process goes on.
    Errors of jobkit are what a host reports and survives; any other exception is a fault of the product and passes
    through, unless it is `tolerated`.
    """

    def __init__(
        self,
        store: Store,
        controllers: Iterable[type[BaseController[Any]]],
        *,
        clock: ManualClock,
        rng: random.Random | None = None,
        batch: int = BATCH,
        faults: Any = None,
        tolerated: tuple[type[Exception], ...] = (),
        worker: str = "worker",
    ) -> None:
        self.store = store
        self.clock = clock
        self.controllers = tuple(controllers)
        self.events: list[Event] = []
        self.errors: list[Exception] = []
        self.crashes = 0
        self.rng = rng or random.Random(1)
        self._batch = batch
        self._faults = faults
        self._survived = (JobkitError, *tolerated)
        self._worker = worker
        self._processes = 0
        self._held: list[tuple[str, Delivery]] = []
        self.start()

    def start(self) -> None:
        """Start a new process."""
        self._processes += 1
        self._held.clear()  # it stays leased
        registry = Registry()
        for controller in self.controllers:
            registry.add(controller)
        self.service = Service(
            self.store,
            registry,
            clock=self.clock,
            rng=self.rng,
            worker=f"{self._worker}-{self._processes}",
            observe=self.events.append,
        )
        self.processing = Processing(self.service)
        if self._faults is not None:
            self._faults.revive()

    def replace(self, *controllers: type[BaseController[Any]]) -> None:
        """Start a new process with other code."""
        self.controllers = controllers
        self.start()

    # What a user does

    def submit(self, job_type: str, params: Any = None, **how: Any) -> str:
        """Submit as often as the client dies over it, and return the job's id."""
        return self.submitted(job_type, params, **how).chain.job.job_id

    def submitted(self, job_type: str, params: Any = None, **how: Any) -> Submitted:
        for tries_left in reversed(range(5)):
            try:
                return self.service.submit(job_type, {} if params is None else params, **how)
            except Crash:
                self.crashed()
            except StoreUnavailable as error:  # and nothing else: a refused write is no verdict for a client either
                if self._faults is None or not tries_left:
                    raise
                self.errors.append(error)
        raise NeverEnds("every submit died")

    def finish(self, job_type: str, params: Any = None, **how: Any) -> dict[str, Any]:
        """Submit a job, run until the queues are empty and return its document."""
        job_id = self.submit(job_type, params, **how)
        self.run()
        return self.job(job_id)

    # What the host does

    def run(self, *, deliveries: int = 200_000, before_each: Callable[[], object] = lambda: None) -> int:
        """Work until the queues are empty, or for so many deliveries; return how many there were.

        A run that is put back to how it was `before_each` delivery goes on there (see `moments`).
        """
        done = waits = 0
        step_s = 1.0
        while done < deliveries:
            if not self._held:
                self._held += self.receive(min(self._batch, deliveries - done))
            if not self._held:
                if not any(self.store.queues.length(queue) for queue in QUEUES):
                    return done
                waits += 1
                if waits > 40:
                    raise NeverEnds(f"still waiting at {self.clock.now()}: {self.lengths()}; {self.errors[-3:]}")
                self.clock.advance(step_s)
                step_s = min(2 * step_s, LONGEST_WAIT_S)
                continue
            step_s, waits = 1.0, 0
            before_each()
            done += 1
            try:
                self.process(*self._held.pop(0))
            except Crash:
                self.crashed()
            except BaseException:
                self._held.clear()
                raise
        if deliveries == 200_000:
            raise NeverEnds(f"{done} deliveries, and still {self.lengths()}")
        return done

    def receive(self, limit: int) -> list[tuple[str, Delivery]]:
        """Take what is visible in the first queue that has something."""
        for queue in QUEUES:
            found = self.store.queues.receive(queue, limit=limit, visibility_s=LEASE_S)
            if found:
                return [(queue, delivery) for delivery in found]
        return []

    def process(self, queue: str, delivery: Delivery) -> None:
        """Handle one delivery as the host does."""
        queues = self.store.queues
        poison = None if queue.endswith(POISON_SUFFIX) else queue + POISON_SUFFIX
        if self._faults is not None:
            self._faults.begin_delivery(queue, delivery)
        self.clock.advance(0.001)
        DELIVERED.set((delivery.id, delivery.dequeue_count))
        try:
            if poison is not None and delivery.dequeue_count > MAX_DEQUEUE_COUNT:
                queues.send(poison, delivery.body)  # the last delivery died with its process
            else:
                self.processing.handle(queue, delivery)
            self._settle(lambda: queues.delete(queue, delivery))
        except self._survived as error:
            self._failed(queue, poison, delivery, error)

    def _failed(self, queue: str, poison: str | None, delivery: Delivery, error: Exception) -> None:
        self.errors.append(error)
        queues = self.store.queues
        with contextlib.suppress(JobkitError):  # the lease runs out, and it comes again
            if poison is not None and delivery.dequeue_count >= MAX_DEQUEUE_COUNT:
                queues.send(poison, delivery.body)
                self._settle(lambda: queues.delete(queue, delivery))
                return
            if delivery.dequeue_count > 40:
                raise NeverEnds(f"{delivery.dequeue_count} deliveries of {delivery.body}") from error
            pause_s = RETRY_VISIBILITY_S if poison is not None else POISON_RETRY_S
            self._settle(lambda: queues.extend(queue, delivery, visibility_s=pause_s))

    @staticmethod
    def _settle(do: Any) -> None:
        with contextlib.suppress(EntityChanged, EntityNotFound):  # a newer delivery does the rest
            do()

    def crashed(self) -> None:
        """Go on in a new process."""
        self.crashes += 1
        if self.crashes > 1_000:
            raise NeverEnds("crashed a thousand times")
        self.start()

    # What is there

    @property
    def repository(self) -> Repository:
        return Repository(self.store.tables)

    def job(self, job_id: str) -> dict[str, Any]:
        """The job's document."""
        return job_document(self.repository.get_chain(job_id))

    def tasks(self, job_id: str, stage: int = 1) -> list[dict[str, Any]]:
        """A stage's tasks, in index order, without their times."""
        record = self.repository.get_chain(job_id).find_stage(stage)
        assert record is not None
        return [
            {
                "index": task.ref.index,
                "status": task.status.value,
                "attempt": task.attempt,
                "params": None if task.params_json is None else json.loads(task.params_json),
                "result": None if task.result_json is None else json.loads(task.result_json),
                "error": error_document(task.error),
            }
            for task in self.repository.all_tasks(record)
        ]

    def lengths(self) -> dict[str, int]:
        """How many messages each queue holds, hidden ones included."""
        return {queue: self.store.queues.length(queue) for queue in QUEUES}

    def told(self, *actions: Action) -> list[Event]:
        """The events of some actions."""
        return [event for event in self.events if event.action in actions]

    def everything(self) -> dict[str, Any]:
        """Every row with its ETag, and every queue's length: equal when nothing has changed."""
        rows: dict[str, Any] = {
            table: [
                (entity.partition, entity.row, dict(entity.properties), entity.etag)
                for entity in self.store.tables.query(table, EVERYTHING)
            ]
            for table in TABLES
        }
        return rows | {"queues": self.lengths()}

    def poison_rows(self) -> list[tuple[str, str, str]]:
        """The messages that were kept because they could not be understood: queue, reason, text."""
        return [
            (str(p["queue"]), str(p["reason"]), str(p["body"]))
            for p in (entity.properties for entity in self.store.tables.query("index", "poison"))
        ]
