"""A repair at every call of a job, which takes all that waits for lost: it disturbs nothing that still runs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from driver import Driver
from fault_cases import DIFFERENT, JOBS, Trial, every_single_fault
from faulty import Kind
from jobkit.runtime.errors import UnknownJob
from jobkit.runtime.outbox import Outbox
from jobkit.runtime.repair import Repair

OF_ONE_RUN = [name for name in DIFFERENT if name != "a second run"]


def two_looks(run: Trial, *, after_s: float = 0.0) -> Callable[[], None]:
    """Return what an operator does in a moment in which a job stands still: two looks, after so long, and every mend."""

    def repair(driver: Driver) -> None:
        with pytest.MonkeyPatch.context() as patch, contextlib.suppress(UnknownJob):
            patch.setattr(Outbox, "oldest_waiting", lambda outbox, queue: None)  # or nothing would be lost that waits
            for _ in range(2):
                for finding in Repair(driver.service).look(run.job_id).findings:
                    finding.do()

    return run.beside(repair, after_s=after_s)


ON_SQLITE = ("three tasks in two stages", "two lanes with failures", "batches", "a stop")


@pytest.mark.parametrize(
    ("store", "name"), [*(("memory", name) for name in OF_ONE_RUN), *(("sqlite", name) for name in ON_SQLITE)]
)
def test_a_repair_in_the_middle_of_anything_changes_nothing(tmp_path: Path, store: str, name: str) -> None:
    assert list(every_single_fault(JOBS[name], store, tmp_path, Kind.LEASE_LOST, meanwhile=two_looks)) == []


def test_a_repair_when_every_running_task_is_overdue_costs_attempts_and_nothing_else(tmp_path: Path) -> None:
    job = replace(JOBS["a timeout"], is_handed_on=True)
    late = partial(two_looks, after_s=601)

    assert list(every_single_fault(job, "memory", tmp_path, Kind.LEASE_LOST, meanwhile=late)) == []
