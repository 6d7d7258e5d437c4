"""A job is cancelled, at any stage of its way: nothing further starts, what runs ends by itself, the job fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from driver import Driver
from faulty import Fault, Faulty, Kind
from invariants import check_invariants
from jobkit.runtime.errors import JobHasEnded, UnknownJob
from jobkit.runtime.model import Audit
from jobkit.runtime.operator import Operator
from samples import one_stage, two_stages

Drive = Callable[..., Driver]


def cancel(driver: Driver, job_id: str, reason: str = "wrong input") -> None:
    Operator(driver.service, by="ann@desk").cancel(job_id, reason=reason)


def double(task: Any) -> int:
    return 2 * int(task.params)


def ended(driver: Driver, job_id: str) -> tuple[str, str, list[tuple[str, int, int]]]:
    check_invariants(driver.store, job_id)
    job = driver.job(job_id)
    stages = [(stage["status"], stage["completed"], stage["failed"]) for stage in job["stages"]]
    return job["status"], job["error"]["message"], stages


@pytest.mark.parametrize(
    ("deliveries", "stages"),
    [
        (0, [("failed", 0, 5), ("queued", 0, 0)]),
        (1, [("failed", 0, 5), ("queued", 0, 0)]),
        (3, [("failed", 2, 3), ("queued", 0, 0)]),
        (6, [("completed", 5, 0), ("failed", 0, 5)]),
        (8, [("completed", 5, 0), ("failed", 1, 4)]),
    ],
)
def test_what_has_not_started_is_failed_with_the_reason(drive: Drive, deliveries: int, stages: list[Any]):
    driver = drive(two_stages(), batch=1)
    job_id = driver.submit("two_stages", {"n": 5})
    driver.run(deliveries=deliveries)
    cancel(driver, job_id)
    driver.run()

    assert ended(driver, job_id) == ("failed", "cancelled by ann@desk: wrong input", stages)


def cancel_first(driver: Driver, job_id: str, reason: str = "") -> None:
    """Cancel a job, and handle that before the message that is in the queue."""
    cancel(driver, job_id, reason)
    for delivery in reversed(driver.store.queues.receive("jobs", limit=2, visibility_s=60)):
        driver.process("jobs", delivery)
    driver.run()


def test_a_stage_that_is_not_planned_is_closed_and_never_planned(drive: Drive):
    driver = drive(two_stages(), batch=1)
    job_id = driver.submit("two_stages", {"n": 5})
    cancel_first(driver, job_id)

    assert ended(driver, job_id) == ("failed", "cancelled by ann@desk", [("failed", 0, 0), ("queued", 0, 0)])


def test_a_job_whose_stages_have_all_closed_is_ended_before_its_result_is_made(drive: Drive):
    driver = drive(one_stage(double), batch=1)
    job_id = driver.submit("one_stage", {"n": 1})
    driver.run(deliveries=2)
    assert driver.job(job_id)["stage"] is None
    cancel_first(driver, job_id)

    assert ended(driver, job_id) == ("failed", "cancelled by ann@desk", [("completed", 1, 0)])


def test_a_task_that_runs_is_recorded_and_closes_the_stage(drive: Drive):
    driver = drive(one_stage(lambda task: cancel_inside(task)), batch=1)
    ids: list[str] = []

    def cancel_inside(task: Any) -> int:
        if task.index == 1:
            cancel(driver, ids[0])
            driver.run(deliveries=1)
        return 7

    ids.append(driver.submit("one_stage", {"n": 3}))
    driver.run()

    assert ended(driver, ids[0]) == ("failed", "cancelled by ann@desk: wrong input", [("failed", 2, 1)])
    assert [task["status"] for task in driver.tasks(ids[0])] == ["completed", "completed", "failed"]
    assert driver.tasks(ids[0])[2]["error"]["message"] == "not started: cancelled by ann@desk: wrong input"


def test_a_retry_that_waits_is_not_tried_again(drive: Drive):
    driver = drive(one_stage(lambda task: 1 / 0, max_attempts=5), batch=1)
    job_id = driver.submit("one_stage", {"n": 1})
    driver.run(deliveries=2)
    cancel(driver, job_id)
    driver.run()

    assert ended(driver, job_id) == ("failed", "cancelled by ann@desk: wrong input", [("failed", 0, 1)])
    assert driver.tasks(job_id)[0]["attempt"] == 2


def test_twice_is_once_and_each_is_kept(drive: Drive):
    driver = drive(two_stages())
    job_id = driver.submit("two_stages", {"n": 3})
    for reason in ("one", "two"):
        cancel(driver, job_id, reason)
        driver.clock.advance(1)
    driver.run()

    assert ended(driver, job_id)[:2] == ("failed", "cancelled by ann@desk: one")
    audits = driver.service.repository.audits(job_id)
    assert [(audit.action, audit.by, audit.reason) for audit in audits] == [
        ("cancel", "ann@desk", "one"),
        ("cancel", "ann@desk", "two"),
    ]
    assert isinstance(audits[0], Audit)


def test_a_job_that_has_ended_cannot_be_cancelled_and_keeps_nothing(drive: Drive):
    driver = drive(two_stages())
    job = driver.finish("two_stages", {"n": 1})

    with pytest.raises(JobHasEnded, match=r"has ended \(completed\): there is nothing to cancel"):
        cancel(driver, job["job_id"])
    with pytest.raises(UnknownJob):
        cancel(driver, "f" * 32)

    assert driver.service.repository.audits(job["job_id"]) == []
    assert driver.job(job["job_id"]) == job


def test_many_queued_tasks_are_settled_in_pages(drive: Drive):
    driver = drive(one_stage(double), batch=1)
    job_id = driver.submit("one_stage", {"n": 2_300})
    driver.run(deliveries=1)
    cancel(driver, job_id)
    driver.run()

    assert ended(driver, job_id)[2] == [("failed", 0, 2_300)]


@pytest.mark.parametrize(("now", "seen"), [(True, [False, False, True, True]), (False, [False, False, False, False])])
@pytest.mark.parametrize("options", [{}, {"batch": 2}])
def test_what_runs_is_told_to_end_only_when_it_is_to_end_now(
    drive: Drive, now: bool, seen: list[bool], options: dict[str, Any]
):
    asked: list[bool] = []

    def run(task: Any) -> int:
        asked.append(task.cancelled)
        Operator(driver.service, by="ann@desk").cancel(driver.submit("one_stage", {"n": 1}), now=now)
        for seconds in (4, 2, 10):
            driver.clock.advance(seconds)
            asked.append(task.cancelled)
        return 0

    driver = drive(one_stage(run, **options))
    job_id = driver.finish("one_stage", {"n": 1})["job_id"]

    assert asked == seen  # asked of the store every 5 s
    assert ended(driver, job_id) == ("failed", "cancelled by ann@desk", [("completed", 1, 0)])
    assert [audit.action for audit in driver.repository.audits(job_id)] == ["cancel now" if now else "cancel"]


def test_a_retry_of_a_cancelled_job_is_not_told_to_end(drive: Drive):
    asked: list[bool] = []

    def run(task: Any) -> int:
        if task.index == 0 and not asked:
            Operator(driver.service, by="ann@desk").cancel(driver.submit("one_stage", {"n": 2}), now=True)
        asked.append(task.cancelled)
        return 0

    driver = drive(one_stage(run), batch=1)
    job_id = driver.finish("one_stage", {"n": 2})["job_id"]
    Operator(driver.service, by="ann@desk").retry(job_id)
    driver.run()

    assert (driver.job(job_id)["status"], asked) == ("completed", [True, False])


def test_a_store_that_does_not_answer_is_no_reason_to_end(
    drive_faulty: Callable[..., tuple[Driver, Faulty]],
):
    asked: list[bool] = []

    def run(task: Any) -> int:
        down.append(True)
        asked.append(task.cancelled)
        down.clear()
        return 0

    down: list[bool] = []
    driver, faulty = drive_faulty(one_stage(run), faults=(Fault(Kind.FAILED, lambda _: bool(down)),))

    assert (driver.finish("one_stage", {"n": 1})["status"], asked) == ("completed", [False])
    assert len(faulty.happened) == 1
