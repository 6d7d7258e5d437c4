"""The diagnosis: each thing that keeps a job from moving is made to happen, and is recognised; nothing is written."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from driver import Driver, ManualClock
from faulty import Fault, Faulty, Kind
from jobkit.runtime import BaseController, TaskContext, stage
from jobkit.runtime.errors import StoreUnavailable
from jobkit.runtime.inspected import Inspected
from jobkit.runtime.inspection import Inspection
from jobkit.runtime.messages import Incoming, decode_message
from jobkit.runtime.model import Failure
from jobkit.runtime.operator import Operator
from jobkit.runtime.processing import QUEUES
from jobkit.runtime.repair import Repair
from jobkit.runtime.service import ref_of
from jobkit.runtime.storage.ports import Delivery, ShowsHidden, Store
from jobkit.views.verdict import verdict_of
from purged_cases import begin_to_purge
from samples import Count, broken_items, one_stage, second_fails, two_stages

Drive = Callable[..., Driver]
DriveFaulty = Callable[..., tuple[Driver, Faulty]]
Task = TaskContext[Count, int]
WORKER = "jobkit worker"


def index(task: Task) -> int:
    return task.index


def look(driver: Driver, store: Store, job_id: str, **how: Any) -> Inspected:
    """Look at a job, and see to it that nothing is written by that."""
    before = driver.everything()
    found = Inspection(driver.service, store.queues, job_id, **how).read()
    assert driver.everything() == before
    return found


def findings(found: Inspected) -> list[tuple[str, str, str, str]]:
    job = found.chain.job.job_id[:12]
    return [(str(f.weight), f.name, f.evidence, f.remedy.replace(job, "ID")) for f in found.diagnosis.findings]


def names(found: Inspected) -> list[str]:
    return [f"{finding.weight}: {finding.name}" for finding in found.diagnosis.findings]


def lose_messages(driver: Driver, *, after_s: float = 6) -> None:
    """Lose every message that is visible, and let so much time go by that nobody is about to send one."""
    queues = driver.store.queues
    for queue in QUEUES:
        while found := queues.receive(queue, limit=32, visibility_s=30):
            for delivery in found:
                queues.delete(queue, delivery)
    driver.clock.advance(after_s)


def crash_at(verb: str, place: str, *, times: int = 1) -> Fault:
    """The process dies before its next calls of a kind."""
    left = list(range(times))
    return Fault(
        Kind.CRASH_BEFORE, lambda call: (call.verb, call.place) == (verb, place) and bool(left) and left.pop() >= 0
    )


def test_a_job_that_has_completed_has_nothing_to_be_found(drive: Drive, store: Store) -> None:
    driver = drive(two_stages())
    job_id = driver.finish("two_stages", {"n": 3})["job_id"]

    found = look(driver, store, job_id)

    assert (found.diagnosis.findings, found.diagnosis.unchecked) == ((), ())
    assert verdict_of(found).startswith("completed in ")


def test_a_message_that_nobody_takes(drive: Drive, store: Store, clock: ManualClock) -> None:
    driver = drive(two_stages())
    job_id = driver.submit("two_stages", {"n": 3})
    text = "the message that plans stage 1 has waited {} in queue jobs"

    at_once = look(driver, store, job_id)
    nobody = look(driver, store, job_id, living=lambda: 0, options=" --store local:x.db")
    clock.advance(60)
    later = look(driver, store, job_id)
    in_azure = look(driver, store, job_id, options=" --store azure")
    somebody = look(driver, store, job_id, living=lambda: 1)

    assert findings(at_once) == [("waiting", "not taken yet", text.format("0 s"), "")]
    assert findings(nobody) == [
        (
            "waiting",
            "no worker",
            text.format("0 s") + " and no process works on this store",
            "jobkit worker --store local:x.db",
        )
    ]
    assert findings(later) == [("stuck", "no worker", text.format("60 s") + " and nobody takes it", WORKER)]
    assert verdict_of(later) == "stuck: " + text.format("60 s") + " and nobody takes it"
    [(*_, remedy)] = findings(in_azure)
    assert remedy == "jobkit worker --store azure; or start the Function App"
    assert names(somebody) == ["waiting: not taken yet"]


def test_tasks_whose_messages_nobody_takes(drive: Drive, store: Store, clock: ManualClock) -> None:
    driver = drive(two_stages())
    job_id = driver.submit("two_stages", {"n": 3})
    driver.run(deliveries=1)

    at_once = look(driver, store, job_id)
    clock.advance(60)

    text = "3 task messages have waited {} in queue tasks"
    assert findings(at_once) == [("waiting", "not taken yet", text.format("0 s"), "")]
    assert findings(look(driver, store, job_id)) == [
        ("stuck", "no worker", text.format("60 s") + " and nobody takes them", WORKER)
    ]


@pytest.mark.parametrize("looks", [0, 1], ids=["at once", "after a look of repair"])
def test_a_planning_that_was_lost(drive: Drive, store: Store, looks: int) -> None:
    driver = drive(two_stages())
    job_id = driver.submit("two_stages", {"n": 3})
    lose_messages(driver)
    for _ in range(looks):
        Repair(driver.service).look(job_id)

    found = findings(look(driver, store, job_id))

    if looks:
        text = "stage 1 'Square': nobody plans it, and nothing has moved since the last look"
        assert found == [("stuck", "not planned", text, "jobkit repair ID")]
    else:
        text = "the message that plans stage 1 is in no queue"
        assert found == [("stuck", "lost message", text, "jobkit repair ID --force")]


def test_the_completion_that_was_lost(drive: Drive, store: Store) -> None:
    driver = drive(one_stage(index))
    job_id = driver.submit("one_stage", {"n": 1})
    driver.run(deliveries=2)
    lose_messages(driver)

    text = "the message that completes it is in no queue"
    assert findings(look(driver, store, job_id)) == [("stuck", "lost message", text, "jobkit repair ID --force")]


def test_task_messages_that_were_lost(drive: Drive, store: Store) -> None:
    driver = drive(two_stages(), batch=1)
    job_id = driver.submit("two_stages", {"n": 5})
    driver.run(deliveries=2)
    lose_messages(driver)

    found = look(driver, store, job_id)

    text = "4 tasks (1, 2, 3, …) are queued and no message would start them"
    assert findings(found) == [("stuck", "lost message", text, "jobkit repair ID --force")]
    assert verdict_of(found) == f"stuck: {text}"


def test_what_was_just_written_is_not_taken_for_lost(drive: Drive, store: Store) -> None:
    driver = drive(two_stages(), batch=1)
    job_id, other_id = (driver.submit("two_stages", {"n": n}) for n in (5, 6))
    driver.run(deliveries=1)
    lose_messages(driver, after_s=4)

    for job in (job_id, other_id):
        assert (look(driver, store, job).diagnosis.findings, look(driver, store, job).diagnosis.unchecked) == ((), ())


def test_what_moves_while_the_queues_are_looked_at_is_not_taken_for_lost(
    drive: Drive, store: Store, clock: ManualClock
) -> None:
    driver = drive(two_stages(), batch=1)
    job_id = driver.submit("two_stages", {"n": 3})
    driver.run(deliveries=1)
    clock.advance(20)

    class Busy:
        """Queues on which others work between a look at the rows and one at them."""

        def __getattr__(self, name: str) -> Any:
            driver.run()
            return getattr(store.queues, name)

    busy: Any = Busy()
    found = Inspection(driver.service, busy, job_id).read()

    assert found.chain.job.status.value == "processing"  # as it was read
    assert (found.diagnosis.findings, found.diagnosis.unchecked) == ((), ())


def test_who_is_about_to_send_the_next_attempt_has_the_message_of_the_last_one(
    drive_faulty: DriveFaulty, store: Store, clock: ManualClock
) -> None:
    def fails(task: Task) -> int:
        raise ValueError("no")

    driver, faulty = drive_faulty(one_stage(fails, max_attempts=2, retry_delay=timedelta(0)), batch=1)
    job_id = driver.submit("one_stage", {"n": 1})
    driver.run(deliveries=1)
    faulty.faults = (crash_at("send", "tasks"),)
    driver.run(deliveries=1)
    clock.advance(20)

    held = look(driver, store, job_id)
    clock.advance(20)
    back = look(driver, store, job_id)

    assert (names(held), names(back)) == ([], [])
    assert len(held.diagnosis.unchecked) == (0 if isinstance(store.queues, ShowsHidden) else 1)
    driver.run()
    assert driver.job(job_id)["status"] == "failed"


def test_a_planner_that_died(drive_faulty: DriveFaulty, store: Store, clock: ManualClock) -> None:
    driver, _ = drive_faulty(two_stages(), faults=(crash_at("update", "jobs"),))
    job_id = driver.submit("two_stages", {"n": 3})
    driver.run(deliveries=1)

    at_once = look(driver, store, job_id)
    clock.advance(31)

    unchecked = (
        "whether the message that plans stage 1 is still there: queue jobs can't be seen whole "
        "(it has 1 message, 1 hidden)"
    )
    sees_all = isinstance(store.queues, ShowsHidden)  # and its holder, this process, lives
    assert (findings(at_once), at_once.diagnosis.unchecked) == ([], () if sees_all else (unchecked,))
    assert verdict_of(at_once) == "planning stage 1 of 2"
    assert findings(look(driver, store, job_id)) == [
        (
            "waiting",
            "dead claimer",
            (
                "the message that plans stage 1 was taken by an instance that is gone, or failed; "
                "its message is back in the queue (delivery 2 of 5 is next)"
            ),
            "jobkit worker; or jobkit repair ID --force",
        )
    ]


def test_an_instance_that_died_over_a_task(drive_faulty: DriveFaulty, store: Store, clock: ManualClock) -> None:
    driver, _ = drive_faulty(one_stage(index), faults=(crash_on_record(),), batch=1)
    job_id = driver.submit("one_stage", {"n": 3})
    driver.run(deliveries=2)
    driver.run(deliveries=2)

    at_once = look(driver, store, job_id)
    clock.advance(14 * 60)
    dead = look(driver, store, job_id)
    lose_messages(driver, after_s=0)
    lost = look(driver, store, job_id)

    where = "queue tasks can't be seen whole (it has 1 message, 1 hidden)"
    unchecked = f"whether the instances of 1 running task live: {where}"
    sees_all = isinstance(store.queues, ShowsHidden)
    assert (findings(at_once), at_once.diagnosis.unchecked) == ([], () if sees_all else (unchecked,))
    assert verdict_of(at_once) == "processing stage 1 of 1: 2 of 3 done, 1 in flight, the longest for 0 s"
    assert findings(dead) == [
        (
            "waiting",
            "dead claimer",
            (
                "task 0 was claimed 14 min ago by an instance that is gone (worker-1); "
                "its message is back in the queue (delivery 2 of 5 is next)"
            ),
            "jobkit worker; or jobkit repair ID --force",
        )
    ]
    text = "task 0 is claimed, 14 min ago, and no message is left that would go on"
    assert findings(lost) == [("stuck", "lost message", text, "jobkit repair ID --force")]


def crash_on_record() -> Fault:
    """The process dies when it has run a task, before it can record that: at its second write of a task row."""
    seen: list[int] = []

    def hits(call: Any) -> bool:
        if (call.verb, call.place) == ("update", "tasks"):
            seen.append(call.number)
        return len(seen) == 2 and seen[1] == call.number

    return Fault(Kind.CRASH_BEFORE, hits)


def test_a_task_without_a_sign_of_life_whose_message_is_hidden(drive: Drive, store: Store, clock: ManualClock) -> None:
    driver = drive(one_stage(index))
    job_id = driver.submit("one_stage", {"n": 1})
    driver.run(deliveries=1)
    [delivery] = store.queues.receive("tasks", limit=1, visibility_s=3_600)
    claim(driver, delivery)
    clock.advance(700)

    found = look(driver, store, job_id)

    text = "task 0 has shown no sign of life for 11 min (instance worker-1)"
    silent = ("note", "silent task", text, "if that instance is gone: jobkit repair ID --force")
    assert findings(found) == ([] if isinstance(store.queues, ShowsHidden) else [silent])


def claim(driver: Driver, delivery: Delivery) -> None:
    """Claim the task of a delivery, and go no further."""
    message = decode_message(delivery.body)
    owner = Incoming(message=message, message_id=delivery.id, delivery=delivery.dequeue_count).owner
    driver.repository.claim(ref_of(message), message.etag, owner, driver.service.worker, driver.clock.now())


def test_a_task_that_waits_for_another_attempt(drive: Drive, store: Store, clock: ManualClock) -> None:
    def fails_first(task: Task) -> int:
        if task.attempt == 1 and task.index == 1:
            raise ValueError("not yet\nreally")
        return task.index

    driver = drive(one_stage(fails_first, max_attempts=2, retry_delay=timedelta(minutes=10)))
    job_id = driver.submit("one_stage", {"n": 3})
    driver.run(deliveries=4)

    found = look(driver, store, job_id)

    [(weight, name, text, remedy)] = findings(found)
    assert (weight, name, remedy) == ("waiting", "waiting for a retry", "")
    assert text.startswith("task 1 waits for another attempt, task 1 until 12:")
    assert text.endswith(" min (attempt 2); it failed with ValueError: not yet")
    assert verdict_of(found) == f"waiting: {text}"
    assert [task.ref.index for task in found.outliers[1].retried] == [1]


def test_poison_that_waits_for_a_worker(drive_faulty: DriveFaulty, store: Store, clock: ManualClock) -> None:
    seen: list[int] = []

    def hits(call: Any) -> bool:
        return (call.verb, call.place, call.poison) == ("update", "tasks", False) and bool(
            seen.append(1) or len(seen) > 1
        )

    driver, _ = drive_faulty(one_stage(index), faults=(Fault(Kind.CRASH_BEFORE, hits),), batch=1)
    job_id = driver.submit("one_stage", {"n": 1})
    while not store.queues.length("tasks-poison"):
        driver.run(deliveries=1)
        clock.advance(31)

    found = look(driver, store, job_id)
    nobody = look(driver, store, job_id, living=lambda: 0)

    text = "1 message in queue tasks-poison: task 0 was delivered too often, and a worker fails that task for it"
    remedy = "jobkit worker; or to try it again: jobkit poison requeue --job ID"
    assert findings(found) == [("waiting", "poison waiting", text, remedy)]
    assert verdict_of(nobody) == f"stuck: {text}"
    driver.run()
    assert findings(look(driver, store, job_id)) == [
        (
            "note",
            "poison",
            "the process that ran it died each time, or the store could not be reached",
            "mend what ends the process, then jobkit retry ID",
        )
    ]


def test_a_queue_that_is_throttled_is_named_and_nothing_is_found_missing_in_it(drive: Drive, store: Store) -> None:
    driver = drive(two_stages())
    job_id = driver.submit("two_stages", {"n": 3})
    reason = "jobs: 503 ServerBusy"

    class Throttled:
        def __getattr__(self, name: str) -> Any:
            return getattr(store.queues, name)

        def peek(self, queue: str, *, limit: int) -> list[Delivery]:
            if queue == "jobs":
                raise StoreUnavailable(store="azure at there", reason=reason)
            return store.queues.peek(queue, limit=limit)

    throttled: Any = Throttled()
    found = Inspection(driver.service, throttled, job_id).read()
    reason = "jobs: no answer"
    silent = Inspection(driver.service, throttled, job_id).read()

    text = "queue jobs can't be looked at: store azure at there: jobs: 503 ServerBusy"
    remedy = "look again in a minute; fewer instances, or max_parallel, ask less of the account"
    assert findings(found) == [("waiting", "store throttled", text, remedy)]
    assert found.diagnosis.unchecked == ("queue jobs",)
    assert names(silent) == ["waiting: store does not answer"]


def test_a_job_whose_controller_is_not_where_it_is_worked_on(drive: Drive, store: Store, clock: ManualClock) -> None:
    driver = drive(two_stages())
    job_id = driver.submit("two_stages", {"n": 1})
    driver.run(deliveries=1)
    driver.replace()
    driver.run(deliveries=1)
    clock.advance(4)

    failing = look(driver, store, job_id)
    other_id = drive(two_stages()).submit("two_stages", {"n": 2})
    driver.run()

    text = "1 task message waits in queue tasks after 1 of 5 deliveries that did not finish"
    log = "see the log of the instances; after the last one it goes to the poison queue"
    assert findings(failing) == [("waiting", "failing message", text, log)]
    for ended in (job_id, other_id):  # at its task, and at its planning
        assert findings(look(driver, store, ended)) == [
            (
                "note",
                "controller not registered",
                "where it was worked on, no controller has the job type 'two_stages'",
                "put the controller there (jobkit controllers lists them), then jobkit retry ID",
            )
        ]


def test_a_job_whose_code_was_changed_under_it(drive: Drive, store: Store) -> None:
    class Renamed(BaseController[Count]):
        job_type = "two_stages"

        @stage("Cube")
        def cube(self, task: TaskContext[Count, None]) -> int:
            return 1

        @stage("Add")
        def add(self, task: TaskContext[Count, None]) -> int:
            return 1

    driver = drive(two_stages())
    job_id = driver.submit("two_stages", {"n": 3})
    driver.run(deliveries=1)
    driver.replace(Renamed)
    driver.run(deliveries=2)
    amid = look(driver, store, job_id)
    driver.run()

    text = "stage 1 'Square' of two_stages is gone, it is 'Cube' now: the code has changed since the job was submitted"
    remedy = "bring the stage back, then jobkit retry ID; or submit the job anew"
    assert ("note", "code changed", text, remedy) in findings(amid)
    assert findings(look(driver, store, job_id)) == [("note", "code changed", text, remedy)]
    assert verdict_of(look(driver, store, job_id)).endswith(f": 3 tasks, all CodeChanged: {text}")


def test_a_job_that_failed_by_its_own_code_is_told_at_which_stage_and_what_begins_it_again(
    drive: Drive, store: Store
) -> None:
    tasks = drive(one_stage(second_fails)).finish("one_stage", {"n": 3})["job_id"]
    planning = drive(one_stage(index, items=broken_items(1))).finish("one_stage", {"n": 1})["job_id"]

    by_tasks, by_planning = (look(drive(one_stage(index)), store, job_id) for job_id in (tasks, planning))

    remedy = "mend the cause, then jobkit retry ID"
    assert findings(by_tasks) == [("note", "failed", "1 of 3 tasks of stage 1 Only", remedy)]
    assert findings(by_planning) == [("note", "failed", "LookupError", remedy)]


def test_a_job_that_is_being_cancelled(drive: Drive, store: Store) -> None:
    driver = drive(two_stages())
    job_id = driver.submit("two_stages", {"n": 3})
    driver.run(deliveries=1)
    [held] = store.queues.receive("tasks", limit=1, visibility_s=30)
    claim(driver, held)
    Operator(driver.service, by="ann").cancel(job_id, reason="wrong input")

    asked = look(driver, store, job_id)
    driver.run(deliveries=1)
    flagged = look(driver, store, job_id)

    assert names(asked)[0] == "waiting: not taken yet"
    assert ("note", "being cancelled", "the cancel waits in queue jobs", "") in findings(asked)
    assert findings(flagged) == [
        ("note", "being cancelled", "no further task starts: cancelled by ann: wrong input", "")
    ]
    assert verdict_of(flagged).startswith("processing stage 1 of 2: 2 of 3 done, 2 failed, 1 in flight")


def test_a_cancelled_job_says_so_once(drive: Drive, store: Store) -> None:
    driver = drive(two_stages())
    job_id = driver.submit("two_stages", {"n": 3})
    Operator(driver.service, by="ann").cancel(job_id, reason="wrong input")
    driver.run()

    assert verdict_of(look(driver, store, job_id)).endswith(": cancelled by ann: wrong input")


def test_a_stop_whose_message_was_lost(drive: Drive, store: Store) -> None:
    driver = drive(two_stages())
    job_id = driver.submit("two_stages", {"n": 3})
    driver.run(deliveries=1)
    chain = driver.repository.get_chain(job_id)
    driver.repository.flag_stop(
        chain, chain.stages[0], Failure(type="Stopped", message="task 1 failed"), driver.clock.now()
    )
    lose_messages(driver)

    text = "tasks are queued that are to be settled, and no message does that"
    assert findings(look(driver, store, job_id)) == [
        ("stuck", "lost message", text, "jobkit repair ID --force"),
        ("note", "being stopped", "no further task starts: task 1 failed", ""),
    ]


def test_a_job_that_is_being_reopened(drive: Drive, store: Store) -> None:
    def fails(task: Task) -> int:
        raise ValueError("no")

    driver = drive(one_stage(fails))
    job_id = driver.finish("one_stage", {"n": 2})["job_id"]
    Operator(driver.service, by="ann").retry(job_id)

    found = look(driver, store, job_id)
    lose_messages(driver)

    note = ("note", "being reopened", "stage 1 is given its round 2", "")
    text = "the message that reopens stage 1"
    assert findings(found) == [("waiting", "not taken yet", f"{text} has waited 0 s in queue jobs", ""), note]
    assert findings(look(driver, store, job_id)) == [
        ("stuck", "lost message", f"{text} is in no queue", "jobkit repair ID --force"),
        note,
    ]


def test_a_stage_whose_lights_nobody_turns_out(drive_faulty: DriveFaulty, store: Store, clock: ManualClock) -> None:
    driver, faulty = drive_faulty(one_stage(index), batch=1)
    job_id = driver.submit("one_stage", {"n": 1})
    driver.run(deliveries=1)
    faulty.faults = (Fault(Kind.CRASH_BEFORE, lambda call: (call.verb, call.place) == ("transact", "jobs")),)
    driver.run(deliveries=1)
    clock.advance(31)

    back = look(driver, store, job_id)
    lose_messages(driver)

    assert names(back) == ["waiting: dead claimer"]
    text = "the only task has ended and stage 1 is not closed: nobody turns out the lights"
    assert findings(look(driver, store, job_id)) == [("stuck", "lost message", text, "jobkit repair ID --force")]


def test_a_job_that_is_not_listed_among_the_active_ones(drive: Drive, store: Store) -> None:
    driver = drive(two_stages())
    job_id = driver.submit("two_stages", {"n": 3})
    driver.repository.index.drop(driver.repository.get_chain(job_id).job)

    found = findings(look(driver, store, job_id))

    assert found[0] == ("stuck", "not listed", "the job is queued and not among the active jobs", "jobkit repair ID")


def test_a_job_that_was_not_tidied_up_after(drive: Drive, store: Store) -> None:
    driver = drive(one_stage(index))
    job = driver.finish("one_stage", {"n": 1})
    driver.repository.index.add(driver.repository.get_chain(job["job_id"]).job, recent=False)

    [(weight, name, _, remedy)] = findings(look(driver, store, job["job_id"]))

    assert (weight, name, remedy) == ("note", "not tidied up", "wait a moment; then jobkit repair ID")


def test_a_job_that_is_deleted_in_part(drive: Drive, store: Store) -> None:
    driver = drive(one_stage(index))
    job_id = driver.finish("one_stage", {"n": 2})["job_id"]
    begin_to_purge(driver, job_id)

    remedy = "when nobody does it any more: jobkit purge ID"
    assert findings(look(driver, store, job_id)) == [
        ("note", "being deleted", "a purge has begun to delete its rows", remedy)
    ]


def test_lanes_wait_for_their_heads_alone(drive: Drive, store: Store) -> None:
    driver = drive(one_stage(index, max_parallel=2), batch=1)
    job_id = driver.submit("one_stage", {"n": 9})
    driver.run(deliveries=2)
    lose_messages(driver)

    text = "2 tasks (1, 2) are queued and no message would start them"
    assert [evidence for _, _, evidence, _ in findings(look(driver, store, job_id))] == [text]


def test_of_a_large_stage_it_is_said_what_was_not_looked_at(drive: Drive, store: Store) -> None:
    driver = drive(one_stage(index, batch=100))
    job_id = driver.submit("one_stage", {"n": 1_700})
    driver.run(deliveries=4)

    found = look(driver, store, job_id)

    assert found.diagnosis.unchecked == ("100 of 1,700 tasks of stage 1",)
    assert verdict_of(found) == "waiting: 15 task messages have waited 0 s in queue tasks"
    assert (found.counts[1].summary.ended, found.counts[1].unseen) == (100, 100)


def test_a_queue_with_more_messages_than_can_be_seen_is_not_called_checked(drive: Drive, store: Store) -> None:
    driver = drive(one_stage(index))
    job_id = driver.submit("one_stage", {"n": 40})
    driver.run(deliveries=1)

    found = look(driver, store, job_id)

    where = "queue tasks can't be seen whole (it has 40 messages, and 32 can be seen)"
    assert found.diagnosis.unchecked == (f"whether a message would start 8 queued tasks: {where}",)
    assert findings(found) == [("waiting", "not taken yet", "32 task messages have waited 0 s in queue tasks", "")]
