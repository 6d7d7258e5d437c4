"""The rules of the protocol, dropped from the service's own code one at a time: each is missed, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path as Folder
from typing import Any

import pytest

import mutations
from clocks import ManualClock
from driver import Crash, Driver, new_store
from fault_cases import JOBS, Job, Subject, differences, every_poison, every_single_fault
from faulty import Faulty, Kind
from interleaving import Path, Schedule, Schedules, Walk
from invariants import check_invariants
from jobkit.runtime.messages import decode_message, encode_message
from jobkit.runtime.model import Owner
from jobkit.runtime.service import ref_of
from jobkit.runtime.turns import MAX_SPENT
from operated import violation
from poison_cases import Doing, every_poison_met, requeue
from poison_cases import drop as drop_poison
from purged_cases import FAILED, LONG, Act, beside_a_purge, every_fault_of_a_purge, purge_and_begin, retry
from retried_cases import every_fault_of_a_retry
from samples import one_stage

#: Yields what it finds broken.
Hunt = Callable[[Folder], Iterable[str]]

TWO_STAGES = "three tasks in two stages"
RETRIED = "a retried task"
EMPTY = "no task in two stages"


def faults(name: str, kind: Kind) -> Hunt:
    """One fault of a kind at each call of a job."""
    return lambda folder: every_single_fault(JOBS[name], "memory", folder, kind, deliveries=1)


def poison(name: str) -> Hunt:
    """A message that dies at each of its calls until it is poison."""
    return lambda folder: every_poison(JOBS[name], "memory", folder, Kind.CRASH_BEFORE)


def schedules(name: str, **how: Any) -> Hunt:
    """Random interleavings of up to 400 seeds."""
    return lambda folder: _schedules(Job(make=JOBS[name].make, params={"n": 4}), how)


def _schedules(job: Job, how: dict[str, Any]) -> list[str]:
    subject = Subject(job)
    expected = Schedule(subject, workers=1).run(Path())
    schedules = Schedules(subject, **how)
    for seed in range(400):
        found = schedules.run(Walk.of(seed))
        if found != expected:
            return [differences(found, expected)]
    return []


def purges(job: Job, act: Act) -> Hunt:
    """Something done at each call of a purge."""
    return lambda folder: beside_a_purge(folder, job, act)[1]


def poisoned_copy(folder: Folder) -> list[str]:
    """While a task runs, a second message for it, which was dispatched by another planner's delivery, is given up."""
    clock = ManualClock()
    with new_store("memory", clock=clock, folder=folder) as store:

        def run(task: Any) -> int:
            store.queues.send("tasks-poison", copies[0])
            other.run(deliveries=1)
            return int(task.params)

        class Copying:
            """Keeps a copy, under another key, of the task's message."""

            def __getattr__(self, name: str) -> Any:
                return getattr(store.queues, name)

            def send(self, queue: str, body: str, *, delay_s: float = 0.0) -> None:
                if queue == "tasks":
                    copies.append(encode_message(replace(decode_message(body), spent=MAX_SPENT), key="another"))
                store.queues.send(queue, body, delay_s=delay_s)

        copies: list[str] = []
        controller = one_stage(run)
        driver = Driver(replace(store, queues=Copying()), [controller], clock=clock)
        other = Driver(store, [controller], clock=clock, worker="other")
        job_id = driver.submit("one_stage", {"n": 1})
        driver.run()
        check_invariants(store, job_id)
        status = driver.job(job_id)["status"]
        return [] if status == "completed" else [f"the job is {status}"]


def beside_a_killer(folder: Folder) -> list[str]:
    """A task that has been claimed once, and is held beside one that kills its process from then on."""
    clock = ManualClock()
    with new_store("memory", clock=clock, folder=folder) as store:

        def run(task: Any) -> int:
            if task.index == 0:
                faulty.dead = True
                raise Crash
            return int(task.params)

        faulty = Faulty(store)
        driver = Driver(faulty.store, [one_stage(run, on_failure="continue")], clock=clock, faults=faulty)
        job_id = driver.submit("one_stage", {"n": 2})
        driver.run(deliveries=1)
        queue, delivery = driver.receive(2)[1]
        message = decode_message(delivery.body)
        died = Owner(key=message.key, message_id=delivery.id, delivery=1)
        driver.repository.claim(ref_of(message), message.etag, died, "dead", clock.now())
        store.queues.extend(queue, delivery, visibility_s=30)
        driver.run()
        check_invariants(store, job_id, faulty.history)
        return [f"task {task['index']} is {task['status']}" for task in driver.tasks(job_id)]


def retries(name: str, kind: Kind) -> Hunt:
    """One fault of a kind at each call of a retry."""
    return lambda folder: every_fault_of_a_retry(name, "memory", folder, kind)


def operator(name: str, do: Doing, *, fault: Kind | None = None) -> Hunt:
    """A message that dies each time, and an operator who acts on it, with a fault at each of the operator's calls."""
    job = replace(JOBS[name], is_handed_on=True)
    every = 1 if fault is None else 15
    return lambda folder: every_poison_met(job, folder, do, same=do is requeue, fault=fault, every=every)[1]


def operated(name: str, *, seeds: int = 400) -> Hunt:
    """Operators beside instances."""
    return lambda folder: (text for seed in range(seeds) if (text := violation(name, seed)))


CAUGHT: dict[str, tuple[Hunt, str]] = {
    "check before record": (schedules(TWO_STAGES, workers=3), "the job is processing at stage"),
    "check before mark": (schedules(TWO_STAGES, workers=3), "was touched after stage 1 was closed"),
    "no mark at all": (faults(TWO_STAGES, Kind.CRASH_BEFORE), "the job is processing at stage 1"),
    "close without condition": (faults(TWO_STAGES, Kind.LEASE_LOST), "the stages were closed in the order [1, 1, 2]"),
    "only the closer sends": (faults(TWO_STAGES, Kind.CRASH_BEFORE), "the job is queued at stage 2"),
    "a redelivery leaves what it finds ended": (faults(TWO_STAGES, Kind.CRASH_BEFORE), "the stages are ['sealed'"),
    "no take-over": (faults(TWO_STAGES, Kind.CRASH_BEFORE), "is processing for ever"),
    "an older delivery takes over": (
        schedules(RETRIED, workers=3, crashes=2, expiries=2),
        "was running, and an older delivery took it back",
    ),
    "anybody takes over": (
        schedules(TWO_STAGES, workers=3, crashes=2, expiries=2),
        "was running, and another message took it",
    ),
    "send before the seal": (faults(TWO_STAGES, Kind.CRASH_BEFORE), "a message of the unsealed plan"),
    "a seal that is not sent again": (faults(TWO_STAGES, Kind.CRASH_BEFORE), "is queued for ever"),
    "an empty stage that is not passed on": (faults(EMPTY, Kind.CRASH_BEFORE), "the job is queued at stage 2"),
    "a planner's own redelivery is refused": (faults(TWO_STAGES, Kind.CRASH_BEFORE), "the stages are ['planning'"),
    "a refused seal is given up": (faults(TWO_STAGES, Kind.REFUSED), "is queued for ever"),
    "a refused planning is given up": (faults(TWO_STAGES, Kind.REFUSED), "the stages are ['planning'"),
    "a refused claim is given up": (faults(TWO_STAGES, Kind.REFUSED), "is processing for ever"),
    "a refused record is given up": (faults(TWO_STAGES, Kind.REFUSED), "the stages are ['sealed'"),
    "a refused closing is given up": (faults(TWO_STAGES, Kind.REFUSED), "the job is queued at stage 2"),
    "a record without condition": (faults(TWO_STAGES, Kind.LEASE_LOST), "was completed and became completed"),
    "a retry that is not sent again": (faults(RETRIED, Kind.CRASH_BEFORE), "is queued for ever"),
    "a retried task that anybody claims": (
        faults(RETRIED, Kind.CRASH_BEFORE),
        "was queued again, and the message of its last attempt took it",
    ),
    "a task that is claimed for any round": (operated("a stop"), "the stages are ['sealed'"),
    "a submit that does not wake what it finds": (
        faults(TWO_STAGES, Kind.CRASH_BEFORE),
        "the job is queued at stage 1",
    ),
    "the index row goes before the hook has run": (faults(TWO_STAGES, Kind.CRASH_AFTER), "the hook was not called"),
    "poison fails only what is claimed": (poison(TWO_STAGES), "is queued for ever"),
    "poison leaves what it finds ended": (poison(TWO_STAGES), "the stages are ['sealed'"),
    "poison does not send a retry again": (poison(RETRIED), "is queued for ever"),
    "poison fails what another has claimed": (poisoned_copy, "the job is failed"),
    "a requeue that sends the message as it was": (operator(RETRIED, requeue), "is processing for ever"),
    "a requeue that does not give the planning back": (operator(EMPTY, requeue), "the stages are ['planning'"),
    "a requeue that leaves what was sealed": (operator(RETRIED, requeue), "is queued for ever"),
    "a requeue that removes first": (operator(EMPTY, requeue, fault=Kind.CRASH_BEFORE), "the job is queued at stage"),
    "a drop that only removes": (operator(EMPTY, drop_poison), "the job is queued at stage"),
    "poison gives up whatever it is given": (beside_a_killer, "task 1 is failed"),
    "a message has its next turn under a new key": (beside_a_killer, "is processing for ever"),
    "a retry without lights out": (retries("tasks", Kind.CRASH_BEFORE), "the job is processing"),
    "a retry that is sealed before its tasks are reset": (retries("tasks", Kind.CRASH_BEFORE), "the job is failed"),
    "a poisoned job message is thrown away": (poison(TWO_STAGES), "the job is queued at stage 1"),
    "a lane ends with its first task": (faults("a lane", Kind.CRASH_BEFORE), "is queued for ever"),
    "a lane ends with a task that another has ended": (operated("two lanes"), "the stages are ['sealed'"),
    "all of a laned stage is sent at once": (schedules("a lane", workers=3), "run, and 1 may"),
    "a stop that a redelivery does not ask for again": (
        faults("a lane that is stopped", Kind.CRASH_BEFORE),
        "is queued for ever",
    ),
    "a batch leaves what it finds ended": (faults("batches", Kind.CRASH_BEFORE), "the stages are ['sealed'"),
    "a batch does not take over": (faults("batches", Kind.CRASH_BEFORE), "is processing for ever"),
    "a batch's retry that is not sent again": (faults("batches", Kind.CRASH_BEFORE), "is queued for ever"),
    "a batch's refused claim is given up": (faults("batches", Kind.REFUSED), "is processing for ever"),
    "a batch's refused record is given up": (faults("batches", Kind.REFUSED), "the stages are ['sealed'"),
    "a doubtful insert into the index is a refusal": (faults(TWO_STAGES, Kind.REFUSED), "EntityExists: index"),
    "a doubtful insert of tasks is a refusal": (faults(TWO_STAGES, Kind.REFUSED), "came to status 'failed'"),
    "a doubtful insert of a list is a refusal": (
        faults("the second stage alone, of a list", Kind.REFUSED),
        "EntityExists: jobs",
    ),
    "a purge without a mark": (purges(FAILED, retry), "what was to run again is gone"),
    "a purge that does not look again before tasks go": (
        purges(LONG, purge_and_begin),
        "stage 1 has 0 task rows for 2 tasks",
    ),
    "a purge that does not look again before the job goes": (purges(LONG, purge_and_begin), "tasks [("),
    "a purge with the job row first": (lambda folder: every_fault_of_a_purge(folder, Kind.CRASH_BEFORE)[1], "tasks [("),
    "a poisoned batch leaves what it has not claimed": (poison("batches"), "is queued for ever"),
    "a poisoned batch is thrown away": (poison("batches"), "for ever"),
    "delete before send": (faults(TWO_STAGES, Kind.CRASH_BEFORE), "the stages are ['sealed'"),
}


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have shards and groups of two, so that four tasks need two shards, and no more turns than take part in a rule."""
    monkeypatch.setattr("jobkit.runtime.turns.MAX_SPENT", 5)
    for module in ("rows", "service", "repository", "settling", "outbox", "reopening"):
        monkeypatch.setattr(f"jobkit.runtime.{module}.SHARD", 2)
    for module in ("rows", "service", "repository"):
        monkeypatch.setattr(f"jobkit.runtime.{module}.GROUP", 2)


@pytest.fixture
def drop(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return what drops a rule."""

    def drop(name: str) -> None:
        if name == "delete before send":
            process = Driver.process

            def delete_first(driver: Driver, queue: str, delivery: Any) -> None:
                driver.store.queues.delete(queue, delivery)
                process(driver, queue, delivery)

            monkeypatch.setattr(Driver, "process", delete_first)
        else:
            mutations.apply(mutations.MUTATIONS[name], monkeypatch)

    return drop


def violations(hunt: Hunt, folder: Folder, wanted: str) -> str:
    """Return what a hunt finds broken, until that is what is wanted."""
    found: list[str] = []
    try:
        for text in hunt(folder):
            found.append(text)
            if wanted in text:
                break
    except Exception as error:  # noqa: BLE001 - even the undisturbed run may break an invariant
        found.append(f"{type(error).__name__}: {error}")
    return "; ".join(found)


@pytest.mark.usefixtures("small_shards")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", CAUGHT)
def test_a_rule_that_is_dropped_is_missed(tmp_path: Folder, drop: Callable[[str], None], name: str):
    hunt, expected = CAUGHT[name]
    drop(name)

    assert expected in violations(hunt, tmp_path, expected)


@pytest.mark.usefixtures("small_shards")
@pytest.mark.timeout(300)
def test_nothing_is_missed_while_no_rule_is_dropped(tmp_path: Folder):
    hunts = [poisoned_copy, schedules(TWO_STAGES, workers=3), schedules(RETRIED, workers=3, crashes=2, expiries=2)]
    hunts += [faults(TWO_STAGES, kind) for kind in (Kind.CRASH_BEFORE, Kind.REFUSED)]
    hunts += [operated(name, seeds=40) for name in ("two lanes", "a stop")]
    found = [list(hunt(tmp_path)) for hunt in hunts]

    assert found == [[] for _ in found]
    assert {*mutations.MUTATIONS, "delete before send"} == set(CAUGHT)
