"""An operator's commands at every call of a job that runs: what they refuse or find nothing for disturbs nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from driver import Driver
from fault_cases import JOBS, Trial, every_single_fault
from faulty import Kind
from jobkit.runtime.caretaking import Caretaker
from jobkit.runtime.errors import NothingToRetry, NotToBePurged, UnknownJob
from jobkit.runtime.inspection import Inspection
from jobkit.runtime.invariants import broken_invariants
from jobkit.runtime.operator import Operator
from jobkit.runtime.purging import Purging
from jobkit.runtime.selection import Selection

Act = Callable[[Driver, str], None]
MONTH = timedelta(days=30)


def retry(driver: Driver, job_id: str) -> None:
    """Everything that is not asked of one that has failed."""
    for stage in (None, "1"):
        try:
            chain, _ = Operator(driver.service, by="operator").retry(job_id, stage=stage)
        except (UnknownJob, NothingToRetry):
            continue
        raise AssertionError(f"a job that is {chain.job.status} was retried")


def purge(driver: Driver, job_id: str) -> None:
    purging = Purging(driver.service, by="operator")
    assert list(purging.find(Selection(), driver.clock.now() - MONTH, [])) == []
    try:
        job = purging.check(job_id)
    except (UnknownJob, NotToBePurged):
        return
    assert job.status.ended  # and nobody needs it any more


def examine(driver: Driver, job_id: str) -> None:
    """What `doctor --job` does."""
    repository = driver.repository
    chain = repository.find_chain(job_id)
    if chain is not None:
        assert broken_invariants(repository, chain) == []
        Inspection(driver.service, driver.store.queues, job_id).diagnose()


def look_after(driver: Driver, job_id: str) -> None:
    for _ in range(2):
        care = Caretaker(driver.service, by="the timer").look_after(retention=MONTH, most=timedelta(minutes=3))
        assert (care.damaged, care.purged, care.is_complete) == ([], 0, True)


@pytest.mark.parametrize("act", [retry, purge, examine, look_after])
@pytest.mark.parametrize(
    ("store", "name"),
    [("memory", "three tasks in two stages"), ("memory", "two lanes with failures"), ("sqlite", "batches")],
)
def test_what_an_operator_does_to_a_running_job_disturbs_nothing(
    tmp_path: Path, act: Act, store: str, name: str
) -> None:
    def meanwhile(run: Trial) -> Callable[[], None]:
        return run.beside(lambda driver: act(driver, run.job_id))

    assert list(every_single_fault(JOBS[name], store, tmp_path, Kind.LEASE_LOST, meanwhile=meanwhile)) == []
