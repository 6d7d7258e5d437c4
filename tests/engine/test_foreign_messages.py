"""A message that is not ours is refused clearly, kept where `inspect` finds it, and touches no job."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from driver import Driver, ManualClock
from invariants import check_invariants
from jobkit.runtime.controllers import HelloWorlds
from jobkit.runtime.errors import LimitExceeded, MessageRefused, StoreUnavailable
from jobkit.runtime.messages import decode_message
from jobkit.runtime.storage.ports import Entity, Store
from samples import one_stage

Drive = Callable[..., Driver]

OURS: dict[str, Any] = {"jobkit": 1, "kind": "plan", "job": "0" * 32, "epoch": "1" * 16, "round": 1, "key": "2" * 16}


def ours(**changes: Any) -> str:
    return json.dumps({name: value for name, value in {**OURS, **changes}.items() if value is not ...})


FOREIGN = [
    ("", "it is no JSON"),
    ("hello", "it is no JSON"),
    ("[" * 100_000, "it is no JSON"),
    ("9" * 5_000, "it is no JSON"),
    ("null", "it is not a message of jobkit"),
    ('[{"jobkit": 1}]', "it is not a message of jobkit"),
    ('{"kind": "task"}', "it is not a message of jobkit"),
    (ours(jobkit=2), "it has version 2, this jobkit reads 1"),
    (ours(jobkit=True), "it has version True, this jobkit reads 1"),
    (ours(jobkit="1"), "it has version '1', this jobkit reads 1"),
    (ours(kind="dance"), "'dance' is not a valid Kind"),
    (ours(kind=["plan"]), "['plan'] is not a valid Kind"),
    (ours(kind=...), "None is not a valid Kind"),
    (ours(colour="red"), "unknown field 'colour'"),
    (ours(round=...), "field 'round' is missing"),
    (ours(job=...), "field 'job' is missing"),
    (ours(job=5), "field 'job' is 5"),
    (ours(round="1"), "field 'round' is '1'"),
    (ours(round=True), "field 'round' is True"),
    (ours(stage=-1), "field 'stage' is -1"),
    (ours(first=2**31), "field 'first' is 2147483648"),
    (ours(job="../../etc"), "field 'job' is '../../etc'"),
    (ours(plan="a#b"), "field 'plan' is 'a#b'"),
    (ours(epoch="\ud800"), "field 'epoch' is '\\ud800'"),
    (ours(reason="\udc00"), "field 'reason' is '\\udc00'"),
    (ours(not_before=5), "field 'not_before' is no time"),
    (ours(not_before="2024-01-01T00:00:00"), "field 'not_before' has no time zone"),
    (ours(not_before="soon"), "Invalid isoformat string: 'soon'"),
]


@pytest.mark.parametrize(("text", "reason"), FOREIGN, ids=range(len(FOREIGN)))
def test_a_text_that_is_no_message_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(MessageRefused) as refused:
        decode_message(text)

    assert refused.value.reason == reason
    assert str(refused.value) == f"refused a queue message: {reason}: {text[:120]!r}"


def test_foreign_messages_in_both_queues_end_as_kept_rows_and_the_job_completes(drive: Drive) -> None:
    driver = drive(HelloWorlds)
    texts = [text for text, _ in FOREIGN if len(text) < 40_000]
    for queue in ("jobs", "tasks"):
        for text in texts:
            driver.store.queues.send(queue, text)

    job = driver.finish("hello_worlds", {"n": 3})

    assert job["status"] == "completed"
    assert {type(error) for error in driver.errors} == {MessageRefused}
    kept = driver.poison_rows()
    reasons = {text: f"refused a queue message: {reason}: {text[:120]!r}" for text, reason in FOREIGN}
    assert sorted(kept) == sorted((f"{q}-poison", reasons[text], text) for q in ("jobs", "tasks") for text in texts)
    check_invariants(driver.store, job["job_id"])


def test_a_message_in_the_wrong_queue_is_refused_and_kept(drive: Drive) -> None:
    driver = drive(HelloWorlds)
    driver.store.queues.send("tasks", ours())
    driver.store.queues.send("jobs", ours(kind="task"))

    driver.run()

    assert sorted((queue, reason.split(":")[1]) for queue, reason, _ in driver.poison_rows()) == [
        ("jobs-poison", " a task message in the queue jobs-poison"),
        ("tasks-poison", " a plan message in the queue tasks-poison"),
    ]


def test_a_message_put_straight_into_a_poison_queue_is_kept_or_dropped(drive: Drive) -> None:
    driver = drive(HelloWorlds)
    driver.store.queues.send("jobs-poison", "hello")
    driver.store.queues.send("jobs-poison", ours())
    driver.store.queues.send("tasks-poison", ours(kind="task", stage=1, plan="abc"))

    driver.run()

    assert driver.poison_rows() == [("jobs-poison", "refused a queue message: it is no JSON: 'hello'", "hello")]
    assert [event.text for event in driver.events if event.action.value == "dropped"] == [
        "plan: the job is gone or in another round",
        "task: the task is gone",
    ]


def test_a_poison_message_that_asks_for_more_than_a_store_takes_is_kept_with_the_reason(
    store: Store, clock: ManualClock
) -> None:
    class Limited:
        """Tables that take no task's failure."""

        def __getattr__(self, name: str) -> Any:
            return getattr(store.tables, name)

        def update(self, table: str, entity: Entity, **how: Any) -> str:
            if entity.properties.get("status") == "failed":
                raise LimitExceeded(what="transaction", size=2, limit=1, unit="bytes")
            return store.tables.update(table, entity, **how)

    def asks_in_vain(task: Any) -> int:
        raise StoreUnavailable(store="its own", reason="the task asks for it in vain")

    driver = Driver(replace(store, tables=Limited()), [one_stage(asks_in_vain)], clock=clock)
    driver.submit("one_stage", {"n": 1})

    driver.run()

    ((queue, reason, body),) = driver.poison_rows()
    assert (queue, reason) == ("tasks-poison", "transaction: 2 bytes, the limit is 1")
    assert decode_message(body).kind.value == "task"


@pytest.mark.parametrize("kind", ["plan", "dispatch", "stop", "settle", "complete", "task"])
def test_a_message_of_ours_about_a_job_that_is_not_there_is_dropped(drive: Drive, kind: str) -> None:
    driver = drive(HelloWorlds)
    queue = "tasks" if kind == "task" else "jobs"
    driver.store.queues.send(queue, ours(kind=kind, stage=1, plan="abc", size=5))

    driver.run()

    assert (driver.errors, driver.poison_rows()) == ([], [])
    assert [event.action.value for event in driver.events] == ["dropped"]


@pytest.mark.parametrize("kind", ["plan", "dispatch", "stop", "settle", "complete", "task"])
@pytest.mark.parametrize("other", [{"epoch": "9" * 16}, {"round": 2}])
def test_a_message_of_another_epoch_or_round_leaves_the_job_alone(
    drive: Drive, kind: str, other: dict[str, Any]
) -> None:
    driver = drive(HelloWorlds)
    job_id = driver.submit("hello_worlds", {"n": 2})
    driver.run(deliveries=1)
    record = driver.repository.get_chain(job_id)
    stage = record.stages[0]
    now = {
        "job": job_id,
        "epoch": record.job.epoch,
        "stage": 1,
        "plan": stage.plan,
        "count": 2,
        "size": 2,
        "kind": kind,
    }
    before = driver.everything()
    for queue in ("tasks", "tasks-poison") if kind == "task" else ("jobs", "jobs-poison"):
        driver.store.queues.send(queue, ours(**{**now, **other}))

    driver.run(deliveries=4)  # the two tasks, and both of these
    driver.run()

    job = driver.job(job_id)
    assert (job["status"], [s["completed"] for s in job["stages"]], driver.errors) == ("completed", [2, 2], [])
    assert before["queues"]["tasks"] == 2
    check_invariants(driver.store, job_id)
