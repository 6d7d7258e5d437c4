"""Poison messages are requeued and dropped by an operator at every moment: nothing is lost, nothing twice, no job hangs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from driver import LEASE_S, Driver
from fault_cases import JOBS, Job, Trial, at, trial, undisturbed
from faulty import Call, Fault, Kind
from poison_cases import Doing, drop, every_poison_met, requeue


def whatever_attempts(name: str) -> Job:
    return replace(JOBS[name], is_handed_on=True)


@pytest.mark.parametrize("name", ["no task in two stages", "two lanes with failures", "batches"])
def test_a_message_that_died_each_time_wherever_it_was_is_requeued_and_the_job_ends_as_ever(
    tmp_path: Path, name: str
) -> None:
    tried, broken = every_poison_met(whatever_attempts(name), tmp_path, requeue, same=True, every=2)

    assert broken == []
    assert tried > 3


def test_a_message_that_died_each_time_wherever_it_was_is_dropped_and_the_job_ends(tmp_path: Path) -> None:
    job = whatever_attempts("two lanes with failures")

    tried, broken = every_poison_met(job, tmp_path, drop, same=False, every=2)

    assert broken == []
    assert tried > 3


@pytest.mark.parametrize("kind", [Kind.CRASH_BEFORE, Kind.FAILED, Kind.DOUBTFUL])
@pytest.mark.parametrize(("do", "name"), [(requeue, "batches"), (drop, "two lanes with failures")])
def test_an_operator_who_meets_a_fault_at_any_call_and_does_it_again_loses_nothing(
    tmp_path: Path, do: Doing, name: str, kind: Kind
) -> None:
    tried, broken = every_poison_met(whatever_attempts(name), tmp_path, do, same=True, fault=kind, every=15)

    assert broken == []
    assert tried > 10


@pytest.mark.parametrize(("do", "name"), [(requeue, "no task in two stages"), (requeue, "batches"), (drop, "batches")])
def test_an_instance_has_a_message_that_an_operator_held_too_long(tmp_path: Path, do: Doing, name: str) -> None:
    job = whatever_attempts(name)

    tried, broken = every_poison_met(job, tmp_path, do, same=False, fault=Kind.LEASE_LOST, every=15)

    assert broken == []
    assert tried > 5


def meanwhile(run: Trial, do: Doing, *, after_s: float) -> Callable[[], None]:
    """Return what an operator does while the job's own process stands still, which may hold the message itself."""
    return run.beside(do, after_s=after_s)


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
    job = whatever_attempts(POISONED)
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
