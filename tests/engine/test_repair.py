"""Repair: each thing that can be lost is made to be lost, found by name and mended; a healthy job is left alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from driver import Crash, Driver, ManualClock
from faulty import Call, Fault, Faulty, Kind
from invariants import check_invariants
from jobkit.runtime import PermanentError, RetryLater, TaskContext
from jobkit.runtime.errors import UnknownJob
from jobkit.runtime.operator import Operator
from jobkit.runtime.processing import QUEUES
from jobkit.runtime.repair import PLANNING_TAKES, Look, Repair
from samples import Count, one_stage, two_stages

Drive = Callable[..., Driver]
DriveFaulty = Callable[..., tuple[Driver, Faulty]]
Task = TaskContext[Count, int]
STILL = "and nothing has moved since the last look"


def index(task: Task) -> int:
    return task.index


def lose_messages(driver: Driver) -> int:
    """Lose every message that is in a queue and visible."""
    lost = 0
    for queue in QUEUES:
        while found := driver.store.queues.receive(queue, limit=32, visibility_s=30):
            for delivery in found:
                driver.store.queues.delete(queue, delivery)
                lost += 1
    return lost


def look(driver: Driver, job_id: str, **how: Any) -> Look:
    return Repair(driver.service).look(job_id, **how)


def names(found: Look) -> list[tuple[str, str]]:
    return [(finding.name, finding.evidence) for finding in found.findings]


def mend(driver: Driver, job_id: str, **how: Any) -> list[tuple[str, str]]:
    """Look, wait, look again, and mend what is found."""
    first = look(driver, job_id, **how)
    found = first if first.findings else look(driver, job_id, **how)
    for finding in found.findings:
        finding.do()
    return names(found)


def assert_ends(driver: Driver, job_id: str, status: str = "completed", **how: Any) -> None:
    driver.run()
    assert driver.job(job_id)["status"] == status
    check_invariants(driver.store, job_id, **how)
    assert look(driver, job_id).findings == ()


def test_a_planning_that_was_lost(drive: Drive) -> None:
    driver = drive(two_stages())
    job_id = driver.submit("two_stages", {"n": 3})
    assert lose_messages(driver) == 1

    first = look(driver, job_id)

    assert (first.findings, first.is_settled) == ((), False)
    assert mend(driver, job_id) == [("not planned", f"stage 1 'Square': nobody plans it, {STILL}")]
    assert_ends(driver, job_id)


def test_tasks_whose_messages_were_lost(drive: Drive) -> None:
    driver = drive(two_stages())
    job_id = driver.submit("two_stages", {"n": 7})
    driver.run(deliveries=3)
    assert lose_messages(driver) == 5

    assert mend(driver, job_id) == [
        (
            "sent, but lost",
            f"stage 1 'Square': 5 tasks (2, 3, 4, 5, 6) are queued without a message, {STILL}",
        )
    ]
    assert_ends(driver, job_id)


def test_batches_whose_messages_were_lost_are_sent_as_batches(drive_faulty: DriveFaulty) -> None:
    driver, faulty = drive_faulty(one_stage(index, batch=50))
    job_id = driver.submit("one_stage", {"n": 130})
    driver.run(deliveries=2)
    assert lose_messages(driver) == 2
    before = len(faulty.calls)

    assert mend(driver, job_id) == [
        (
            "sent, but lost",
            f"stage 1 'Only': 80 tasks (50, 51, 52, 53, 54, …) are queued without a message, {STILL}",
        )
    ]
    assert sum(call.verb == "send" for call in faulty.calls[before:]) == 2
    assert_ends(driver, job_id, history=faulty.history)


def test_more_than_a_page_of_tasks_whose_messages_were_lost_is_left_to_the_dispatch(
    drive_faulty: DriveFaulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("outbox", "service"):
        monkeypatch.setattr(f"jobkit.runtime.{module}.PAGE", 100)
    driver, faulty = drive_faulty(one_stage(index, batch=50))
    job_id = driver.submit("one_stage", {"n": 250})
    driver.run(deliveries=4)  # the plan, and a dispatch of each page
    lost = lose_messages(driver)
    before = len(faulty.calls)

    assert [name for name, _ in mend(driver, job_id)] == ["sent, but lost"]
    sent = [call.place for call in faulty.calls[before:] if call.verb == "send"]
    assert (lost, sent) == (5, ["jobs"] * 3)
    assert_ends(driver, job_id, history=faulty.history)


def test_of_a_lane_only_the_head_is_sent(drive_faulty: DriveFaulty) -> None:
    driver, faulty = drive_faulty(one_stage(index, max_parallel=2))
    job_id = driver.submit("one_stage", {"n": 9})
    driver.run(deliveries=4)
    assert lose_messages(driver) == 2

    assert mend(driver, job_id) == [
        ("sent, but lost", f"stage 1 'Only': 2 tasks (3, 4) are queued without a message, {STILL}")
    ]
    assert_ends(driver, job_id, history=faulty.history)


def test_a_retry_whose_delay_runs_is_not_lost(drive: Drive) -> None:
    def run(task: Task) -> int:
        if task.attempt == 1:
            raise ConnectionError("later")
        return task.index

    driver = drive(one_stage(run, max_attempts=2, retry_delay=timedelta(hours=1)))
    job_id = driver.submit("one_stage", {"n": 1})
    driver.run(deliveries=2)

    assert mend(driver, job_id) == []

    driver.clock.advance(2 * 3600)
    assert lose_messages(driver) == 1
    assert mend(driver, job_id) == [("sent, but lost", f"stage 1 'Only': task 0 is queued without a message, {STILL}")]
    assert_ends(driver, job_id)


def crash(verb: str, place: str, nth: int) -> Fault:
    """Let the process die before its nth call of a sort."""
    seen: list[Call] = []

    def hits(call: Call) -> bool:
        if (call.verb, call.place) != (verb, place):
            return False
        seen.append(call)
        return len(seen) == nth

    return Fault(Kind.CRASH_BEFORE, hits)


def lose_after_crash(driver: Driver) -> None:
    driver.clock.advance(60)
    lose_messages(driver)


def test_a_planner_that_is_gone_for_good(drive_faulty: DriveFaulty) -> None:
    driver, faulty = drive_faulty(one_stage(index), faults=(crash("transact", "tasks", 2),))
    job_id = driver.submit("one_stage", {"n": 150})
    driver.run(deliveries=1)
    lose_after_crash(driver)
    assert mend(driver, job_id) == []
    driver.clock.advance(PLANNING_TAKES.total_seconds())

    assert mend(driver, job_id) == [("never sealed", f"stage 1 'Only': its planner is silent, {STILL}")]
    assert_ends(driver, job_id, history=faulty.history)


def test_a_planner_whose_fan_out_takes_long_keeps_its_stage(drive: Drive) -> None:
    begun: list[int] = []

    def items(n: int) -> Iterator[int]:
        begun.append(n)
        for number in range(n):
            driver.clock.advance(300)
            found = look(driver, job_id)  # as the timer does
            assert (found.findings, found.is_settled) == ((), False)
            yield number

    driver = drive(one_stage(index, items=items))
    job_id = driver.submit("one_stage", {"n": 11})
    driver.run()

    assert begun == [11]
    assert_ends(driver, job_id)


def test_a_stage_whose_last_task_ended_and_nobody_turned_out_the_lights(drive_faulty: DriveFaulty) -> None:
    driver, faulty = drive_faulty(one_stage(index), faults=(crash("query", "tasks", 3),))
    job_id = driver.submit("one_stage", {"n": 2})
    driver.run(deliveries=3)
    assert driver.crashes == 1
    lose_after_crash(driver)

    assert mend(driver, job_id) == [("ended, not closed", f"stage 1 'Only': all 2 tasks have ended, {STILL}")]
    assert_ends(driver, job_id, history=faulty.history)


def test_a_shard_that_ended_and_was_not_marked(drive_faulty: DriveFaulty) -> None:
    driver, faulty = drive_faulty(one_stage(index), faults=(crash("upsert", "tasks", 1),))
    job_id = driver.submit("one_stage", {"n": 250})
    driver.run(deliveries=101)
    assert driver.crashes == 1
    lose_after_crash(driver)

    assert [name for name, _ in mend(driver, job_id)] == ["sent, but lost", "ended, not marked"]
    assert_ends(driver, job_id, history=faulty.history)


def test_a_group_of_shards_that_ended_and_was_not_marked(
    drive_faulty: DriveFaulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("repair", "repository", "service"):
        monkeypatch.setattr(f"jobkit.runtime.{module}.GROUP", 2)  # of 100 shards it takes 10,001 tasks
    driver, faulty = drive_faulty(one_stage(index, batch=100), faults=(crash("upsert", "tasks", 3),), batch=1)
    job_id = driver.submit("one_stage", {"n": 301})
    while not faulty.happened:
        driver.run(deliveries=1)
    rest = [driver.receive(1) for _ in range(2)]
    lose_after_crash(driver)
    for [(queue, delivery)] in rest:
        driver.process(queue, delivery)

    assert mend(driver, job_id) == [("ended, not closed", f"stage 1 'Only': all 301 tasks have ended, {STILL}")]
    assert_ends(driver, job_id, history=faulty.history)


def test_an_empty_stage_that_was_not_closed(drive_faulty: DriveFaulty) -> None:
    driver, faulty = drive_faulty(one_stage(index), faults=(crash("transact", "jobs", 3),))
    job_id = driver.submit("one_stage", {"n": 0})
    driver.run(deliveries=1)
    assert driver.crashes == 1
    lose_after_crash(driver)

    assert mend(driver, job_id) == [("ended, not closed", f"stage 1 'Only': all 0 tasks have ended, {STILL}")]
    assert_ends(driver, job_id, history=faulty.history)


def test_a_completion_that_was_lost(drive: Drive) -> None:
    driver = drive(one_stage(index))
    job_id = driver.submit("one_stage", {"n": 1})
    driver.run(deliveries=2)
    assert lose_messages(driver) == 1

    assert mend(driver, job_id) == [("not completed", f"all stages are closed, {STILL}")]
    assert_ends(driver, job_id)


def test_a_stop_that_was_lost_half_way(drive: Drive) -> None:
    def run(task: Task) -> int:
        raise PermanentError("broken")

    driver = drive(one_stage(run, on_failure="stop"), batch=1)
    job_id = driver.submit("one_stage", {"n": 2_500})
    while not driver.repository.get_chain(job_id).stages[0].stop:
        driver.run(deliveries=1)
    lose_messages(driver)

    assert mend(driver, job_id) == [("stop not finished", f"stage 1 'Only': it is being stopped, {STILL}")]
    assert_ends(driver, job_id, "failed")


def test_a_job_that_has_ended_and_was_not_tidied_up(drive: Drive) -> None:
    told: list[str] = []
    driver = drive(one_stage(broken_first, on_hook=told.append))
    job_id = driver.submit("one_stage", {"n": 1})
    driver.run(deliveries=2)
    assert lose_messages(driver) == 1

    assert mend(driver, job_id) == [
        ("not tidied up", "the job has failed and is still among the active jobs"),
    ]
    assert_ends(driver, job_id, "failed")
    assert told == ["failed"]


def broken_first(task: Task) -> int:
    raise PermanentError("broken")


def test_a_job_that_is_not_listed_among_the_active_ones(drive: Drive) -> None:
    driver = drive(one_stage(index))
    job_id = driver.submit("one_stage", {"n": 2})
    driver.repository.index.drop(driver.repository.get_chain(job_id).job)

    assert mend(driver, job_id) == [("not listed", "the job is queued and not among the active jobs")]
    assert driver.repository.index.is_active(driver.repository.get_chain(job_id).job)
    assert_ends(driver, job_id)


def test_a_task_without_a_sign_of_life_for_its_timeout_is_handed_to_another_attempt(
    drive_faulty: DriveFaulty, clock: ManualClock
) -> None:
    def run(task: Task) -> int:
        if task.index == 1 and task.attempt == 1:
            faulty.dead = True
            raise Crash
        return 10 * task.index + task.attempt

    driver, faulty = drive_faulty(one_stage(run, timeout=timedelta(minutes=10)), batch=1)
    job_id = driver.submit("one_stage", {"n": 3})
    driver.run(deliveries=3)
    assert driver.crashes == 1
    clock.advance(9 * 60)
    lose_messages(driver)
    assert mend(driver, job_id) == [("sent, but lost", f"stage 1 'Only': task 2 is queued without a message, {STILL}")]
    driver.run()
    assert look(driver, job_id).findings == ()
    clock.advance(61)

    assert mend(driver, job_id) == [
        ("claimed by what is gone", "stage 1 'Only': task 1 is running, without a sign of life for over 600 s")
    ]
    driver.run()
    assert [(t["status"], t["attempt"], t["result"]) for t in driver.tasks(job_id)] == [
        ("completed", 1, 1),
        ("completed", 2, 12),
        ("completed", 1, 21),
    ]
    check_invariants(driver.store, job_id, faulty.history)


def test_what_an_earlier_attempt_told_is_no_sign_of_life_by_which_a_later_one_is_overdue(drive: Drive) -> None:
    seen: list[Any] = []

    def run(task: Task) -> int:
        if task.attempt == 1:
            task.progress(1, 2)
            raise RetryLater(timedelta(minutes=30))
        seen.append(names(look(driver, job_id)))
        return task.attempt

    driver = drive(one_stage(run, timeout=timedelta(minutes=10), max_attempts=2))
    job_id = driver.submit("one_stage", {"n": 1})
    driver.run()

    assert seen == [[]]
    assert driver.tasks(job_id)[0]["result"] == 2


def test_the_tasks_of_a_batch_have_their_timeouts_together(drive: Drive) -> None:
    seen: list[list[tuple[str, str]]] = []

    def run(task: Task) -> int:
        if len(seen) < 6:
            driver.clock.advance(599 if task.index < 5 else 605)
            seen.append(names(look(driver, job_id)))
        return task.attempt

    driver = drive(one_stage(run, batch=6, timeout=timedelta(minutes=10)))
    job_id = driver.submit("one_stage", {"n": 6})
    driver.run()

    assert seen == [[]] * 6
    assert [task["result"] for task in driver.tasks(job_id)] == [1] * 6


def test_without_a_timeout_a_running_task_is_handed_on_by_force_alone(drive_faulty: DriveFaulty) -> None:
    def run(task: Task) -> int:
        if task.attempt == 1:
            faulty.dead = True
            raise Crash
        return task.attempt

    driver, faulty = drive_faulty(one_stage(run), batch=1)
    job_id = driver.submit("one_stage", {"n": 1})
    driver.run(deliveries=2)
    lose_after_crash(driver)
    assert mend(driver, job_id) == []

    assert mend(driver, job_id, force=True) == [
        ("claimed by what is gone", "stage 1 'Only': task 0 is running, with no timeout to go by")
    ]
    assert_ends(driver, job_id, history=faulty.history)


def test_a_healthy_job_is_left_alone_but_for_the_note_of_the_look(drive_faulty: DriveFaulty) -> None:
    driver, faulty = drive_faulty(two_stages())
    job_id = driver.submit("two_stages", {"n": 3})
    written: list[tuple[str, str]] = []
    for _ in range(12):
        before = len(faulty.calls)
        assert look(driver, job_id).findings == ()
        written += [(call.verb, call.place) for call in faulty.calls[before:] if call.writes]
        driver.run(deliveries=1)

    assert set(written) == {("update", "index")}
    assert_ends(driver, job_id, history=faulty.history)


def test_a_look_that_is_not_to_be_noted_writes_nothing(drive_faulty: DriveFaulty) -> None:
    driver, faulty = drive_faulty(two_stages())
    job_id = driver.submit("two_stages", {"n": 3})
    lose_messages(driver)
    before = len(faulty.calls)

    looks = [look(driver, job_id, note=False) for _ in range(2)]

    assert [(found.findings, found.is_settled) for found in looks] == [((), False)] * 2
    assert [call for call in faulty.calls[before:] if call.writes] == []


def test_a_job_that_there_is_not(drive: Drive) -> None:
    with pytest.raises(UnknownJob):
        look(drive(two_stages()), "0" * 32)


def test_what_an_operator_notes_is_no_movement(drive: Drive) -> None:
    driver = drive(two_stages())
    job_id = driver.submit("two_stages", {"n": 1})
    lose_messages(driver)
    operator = Operator(driver.service, by="ann")
    first = operator.repair(job_id)
    operator.note(first.chain.job, "looked", "")

    second = operator.repair(job_id)

    assert (first.is_settled, second.is_settled) == (False, True)
    assert [finding.name for finding in second.findings] == ["not planned"]
