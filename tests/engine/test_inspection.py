"""What is read of a job: counts by markers, the slowest and failed tasks of a large stage, how an id came about."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Any

import pytest

from driver import Driver, ManualClock
from jobkit.runtime import BaseController, NotInId, Params, TaskContext, rows, stage
from jobkit.runtime.counting import Counting
from jobkit.runtime.model import Chain, Failure, StageRecord, StageState, Summary, TaskRef
from jobkit.runtime.outliers import find_outliers
from jobkit.runtime.provenance import find_provenance
from jobkit.runtime.repository import Repository
from jobkit.runtime.storage.ports import Entity, Insert, Store, Tables
from jobkit.runtime.summary import merge
from jobkit.runtime.timeline_reading import TimelineReading
from samples import one_stage, two_stages

Drive = Callable[..., Driver]
JOB = "0123456789abcdef0123456789abcdef"
TASKS = 30_000  # three groups of shards


class Reading:
    """A tables port that counts the entities that are read."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self.entities = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tables, name)

    def query(self, *arguments: Any, **named: Any) -> Iterator[Entity]:
        for entity in self._tables.query(*arguments, **named):
            self.entities += 1
            yield entity

    def spent(self) -> int:
        found, self.entities = self.entities, 0
        return found


@pytest.fixture
def reading(store: Store) -> Reading:
    return Reading(store.tables)


@pytest.fixture
def repository(reading: Reading) -> Repository:
    tables: Any = reading
    return Repository(tables)


def sealed() -> StageRecord:
    return StageRecord(job_id=JOB, number=1, name="Only", state=StageState.SEALED, round=1, plan="p", task_count=TASKS)


def ref(index: int) -> TaskRef:
    return TaskRef(job_id=JOB, stage=1, plan="p", index=index)


def write_shard(store: Store, clock: ManualClock, shard: int, *, failed: Sequence[int] = (), took_s: float = 1) -> None:
    """Write the rows of a shard whose tasks have all ended, its last one the longest."""
    inserts: list[Insert] = []
    for index in range(shard * 100, shard * 100 + 100):
        begun = clock.now()
        properties: dict[str, Any] = {
            "row_version": 1,
            "status": "failed" if index in failed else "completed",
            "attempt": 1,
            "round": 1,
            "queued_at": rows.write_time(begun),
            "started_at": rows.write_time(begun),
            "ended_at": rows.write_time(begun.replace(microsecond=int(index % 100 * took_s * 1_000))),
            "worker": "w",
        }
        if index in failed:
            rows.put_failure(properties, Failure(type="ValueError", message=f"task {index}"))
        inserts.append(
            Insert(Entity(partition=rows.ref_partition(ref(index)), row=rows.task_row(index), properties=properties))
        )
    store.tables.transact(rows.TASKS, inserts)


def mark(store: Store, shard: int, *, failed: int = 0, longest_s: float = 1) -> Summary:
    summary = Summary(completed=100 - failed, failed=failed, longest_s=longest_s, longest_index=shard * 100)
    Repository(store.tables).mark(ref(shard * 100), 1, 1, shard, summary)
    return summary


def test_a_large_stage_is_counted_by_the_markers_of_its_groups_and_shards(
    store: Store, repository: Repository, reading: Reading, clock: ManualClock
) -> None:
    group = merge([mark(store, shard, failed=shard == 7) for shard in range(100)])
    Repository(store.tables).mark(ref(0), 1, 2, 0, group)
    for shard in (100, 105):
        mark(store, shard)
    write_shard(store, clock, 101)
    counting = Counting(repository)

    first = counting.count(sealed())
    spent = reading.spent()
    again = counting.count(sealed())

    assert (first.summary.completed, first.summary.failed, first.open) == (10_000 + 200 + 100 - 1, 1, ())
    assert first.unseen == TASKS - 10_300
    assert (spent, reading.spent()) == (1 + 2 + 100, 1 + 2 + 100)  # the group, two shards, the rows of one
    assert again == first


def test_the_slowest_and_the_failed_tasks_of_a_large_stage_are_found_by_its_markers(
    store: Store, repository: Repository, reading: Reading, clock: ManualClock
) -> None:
    slow = {3: 90.0, 120: 80.0, 299: 70.0}
    summaries = {
        shard: mark(store, shard, failed=2 * (shard == 250), longest_s=slow.get(shard, 1)) for shard in range(300)
    }
    for group in range(3):
        of_group = merge(summaries[shard] for shard in range(100 * group, 100 * group + 100))
        Repository(store.tables).mark(ref(0), 1, 2, group, of_group)
    for shard, factor in ((3, 9), (120, 8), (299, 7), (250, 1)):
        write_shard(store, clock, shard, failed=(25_004, 25_009), took_s=factor)

    found = find_outliers(repository, sealed(), 2)

    assert [task.ref.index for task in found.slowest] == [399, 398, 397, 396, 395]
    assert [(task.ref.index, task.error) for task in found.failed] == [
        (index, Failure(type="ValueError", message=f"task {index}")) for index in (25_004, 25_009)
    ]
    assert (found.retried, found.is_whole) == ((), False)
    assert reading.spent() < 1_200


def test_a_timeline_of_a_large_stage_reads_some_shards_spread_over_it(
    store: Store, repository: Repository, reading: Reading, clock: ManualClock
) -> None:
    for shard in (0, 128, 299):
        write_shard(store, clock, shard)
    chain = Driver(store, [one_stage(lambda task: 1)], clock=clock).submitted("one_stage").chain
    whole = Chain(job=replace(chain.job, job_id=JOB), stages=(replace(sealed(), started_at=clock.now()),))

    reader = TimelineReading(repository)
    [found] = reader.read(whole, clock.now()).stages

    assert (found.scale, sorted({run.index // 100 for run in found.runs})) == (6.0, [0, 128, 299])
    assert reading.spent() == 300
    closed = replace(whole, stages=(replace(whole.stages[0], state=StageState.CLOSED, etag="e"),))
    assert [reader.read(closed, clock.now()).stages[0].scale for _ in range(2)] == [6.0, 6.0]
    assert reading.spent() == 300  # once


def test_a_watch_reads_of_a_closed_stage_nothing_again(drive: Drive, store: Store, reading: Reading) -> None:
    from jobkit.runtime.inspection import Inspection

    driver = drive(two_stages())
    job_id = driver.finish("two_stages", {"n": 5})["job_id"]
    tables: Any = reading
    reader = Driver(Store(tables, store.queues), [two_stages()], clock=driver.clock)
    inspection = Inspection(reader.service, store.queues, job_id)

    first = inspection.read()
    spent = reading.spent()
    again = inspection.read()

    assert (spent, reading.spent()) == (3 + 10, 3)  # job and stages; the tasks once
    assert (again.chain, again.outliers) == (first.chain, first.outliers)


class Secretive(Params):
    n: int = 1
    token: Annotated[str, NotInId] = "t"


class Hidden(BaseController[Secretive]):
    job_type = "hidden"

    @stage("First")
    def first(self, task: TaskContext[Secretive, None]) -> int:
        return 1

    @stage("Second")
    def second(self, task: TaskContext[Secretive, None]) -> int:
        return 2


def test_what_an_id_is_the_hash_of_is_found_from_the_row(drive: Drive) -> None:
    driver = drive(Hidden)
    whole = driver.submitted("hidden", {"token": "secret"}).chain.job
    driver.run()
    again = driver.submitted("hidden", {}, again=True).chain.job
    alone = driver.submitted("hidden", {}, stages=["2"], source_job=whole.job_id).chain.job
    listed = driver.submitted("hidden", {}, stages=["2"], source_list=[1]).chain.job

    found = [find_provenance(job) for job in (whole, again, alone, listed)]

    texts = [json.loads(each.canonical) for each in found if each is not None]
    assert [each.left_out for each in found if each is not None] == [("token",)] * 4
    assert [(text["params"], text["run"], text["stages"], text["source"]) for text in texts] == [
        ({"n": 1}, 1, None, None),
        ({"n": 1}, 2, None, None),
        ({"n": 1}, 1, [2], f"job:{whole.job_id}"),
        ({"n": 1}, 1, [2], listed.source),
    ]


def test_what_does_not_hash_to_the_id_is_not_told(drive: Drive) -> None:
    job = drive(Hidden).submitted("hidden").chain.job

    assert find_provenance(replace(job, version=2)) is None
    assert find_provenance(replace(job, params_json='["a"]')) is None
    assert find_provenance(replace(job, params_json=json.dumps({f"p{n}": n for n in range(40)}))) is None


def test_rows_are_read_again_only_where_open_tasks_were_seen(
    drive: Drive, store: Store, reading: Reading, repository: Repository, clock: ManualClock
) -> None:
    driver = drive(one_stage(abs))
    job_id = driver.submit("one_stage", {"n": 2_000})
    driver.run(deliveries=1)  # planned
    chain = repository.get_chain(job_id)
    counting = Counting(repository)
    count = counting.count(chain.stages[0])
    first = reading.spent()

    again = list(counting.open_again(chain.stages[0], count))

    assert [task.ref.index for task in again] == list(range(1_500)) == [task.ref.index for task in count.open]
    assert (first, reading.spent()) == (2 + 1_500, 1_500)
