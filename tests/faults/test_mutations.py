"""The rules of the protocol, dropped from the service's own code one at a time: each is missed, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path as Folder
from typing import Any

import pytest

import mutations
from driver import Driver
from fault_cases import JOBS, Job, Subject, differences, every_poison, every_single_fault
from faulty import Kind
from interleaving import Path, Schedule, Schedules, Walk
from operated import violation
from operator_scenes import (
    cancelled_before_a_retry,
    left_by_its_planner,
    looked_at,
    looked_at_amid_a_task,
    looked_at_when_lost,
    purged_early,
    retried_before_the_end_is_told,
    stopped_amid_a_task,
)
from poison_cases import Doing, every_poison_met, requeue
from poison_cases import drop as drop_poison
from purged_cases import FAILED, LONG, Act, beside_a_purge, every_fault_of_a_purge, purge_and_begin, retry
from retried_cases import every_fault_of_a_retry
from scenes import (
    aggregated_twice,
    beside_a_killer,
    beside_a_suspect,
    beside_its_own_retry,
    empty_pages,
    foreign,
    paused,
    planned_beside,
    poisoned_copy,
)

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


def retries(name: str, kind: Kind) -> Hunt:
    """One fault of a kind at each call of a retry."""
    return lambda folder: every_fault_of_a_retry(name, "memory", folder, kind)


def operator(name: str, do: Doing, *, fault: Kind | None = None) -> Hunt:
    """A message that dies each time, and an operator who acts on it, with a fault at each of the operator's calls."""
    job = replace(JOBS[name], is_handed_on=True)
    every = 1 if fault is None else 15
    return lambda folder: every_poison_met(job, folder, do, same=do is requeue, fault=fault, every=every)[1]


def operated(name: str, seeds: Iterable[int] = range(400)) -> Hunt:
    """Operators beside instances."""
    return lambda folder: (text for seed in seeds if (text := violation(name, seed)))


SCENES: list[Hunt] = [
    planned_beside,
    beside_its_own_retry,
    paused(timedelta(hours=1), dies=True),
    paused(timedelta(days=17)),
    aggregated_twice,
    foreign(round=2),
    foreign(epoch="9" * 16),
    poisoned_copy,
    beside_a_killer,
    beside_a_suspect,
    empty_pages,
    stopped_amid_a_task,
    cancelled_before_a_retry,
    retried_before_the_end_is_told,
    looked_at,
    looked_at_when_lost,
    looked_at_amid_a_task,
    left_by_its_planner,
    purged_early,
]

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
    "a doubtful claim is nobody's": (faults(TWO_STAGES, Kind.REFUSED), "is processing for ever"),
    "another's planning is taken over": (planned_beside, "stage 1 was planned 2 times"),
    "a silent planner keeps its stage": (left_by_its_planner, "the job is processing"),
    "a planning without the job row": (
        operated("two stages", range(132, 400)),
        "the stages are ['closed', 'unplanned']",
    ),
    "a stop ends a sealed job at once": (faults("a stop", Kind.CRASH_BEFORE), "is queued for ever"),
    "a stop without lights out": (faults("a stop", Kind.CRASH_BEFORE), "the stages are ['sealed']"),
    "a flagged stage closes as ever": (operated("two stages", range(94, 400)), "and the job is completed"),
    "a later attempt ignores the stop flag": (stopped_amid_a_task, "attempt 2 of task 0 was begun in a stopped stage"),
    "a stop that finds the job ended does not wind it up": (cancelled_before_a_retry, "the hook heard nothing"),
    "a cancel waits for a stage that is being reopened": (
        cancelled_before_a_retry,
        "task 0 was begun after the cancel",
    ),
    "a retry sends any task of a lane": (operated("a lane that is stopped"), "run, and 1 may"),
    "a retry that is not asked for again": (retries("tasks", Kind.CRASH_BEFORE), "the job is queued"),
    "a marker without its round": (retries("tasks", Kind.CRASH_BEFORE), "the job is failed"),
    "a close for any round": (operated("batches that are stopped", range(129, 400)), "after stage 1 was closed"),
    "jobs messages of any round": (foreign(round=2), "stop: the job is failed"),
    "messages of an older epoch": (foreign(epoch="9" * 16), "the job is processing at stage 1"),
    "parts of a result without a token": (aggregated_twice, "the result has 600002 characters, of ['\"', 'a', 'b']"),
    "an index row after the job row": (faults(TWO_STAGES, Kind.CRASH_BEFORE), "is listed 0 times"),
    "the loser's index row stays": (faults(RETRIED, Kind.LEASE_LOST), "are listed among the active jobs"),
    "the active row's key without the round": (retried_before_the_end_is_told, "the hook heard []"),
    "a retry's index row after its round": (retries("tasks", Kind.CRASH_BEFORE), "the hook heard []"),
    "no pause before a retry": (paused(timedelta(hours=1), dies=True), "not 1:00:00"),
    "a pause that is as long as a message may wait": (paused(timedelta(days=17)), "not 17 days"),
    "an empty page is the end": (empty_pages, "found [] of"),
    "a repair that sends again at its first look": (looked_at, "looks [1, "),
    "a repair that does not ask what waits": (looked_at, "looks [2, "),
    "a repair that goes on with its old look": (looked_at_when_lost, "looks [2, 3, 4]"),
    "a repair that takes what runs for dead": (looked_at_amid_a_task, "claimed by what is gone"),
    "a suspect runs beside others": (beside_a_suspect, "a third delivery runs beside a first one"),
    "others begin beside a suspect": (beside_a_suspect, "a first delivery runs beside a third one"),
    "a batch that another has a row of is left": (beside_its_own_retry, "task 1 is queued"),
    "a batch claims what it has queued again": (
        faults("batches", Kind.CRASH_BEFORE),
        "was queued again, and the message of its last attempt took it",
    ),
    "a purge of what has not ended": (purged_early, "purged while it was queued"),
    "a purge of what has not been tidied up after": (purged_early, "purged while it was failed"),
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
    hunts = [*SCENES, schedules(TWO_STAGES, workers=3), schedules(RETRIED, workers=3, crashes=2, expiries=2)]
    hunts += [faults(TWO_STAGES, kind) for kind in (Kind.CRASH_BEFORE, Kind.REFUSED)]
    hunts += [operated(name, range(40)) for name in ("two lanes", "a stop")]
    found = [list(hunt(tmp_path)) for hunt in hunts]

    assert found == [[] for _ in found]
    assert {*mutations.MUTATIONS, "delete before send"} == set(CAUGHT)
