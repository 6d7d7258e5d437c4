"""A store of several jobs: some that a test meddles with, and two beside them that nothing may happen to."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from clocks import ManualClock
from driver import EVERYTHING, TABLES, Driver
from invariants import outcome
from jobkit.local.memory import MemoryStore
from jobkit.runtime import BaseController, JobContext, TaskContext, stage
from jobkit.runtime.concerns import find_concerns
from jobkit.runtime.counting import Counting
from jobkit.runtime.documents import job_document, poison_document, tasks_document
from jobkit.runtime.errors import JobkitError
from jobkit.runtime.inspected_documents import diagnosis_document
from jobkit.runtime.inspection import Inspection
from jobkit.runtime.installation import Glance
from jobkit.runtime.installation_documents import installation_document, jobs_document
from jobkit.runtime.invariants import broken_invariants
from jobkit.runtime.listing import list_jobs, list_tasks
from jobkit.runtime.messages import JOBS_QUEUE, POISON_SUFFIX
from jobkit.runtime.operator import Operator
from jobkit.runtime.overview import Order
from jobkit.runtime.poison_choice import Wanted
from jobkit.runtime.poison_search import PoisonSearch
from jobkit.runtime.rows import is_shard
from jobkit.runtime.selection import Selection
from jobkit.runtime.storage.ports import Entity, Tables
from moments import Moment
from samples import Count, one_stage, second_fails, two_stages

LONG = 300_000  # characters of a result in two parts

Rows = list[tuple[str, str, str, dict[str, Any], str]]


class Wide(BaseController[Count]):
    """More tasks than a shard holds, in batches, and a long result."""

    job_type = "wide"

    @stage("Many", batch=50)
    def many(self, task: TaskContext[Count, int]) -> int:
        return task.params

    @many.fan_out
    def numbers(self, job: JobContext[Count]) -> Iterator[int]:
        yield from range(job.params.n)

    @stage("Sum")
    def add(self, task: TaskContext[Count, None]) -> int:
        return sum(result.value for result in task.job.results(self.many))

    def aggregate(self, job: JobContext[Count]) -> str:
        return "x" * LONG


def rows_of(tables: Tables, job_id: str) -> Rows:
    """Every row of a job with its ETag, in all tables: equal when nothing has happened to it."""
    return [
        (table, entity.partition, entity.row, dict(entity.properties), entity.etag)
        for table in TABLES
        for entity in tables.query(table, EVERYTHING)
        if job_id in entity.partition + entity.row
    ]


class Neighbours:
    """A store with a job that has ended and one that waits, which nobody may touch.

    `put_back` makes all as it was when `keep` was called, so that the jobs are run once for all examples of a test.
    """

    def __init__(self, *controllers: type[BaseController[Any]]) -> None:
        alone = Driver(_new_store(clock := ManualClock()), [two_stages()], clock=clock)
        self._waiting = outcome(alone.store, alone.finish("two_stages", {"n": 4})["job_id"])
        self.clock = ManualClock()
        self.store = _new_store(self.clock)
        self.driver = Driver(self.store, [two_stages(), *controllers], clock=self.clock, batch=1)
        self.ended = self.driver.submit("two_stages", {"n": 2})
        self.driver.run()
        self._ended = rows_of(self.store.tables, self.ended)
        assert {row[0] for row in self._ended} == set(TABLES)

    def keep(self) -> None:
        """Submit the one that waits; this is how all is to be at the beginning of each example."""
        self.waiting = self.driver.submit("two_stages", {"n": 4})
        self._moment = Moment(self.driver)

    def put_back(self) -> None:
        self._moment.put_back()

    def run(self, deliveries: int = 300) -> None:
        """Work on: nothing but jobkit's own errors may come out. What was made unworkable may stay in a poison queue."""
        self.driver.run(deliveries=deliveries)

    def look(self, *job_ids: str) -> None:
        """Show all there is, and these jobs, as `inspect` does: by no other error than jobkit's own."""
        service, repository, queues = self.driver.service, self.driver.repository, self.store.queues
        now, each = self.clock.now(), service.outbox.each
        searching = partial(PoisonSearch(service, queues).find, Wanted(), take=True)
        _show(lambda: poison_document(searching()))
        for order in (Order.CREATED, Order.UPDATED):
            listing = partial(list_jobs, repository, Selection(), each=each, now=now, limit=100, order=order)
            _show(lambda listing=listing: jobs_document(listing()))

        def diagnose(job_id: str) -> Any:
            return Inspection(service, queues, job_id).diagnose()

        def glance() -> Any:
            found = Glance(repository, queues, each=each).read(now, living=None)
            return installation_document(found, list(find_concerns(found, diagnose=diagnose, store="")))

        _show(glance)
        for job_id in (self.ended, self.waiting, *job_ids):
            _show(lambda job_id=job_id: self._show_job(job_id))
            _show(lambda job_id=job_id: diagnosis_document(diagnose(job_id)))
            for number in (1, 2):
                _show(lambda job_id=job_id, number=number: self._show_tasks(job_id, number))

    def check(self) -> None:
        """Nothing has happened to the one that had ended, and the other one has come to what it comes to alone."""
        assert rows_of(self.store.tables, self.ended) == self._ended
        assert outcome(self.store, self.waiting) == self._waiting

    def _show_job(self, job_id: str) -> object:
        repository = self.driver.repository
        chain = repository.get_chain(job_id)
        broken_invariants(repository, chain)
        summaries = Counting(repository).open_summaries(chain)
        return job_document(chain, summaries, audits=repository.audits(job_id))

    def _show_tasks(self, job_id: str, number: int) -> object:
        repository = self.driver.repository
        record = repository.get_chain(job_id).find_stage(number)
        return record and tasks_document(list_tasks(repository, record, first=0, limit=1_000, status=None))


class EveryRow(Neighbours):
    """Neighbours of jobs that have rows of every kind, in all the states that rows can be found in."""

    def __init__(self) -> None:
        super().__init__(Wide, one_stage(second_fails))
        driver = self.driver
        self.store.queues.send(JOBS_QUEUE, "foreign")
        self.long = driver.submit("wide", {"n": 1})
        self.failed = driver.submit("one_stage", {"n": 3})
        driver.run()
        self.half_done = driver.submit("wide", {"n": 101})
        driver.run(deliveries=3)  # the plan, and the two batches of the first shard
        Operator(driver.service, by="somebody").cancel(self.half_done, now=True)
        self.listed = driver.submit("two_stages", {"n": 3}, stages=["2"], source_list=[{"square": 4}, {"square": 9}])
        self.store.queues.send(JOBS_QUEUE + POISON_SUFFIX, "foreign, and not yet kept")
        self.keep()

    @property
    def meddled(self) -> tuple[str, ...]:
        """The jobs that a test may do anything to."""
        return (self.long, self.failed, self.half_done, self.listed)

    def rows(self) -> dict[str, list[tuple[str, Entity]]]:
        """All rows but those of the neighbours, by their kind."""
        found: dict[str, list[tuple[str, Entity]]] = {}
        for table in TABLES:
            for entity in self.store.tables.query(table, EVERYTHING):
                if not any(job_id in entity.partition + entity.row for job_id in (self.ended, self.waiting)):
                    found.setdefault(kind_of(table, entity), []).append((table, entity))
        return found


def kind_of(table: str, entity: Entity) -> str:
    """Name what a row is."""
    if table == "tasks":
        return "task" if is_shard(entity.partition) else "marker"
    if entity.partition == "poison":
        return "kept poison"
    return "end-now" if entity.row.startswith("end-now-") else entity.row.partition("-")[0]


def _show(read: Callable[[], object]) -> None:
    with contextlib.suppress(JobkitError):
        read()


def _new_store(clock: ManualClock) -> Any:
    return MemoryStore(clock=clock, rng=random.Random(7)).store
