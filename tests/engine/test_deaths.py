"""A process that dies takes all that it was at: only what was to blame fails, whatever else was delivered too often."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from driver import Crash, Driver
from faulty import Faulty
from invariants import check_invariants
from jobkit.runtime import TaskContext
from jobkit.runtime.events import Action
from samples import Count, one_stage, two_stages

Drive = Callable[..., Driver]
DriveFaulty = Callable[..., tuple[Driver, Faulty]]
Task = TaskContext[Count, int]


def states(driver: Driver, job_id: str) -> list[tuple[str, int, Any]]:
    return [(task["status"], task["attempt"], task["result"]) for task in driver.tasks(job_id)]


def die(driver: Driver, queue: str, times: int) -> None:
    """Let the process die so often while it holds a queue's one message and has not begun with it."""
    for _ in range(times):
        (delivery,) = driver.store.queues.receive(queue, limit=16, visibility_s=30)
        driver.store.queues.extend(queue, delivery, visibility_s=0)


@pytest.mark.parametrize("batch", [1, 2])
def test_what_is_held_beside_a_task_that_kills_its_process_completes(drive_faulty: DriveFaulty, batch: int) -> None:
    def run(task: Task) -> int:
        if task.index == 0:
            faulty.dead = True
            raise Crash
        return task.index

    driver, faulty = drive_faulty(one_stage(run, batch=batch, on_failure="continue"))

    job = driver.finish("one_stage", {"n": 6})

    attempt = 1 if batch == 1 else 2  # the other one of its batch is tried alone
    assert (job["status"], driver.crashes) == ("completed", 5 * batch)
    assert states(driver, job["job_id"]) == [
        ("failed", attempt, None),
        ("completed", attempt, 1),
        *[("completed", driver.tasks(job["job_id"])[i]["attempt"], i) for i in range(2, 6)],
    ]
    assert driver.tasks(job["job_id"])[0]["error"]["type"] == "PoisonMessage"
    check_invariants(driver.store, job["job_id"], faulty.history)


def test_what_had_been_claimed_beside_it_is_taken_over(drive_faulty: DriveFaulty) -> None:
    runs: list[int] = []

    def run(task: Task) -> int:
        runs.append(task.index)
        if task.index == 0 or runs.count(1) == 1:
            faulty.dead = True
            raise Crash
        return task.index

    driver, faulty = drive_faulty(one_stage(run, on_failure="continue"))
    job_id = driver.submit("one_stage", {"n": 2})
    for _ in range(3):  # the plan, and each task alone
        (held,) = driver.receive(1)
        try:
            driver.process(*held)
        except Crash:
            driver.crashed()

    driver.run()

    assert (runs, driver.crashes) == ([0, 1, 0, 0, 0, 0, 1], 6)
    assert states(driver, job_id) == [("failed", 1, None), ("completed", 1, 1)]
    assert [event.index for event in driver.told(Action.TAKEN_OVER)] == [0, 0, 0, 0, 1]
    check_invariants(driver.store, job_id, faulty.history)


@pytest.mark.parametrize(("n", "done"), [(0, 0), (0, 1), (10, 1), (3, 4)])
def test_a_jobs_message_that_was_held_beside_deaths_does_its_work_after_all(
    drive: Drive, monkeypatch: pytest.MonkeyPatch, n: int, done: int
) -> None:
    """The plan of a stage, of the next one, a dispatch, and the completion."""
    for module in ("service", "outbox"):
        monkeypatch.setattr(f"jobkit.runtime.{module}.PAGE", 4)
    driver = drive(two_stages() if n == 0 else one_stage(lambda task: task.index))
    job_type = "two_stages" if n == 0 else "one_stage"
    job_id = driver.submit(job_type, {"n": n})
    driver.run(deliveries=done)
    while driver.store.queues.length("jobs") > 1:
        driver.run(deliveries=1)

    die(driver, "jobs", 5)
    driver.run()

    job = driver.job(job_id)
    assert (job["status"], len(driver.told(Action.POISONED))) == ("completed", 1)
    check_invariants(driver.store, job_id)


@pytest.mark.parametrize("where", ["items", "aggregate", "on_hook"])
def test_what_a_controller_runs_for_a_jobs_message_is_to_blame_when_it_kills_its_process(
    drive_faulty: DriveFaulty, where: str
) -> None:
    def kill(*_: Any) -> Any:
        faulty.dead = True
        raise Crash

    driver, faulty = drive_faulty(one_stage(lambda task: task.index, **{where: kill}))

    job = driver.finish("one_stage", {"n": 2})

    assert job["status"] == ("completed" if where == "on_hook" else "failed")
    assert [event.action for event in driver.told(Action.POISONED, Action.RETRYING)] == [Action.POISONED]


def test_what_never_gets_its_turn_is_given_up_in_the_end(drive: Drive) -> None:
    driver = drive(one_stage(lambda task: task.index))
    job_id = driver.submit("one_stage", {"n": 1})
    driver.run(deliveries=1)

    for _ in range(5):
        die(driver, "tasks", 5)
        driver.run(deliveries=2)  # into the poison queue, and from there
    driver.run()

    job = driver.job(job_id)
    assert (job["status"], states(driver, job_id), len(driver.told(Action.POISONED))) == (
        "failed",
        [("failed", 1, None)],
        5,
    )
    check_invariants(driver.store, job_id)
