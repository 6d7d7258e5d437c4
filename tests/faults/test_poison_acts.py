"""Poison messages are requeued and dropped by an operator at every moment: nothing is lost, nothing twice, no job hangs."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from driver import LEASE_S, Crash, Driver
from fault_cases import JOBS, Job, Trial, at, each_time, trial, undisturbed
from faulty import Call, Fault, Kind
from jobkit.runtime.errors import JobkitError
from jobkit.runtime.poison import Wanted
from jobkit.runtime.poison_acts import PoisonActs
from jobkit.runtime.poison_search import TAKEN_S, PoisonSearch

NAMES = ("no task in two stages", "two lanes with failures", "batches")
Doing = Callable[[Driver], None]


def requeue(driver: Driver) -> None:
    found = PoisonSearch(driver.service, driver.store.queues).find(Wanted(), take=True)
    PoisonActs(driver.service, driver.store.queues, by="operator").requeue(found.messages)


def drop(driver: Driver) -> None:
    found = PoisonSearch(driver.service, driver.store.queues).find(Wanted(), take=True)
    PoisonActs(driver.service, driver.store.queues, by="operator").drop(found.messages)


def is_poisoned(run: Trial) -> bool:
    lengths = run.driver.lengths()
    return lengths["jobs-poison"] + lengths["tasks-poison"] > 0


def run_with(run: Trial, do: Doing, acts: list[tuple[int, int]]) -> dict[str, Any]:
    """Run a job, and let an operator act on each poison message before its handler sees it; note the operator's calls."""
    run.job_id = run.driver.submit(run.controller.job_type, run.job.params, **run.job.how)
    while any(run.driver.lengths().values()):
        run.driver.run(deliveries=1)
        if is_poisoned(run):
            run.faulty.delivery = 0
            first = len(run.faulty.calls)
            act_until_done(run, do)
            acts.append((first, len(run.faulty.calls)))
    return run.outcome()


def act_until_done(run: Trial, do: Doing) -> None:
    """Act as often as the operator dies over it, or the store fails."""
    for _ in range(5):
        try:
            return do(run.driver)
        except Crash:
            run.driver.crashed()
            run.clock.advance(TAKEN_S)  # what the dead one held
        except JobkitError as error:
            run.driver.errors.append(error)
    raise AssertionError(f"the operator never gets through: {run.driver.errors[-1]}")


def whatever_attempts(job: Job) -> Job:
    return replace(job, is_handed_on=not job.is_settled)


@pytest.mark.parametrize("name", NAMES)
def test_a_message_that_failed_each_time_wherever_it_was_is_requeued_and_the_job_ends_as_ever(
    tmp_path: Path, name: str
) -> None:
    job = whatever_attempts(JOBS[name])
    expected, calls = undisturbed(job, "memory", tmp_path)
    broken: list[str] = []
    requeued = 0
    for fault in list(each_time(Kind.CRASH_BEFORE, calls))[::2]:
        with trial(job, "memory", tmp_path, fault) as run:
            acts: list[tuple[int, int]] = []
            try:
                found = run_with(run, requeue, acts)
                run.check()
                assert found == expected
            except Exception as error:  # noqa: BLE001 - collected, so that one failure shows them all
                broken.append(f"{fault.name}: {type(error).__name__}: {error}")
            requeued += bool(acts)

    assert broken == []
    assert requeued > 3


@pytest.mark.parametrize("name", ["two lanes with failures"])
def test_a_message_that_failed_each_time_wherever_it_was_is_dropped_and_the_job_ends(tmp_path: Path, name: str) -> None:
    _, calls = undisturbed(JOBS[name], "memory", tmp_path)
    broken: list[str] = []
    dropped = 0
    for fault in list(each_time(Kind.CRASH_BEFORE, calls))[::2]:
        with trial(JOBS[name], "memory", tmp_path, fault) as run:
            acts: list[tuple[int, int]] = []
            try:
                run_with(run, drop, acts)
                run.check()
            except Exception as error:  # noqa: BLE001 - collected
                broken.append(f"{fault.name}: {type(error).__name__}: {error}")
            dropped += bool(acts)

    assert broken == []
    assert dropped > 3


@pytest.mark.parametrize("kind", [Kind.CRASH_BEFORE, Kind.FAILED, Kind.DOUBTFUL])
@pytest.mark.parametrize(("do", "name"), [(requeue, "batches"), (drop, "two lanes with failures")])
def test_an_operator_who_meets_a_fault_at_any_call_and_does_it_again_loses_nothing(
    tmp_path: Path, do: Doing, name: str, kind: Kind
) -> None:
    job = whatever_attempts(JOBS[name])
    _, calls = undisturbed(job, "memory", tmp_path)
    broken: list[str] = []
    tried = 0
    for fault in list(each_time(Kind.CRASH_BEFORE, calls))[::15]:
        with trial(job, "memory", tmp_path, fault) as run:
            acts: list[tuple[int, int]] = []
            expected = run_with(run, do, acts)
            of_operator = [call for first, last in acts for call in run.faulty.calls[first:last] if call.can(kind)]
        for call in of_operator:
            tried += 1
            with trial(job, "memory", tmp_path, fault, Fault(kind, at(call.number))) as run:
                try:
                    found = run_with(run, do, [])
                    run.check()
                    assert found == expected
                except Exception as error:  # noqa: BLE001 - collected
                    broken.append(f"{fault.name}; {kind.value} at {call}: {type(error).__name__}: {error}")

    assert broken == []
    assert tried > 10


def meanwhile(run: Trial, do: Doing, *, after_s: float) -> Callable[[], None]:
    """Return what an operator does while the job's own process stands still, which may hold the message itself."""

    def act() -> None:
        with ThreadPoolExecutor(1) as pool:  # not here: this thread may be in the middle of handling an error
            pool.submit(act_there).result()

    def act_there() -> None:
        run.clock.advance(after_s)
        do(Driver(run.faulty.store, [run.controller], clock=run.clock, worker="operator"))

    return act


POISONED = "as many failures as are tolerated"


@pytest.mark.parametrize(
    ("store", "do", "after_s", "every"),
    [
        ("memory", requeue, 0.0, 1),
        ("memory", requeue, LEASE_S + 1, 1),
        ("memory", drop, LEASE_S + 1, 1),
        ("sqlite", requeue, LEASE_S + 1, 5),
    ],
)
def test_an_operator_acts_at_every_call_of_a_job_with_a_poison_message(
    tmp_path: Path, store: str, do: Doing, after_s: float, every: int
) -> None:
    job = whatever_attempts(JOBS[POISONED])
    expected, calls = undisturbed(job, store, tmp_path)
    broken: list[str] = []
    acted: list[Call] = []
    for call in calls[::every]:
        with trial(job, store, tmp_path, Fault(Kind.LEASE_LOST, at(call.number))) as run:
            there: list[Driver] = []

            def note(driver: Driver, there: list[Driver] = there) -> None:
                before = driver.lengths()
                do(driver)
                there += [driver] * (before != driver.lengths())

            run.faulty.lease_lost = meanwhile(run, note, after_s=after_s)
            try:
                found = run.run()
                run.check()
                found["tasks"], wanted = without_errors(found), without_errors(expected)
                assert found["tasks"] == wanted
                assert (found["status"], found["stages"]) == (expected["status"], expected["stages"])
            except Exception as error:  # noqa: BLE001 - collected
                broken.append(f"{call}: {type(error).__name__}: {error}")
            acted += [call] * len(there)

    assert broken == []
    assert acted


def without_errors(found: dict[str, Any]) -> Any:
    """Return how each task ended: who dropped its message stands in the error of one of them."""
    return [[part for part in task if not isinstance(part, dict)] for task in found["tasks"]]
