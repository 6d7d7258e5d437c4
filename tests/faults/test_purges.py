"""A purge may die, or meet others, at every one of its calls: what is left is deleted later, and no job is left in part."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from driver import Crash, Driver
from fault_cases import Job, Trial, at, trial
from faulty import Fault, Kind
from invariants import check_invariants
from jobkit.runtime.errors import JobIsBeingPurged, NothingToRetry, StoreUnavailable, UnknownJob
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
STORES = ("memory", "sqlite")


def purge_all(driver: Driver) -> None:
    purging = Purging(driver.service)
    for job in purging.find(Selection(), driver.clock.now()):
        purging.purge(job)


def finish_and_purge(run: Trial) -> None:
    """Run a job undisturbed; then purge it, as often as whoever does it dies."""
    with run.undisturbed():
        run.job_id = run.driver.finish(run.controller.job_type, run.job.params)["job_id"]
        run.clock.advance(2 * timedelta(hours=1).total_seconds())
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


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize(
    "kind", [Kind.CRASH_BEFORE, Kind.CRASH_AFTER, Kind.FAILED, Kind.DOUBTFUL, Kind.REFUSED], ids=lambda kind: kind.value
)
def test_a_purge_that_fails_anywhere_is_gone_on_with(tmp_path: Path, store: str, kind: Kind) -> None:
    tried = 0
    for number in range(1, calls_of_a_purge(LONG, store, tmp_path) + 1):
        with trial(LONG, store, tmp_path, Fault(kind, at(number))) as run:
            finish_and_purge(run)
            purge_all(run.driver)
            tried += len(run.faulty.happened)
            left = run.driver.everything()
        assert {table: left[table] for table in ("jobs", "tasks", "index")} == {"jobs": [], "tasks": [], "index": []}
    # the mark, tasks, parts of the result, job and stage, the row that lists it; and what is read
    assert tried == (5 if kind not in (Kind.CRASH_BEFORE, Kind.FAILED) else 17)


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


def retry(driver: Driver, run: Trial) -> None:
    try:
        Operator(driver.service, by="operator").retry(run.job_id)
    except (JobIsBeingPurged, NothingToRetry, UnknownJob):
        return


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize(
    ("job", "act", "expected"),
    [
        (LONG, purge_too, {"gone"}),
        (LONG, submit, {"gone", "completed"}),
        (LONG, purge_and_submit, {"completed"}),
        (LONG, purge_and_begin, {"completed"}),
        (FAILED, retry, {"gone", "failed"}),
    ],
)
def test_whatever_is_done_meanwhile_a_job_is_whole_or_gone(
    tmp_path: Path, store: str, job: Job, act: Callable[[Driver, Trial], None], expected: set[str]
) -> None:
    def meanwhile(run: Trial) -> Callable[[], None]:
        def do() -> None:
            act(Driver(run.faulty.store, [run.controller], clock=run.clock, worker="operator"), run)

        def apart() -> None:
            with ThreadPoolExecutor(1) as pool:
                pool.submit(do).result()

        return apart

    ends: set[str] = set()
    for number in range(1, calls_of_a_purge(job, store, tmp_path) + 1):
        with trial(job, store, tmp_path, Fault(Kind.LEASE_LOST, at(number))) as run:
            run.faulty.lease_lost = meanwhile(run)
            finish_and_purge(run)
            run.driver.run()
            try:
                ends.add(run.driver.job(run.job_id)["status"])
                check_invariants(run.faulty.real, run.job_id, dead_submits=1)
            except UnknownJob:
                ends.add("gone")
                left = run.driver.everything()
                assert (left["jobs"], left["tasks"]) == ([], [])

    assert ends == expected
