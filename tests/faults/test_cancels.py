"""A job is cancelled at every call of its way, and cancelled jobs have every fault: they end, and every invariant holds."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from driver import Crash, Driver
from fault_cases import JOBS, Before, Trial, at, runs_of, undisturbed
from faulty import Fault, Kind
from jobkit.runtime.errors import JobHasEnded, JobkitError, UnknownJob
from jobkit.runtime.operator import Operator

NAMES = ("three tasks in two stages", "a retried task", "two lanes with failures", "batches", "a stop")
PLACES = [*(("memory", name) for name in NAMES), ("sqlite", NAMES[2])]


def operator(driver: Driver) -> Operator:
    return Operator(driver.service, by="operator")


def cancel_meanwhile(run: Trial) -> Callable[[], None]:
    """Return what an operator does while the job's own process stands still."""

    def cancel(driver: Driver) -> None:
        try:
            operator(driver).cancel(run.job_id)
        except (UnknownJob, JobHasEnded):
            return

    return run.beside(cancel)


def ended_as(run: Trial, expected: dict[str, Any]) -> str:
    """Check a job's invariants; return how it ended: "cancelled", or "as ever" with the outcome of an undisturbed run."""
    run.check()
    found = run.outcome()
    error = found["error"]["type"] if isinstance(found["error"], dict) else found["error"]
    if error == "Cancelled":
        return "cancelled"
    assert found == expected
    return "as ever"


@pytest.mark.parametrize(("store", "name"), PLACES)
def test_a_cancel_at_any_call_ends_the_job_or_comes_too_late(tmp_path: Path, store: str, name: str) -> None:
    ends: list[str] = []
    with runs_of(JOBS[name], store, tmp_path) as runs:
        for call in runs.calls:
            if not call.can(Kind.LEASE_LOST):
                continue
            with runs.before(call) as run:
                run.faulty.faults = (Fault(Kind.LEASE_LOST, at(call.number)),)
                run.faulty.lease_lost = cancel_meanwhile(run)
                run.run()
                ends.append(ended_as(run, runs.expected))

    # before it was there, while it runs, and when it had ended
    assert [end for end, _ in groupby(ends)] == ["as ever", "cancelled", "as ever"]


def run_cancelled(run: Trial, before_each: Before = lambda: None, *, deliveries: int) -> dict[str, Any]:
    """Run a job, and cancel it after so many deliveries, as often as the operator dies over it."""
    if not run.job_id:
        run.job_id = run.driver.submit(run.controller.job_type, run.job.params, **run.job.how)
        run.driver.run(deliveries=deliveries)
    before_each()
    for _ in range(0 if run.is_acted else 5):
        try:
            operator(run.driver).cancel(run.job_id)
            break
        except JobHasEnded:
            break
        except Crash:
            run.driver.crashed()
        except JobkitError as error:
            run.driver.errors.append(error)
    run.is_acted = True
    run.driver.run(before_each=before_each)
    return run.outcome()


@pytest.mark.parametrize("kind", list(Kind), ids=lambda kind: kind.value)
@pytest.mark.parametrize("name", ["three tasks in two stages", "two lanes with failures"])
@pytest.mark.parametrize("deliveries", [0, 2])
def test_a_cancelled_job_stands_every_fault(tmp_path: Path, deliveries: int, name: str, kind: Kind) -> None:
    expected, _ = undisturbed(JOBS[name], "memory", tmp_path)
    play = partial(run_cancelled, deliveries=deliveries)
    ends: list[str] = []
    with runs_of(JOBS[name], "memory", tmp_path, play=play) as runs:
        assert runs.expected["error"]["type"] == "Cancelled"
        for call in runs.calls:
            if not call.can(kind):
                continue
            with runs.before(call) as run:
                run.faulty.faults = (Fault(kind, at(call.number)),)
                run.faulty.lease_lost = run.another_instance(1)
                play(run)
                assert run.faulty.happened == [call]
                ends.append(ended_as(run, expected))

    # Where the fault is the cancel message's own, the job may end before that comes again.
    late = ends.count("as ever")
    assert late <= 5
    assert late < ends.count("cancelled")
