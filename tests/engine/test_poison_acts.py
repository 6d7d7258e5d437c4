"""Poison messages are found, tried again and given up: more than a page of them, ours and foreign ones, waiting and kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from driver import Driver
from invariants import check_invariants
from jobkit.runtime import BaseController, JobContext, PermanentError, TaskContext, stage
from jobkit.runtime.controllers import HelloWorlds
from jobkit.runtime.documents import poison_message_document
from jobkit.runtime.errors import AmbiguousId, StoreUnavailable, UnknownPoison
from jobkit.runtime.messages import decode_message
from jobkit.runtime.model import StageState
from jobkit.runtime.operator import Operator
from jobkit.runtime.poison import Done, Found, poison_id
from jobkit.runtime.poison_acts import PoisonActs
from jobkit.runtime.poison_choice import Wanted
from jobkit.runtime.poison_search import PoisonSearch
from jobkit.runtime.service import ref_of
from jobkit.runtime.storage.limits import MESSAGE_BYTES
from jobkit.runtime.storage.ports import Entity
from poison_cases import received
from samples import Count, one_stage

Drive = Callable[..., Driver]


def find(driver: Driver, *, take: bool = False, **wanted: Any) -> Found:
    return PoisonSearch(driver.service, driver.store.queues).find(Wanted(**wanted), take=take)


def acts(driver: Driver) -> PoisonActs:
    return PoisonActs(driver.service, driver.store.queues, by="ann@desk")


def bodies(found: Found) -> list[str]:
    return [message.body for message in found.messages]


def outcomes(done: list[Done]) -> list[tuple[str, bool, str]]:
    return [(each.message.body, each.is_done, each.why_left) for each in done]


def is_asked_in_vain(driver: Driver) -> Callable[[TaskContext[Count, Any]], int]:
    """Return a task that ends no delivery of its message, while the driver's tasks are `broken`."""

    def task(task: TaskContext[Count, Any]) -> int:
        if task.index == 1 and getattr(driver, "broken", True):
            raise StoreUnavailable(store="its own", reason="asked in vain")
        return task.index

    return task


def poison_of_a_task(drive: Drive, **options: Any) -> tuple[Driver, str]:
    """Return a job whose task 1 has not ended: its message waits in the poison queue."""
    driver = drive()
    driver.replace(one_stage(is_asked_in_vain(driver), **options))
    job_id = driver.submit("one_stage", {"n": 3})
    while not driver.lengths()["tasks-poison"]:
        driver.run(deliveries=1)
    driver.broken = False  # type: ignore[attr-defined]
    return driver, job_id


def audits(driver: Driver, job_id: str) -> list[tuple[str, str, str]]:
    return [(each.action, each.by, each.reason) for each in driver.repository.audits(job_id)]


@pytest.mark.parametrize("count", [0, 1, 32, 33, 100])
def test_all_of_any_number_are_found_and_can_be_taken_by_others_afterwards(drive: Drive, count: int) -> None:
    driver = drive(HelloWorlds)
    texts = [f"text {number:03}" for number in range(count)]
    for text in texts:
        driver.store.queues.send("tasks-poison", text)

    peeked, taken, again = find(driver), find(driver, take=True), find(driver, take=True)

    assert (sorted(bodies(peeked)), peeked.unseen) == (texts[:32], {"tasks": max(0, count - 32), "jobs": 0})
    assert peeked.is_cut == ({"tasks"} if count > 32 else set())
    for found in (taken, again):
        assert (sorted(bodies(found)), found.unseen, found.is_cut) == (texts, {"tasks": 0, "jobs": 0}, frozenset())
        assert [each.id for each in found.messages] == [poison_id("tasks", each.body) for each in found.messages]
    # A take is a delivery, and Functions counts them in a poison queue too: no look adds more than one.
    assert {each.dequeue_count for each in driver.store.queues.peek("tasks-poison", limit=32)} <= {0, 1}
    assert driver.lengths()["tasks-poison"] == count


def test_of_too_many_the_first_are_taken(drive: Drive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobkit.runtime.poison_search.MOST_TAKEN", 32)
    driver = drive(HelloWorlds)
    for number in range(40):
        driver.store.queues.send("tasks-poison", str(number))

    found = find(driver, take=True)

    assert (len(found.messages), found.unseen, found.is_cut) == (32, {"tasks": 8, "jobs": 0}, {"tasks"})


def test_what_somebody_holds_is_counted_and_not_named(drive: Drive) -> None:
    driver = drive(HelloWorlds)
    for text in ("held", "seen"):
        driver.store.queues.send("jobs-poison", text)
    [held] = driver.store.queues.receive("jobs-poison", limit=1, visibility_s=600)
    text = ({"held", "seen"} - {held.body}).pop()

    found = find(driver, take=True)
    with pytest.raises(UnknownPoison, match="no poison message 'ffff' in this store; 1 can't be seen at the moment"):
        find(driver, ids=["ffff"])

    assert (bodies(found), found.unseen, found.is_cut) == ([text], {"tasks": 0, "jobs": 1}, frozenset())


def test_messages_are_chosen_by_id_queue_and_job(drive: Drive) -> None:
    driver, job_id = poison_of_a_task(drive)
    driver.store.queues.send("tasks-poison", "foreign")
    driver.store.queues.send("jobs-poison", "foreign")
    [ours] = [body for body in bodies(find(driver)) if body != "foreign"]

    assert bodies(find(driver, queue="jobs")) == ["foreign"]
    assert bodies(find(driver, job=job_id[:8])) == bodies(find(driver, queue="tasks", job=job_id)) == [ours]
    assert bodies(find(driver, job="ffff")) == bodies(find(driver, queue="jobs", job=job_id)) == []
    assert bodies(find(driver, ids=[poison_id("tasks", "foreign")[:9]])) == ["foreign"]
    with pytest.raises(UnknownPoison):
        find(driver, ids=[poison_id("tasks", "foreign")], queue="jobs")
    with pytest.raises(UnknownPoison):
        find(driver, ids=[""])


def test_the_beginning_of_more_than_one_id_is_refused(drive: Drive) -> None:
    driver = drive(HelloWorlds)
    for number in range(17):  # two of them begin alike
        driver.store.queues.send("tasks-poison", str(number))
    starts = [message.id[0] for message in find(driver).messages]
    [start, *_] = [start for start in starts if starts.count(start) > 1]

    with pytest.raises(AmbiguousId):
        find(driver, ids=[start])


def test_a_task_is_tried_again_and_the_job_completes(drive: Drive) -> None:
    driver, job_id = poison_of_a_task(drive)
    [found] = find(driver).messages
    assert found.outlook is not None
    assert (found.outlook.state, found.outlook.helps) == ("the task is claimed by this message", True)

    done = acts(driver).requeue([found], reason="mended")
    [sent] = driver.store.queues.peek("tasks", limit=32)
    driver.run()

    assert outcomes(done) == [(found.body, True, "")]
    assert (sent.dequeue_count, decode_message(sent.body).attempt) == (0, 2)
    assert (driver.job(job_id)["status"], [task["result"] for task in driver.tasks(job_id)]) == ("completed", [0, 1, 2])
    assert audits(driver, job_id) == [("poison requeue: 1 message", "ann@desk", "mended")]
    check_invariants(driver.store, job_id)


def test_a_task_is_given_up_by_name_and_the_job_ends(drive: Drive) -> None:
    driver, job_id = poison_of_a_task(drive)

    done = acts(driver).drop(find(driver).messages, reason="never mind")
    driver.run()

    assert [each.is_done for each in done] == [True]
    error = "the task message was given up: dropped by ann@desk: never mind"
    assert [(task["status"], task["error"] and task["error"]["message"]) for task in driver.tasks(job_id)] == [
        ("completed", None),
        ("failed", error),
        ("completed", None),
    ]
    assert audits(driver, job_id) == [("poison drop: 1 message", "ann@desk", "never mind")]
    check_invariants(driver.store, job_id)


@pytest.mark.parametrize("act", ["requeue", "drop"])
def test_a_batch_is_sent_as_single_tasks_or_given_up_whole(drive: Drive, act: str) -> None:
    driver, job_id = poison_of_a_task(drive, batch=3)
    [found] = find(driver).messages
    assert found.outlook is not None
    assert found.outlook.state == "3 of 3 tasks have not ended"

    getattr(acts(driver), act)([found])
    driver.run()

    expected = ["completed"] * 3 if act == "requeue" else ["failed"] * 3
    assert [task["status"] for task in driver.tasks(job_id)] == expected
    check_invariants(driver.store, job_id)


def test_a_task_that_has_failed_already_is_said_to_need_a_retry(drive: Drive) -> None:
    driver, job_id = poison_of_a_task(drive)
    [waiting] = driver.store.queues.peek("tasks-poison", limit=1)
    driver.run()  # the poison handler fails it
    driver.store.queues.send("tasks-poison", waiting.body)

    [found] = find(driver).messages
    done = acts(driver).requeue([found])
    driver.run()

    assert found.outlook is not None
    assert (found.outlook.state, found.outlook.helps, found.outlook.is_for_retry) == (
        "the task has failed",
        False,
        True,
    )
    assert found.outlook.error is not None
    assert found.outlook.error.type == "PoisonMessage"
    assert outcomes(done) == [(waiting.body, True, "")]
    assert driver.job(job_id)["status"] == "failed"


def test_a_job_that_is_gone_costs_nothing(drive: Drive) -> None:
    driver, job_id = poison_of_a_task(drive)
    with_another_epoch = json.loads(find(driver).messages[0].body) | {"epoch": "9" * 16}
    driver.store.queues.send("tasks-poison", json.dumps(with_another_epoch))
    found = [each for each in find(driver).messages if '"9999999999999999"' in each.body]

    done = acts(driver).requeue(found)
    driver.run()

    assert [each.outlook.state for each in found if each.outlook] == ["its job is gone"]
    assert outcomes(done) == [(found[0].body, True, "")]
    assert audits(driver, job_id) == []


def test_foreign_messages_go_back_to_their_queue_or_go(drive: Drive) -> None:
    driver = drive(HelloWorlds)
    for queue in ("jobs", "tasks"):
        driver.store.queues.send(f"{queue}-poison", f"foreign to {queue}")
        driver.store.queues.send(f"{queue}-poison", "twice")
        driver.store.queues.send(f"{queue}-poison", "twice")

    requeued = acts(driver).requeue(find(driver, queue="jobs").messages)
    dropped = acts(driver).drop(find(driver, queue="tasks").messages)

    assert sorted(outcomes(requeued)) == [("foreign to jobs", True, ""), ("twice", True, ""), ("twice", True, "")]
    assert sorted(outcomes(dropped)) == [("foreign to tasks", True, ""), ("twice", True, ""), ("twice", True, "")]
    sent = driver.store.queues.peek("jobs", limit=32)
    assert sorted((each.body, each.dequeue_count) for each in sent) == [
        ("foreign to jobs", 0),
        ("twice", 0),
        ("twice", 0),
    ]
    assert driver.lengths() == {"jobs": 3, "tasks": 0, "jobs-poison": 0, "tasks-poison": 0}


def test_of_a_hundred_the_chosen_ones_alone_are_touched(drive: Drive) -> None:
    driver = drive(HelloWorlds)
    for number in range(100):
        driver.store.queues.send("tasks-poison", f"text {number:03}")
    chosen = find(driver, take=True, ids=[poison_id("tasks", "text 050"), poison_id("tasks", "text 099")])

    done = acts(driver).drop(chosen.messages)

    assert sorted(outcomes(done)) == [("text 050", True, ""), ("text 099", True, "")]
    left = bodies(find(driver, take=True))
    assert sorted(left) == [f"text {number:03}" for number in range(100) if number not in (50, 99)]


def test_what_is_gone_meanwhile_is_said_to_be(drive: Drive) -> None:
    driver = drive(HelloWorlds)
    driver.store.queues.send("tasks-poison", "foreign")
    found = find(driver).messages
    driver.run()  # the poison handler keeps it as a row

    done = acts(driver).drop(found)

    assert outcomes(done) == [("foreign", False, "somebody else has it, or it is gone")]


def test_kept_messages_are_found_sent_again_and_dropped(drive: Drive) -> None:
    driver = drive(HelloWorlds)
    for text in ("once", "more"):
        driver.store.queues.send("tasks", text)
    driver.run()
    kept = find(driver).messages
    assert sorted((each.queue, each.body, each.deliveries, each.reason) for each in kept) == [
        ("tasks", "more", 1, "it is no JSON"),
        ("tasks", "once", 1, "it is no JSON"),
    ]

    acts(driver).requeue([each for each in kept if each.body == "once"])
    acts(driver).drop([each for each in kept if each.body == "more"])

    assert (driver.poison_rows(), driver.lengths()["tasks"]) == ([], 1)
    driver.run()
    assert [text for _, _, text in driver.poison_rows()] == ["once"]


def test_a_kept_message_tells_how_often_it_was_received_and_an_older_row_that_this_is_not_known(drive: Drive) -> None:
    driver = drive(HelloWorlds)
    driver.store.queues.send("jobs-poison", "foreign")
    for _ in range(2):  # received by those that died, before the third delivery keeps it
        driver.store.queues.receive("jobs-poison", limit=1, visibility_s=30)
        driver.clock.advance(31)
    driver.run()
    as_it_was: dict[str, Any] = {"row_version": 1, "queue": "tasks-poison", "reason": "why", "body": "older"}
    as_it_was["at"] = "2026-01-02T03:04:05.000006Z"
    driver.store.tables.insert("index", Entity(partition="poison", row="tasks-poison-1", properties=as_it_was))

    kept = find(driver).messages

    assert [(each.queue, each.body, each.deliveries) for each in kept] == [
        ("jobs", "foreign", 3),
        ("tasks", "older", None),
    ]
    assert [poison_message_document(each)["deliveries"] for each in kept] == [3, None]
    assert [each.is_done for each in acts(driver).requeue(kept)] == [True, True]
    assert driver.poison_rows() == []


def test_a_message_whose_row_is_damaged_is_left_until_the_row_is_mended_or_it_is_dropped(drive: Drive) -> None:
    driver, job_id = poison_of_a_task(drive)
    [found] = find(driver).messages
    assert found.message is not None
    task = driver.repository.tasks_of_batch(ref_of(found.message), 1)[0]
    partition, row = f"{job_id}.01.{found.message.plan}.t.00000000", f"{task.ref.index:010}"
    broken = Entity(partition=partition, row=row, properties={"status": "of clay"})
    etag = driver.store.tables.update("tasks", broken, etag=task.etag)
    driver.run()  # the handler keeps it

    [kept] = find(driver).messages
    left = acts(driver).requeue([kept])
    driver.store.tables.update(
        "tasks", Entity(partition=partition, row=row, properties={"status": "processing"}), etag=etag
    )
    done = acts(driver).requeue(find(driver).messages)
    driver.run()

    assert kept.outlook is not None
    assert not kept.outlook.helps
    assert "it is damaged: 'of clay' is not a valid Status" in kept.outlook.state
    assert [(each.is_done, "of clay" in each.why_left) for each in left] == [(False, True)]
    assert [each.is_done for each in done] == [True]
    assert (driver.job(job_id)["status"], driver.poison_rows()) == ("completed", [])
    check_invariants(driver.store, job_id)


def test_a_text_that_is_too_large_for_another_message_is_left_and_the_others_go(drive: Drive) -> None:
    driver = drive(HelloWorlds)
    for text in ("x" * (MESSAGE_BYTES + 1), "x"):
        driver.repository.keep_poison("tasks-poison", received(text), "its length", driver.clock.now())

    done = acts(driver).requeue(find(driver).messages)

    assert sorted((len(each.message.body), each.is_done, each.why_left) for each in done) == [
        (1, True, ""),
        (MESSAGE_BYTES + 1, False, "queue message: 49,153 bytes, the limit is 49,152"),
    ]
    assert [len(text) for text in bodies(find(driver))] == [MESSAGE_BYTES + 1]


def test_they_are_counted_without_being_looked_at(drive: Drive) -> None:
    driver = drive(HelloWorlds)
    driver.store.queues.send("tasks", "kept")
    driver.run()
    for _ in range(40):
        driver.store.queues.send("jobs-poison", "waiting")

    counts = PoisonSearch(driver.service, driver.store.queues).count()

    assert (counts.waiting, counts.kept) == ({"tasks": 0, "jobs": 40}, 1)


def a_copied_retry(drive: Drive) -> tuple[Driver, str]:
    """Return a job of two stages in its second round, whose message is in its queue and, a copy, in the poison queue."""
    state = {"is_broken": True}

    class Two(BaseController[Count]):
        job_type = "two"

        @stage("First")
        def first(self, task: TaskContext[Count, None]) -> int:
            if state["is_broken"]:
                raise PermanentError("not yet")
            return 1

        @stage("Second")
        def second(self, task: TaskContext[Count, int]) -> int:
            return task.params

        @second.fan_out
        def numbers(self, job: JobContext[Count]) -> Iterator[int]:
            yield from range(job.params.n)

    driver = drive(Two, batch=1)
    job_id = driver.finish("two", {"n": 3})["job_id"]
    state["is_broken"] = False
    Operator(driver.service, by="ann@desk").retry(job_id)
    [message] = driver.store.queues.peek("jobs", limit=1)
    driver.store.queues.send("jobs-poison", message.body)
    return driver, job_id


def test_a_retrys_message_that_is_dropped_before_the_stage_is_open_ends_the_job(drive: Drive) -> None:
    driver, job_id = a_copied_retry(drive)

    done = acts(driver).drop(find(driver).messages)
    driver.run()

    job = driver.job(job_id)
    assert [each.is_done for each in done] == [True]
    assert (job["status"], job["error"]["message"]) == (
        "failed",
        "the reopen message was given up: dropped by ann@desk",
    )
    check_invariants(driver.store, job_id)


@pytest.mark.parametrize("deliveries", range(1, 8))
def test_a_copy_of_a_retrys_message_that_is_dropped_later_ends_nothing(drive: Drive, deliveries: int) -> None:
    driver, job_id = a_copied_retry(drive)
    poison = driver.store.queues.receive("jobs-poison", limit=1, visibility_s=300)
    driver.run(deliveries=deliveries)
    assert driver.repository.get_chain(job_id).stages[0].state is not StageState.REOPENING
    driver.store.queues.extend("jobs-poison", poison[0], visibility_s=0)

    done = acts(driver).drop(find(driver).messages)
    driver.run()

    assert ([each.is_done for each in done], driver.job(job_id)["status"]) == ([True], "completed")
    check_invariants(driver.store, job_id)
