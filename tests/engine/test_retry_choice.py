"""A retry may mean one stage, or single tasks: the others stay as they are, and count again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from driver import Driver
from invariants import check_invariants
from jobkit.runtime import BaseController, JobContext, PermanentError, TaskContext, stage
from jobkit.runtime.errors import InvalidRetry, NothingToRetry
from jobkit.runtime.model import task_id
from jobkit.runtime.operator import Operator
from samples import Count, one_stage

Drive = Callable[..., Driver]
OPTIONS: list[dict[str, Any]] = [{}, {"max_parallel": 2}, {"batch": 10}]


class Flaky:
    """A task that fails for some items; remembers which it ran."""

    def __init__(self, *bad: int) -> None:
        self.bad = set(bad)
        self.ran: list[int] = []

    def __call__(self, task: Any) -> int:
        self.ran.append(task.index)
        if task.index in self.bad:
            raise PermanentError(f"task {task.index} is broken")
        return 2 * int(task.params)


def retry(driver: Driver, job_id: str, flaky: Flaky, *, mended: bool = True, **choice: Any) -> None:
    flaky.ran.clear()
    if mended:
        flaky.bad.clear()
    Operator(driver.service, by="ann@desk").retry(job_id, **choice)
    driver.run()
    check_invariants(driver.store, job_id)


def counts(job: dict[str, Any]) -> tuple[str, int, int]:
    return job["status"], job["stages"][0]["completed"], job["stages"][0]["failed"]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_of_three_failed_tasks_one_runs_again_then_the_other_two(drive: Drive, options: dict[str, Any]):
    flaky = Flaky(0, 99, 100)
    driver = drive(one_stage(flaky, **options))
    job_id = driver.finish("one_stage", {"n": 205})["job_id"]

    retry(driver, job_id, flaky, tasks=[task_id(job_id, 1, 99)])
    one, ran_one = driver.job(job_id), list(flaky.ran)
    retry(driver, job_id, flaky)
    two = driver.job(job_id)

    assert (counts(one), ran_one) == (("failed", 203, 2), [99])
    assert (counts(two), sorted(flaky.ran)) == (("completed", 205, 0), [0, 100])


def test_tasks_are_named_by_their_indexes_in_a_stage_too(drive: Drive):
    flaky = Flaky(1, 3, 5)
    driver = drive(one_stage(flaky, tolerated_failures=1))
    job_id = driver.finish("one_stage", {"n": 6})["job_id"]

    retry(driver, job_id, flaky, stage="only", tasks=["3", task_id(job_id, 1, 5)])

    assert (counts(driver.job(job_id)), sorted(flaky.ran)) == (("completed", 5, 1), [3, 5])
    assert [audit.action for audit in driver.repository.audits(job_id)] == [
        f"retry of stage only, tasks 3, {task_id(job_id, 1, 5)}"
    ]


def tolerant(flaky: Flaky, seen: list[list[int]]) -> type[BaseController[Count]]:
    """A first stage whose failures do not matter, and one that adds up what it gave."""

    class Tolerant(BaseController[Count]):
        job_type = "tolerant"

        @stage("First try", on_failure="continue")
        def first(self, task: TaskContext[Count, int]) -> int:
            return flaky(task)

        @first.fan_out
        def items(self, job: JobContext[Count]) -> Iterator[int]:
            yield from range(job.params.n)

        @stage("Add")
        def add(self, task: TaskContext[Count, None]) -> int:
            values = [result.value for result in task.job.results(self.first)]
            seen.append(values)
            return sum(values)

    return Tolerant


@pytest.mark.parametrize("name", ["1", "First try", "first_try"])
def test_what_failed_in_a_job_that_completed_runs_again_and_so_do_the_stages_after_it(drive: Drive, name: str):
    flaky, seen = Flaky(1), list[list[int]]()
    driver = drive(tolerant(flaky, seen))
    before = driver.finish("tolerant", {"n": 3})

    retry(driver, before["job_id"], flaky, stage=name)

    assert (counts(before), counts(driver.job(before["job_id"]))) == (("completed", 2, 1), ("completed", 3, 0))
    assert (flaky.ran, seen) == ([1], [[0, 4], [0, 2, 4]])


def test_a_stage_is_retried_again_after_a_later_one_was(drive: Drive):
    flaky, seen = Flaky(1), list[list[int]]()
    driver = drive(tolerant(flaky, seen))
    job_id = driver.finish("tolerant", {"n": 3})["job_id"]

    for _ in range(2):
        retry(driver, job_id, flaky, mended=False, stage="1")
    retry(driver, job_id, flaky, stage="1", tasks=["1"])

    assert seen == [[0, 4], [0, 4], [0, 4], [0, 2, 4]]
    assert counts(driver.job(job_id)) == ("completed", 3, 0)


@pytest.mark.parametrize(
    ("choice", "error", "text"),
    [
        ({}, NothingToRetry, "has ended (completed): there is nothing to retry"),
        ({"stage": "2"}, NothingToRetry, "has no failed task at stage 2 'Add': there is nothing to retry"),
        (
            {"stage": "1", "tasks": ["0"]},
            NothingToRetry,
            "has completed task 0 of stage 1 'First try': there is nothing to retry",
        ),
        ({"stage": "1", "tasks": ["3"]}, InvalidRetry, ": stage 1 'First try' has no task 3"),
        (
            {"stage": "First"},
            InvalidRetry,
            ": it has no stage 'First'. Did you mean 'First try'? There are: 1 'First try', 2 'Add'",
        ),
        ({"stage": "3"}, InvalidRetry, ": it has no stage '3'. There are: 1 'First try', 2 'Add'"),
        ({"tasks": ["1"]}, InvalidRetry, ": '1' is no task's id, nor with a stage an index"),
        ({"tasks": ["0123456789abcdef-1-1"]}, InvalidRetry, ": task 0123456789abcdef-1-1 is another job's"),
        (
            {"stage": "1", "tasks": ["1"] * 1_001},
            InvalidRetry,
            ": 1,001 tasks are named, at most 1,000 can be",
        ),
    ],
)
def test_what_can_not_be_retried_is_refused(drive: Drive, choice: dict[str, Any], error: type[Exception], text: str):
    driver = drive(tolerant(Flaky(1), []))
    job_id = driver.finish("tolerant", {"n": 3})["job_id"]
    before = driver.everything()

    with pytest.raises(error) as refused:
        Operator(driver.service, by="ann").retry(job_id, **choice)

    assert str(refused.value).removeprefix(f"job {job_id[:12]}").removeprefix(" ") == text
    assert driver.everything() == before


def test_tasks_of_two_stages_are_refused(drive: Drive):
    driver = drive(tolerant(Flaky(1), []))
    job_id = driver.finish("tolerant", {"n": 3})["job_id"]

    with pytest.raises(InvalidRetry, match="tasks of one stage can be named, since those after it run again anyway"):
        Operator(driver.service, by="ann").retry(job_id, tasks=[task_id(job_id, 1, 1), task_id(job_id, 2, 0)])


def test_the_same_retry_again_goes_on_and_another_one_waits(drive: Drive):
    driver = drive(tolerant(Flaky(1), []))
    job_id = driver.finish("tolerant", {"n": 3})["job_id"]
    operator = Operator(driver.service, by="ann")
    operator.retry(job_id, stage="1", tasks=["1"])
    for delivery in driver.store.queues.receive("jobs", limit=32, visibility_s=30):
        driver.store.queues.delete("jobs", delivery)

    with pytest.raises(NothingToRetry, match="is in another retry, round 2"):
        operator.retry(job_id, stage="1")
    operator.retry(job_id, stage="1", tasks=[task_id(job_id, 1, 1)])
    driver.run()

    assert counts(driver.job(job_id)) == ("completed", 2, 1)
    check_invariants(driver.store, job_id)


def test_what_still_runs_is_not_chosen_from(drive: Drive):
    driver = drive(tolerant(Flaky(1), []))
    job_id = driver.submit("tolerant", {"n": 3})

    for choice in ({"stage": "1"}, {"stage": "1", "tasks": ["0"]}, {}):
        with pytest.raises(NothingToRetry, match=r"has not ended \(queued\)"):
            Operator(driver.service, by="ann").retry(job_id, **choice)
