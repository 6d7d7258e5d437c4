"""Jobs that are purged, on which faults and other commands are tried."""

from __future__ import annotations

import contextlib
import itertools
import random
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from driver import LEASE_S, Crash, Driver
from fault_cases import Job, Trial, at, trial
from faulty import Fault, Kind
from invariants import check_invariants
from jobkit.runtime.caretaking import Caretaker
from jobkit.runtime.errors import (
    EntityChanged,
    EntityExists,
    EntityNotFound,
    JobHasEnded,
    JobIsBeingPurged,
    NothingToRetry,
    NotToBePurged,
    StoreUnavailable,
    UnknownJob,
)
from jobkit.runtime.operator import Operator
from jobkit.runtime.purging import Purging
from jobkit.runtime.selection import Selection
from samples import one_stage


def odd_ones_fail(task: Any) -> int:
    if task.index % 2:
        raise ValueError("odd")
    return 0


LONG = Job(
    make=lambda hook: one_stage(
        odd_ones_fail, on_failure="continue", aggregate=lambda job: "x" * 300_000, on_hook=hook
    ),
    params={"n": 2},
)
FAILED = Job(make=lambda hook: one_stage(odd_ones_fail, on_hook=hook), params={"n": 2})

#: What is done to a job; True when it is to run again, and so is not to be gone.
Act = Callable[[Driver, Trial], bool | None]


def purge_all(driver: Driver) -> None:
    purging = Purging(driver.service, by="operator")
    for job in purging.find(Selection(), driver.clock.now(), []):
        purging.purge(job)


def begin_to_purge(driver: Driver, job_id: str) -> None:
    """Break a purge off when it has marked the job, before it deletes a row."""
    outbox = driver.service.outbox
    each, outbox.each = outbox.each, _broken_off
    with contextlib.suppress(KeyboardInterrupt):
        Purging(driver.service, by="ann").purge(driver.repository.get_chain(job_id).job)
    outbox.each = each


def _broken_off(parts: Any, do: Any) -> None:
    raise KeyboardInterrupt


def finish_and_purge(run: Trial) -> None:
    """Run a job undisturbed; then purge it, as often as whoever does it dies."""
    with run.undisturbed():
        run.job_id = run.driver.finish(run.controller.job_type, run.job.params)["job_id"]
        run.clock.advance(7_200)
    for _ in range(4):
        try:
            purge_all(run.driver)
            return
        except Crash:
            run.driver.crashed()
        except StoreUnavailable as error:
            run.driver.errors.append(error)
    raise AssertionError(f"the purge never ends: {run.driver.errors}")


def calls_of_a_purge(job: Job, store: str, folder: Path) -> int:
    with trial(job, store, folder) as run:
        finish_and_purge(run)
        return len(run.faulty.calls)


def every_fault_of_a_purge(folder: Path, kind: Kind, *, store: str = "memory") -> tuple[int, list[str]]:
    """Purge a job once for each call of it with the fault there; return how many there were, and what was left."""
    tried, broken = 0, list[str]()
    for number in range(1, calls_of_a_purge(LONG, store, folder) + 1):
        with trial(LONG, store, folder, Fault(kind, at(number))) as run:
            finish_and_purge(run)
            purge_all(run.driver)
            tried += len(run.faulty.happened)
            left = run.driver.everything()
            broken += [f"{kind.value} at call {number}: {table} {left[table]}" for table in _left(left)]
    return tried, broken


def beside_a_purge(folder: Path, job: Job, act: Act, *, store: str = "memory") -> tuple[set[str], list[str]]:
    """Do something at each call of a purge; return how the job ended, and what was broken."""
    ends, broken = set[str](), list[str]()
    for number in range(1, calls_of_a_purge(job, store, folder) + 1):
        with trial(job, store, folder, Fault(Kind.LEASE_LOST, at(number))) as run:
            to_run = list[bool | None]()
            run.faulty.lease_lost = run.beside(lambda driver, run=run, to_run=to_run: to_run.append(act(driver, run)))
            finish_and_purge(run)
            try:
                run.driver.run()
                ends.add(run.driver.job(run.job_id)["status"])
                check_invariants(run.faulty.real, run.job_id, dead_submits=1)
            except UnknownJob:
                ends.add("gone")
                broken += [f"at call {number}: what was to run again is gone" for again in to_run if again]
                left = run.driver.everything()
                broken += [f"at call {number}: {table} {left[table]}" for table in _left(left) if table != "index"]
            except AssertionError as error:
                broken.append(f"at call {number}: {error}")
    return ends, broken


def purged_beside(folder: Path, act: Act, meanwhile: Act) -> list[str]:
    """Have a failed job purged at each call of what somebody does to it; return what that came to, but for refusals by name."""
    broken = list[str]()
    for number in itertools.count(1):
        with trial(FAILED, "memory", folder, Fault(Kind.LEASE_LOST, at(number))) as run:
            with run.undisturbed():
                run.job_id = run.driver.submit(run.controller.job_type, run.job.params)
                run.driver.run()
            run.faulty.lease_lost = run.beside(partial(meanwhile, run=run), rng=random.Random(2))
            try:
                act(run.driver, run)
            except (
                EntityChanged,
                EntityExists,
                EntityNotFound,
            ) as error:  # what the ports refuse is nothing for a user
                broken.append(f"at call {number}: {error!r}")
            except (JobIsBeingPurged, NothingToRetry, NotToBePurged, JobHasEnded, UnknownJob) as error:
                run.driver.errors.append(error)
            if not run.faulty.happened:
                return broken
            run.driver.run()
            broken += [f"at call {number}: listed {each.key}" for each in run.driver.repository.index.active()]
    raise AssertionError


def purge_beside_the_last_task(folder: Path) -> list[str]:
    """Have a job of two shards ended and purged at each call of its task messages; return what was left."""
    job = Job(make=lambda hook: one_stage(lambda task: task.index, batch=100, on_hook=hook), params={"n": 101})

    def finish(driver: Driver) -> None:
        driver.clock.advance(LEASE_S + 1)
        driver.run()
        purge_all(driver)

    with trial(job, "memory", folder) as run:
        run.run()
        calls = [call for call in run.faulty.calls if call.place == "tasks" and call.delivery in (2, 3)]
    broken = list[str]()
    for call in calls:
        if call.verb == "upsert":
            continue  # a marker that is just being written stays: it is the only write without a condition
        with trial(job, "memory", folder, Fault(Kind.LEASE_LOST, at(call.number))) as run:
            run.faulty.lease_lost = run.beside(finish, rng=random.Random(2))
            run.job_id = run.driver.submit(run.controller.job_type, run.job.params)
            run.driver.run()
            assert run.faulty.happened == [call]
            left = run.driver.everything()
            broken += [f"at {call}: {table} {left[table]}" for table in _left(left)]
    assert {call.verb for call in calls} >= {"transact", "query", "upsert"}
    return broken


def _left(everything: dict[str, Any]) -> list[str]:
    return [table for table in ("jobs", "tasks", "index") if everything[table]]


def purge_too(driver: Driver, run: Trial) -> None:
    purge_all(driver)


def submit(driver: Driver, run: Trial) -> None:
    try:
        driver.finish(run.controller.job_type, run.job.params)
    except JobIsBeingPurged:
        return


def purge_and_submit(driver: Driver, run: Trial) -> None:
    purge_all(driver)
    driver.finish(run.controller.job_type, run.job.params)


def purge_and_begin(driver: Driver, run: Trial) -> None:
    purge_all(driver)
    driver.submit(run.controller.job_type, run.job.params)
    driver.run(deliveries=1)


def submit_again(driver: Driver, run: Trial) -> None:
    driver.service.submit(run.controller.job_type, run.job.params, again=True)


def cancel_now(driver: Driver, run: Trial) -> None:
    Operator(driver.service, by="operator").cancel(run.job_id, now=True)


def repair(driver: Driver, run: Trial) -> None:
    Operator(driver.service, by="operator").repair(run.job_id, force=True)


def retry(driver: Driver, run: Trial) -> bool:
    try:
        Operator(driver.service, by="operator").retry(run.job_id)
    except (JobIsBeingPurged, NothingToRetry, UnknownJob):
        return False
    return True


def purge_beside(folder: Path, job: Job, act: Act, *, ended: bool, store: str = "memory") -> list[str]:
    """Bring a job to its end and purge it at each call of what an operator does to it; return what the timer leaves then."""

    def away(driver: Driver) -> None:
        driver.run()
        driver.clock.advance(7_200)
        purge_all(driver)

    broken, number = list[str](), 0
    while True:
        number += 1
        with trial(job, store, folder, Fault(Kind.LEASE_LOST, at(number))) as run:
            run.faulty.lease_lost = run.beside(away)
            with run.undisturbed():
                run.job_id = run.driver.submit(run.controller.job_type, run.job.params)
                if ended:
                    run.driver.run()
            with contextlib.suppress(JobHasEnded, JobIsBeingPurged, UnknownJob):
                act(run.driver, run)
            if not run.faulty.happened:
                return broken
            run.driver.run()
            run.clock.advance(7_200)
            Caretaker(run.driver.service, by="timer").look_after(retention=timedelta(0), most=timedelta(minutes=3))
            left = run.driver.everything()
            broken += [f"at call {number}: {table} {left[table]}" for table in _left(left)]
