"""What the options of a stage do, at their edges."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from driver import Crash, Driver, ManualClock, new_store
from faulty import Faulty
from invariants import check_invariants
from jobkit.runtime import BaseController, JobContext, PermanentError, TaskContext, stage
from jobkit.runtime.events import Action
from samples import Count, one_stage

Drive = Callable[..., Driver]
DriveFaulty = Callable[..., tuple[Driver, Faulty]]
Task = TaskContext[Count, int]


def broken(*indexes: int) -> Callable[[Task], int]:
    """Fail the tasks of some indexes."""

    def run(task: Task) -> int:
        if task.index in indexes:
            raise PermanentError(f"task {task.index} is broken")
        return task.index

    return run


def states(driver: Driver, job_id: str, stage: int = 1) -> list[tuple[str, int, Any]]:
    return [(t["status"], t["attempt"], t["result"]) for t in driver.tasks(job_id, stage)]


# tolerated_failures and on_failure


@pytest.mark.parametrize(
    ("tolerated", "n", "failing", "status"),
    [
        (0, 3, 0, "completed"),
        (0, 3, 1, "failed"),
        (2, 4, 2, "completed"),
        (2, 4, 3, "failed"),
        (4, 4, 4, "completed"),
        (9, 4, 4, "completed"),
        (0.5, 4, 2, "completed"),
        (0.5, 4, 3, "failed"),
        (0.5, 3, 1, "completed"),
        (0.5, 3, 2, "failed"),
        (0.29, 100, 29, "completed"),
        (0.29, 100, 30, "failed"),
        (0.0, 2, 1, "failed"),
        (1.0, 101, 101, "completed"),
        (0.01, 101, 1, "completed"),
        (0.01, 101, 2, "failed"),
    ],
)
def test_a_tolerance_is_met_exactly_or_passed_by_one(
    drive: Drive, tolerated: float, n: int, failing: int, status: str
) -> None:
    driver = drive(one_stage(broken(*range(failing)), tolerated_failures=tolerated))

    job = driver.finish("one_stage", {"n": n})

    found = job["stages"][0]
    assert (job["status"], found["status"], found["completed"], found["failed"]) == (
        status,
        status,
        n - failing,
        failing,
    )
    if status == "failed":
        assert job["error"]["message"] == (
            f"{failing} of {n} tasks of stage 1 'Only' failed: PermanentError: task 0 is broken "
            f"(task {job['job_id'][:16]}-1-0)"
        )
    check_invariants(driver.store, job["job_id"])


@pytest.mark.parametrize(
    ("tolerated", "status"), [(3, "completed"), (2, "failed"), (0.5, "completed"), (0.4, "failed")]
)
def test_retried_and_poisoned_tasks_count_when_they_have_failed_for_good(
    drive_faulty: DriveFaulty, tolerated: float, status: str
) -> None:
    def run(task: Task) -> int:
        if task.index == 1:
            faulty.dead = True  # the worker dies, each time
            raise Crash
        if task.index == 3:
            raise PermanentError("broken")
        if task.index == 4 or (task.index == 0 and task.attempt == 1):
            raise ConnectionError("no route")
        return task.index

    driver, faulty = drive_faulty(one_stage(run, max_attempts=2, tolerated_failures=tolerated), batch=1)

    job = driver.finish("one_stage", {"n": 6})

    assert (job["status"], driver.crashes) == (status, 5)
    assert [(t["status"], t["attempt"], t["error"] and t["error"]["type"]) for t in driver.tasks(job["job_id"])] == [
        ("completed", 2, None),
        ("failed", 1, "PoisonMessage"),
        ("completed", 1, None),
        ("failed", 1, "PermanentError"),
        ("failed", 2, "ConnectionError"),
        ("completed", 1, None),
    ]
    check_invariants(driver.store, job["job_id"], faulty.history)


def two_with(first: Callable[[Task], int], **options: Any) -> type[BaseController[Count]]:
    """A stage with options, and one task that sees what it left."""

    class TwoWith(BaseController[Count]):
        job_type = "two_with"

        @stage("First", **options)
        def first(self, task: Task) -> int:
            return first(task)

        @first.fan_out
        def numbers(self, job: JobContext[Count]) -> Iterator[int]:
            yield from range(job.params.n)

        @stage("Second")
        def second(self, task: TaskContext[Count, None]) -> dict[str, Any]:
            return {
                "done": [(r.index, r.value) for r in task.job.results(type(self).first)],
                "failed": [(f.index, f.error.message) for f in task.job.results(type(self).first, failed=True)],
            }

    return TwoWith


@pytest.mark.parametrize("options", [{"on_failure": "continue"}, {"tolerated_failures": 2}])
def test_a_job_that_goes_on_over_failures_can_read_both(drive: Drive, options: dict[str, Any]) -> None:
    driver = drive(two_with(broken(0, 2), **options))

    job = driver.finish("two_with", {"n": 4})

    assert (job["status"], states(driver, job["job_id"], 2)) == (
        "completed",
        [
            (
                "completed",
                1,
                {"done": [[1, 1], [3, 3]], "failed": [[0, "task 0 is broken"], [2, "task 2 is broken"]]},
            )
        ],
    )


# stop


@pytest.mark.parametrize("store", ["memory"], indirect=True)  # the pages of another store are those of any long job
def test_a_failure_stops_ten_thousand_queued_tasks_in_pages(drive_faulty: DriveFaulty) -> None:
    ran: list[int] = []

    def run(task: Task) -> int:
        ran.append(task.index)
        return broken(3)(task)

    driver, faulty = drive_faulty(one_stage(run, on_failure="stop"), batch=16)

    job = driver.finish("one_stage", {"n": 10_000})

    job_id = job["job_id"]
    assert (job["status"], job["error"]["type"], job["error"]["message"]) == (
        "failed",
        "StageFailed",
        f"the stage was stopped over task {job_id[:16]}-1-3: PermanentError: task 3 is broken",
    )
    assert len(ran) < 200
    assert job["stages"][0]["task_count"] == 10_000
    tasks = driver.tasks(job_id)
    assert Counter((t["status"], t["error"] and t["error"]["type"]) for t in tasks) == {
        ("completed", None): len(ran) - 1,
        ("failed", "PermanentError"): 1,
        ("failed", "Stopped"): 10_000 - len(ran),
    }
    settled = next(t for t in tasks if t["error"] and t["error"]["type"] == "Stopped")
    assert settled["error"]["message"] == f"not started: {job['error']['message']}"
    assert (
        sum(call.verb == "send" and call.place == "jobs" for call in faulty.calls) == 23
    )  # plan, 10 dispatch, stop, 10 settle, complete
    check_invariants(driver.store, job_id, faulty.history)


def test_a_stop_over_a_long_error_is_more_than_one_transaction_takes_and_ends_all_the_same(drive: Drive) -> None:
    def run(task: Task) -> int:
        raise PermanentError("\N{GRINNING FACE}" * 4_000)  # 12 bytes each in a transaction, as escapes

    driver = drive(one_stage(run, on_failure="stop", max_parallel=1))  # the rest of its lane waits for the stop

    job = driver.finish("one_stage", {"n": 100})

    assert (job["status"], driver.errors) == ("failed", [])
    assert [task["error"]["type"] for task in driver.tasks(job["job_id"])] == ["PermanentError", *["Stopped"] * 99]
    check_invariants(driver.store, job["job_id"])


def test_a_stop_with_a_tolerance_is_judged_when_a_shard_ends(drive: Drive) -> None:
    ran: list[int] = []

    def run(task: Task) -> int:
        ran.append(task.index)
        return broken(5, 7, 250)(task)

    driver = drive(one_stage(run, on_failure="stop", tolerated_failures=1))

    job = driver.finish("one_stage", {"n": 1_000})

    assert (job["status"], job["error"]["message"]) == (
        "failed",
        f"the stage was stopped over task {job['job_id'][:16]}-1-5: PermanentError: task 5 is broken",
    )
    assert 100 <= len(ran) < 200
    check_invariants(driver.store, job["job_id"])


def test_a_stop_whose_tolerance_is_met_stops_nothing(drive: Drive) -> None:
    driver = drive(one_stage(broken(5, 7, 150), on_failure="stop", tolerated_failures=3))

    job = driver.finish("one_stage", {"n": 301})

    assert (job["status"], job["stages"][0]["completed"], job["stages"][0]["failed"]) == ("completed", 298, 3)


def test_a_retry_that_comes_due_in_a_stopped_stage_is_not_run(drive: Drive) -> None:
    ran: list[tuple[int, int]] = []

    def run(task: Task) -> int:
        ran.append((task.index, task.attempt))
        if task.index == 0:
            raise ConnectionError("later")
        return broken(1)(task)

    driver = drive(one_stage(run, on_failure="stop", max_attempts=2, retry_delay=timedelta(hours=1)))

    job = driver.finish("one_stage", {"n": 2})

    assert (job["status"], ran) == ("failed", [(0, 1), (1, 1)])
    assert [(t["status"], t["attempt"], t["error"]["type"]) for t in driver.tasks(job["job_id"])] == [
        ("failed", 2, "Stopped"),
        ("failed", 1, "PermanentError"),
    ]
    check_invariants(driver.store, job["job_id"])


# max_parallel


@pytest.mark.parametrize(("n", "lanes"), [(0, 1), (1, 1), (5, 1), (5, 2), (5, 5), (5, 99), (101, 1), (230, 7)])
def test_lanes_run_every_task_in_their_order(drive_faulty: DriveFaulty, n: int, lanes: int) -> None:
    ran: list[int] = []

    def run(task: Task) -> int:
        ran.append(task.index)
        return task.index

    driver, faulty = drive_faulty(one_stage(run, max_parallel=lanes))

    job = driver.finish("one_stage", {"n": n})

    assert (job["status"], job["stages"][0]["completed"]) == ("completed", n)
    for lane in range(lanes):
        assert [index for index in ran if index % lanes == lane] == list(range(lane, n, lanes))
    check_invariants(driver.store, job["job_id"], faulty.history)


def test_a_lane_of_more_than_a_page_starts_in_ranges(drive_faulty: DriveFaulty) -> None:
    driver, faulty = drive_faulty(one_stage(broken(), max_parallel=1_500))

    job = driver.finish("one_stage", {"n": 2_100})

    assert (job["status"], job["stages"][0]["completed"]) == ("completed", 2_100)
    check_invariants(driver.store, job["job_id"], faulty.history)


def test_a_lane_whose_message_is_poisoned_goes_on(drive_faulty: DriveFaulty) -> None:
    def run(task: Task) -> int:
        if task.index == 1:
            faulty.dead = True
            raise Crash
        return task.index

    driver, faulty = drive_faulty(one_stage(run, max_parallel=1, on_failure="continue"), batch=1)

    job = driver.finish("one_stage", {"n": 4})

    assert (job["status"], states(driver, job["job_id"])) == (
        "completed",
        [("completed", 1, 0), ("failed", 1, None), ("completed", 1, 2), ("completed", 1, 3)],
    )
    check_invariants(driver.store, job["job_id"], faulty.history)


def test_a_failed_task_of_a_lane_stops_it_there(drive_faulty: DriveFaulty) -> None:
    ran: list[int] = []

    def run(task: Task) -> int:
        ran.append(task.index)
        return broken(2)(task)

    driver, faulty = drive_faulty(one_stage(run, max_parallel=1, on_failure="stop"))

    job = driver.finish("one_stage", {"n": 1_000})

    assert (job["status"], ran) == ("failed", [0, 1, 2])
    sent = [call for call in faulty.calls if (call.verb, call.place) == ("send", "tasks")]
    assert len(sent) == 3  # another instance might run the fourth before the stop
    check_invariants(driver.store, job["job_id"], faulty.history)


# batch


@pytest.mark.parametrize(
    ("n", "batch", "sent"),
    [(0, 50, 0), (1, 50, 1), (49, 50, 1), (50, 50, 1), (51, 50, 2), (101, 100, 2), (250, 30, 10), (7, 1, 7)],
)
def test_a_batch_is_one_message_for_so_many_tasks_of_a_shard(
    drive_faulty: DriveFaulty, n: int, batch: int, sent: int
) -> None:
    driver, faulty = drive_faulty(one_stage(broken(), batch=batch))

    job = driver.finish("one_stage", {"n": n})

    assert (job["status"], job["stages"][0]["completed"]) == ("completed", n)
    assert [t["result"] for t in driver.tasks(job["job_id"])] == list(range(n))
    assert sum(call.verb == "send" and call.place == "tasks" for call in faulty.calls) == sent
    check_invariants(driver.store, job["job_id"], faulty.history)


def test_of_a_batch_only_the_failing_task_is_retried(drive: Drive) -> None:
    ran: Counter[tuple[int, int]] = Counter()

    def run(task: Task) -> int:
        ran[task.index, task.attempt] += 1
        if task.index == 25 and task.attempt == 1:
            raise ConnectionError("once")
        return task.index

    driver = drive(one_stage(run, batch=50, max_attempts=2))

    job = driver.finish("one_stage", {"n": 50})

    assert ran == {**{(index, 1): 1 for index in range(50)}, (25, 2): 1}
    assert states(driver, job["job_id"]) == [("completed", 2 if i == 25 else 1, i) for i in range(50)]
    check_invariants(driver.store, job["job_id"])


def test_a_crash_in_the_middle_of_a_batch_runs_it_again(drive_faulty: DriveFaulty) -> None:
    ran: Counter[int] = Counter()

    def run(task: Task) -> int:
        ran[task.index] += 1
        if task.index == 25 and ran[25] == 1:
            faulty.dead = True
            raise Crash
        return task.index

    driver, faulty = drive_faulty(one_stage(run, batch=50))

    job = driver.finish("one_stage", {"n": 50})

    # The dead worker's code went on to the end of the batch here: only its calls were cut off.
    assert (driver.crashes, set(ran.values())) == (1, {2})
    assert states(driver, job["job_id"]) == [("completed", 1, i) for i in range(50)]
    check_invariants(driver.store, job["job_id"], faulty.history)


def test_a_task_that_kills_its_worker_fails_alone_and_its_batch_does_not(drive_faulty: DriveFaulty) -> None:
    def run(task: Task) -> int:
        if task.index == 2:
            faulty.dead = True
            raise Crash
        return task.index

    driver, faulty = drive_faulty(one_stage(run, batch=5, on_failure="continue"), batch=1)

    job = driver.finish("one_stage", {"n": 5})

    assert (job["status"], driver.crashes, states(driver, job["job_id"])) == (
        "completed",
        10,
        [
            ("completed", 2, 0),
            ("completed", 2, 1),
            ("failed", 2, None),
            ("completed", 2, 3),
            ("completed", 2, 4),
        ],
    )
    assert driver.tasks(job["job_id"])[2]["error"]["type"] == "PoisonMessage"
    check_invariants(driver.store, job["job_id"], faulty.history)


def test_the_results_of_a_batch_may_pass_what_a_transaction_takes(drive: Drive) -> None:
    driver = drive(one_stage(lambda task: "x" * 250_000, batch=50, aggregate=lambda job: None))

    job = driver.finish("one_stage", {"n": 50})

    assert (job["status"], job["stages"][0]["completed"]) == ("completed", 50)
    assert {len(t["result"]) for t in driver.tasks(job["job_id"])} == {250_000}
    check_invariants(driver.store, job["job_id"])


def test_progress_within_a_batch_moves_no_other_row(drive: Drive) -> None:
    def run(task: Task) -> int:
        task.progress(1, 2, "half")
        return task.index

    driver = drive(one_stage(run, batch=3))

    job = driver.finish("one_stage", {"n": 3})

    assert states(driver, job["job_id"]) == [("completed", 1, i) for i in range(3)]
    assert sum(event.action is Action.CLAIMED for event in driver.events) == 3


def test_ten_thousand_tasks_in_batches_of_50_cost_a_sixth_of_a_storage_transaction_each(tmp_path: Path) -> None:
    clock = ManualClock()
    with new_store("memory", clock=clock, folder=tmp_path) as store:
        faulty = Faulty(store)
        driver = Driver(faulty.store, [one_stage(broken(), batch=50)], clock=clock, faults=faulty)

        job = driver.finish("one_stage", {"n": 10_000})

    assert job["status"] == "completed"
    assert Counter(call.verb for call in faulty.calls) == {  # and 14 receives of up to 16 messages
        "transact": 504,  # 100 of planning, 200 claims, 200 records, 4 of the job
        "query": 629,  # 200 reads of the rows, 200 checks, what follows the shards, and the job
        "send": 212,
        "remove": 212,
        "upsert": 100,  # the shards' markers
        "get": 4,
        "update": 2,
        "delete": 1,
    }


# skip_if


def skipping(*stages: int) -> type[BaseController[Count]]:
    def skips(number: int) -> Callable[[JobContext[Count]], bool]:
        return lambda job: number in stages and job.params.n == 2

    class Skipping(BaseController[Count]):
        job_type = "skipping"

        @stage("One", skip_if=skips(1))
        def one(self, task: TaskContext[Count, None]) -> int:
            return 1

        @stage("Two", skip_if=skips(2))
        def two(self, task: TaskContext[Count, None]) -> int:
            return 2 + sum(r.value for r in task.job.results(type(self).one))

        @stage("Three", skip_if=skips(3))
        def three(self, task: TaskContext[Count, None]) -> int:
            return 3 + sum(r.value for r in task.job.results(type(self).two))

        def aggregate(self, job: JobContext[Count]) -> list[int]:
            return [r.value for s in self.stages for r in job.results(s)]

    return Skipping


@pytest.mark.parametrize(
    ("skipped", "result"),
    [((), [1, 3, 6]), ((1,), [2, 5]), ((2,), [1, 3]), ((3,), [1, 3]), ((1, 2), [3]), ((1, 2, 3), [])],
)
def test_a_skipped_stage_closes_with_no_task_and_the_job_goes_on(
    drive: Drive, skipped: tuple[int, ...], result: list[int]
) -> None:
    driver = drive(skipping(*skipped))

    job = driver.finish("skipping", {"n": 2})

    assert (job["status"], job["result"]) == ("completed", result)
    assert [(s["status"], s["skipped"], s["task_count"]) for s in job["stages"]] == [
        ("completed", number in skipped, 0 if number in skipped else 1) for number in (1, 2, 3)
    ]
    check_invariants(driver.store, job["job_id"])


def test_a_skip_if_that_raises_fails_the_job_with_that_error(drive: Drive) -> None:
    driver = drive(one_stage(broken(), skip_if=lambda job: 1 / 0))  # type: ignore[arg-type,return-value]

    job = driver.finish("one_stage", {"n": 2})

    assert (job["status"], job["error"]["type"], job["error"]["message"]) == (
        "failed",
        "ZeroDivisionError",
        "planning stage 1 'Only' failed: division by zero",
    )
    check_invariants(driver.store, job["job_id"])
