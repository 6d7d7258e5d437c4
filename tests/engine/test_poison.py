"""A message that never finishes: its task fails, or its job; every open row is settled and the job ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from driver import Driver
from faulty import Call, Fault, Faulty, Kind
from invariants import check_invariants
from jobkit.runtime import RetryLater, TaskContext
from jobkit.runtime.events import Action
from samples import Count, one_stage, two_stages

Drive = Callable[..., Driver]
DriveFaulty = Callable[..., tuple[Driver, Faulty]]

TASK_WHY = (
    "the task message was delivered too often and never finished: "
    "the process that ran it died each time, or the store could not be reached"
)
PLAN_WHY = (
    "the plan message was delivered too often and never finished: planning, sending or aggregating failed each time"
)
COMPLETE_WHY = PLAN_WHY.replace("the plan message", "the complete message")


#: What a message is given that nothing speaks against: its own five deliveries, and four times as many more.
ALL = 25


def dies(
    delivery: int, verb: str, place: str, *, nth: int = 1, kind: Kind = Kind.CRASH_BEFORE, times: int = 5
) -> Fault:
    """Let the process die in each of some deliveries of a message, at its nth call of a sort."""
    seen: list[Call] = []
    deaths: list[Call] = []

    def hits(call: Call) -> bool:
        if (call.delivery, call.verb, call.place) != (delivery, verb, place) or len(deaths) == times:
            return False
        if seen and seen[-1].number - seen[-1].step != call.number - call.step:  # another delivery's
            seen.clear()
        seen.append(call)
        deaths.extend([call] if len(seen) == nth else [])
        return len(seen) == nth

    return Fault(kind, hits)


def index(task: TaskContext[Count, Any]) -> int:
    return task.index


def states(driver: Driver, job_id: str) -> list[tuple[str, Any]]:
    return [
        (task["status"], task["error"]["message"] if task["error"] else task["result"]) for task in driver.tasks(job_id)
    ]


def test_a_poisoned_task_message_fails_its_task_only_and_the_job_ends_failed(drive_faulty: DriveFaulty) -> None:
    driver, faulty = drive_faulty(one_stage(index), faults=(dies(3, "update", "tasks", nth=2),), batch=1)

    job = driver.finish("one_stage", {"n": 3})

    assert driver.crashes == 5
    assert states(driver, job["job_id"]) == [("completed", 0), ("failed", TASK_WHY), ("completed", 2)]
    assert (job["status"], job["error"]["message"]) == (
        "failed",
        f"1 of 3 tasks of stage 1 'Only' failed: PoisonMessage: {TASK_WHY} (task {job['job_id'][:16]}-1-1)",
    )
    check_invariants(driver.store, job["job_id"], faulty.history)


def test_a_task_message_that_died_after_its_task_ended_fails_nothing(drive_faulty: DriveFaulty) -> None:
    driver, faulty = drive_faulty(one_stage(index), faults=(dies(3, "query", "tasks"),), batch=1)

    job = driver.finish("one_stage", {"n": 2})

    assert (job["status"], states(driver, job["job_id"])) == ("completed", [("completed", 0), ("completed", 1)])
    check_invariants(driver.store, job["job_id"], faulty.history)


def test_a_planner_that_dies_each_time_before_the_seal_fails_the_job(drive_faulty: DriveFaulty) -> None:
    driver, faulty = drive_faulty(one_stage(index), faults=(dies(1, "update", "jobs"),))

    job = driver.finish("one_stage", {"n": 150})

    assert (job["status"], job["error"]["type"], job["error"]["message"]) == ("failed", "PoisonMessage", PLAN_WHY)
    assert [(s["status"], s["task_count"]) for s in job["stages"]] == [("failed", None)]
    check_invariants(driver.store, job["job_id"], faulty.history)


def test_a_planner_that_dies_each_time_before_it_sends_fails_the_job_and_settles_every_row(
    drive_faulty: DriveFaulty,
) -> None:
    driver, faulty = drive_faulty(two_stages(), faults=(dies(1, "send", "tasks", times=ALL),))

    job = driver.finish("two_stages", {"n": 3})

    assert (job["status"], job["error"]["message"]) == ("failed", PLAN_WHY)
    assert states(driver, job["job_id"]) == [("failed", f"not started: {PLAN_WHY}")] * 3
    assert [(s["status"], s["failed"]) for s in job["stages"]] == [("failed", 3), ("queued", 0)]
    check_invariants(driver.store, job["job_id"], faulty.history)


def test_a_poisoned_plan_of_more_than_a_page_settles_every_row_in_pages(drive_faulty: DriveFaulty) -> None:
    driver, faulty = drive_faulty(one_stage(index), faults=(dies(1, "send", "jobs", times=ALL),))

    job = driver.finish("one_stage", {"n": 2_150})

    assert (job["status"], job["error"]["message"], job["stages"][0]["failed"]) == ("failed", PLAN_WHY, 2_150)
    assert states(driver, job["job_id"]) == [("failed", f"not started: {PLAN_WHY}")] * 2_150
    settles = [step.body for step in faulty.history if '"settle"' in step.body]
    assert len(settles) == 3
    check_invariants(driver.store, job["job_id"], faulty.history)


def test_what_a_poisoned_plan_had_sent_has_run_and_the_rest_is_settled(drive_faulty: DriveFaulty) -> None:
    driver, faulty = drive_faulty(one_stage(index), faults=(dies(1, "send", "jobs", nth=2, times=ALL),))

    job = driver.finish("one_stage", {"n": 1_050})

    assert (job["status"], job["stages"][0]["completed"], job["stages"][0]["failed"]) == ("failed", 1_000, 50)
    found = states(driver, job["job_id"])
    assert found[:1_000] == [("completed", i) for i in range(1_000)]
    assert found[1_000:] == [("failed", f"not started: {PLAN_WHY}")] * 50
    check_invariants(driver.store, job["job_id"], faulty.history)


def test_a_poisoned_plan_that_had_sent_all_changes_nothing(drive_faulty: DriveFaulty) -> None:
    driver, faulty = drive_faulty(one_stage(index), faults=(dies(1, "remove", "jobs"),))

    job = driver.finish("one_stage", {"n": 2})

    assert (job["status"], len(driver.told(Action.POISONED))) == ("completed", 1)
    check_invariants(driver.store, job["job_id"], faulty.history)


def test_the_poisoned_message_of_a_second_submit_leaves_the_first_ones_job_alone(drive_faulty: DriveFaulty) -> None:
    def run(task: TaskContext[Count, int]) -> int:
        if task.attempt == 1:
            raise RetryLater(timedelta(hours=1))
        return task.index

    driver, faulty = drive_faulty(
        one_stage(run, max_attempts=2), faults=(dies(2, "query", "jobs", kind=Kind.FAILED),), batch=1
    )
    driver.submit("one_stage", {"n": 2})

    job = driver.finish("one_stage", {"n": 2})

    assert [event.text for event in driver.told(Action.POISONED)] == ["plan message from jobs"]
    assert (job["status"], states(driver, job["job_id"])) == ("completed", [("completed", 0), ("completed", 1)])
    check_invariants(driver.store, job["job_id"], faulty.history)


def test_a_poisoned_plan_that_had_closed_its_empty_stage_passes_the_job_on(drive_faulty: DriveFaulty) -> None:
    driver, faulty = drive_faulty(two_stages(), faults=(dies(1, "send", "jobs"),))

    job = driver.finish("two_stages", {"n": 0})

    assert (job["status"], [s["status"] for s in job["stages"]]) == ("completed", ["completed", "completed"])
    check_invariants(driver.store, job["job_id"], faulty.history)


def test_a_poisoned_completion_fails_the_job_and_still_calls_the_hook(drive_faulty: DriveFaulty) -> None:
    heard: list[str] = []
    driver, faulty = drive_faulty(one_stage(index, on_hook=heard.append), faults=(dies(3, "update", "jobs"),))

    job = driver.finish("one_stage", {"n": 1})

    assert (job["status"], job["error"]["message"], heard) == ("failed", COMPLETE_WHY, ["failed"])
    assert [(s["status"], s["completed"]) for s in job["stages"]] == [("completed", 1)]
    check_invariants(driver.store, job["job_id"], faulty.history)


def test_tasks_that_wait_for_a_retry_are_settled_with_a_stopped_stage(drive: Drive) -> None:
    def run(task: TaskContext[Count, int]) -> int:
        raise RetryLater(timedelta(hours=1))

    driver = drive(one_stage(run, max_attempts=5))
    job_id = driver.submit("one_stage", {"n": 2})
    driver.run(deliveries=3)
    record = driver.repository.get_chain(job_id)
    stop = {"jobkit": 1, "kind": "stop", "job": job_id, "epoch": record.job.epoch, "round": 1, "key": "k", "stage": 1}
    driver.store.queues.send("jobs", json.dumps({**stop, "reason": "no more money"}))

    driver.run()

    assert states(driver, job_id) == [("failed", "not started: no more money")] * 2
    job = driver.job(job_id)
    assert (job["status"], job["error"]["type"], job["error"]["message"]) == ("failed", "Stopped", "no more money")
    check_invariants(driver.store, job_id)
