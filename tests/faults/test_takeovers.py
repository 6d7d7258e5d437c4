"""Who may run a task, and whose result counts, when its message is delivered while it runs."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from clocks import ManualClock
from driver import LEASE_S, Driver, new_store
from fault_cases import at
from faulty import Call, Fault, Faulty, Kind
from invariants import check_invariants
from jobkit.runtime import RetryLater, TaskContext
from jobkit.runtime.controller import BaseController
from jobkit.runtime.events import Action
from jobkit.runtime.messages import TASKS_QUEUE
from samples import Count, one_stage


class Two:
    """Two instances on one store whose writes are kept."""

    def __init__(self, folder: Path, controller: type[BaseController[Any]], *faults: Fault) -> None:
        self.clock = ManualClock()
        self._open = new_store("memory", clock=self.clock, folder=folder)
        self.faulty = Faulty(self._open.__enter__(), *faults)
        self.one = Driver(self.faulty.store, [controller], clock=self.clock, batch=1, faults=self.faulty)
        self.other = Driver(self.faulty.real, [controller], clock=self.clock, rng=random.Random(2), worker="other")

    def check(self, job_id: str) -> None:
        check_invariants(self.faulty.real, job_id)


def only_task(driver: Driver, job_id: str) -> dict[str, Any]:
    (task,) = driver.tasks(job_id)
    return task


def test_a_duplicate_that_comes_while_the_task_runs_is_dropped(tmp_path: Path) -> None:
    runs: list[str] = []

    def run(task: TaskContext[Count, int]) -> str:
        runs.append("ran")
        two.other.run(deliveries=1)
        return "done"

    two = Two(tmp_path, one_stage(run), Fault(Kind.TWICE, lambda call: (call.verb, call.place) == ("send", "tasks")))

    job = two.one.finish("one_stage", {"n": 1})

    assert runs == ["ran"]
    assert [event.text for event in two.other.told(Action.DROPPED)] == ["task: another message has claimed the task"]
    assert only_task(two.one, job["job_id"])["result"] == "done"
    two.check(job["job_id"])


def test_a_duplicate_that_comes_while_the_task_waits_for_its_retry_is_dropped(tmp_path: Path) -> None:
    attempts: list[int] = []

    def run(task: TaskContext[Count, int]) -> str:
        attempts.append(task.attempt)
        if task.attempt == 1:
            raise OSError
        return "done"

    first_send = []

    def hits(call: Call) -> bool:
        if (call.verb, call.place) == ("send", "tasks") and not first_send:
            first_send.append(call)
            return True
        return False

    two = Two(tmp_path, one_stage(run, max_attempts=2, retry_delay=timedelta(hours=1)), Fault(Kind.TWICE, hits))

    job = two.one.finish("one_stage", {"n": 1})

    assert attempts == [1, 2]
    assert [event.text for event in two.one.told(Action.DROPPED)] == [
        "task: the task is queued for another round or attempt"
    ]
    assert only_task(two.one, job["job_id"])["result"] == "done"


def test_the_pause_before_a_retry_outlives_the_process_that_was_to_send_it(tmp_path: Path) -> None:
    started: list[datetime] = []

    def run(task: TaskContext[Count, int]) -> str:
        started.append(two.clock.now())
        if task.attempt == 1:
            raise RetryLater(timedelta(hours=1))
        return "done"

    sends: list[Call] = []

    def second_send(call: Call) -> bool:
        sends.extend([call] if (call.verb, call.place) == ("send", "tasks") else [])
        return len(sends) == 2 and call is sends[-1]

    two = Two(tmp_path, one_stage(run, max_attempts=2), Fault(Kind.CRASH_BEFORE, second_send))

    job = two.one.finish("one_stage", {"n": 1})

    assert (two.one.crashes, job["status"], len(started)) == (1, "completed", 2)
    assert started[1] - started[0] >= timedelta(hours=1)


def test_a_second_delivery_takes_over_and_the_late_result_of_the_first_is_refused(tmp_path: Path) -> None:
    runs: list[str] = []

    def run(task: TaskContext[Count, int]) -> str:
        runs.append("first" if not runs else "second")
        own = runs[-1]
        if own == "first":
            two.clock.advance(LEASE_S + 1)
            two.other.run(deliveries=1)
        return own

    two = Two(tmp_path, one_stage(run))

    job = two.one.finish("one_stage", {"n": 1})

    assert runs == ["first", "second"]
    assert (only_task(two.one, job["job_id"])["result"], len(two.other.told(Action.TAKEN_OVER))) == ("second", 1)
    assert [len(driver.told(Action.COMPLETED)) for driver in (two.one, two.other)] == [0, 1]
    two.check(job["job_id"])


def test_a_first_delivery_does_not_take_the_task_back_from_a_newer_one(tmp_path: Path) -> None:
    runs: list[str] = []
    entered, release = threading.Event(), threading.Event()

    def run(task: TaskContext[Count, int]) -> str:
        runs.append("first" if not runs else "second" if len(runs) == 1 else "third")
        own = runs[-1]
        if own == "first":
            two.clock.advance(LEASE_S + 1)
            newer.start()
            assert entered.wait(10)
        elif own == "second":
            entered.set()
            assert release.wait(10)
        return own

    two = Two(tmp_path, one_stage(run))
    newer = threading.Thread(target=lambda: two.other.run(deliveries=1))
    job_id = two.one.submit("one_stage", {"n": 1})

    two.one.run(deliveries=2)
    release.set()
    newer.join(10)
    two.one.run()

    assert [event.text for event in two.one.told(Action.DROPPED)] == ["task: a newer delivery has claimed the task"]
    assert (runs, only_task(two.one, job_id)["result"]) == (["first", "second"], "second")
    two.check(job_id)


def changing(lists: list[list[int]]) -> Callable[[int], Iterator[int]]:
    """A fan-out that lists something else each time it is asked."""
    left = list(lists)

    def items(n: int) -> Iterator[int]:
        yield from left.pop(0)

    return items


def test_the_message_of_a_second_submit_that_comes_while_the_first_plans_is_dropped(tmp_path: Path) -> None:
    def items(n: int) -> Iterator[int]:
        yield 1
        two.other.submit("one_stage", {"n": 1})
        two.other.run(deliveries=1)

    two = Two(tmp_path, one_stage(lambda task: task.params, items=items))
    job_id = two.one.submit("one_stage", {"n": 1})
    two.one.submit("one_stage", {"n": 1})

    two.one.run()

    assert [event.text for event in two.other.told(Action.DROPPED)] == ["plan: another message plans the stage"]
    assert len(two.one.told(Action.PLANNING)) == 1
    two.check(job_id)


@pytest.mark.parametrize("number", [10, 11, 12, 13])
def test_a_plan_is_never_mixed_of_two_tries(tmp_path: Path, number: int) -> None:
    lists = [list(range(250)), list(range(1_000, 1_030))]
    controller = one_stage(lambda task: task.params, items=changing(lists))
    two = Two(tmp_path, controller, Fault(Kind.CRASH_BEFORE, at(number)))

    job = two.one.finish("one_stage")

    assert (two.one.crashes, job["status"], job["stages"][0]["task_count"]) == (1, "completed", 30)
    assert [task["params"] for task in two.one.tasks(job["job_id"])] == lists[1]
    check_invariants(two.faulty.real, job["job_id"], two.faulty.history)


def test_a_planner_that_lags_behind_another_changes_nothing_of_its_plan(tmp_path: Path) -> None:
    lists = [list(range(250)), list(range(1_000, 1_030))]
    controller = one_stage(lambda task: task.params, items=changing(lists))
    two = Two(tmp_path, controller, Fault(Kind.LEASE_LOST, at(11)))
    two.faulty.lease_lost = lambda: (two.clock.advance(LEASE_S + 1), two.other.run(deliveries=1))

    job = two.one.finish("one_stage")

    assert (job["status"], [task["params"] for task in two.one.tasks(job["job_id"])]) == ("completed", lists[1])
    assert [event.text for event in two.one.told(Action.DROPPED)] == ["plan: a newer delivery plans the stage"]
    assert two.faulty.store.queues.length(TASKS_QUEUE) == 0
    two.check(job["job_id"])
