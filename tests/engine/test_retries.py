"""A task that raises is tried again as its stage says, with a pause that doubles and jitters, then it has failed."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from driver import START, Driver
from faulty import Faulty
from invariants import check_invariants
from jobkit.runtime import BaseController, PermanentError, RetryLater, TaskContext, stage
from jobkit.runtime.events import Action
from samples import Count, one_stage, second_fails, second_fails_once

Drive = Callable[..., Driver]
DriveFaulty = Callable[..., tuple[Driver, Faulty]]


class FixedJitter(random.Random):
    """The jitter that adds nothing and takes nothing: half to one and a half of the pause, here one."""

    def random(self) -> float:
        return 0.5


def always(error: Callable[[TaskContext[Count, int]], BaseException]) -> Callable[[TaskContext[Count, int]], int]:
    def run(task: TaskContext[Count, int]) -> int:
        raise error(task)

    return run


def test_a_task_that_fails_once_is_tried_again_and_completes(drive: Drive) -> None:
    driver = drive(one_stage(second_fails_once, max_attempts=2))

    job = driver.finish("one_stage", {"n": 3})

    assert (job["status"], job["error"]) == ("completed", None)
    assert [
        (task["attempt"], task["status"], task["result"], task["error"]) for task in driver.tasks(job["job_id"])
    ] == [
        (1, "completed", 0, None),
        (2, "completed", 10, None),
        (1, "completed", 20, None),
    ]
    assert [(e.index, e.attempt, e.text) for e in driver.told(Action.RETRYING)] == [
        (1, 1, "ConnectionError: the first attempt always fails")
    ]
    check_invariants(driver.store, job["job_id"])


def test_without_max_attempts_a_task_is_tried_once(drive: Drive) -> None:
    driver = drive(one_stage(second_fails_once))

    job = driver.finish("one_stage", {"n": 3})

    assert job["status"] == "failed"
    assert [(task["attempt"], task["status"]) for task in driver.tasks(job["job_id"])] == [
        (1, "completed"),
        (1, "failed"),
        (1, "completed"),
    ]


def test_a_task_that_always_raises_is_tried_max_attempts_times_then_fails_its_job(drive: Drive) -> None:
    seen: list[int] = []

    def run(task: TaskContext[Count, int]) -> int:
        if task.index == 1:
            seen.append(task.attempt)
            raise OSError(f"no route, attempt {task.attempt}")
        return task.params

    driver = drive(one_stage(run, max_attempts=4, retry_delay=timedelta(0)))

    job = driver.finish("one_stage", {"n": 3})

    assert seen == [1, 2, 3, 4]
    assert job["status"] == "failed"
    assert job["result"] is None
    assert job["error"]["type"] == "StageFailed"
    assert job["error"]["message"] == (
        f"1 of 3 tasks of stage 1 'Only' failed: OSError: no route, attempt 4 (task {job['job_id'][:16]}-1-1)"
    )
    assert job["error"]["traceback"].startswith("Traceback (most recent call last):\n")
    assert job["error"]["traceback"].endswith(
        'raise OSError(f"no route, attempt {task.attempt}")\nOSError: no route, attempt 4'
    )
    tasks = driver.tasks(job["job_id"])
    assert [(task["status"], task["attempt"], task["result"]) for task in tasks] == [
        ("completed", 1, 0),
        ("failed", 4, None),
        ("completed", 1, 2),
    ]
    assert (tasks[1]["error"]["type"], tasks[1]["error"]["message"]) == ("OSError", "no route, attempt 4")
    assert "jobkit" not in tasks[1]["error"]["traceback"].replace("jobkit/runtime/controllers", "")
    check_invariants(driver.store, job["job_id"])


def sent_delays(faulty: Faulty) -> list[float]:
    return [round(delay_s, 3) for queue, delay_s in faulty.delays if queue == "tasks" and delay_s]


def test_the_pause_doubles_for_each_attempt_with_jitter_from_half_to_one_and_a_half(drive_faulty: DriveFaulty) -> None:
    driver, faulty = drive_faulty(
        one_stage(always(lambda task: OSError()), max_attempts=6, retry_delay=timedelta(seconds=3))
    )

    driver.finish("one_stage", {"n": 1})

    shares = [delay / pause for delay, pause in zip(sent_delays(faulty), [3, 6, 12, 24, 48], strict=True)]
    assert [0.5 <= share <= 1.5 for share in shares] == [True] * 5
    assert max(shares) - min(shares) > 0.1


def test_the_pause_grows_to_ten_minutes_and_no_further(drive_faulty: DriveFaulty) -> None:
    driver, faulty = drive_faulty(
        one_stage(always(lambda task: OSError()), max_attempts=8, retry_delay=timedelta(seconds=100)),
        rng=FixedJitter(1),
    )

    driver.finish("one_stage", {"n": 1})

    assert sent_delays(faulty) == [100.0, 200.0, 400.0, 600.0, 600.0, 600.0, 600.0]


def test_a_retry_delay_of_more_than_ten_minutes_is_kept(drive_faulty: DriveFaulty) -> None:
    driver, faulty = drive_faulty(
        one_stage(always(lambda task: OSError()), max_attempts=3, retry_delay=timedelta(hours=1)), rng=FixedJitter(1)
    )

    driver.finish("one_stage", {"n": 1})

    assert sent_delays(faulty) == [3600.0, 3600.0]


def test_the_next_attempt_does_not_start_before_its_pause_is_over(drive: Drive) -> None:
    started: list[timedelta] = []

    def run(task: TaskContext[Count, int]) -> int:
        started.append(driver.clock.now() - START)
        raise OSError

    driver = drive(one_stage(run, max_attempts=3, retry_delay=timedelta(seconds=30)), rng=FixedJitter(1))

    driver.finish("one_stage", {"n": 1})

    gaps = [(later - earlier).total_seconds() for earlier, later in itertools.pairwise(started)]
    assert len(gaps) == 2
    assert 30 <= gaps[0] < 70
    assert 60 <= gaps[1] < 130


def test_retry_later_sets_the_pause_and_uses_up_an_attempt(drive_faulty: DriveFaulty) -> None:
    driver, faulty = drive_faulty(
        one_stage(always(lambda task: RetryLater(timedelta(seconds=90), "quota")), max_attempts=3)
    )

    job = driver.finish("one_stage", {"n": 1})

    assert sent_delays(faulty) == [90.0, 90.0]
    assert [
        (t["status"], t["attempt"], t["error"]["type"], t["error"]["message"]) for t in driver.tasks(job["job_id"])
    ] == [("failed", 3, "RetryLater", "quota")]


def test_retry_later_of_nothing_starts_at_once(drive_faulty: DriveFaulty) -> None:
    driver, faulty = drive_faulty(one_stage(always(lambda task: RetryLater(timedelta(0))), max_attempts=2))

    driver.finish("one_stage", {"n": 1})

    assert [delay for queue, delay in faulty.delays if queue == "tasks"] == [0.0, 0.0]


def test_a_pause_of_more_than_seven_days_is_waited_for_in_parts(drive_faulty: DriveFaulty) -> None:
    started: list[timedelta] = []

    def run(task: TaskContext[Count, int]) -> int:
        started.append(driver.clock.now() - START)
        if task.attempt == 1:
            raise RetryLater(timedelta(days=17))
        return task.attempt

    driver, faulty = drive_faulty(one_stage(run, max_attempts=2))

    job = driver.finish("one_stage", {"n": 1})

    assert [task["result"] for task in driver.tasks(job["job_id"])] == [2]
    assert started[1] - started[0] >= timedelta(days=17)
    week_s = 7 * 24 * 3600.0
    assert sent_delays(faulty)[0] == week_s
    assert all(delay <= week_s for delay in sent_delays(faulty))
    check_invariants(driver.store, job["job_id"], faulty.history)


def test_a_permanent_error_ends_the_tries(drive: Drive) -> None:
    driver = drive(one_stage(second_fails, max_attempts=9))

    job = driver.finish("one_stage", {"n": 3})

    assert driver.told(Action.RETRYING) == []
    assert [(task["status"], task["attempt"], task["result"]) for task in driver.tasks(job["job_id"])] == [
        ("completed", 1, 0),
        ("failed", 1, None),
        ("completed", 1, 20),
    ]
    assert job["error"]["message"] == (
        f"1 of 3 tasks of stage 1 'Only' failed: PermanentError: this one is broken (task {job['job_id'][:16]}-1-1)"
    )


def test_many_failures_are_counted_and_the_first_by_index_is_shown(drive: Drive) -> None:
    def run(task: TaskContext[Count, int]) -> int:
        if task.index % 2:
            raise ValueError(f"odd {task.index}") if task.index > 50 else KeyError(task.index)
        return task.index

    driver = drive(one_stage(run))

    job = driver.finish("one_stage", {"n": 230})

    assert (job["stages"][0]["completed"], job["stages"][0]["failed"]) == (115, 115)
    assert job["error"]["message"] == (
        f"115 of 230 tasks of stage 1 'Only' failed: KeyError: 1 (task {job['job_id'][:16]}-1-1)"
    )
    check_invariants(driver.store, job["job_id"])


def test_the_stage_after_a_failed_one_is_never_planned(drive: Drive) -> None:
    class Broken(BaseController[Count]):
        job_type = "broken"

        @stage("One")
        def one(self, task: TaskContext[Count, Any]) -> int:
            raise OSError

        @stage("Two")
        def two(self, task: TaskContext[Count, Any]) -> int:
            return 2

    driver = drive(Broken)

    job = driver.finish("broken")

    assert [(s["number"], s["status"], s["task_count"], s["failed"]) for s in job["stages"]] == [
        (1, "failed", 1, 1),
        (2, "queued", None, 0),
    ]
    check_invariants(driver.store, job["job_id"])


def test_a_delay_before_now_is_refused_where_it_is_written() -> None:
    with pytest.raises(ValueError, match="RetryLater needs a delay from 0 to 365 days, not -1 day, 23:59:59"):
        RetryLater(timedelta(seconds=-1))


def test_an_attempt_counts_from_one_and_permanent_error_is_an_exception_like_any(drive: Drive) -> None:
    attempts: list[int] = []

    def run(task: TaskContext[Count, int]) -> int:
        attempts.append(task.attempt)
        raise (PermanentError() if task.attempt == 2 else OSError())

    driver = drive(one_stage(run, max_attempts=5, retry_delay=timedelta(0)))

    job = driver.finish("one_stage", {"n": 1})

    assert attempts == [1, 2]
    assert driver.tasks(job["job_id"])[0]["error"]["message"] == "PermanentError()"
