"""Code that changes under a running job fails the job with what is gone; nothing hangs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from driver import Driver
from invariants import check_invariants
from jobkit.runtime import BaseController, TaskContext, stage
from jobkit.runtime.controllers import HelloWorlds
from jobkit.runtime.errors import UnknownJobType
from samples import Count, one_stage, two_stages

Drive = Callable[..., Driver]

GONE = "no controller has the job type 'two_stages'. See them with: jobkit controllers"


def test_a_job_type_that_is_gone_before_planning_fails_the_job(drive: Drive) -> None:
    driver = drive(two_stages())
    job_id = driver.submit("two_stages", {"n": 2})
    driver.replace(HelloWorlds)

    driver.run()

    job = driver.job(job_id)
    assert (job["status"], job["error"]["type"], job["error"]["message"]) == (
        "failed",
        "UnknownJobType",
        f"planning stage 1 'Square' failed: {GONE}",
    )
    check_invariants(driver.store, job_id)


def test_a_job_type_that_is_gone_under_its_tasks_fails_each_of_them_as_poison(drive: Drive) -> None:
    driver = drive(two_stages())
    job_id = driver.submit("two_stages", {"n": 2})
    driver.run(deliveries=1)
    driver.replace(HelloWorlds)

    driver.run()

    why = f"the task message was delivered too often and never finished: {GONE}"
    assert [(t["status"], t["error"]["type"], t["error"]["message"]) for t in driver.tasks(job_id)] == [
        ("failed", "PoisonMessage", why)
    ] * 2
    job = driver.job(job_id)
    assert (job["status"], job["error"]["message"]) == (
        "failed",
        f"2 of 2 tasks of stage 1 'Square' failed: PoisonMessage: {why} (task {job_id[:16]}-1-0)",
    )
    assert {type(error) for error in driver.errors} == {UnknownJobType}
    check_invariants(driver.store, job_id)


def test_a_job_type_that_is_gone_before_aggregate_fails_the_job(drive: Drive) -> None:
    driver = drive(two_stages())
    job_id = driver.submit("two_stages", {"n": 1})
    driver.run(deliveries=4)
    driver.replace(HelloWorlds)

    driver.run()

    job = driver.job(job_id)
    assert (job["status"], job["error"]["message"]) == ("failed", f"aggregate failed: {GONE}")
    check_invariants(driver.store, job_id)


class FewerStages(BaseController[Count]):
    job_type = "two_stages"

    @stage("Square")
    def square(self, task: TaskContext[Count, Any]) -> Any:
        return task.params


def test_a_stage_that_is_gone_before_planning_fails_the_job(drive: Drive) -> None:
    driver = drive(two_stages())
    job_id = driver.submit("two_stages", {"n": 1})
    driver.run(deliveries=2)
    driver.replace(FewerStages)

    driver.run()

    assert driver.job(job_id)["error"]["message"] == (
        "planning stage 2 'Add' failed: stage 2 'Add' of two_stages is gone, there is none: "
        "the code has changed since the job was submitted"
    )
    check_invariants(driver.store, job_id)


def test_a_stage_that_is_gone_under_its_tasks_fails_them_without_a_retry(drive: Drive) -> None:
    driver = drive(two_stages())
    job_id = driver.submit("two_stages", {"n": 1})
    driver.run(deliveries=3)
    driver.replace(FewerStages)

    driver.run()

    assert [(task["status"], task["attempt"], task["error"]["message"]) for task in driver.tasks(job_id, 2)] == [
        (
            "failed",
            1,
            "stage 2 'Add' of two_stages is gone, there is none: the code has changed since the job was submitted",
        )
    ]
    check_invariants(driver.store, job_id)


def test_parameters_that_no_longer_fit_fail_the_job_with_the_fields(drive: Drive) -> None:
    class Stricter(BaseController[dict[str, int]]):
        job_type = "two_stages"

        @stage("Square")
        def square(self, task: TaskContext[Any, Any]) -> Any:
            return task.params

    class Loose(BaseController[dict[str, Any]]):
        job_type = "two_stages"

        @stage("Square")
        def square(self, task: TaskContext[Any, Any]) -> Any:
            return task.params

    driver = drive(Loose)
    job_id = driver.submit("two_stages", {"n": "many"})
    driver.replace(Stricter)

    driver.run()

    job = driver.job(job_id)
    assert (job["status"], job["error"]["type"]) == ("failed", "InvalidParams")
    assert job["error"]["message"] == (
        "planning stage 1 'Square' failed: wrong parameters for two_stages: n: input should be a valid integer, "
        "unable to parse string as an integer (got 'many')"
    )
    check_invariants(driver.store, job_id)


def test_an_item_that_no_longer_fits_fails_its_task(drive: Drive) -> None:
    class Other(BaseController[Count]):
        job_type = "one_stage"

        @stage("Only")
        def only(self, task: TaskContext[Count, list[str]]) -> Any:
            return task.params

        @only.fan_out
        def items(self, job: Any) -> list[Any]:
            return []

    driver = drive(one_stage(lambda task: task.params))
    job_id = driver.submit("one_stage", {"n": 1})
    driver.run(deliveries=1)
    driver.replace(Other)

    driver.run()

    (task,) = driver.tasks(job_id)
    assert (task["status"], task["error"]) == (
        "failed",
        {
            "type": "DoesNotFit",
            "message": "the item of task 0 does not fit list[str], which stage 'Only' declares now: "
            "the whole: input should be a valid array (got 0)",
            "traceback": "",
        },
    )


@pytest.mark.parametrize("deliveries", [0, 1, 2, 3, 4])
def test_a_constructor_that_raises_fails_the_job_wherever_it_is(drive: Drive, deliveries: int) -> None:
    class NeedsKey(two_stages()):  # type: ignore[misc]
        job_type = "two_stages"

        def __init__(self) -> None:
            raise KeyError("API_KEY")

    driver = drive(two_stages(), tolerated=(KeyError,))
    job_id = driver.submit("two_stages", {"n": 1})
    driver.run(deliveries=deliveries)
    driver.replace(NeedsKey)

    driver.run()

    job = driver.job(job_id)
    assert job["status"] == "failed"
    assert "KeyError" in f"{job['error']['type']} {job['error']['message']}"
    assert "API_KEY" in job["error"]["message"]
    check_invariants(driver.store, job_id)


def test_a_stage_with_another_name_fails_the_job_and_says_both(drive: Drive) -> None:
    class Renamed(BaseController[Count]):
        job_type = "two_stages"
        square = two_stages().stages[0]

        @stage("Subtract")
        def subtract(self, task: TaskContext[Count, None]) -> int:
            return 1

    driver = drive(two_stages())
    job_id = driver.submit("two_stages", {"n": 1})
    driver.run(deliveries=2)
    driver.replace(Renamed)

    driver.run()

    job = driver.job(job_id)
    assert (job["status"], job["error"]["message"]) == (
        "failed",
        (
            "planning stage 2 'Add' failed: stage 2 'Add' of two_stages is gone, it is 'Subtract' now: the code has "
            "changed since the job was submitted"
        ),
    )
    check_invariants(driver.store, job_id)


def test_another_fan_out_under_its_tasks_fails_those_whose_items_do_not_fit(drive: Drive) -> None:
    driver = drive(one_stage(lambda task: task.params))
    job_id = driver.submit("one_stage", {"n": 2})
    driver.run(deliveries=2)

    class OtherItems(BaseController[Count]):
        job_type = "one_stage"

        @stage("Only")
        def only(self, task: TaskContext[Count, list[str]]) -> int:
            return len(task.params)

        @only.fan_out
        def items(self, job: Any) -> Any:
            yield ["a"]

    driver.replace(OtherItems)

    driver.run()

    assert [(t["status"], t["error"] and t["error"]["message"].splitlines()[0]) for t in driver.tasks(job_id)] == [
        ("completed", None),
        (
            "failed",
            (
                "the item of task 1 does not fit list[str], which stage 'Only' declares now: "
                "the whole: input should be a valid array (got 1)"
            ),
        ),
    ]
    check_invariants(driver.store, job_id)
