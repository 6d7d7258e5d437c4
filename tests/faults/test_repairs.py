"""A repair at every call of a job, which takes all that waits for lost: it disturbs nothing that still runs."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from driver import Driver
from fault_cases import JOBS, Trial, every_single_fault
from faulty import Kind
from jobkit.runtime.errors import UnknownJob
from jobkit.runtime.repair import Repair

SMALL = [name for name in JOBS if name not in ("101 tasks", "a second run")]


def two_looks(run: Trial) -> Callable[[], None]:
    """Return what an operator does in a moment in which a job stands still: two looks, and every mend."""

    def repair() -> None:
        with ThreadPoolExecutor(1) as pool:  # not here: this thread may be in the middle of handling an error
            pool.submit(repair_there).result()

    def repair_there() -> None:
        other = Driver(run.faulty.store, [run.controller], clock=run.clock, worker="operator")
        try:
            for _ in range(2):
                for finding in Repair(other.service).look(run.job_id).findings:
                    finding.do()
        except UnknownJob:
            return

    return repair


ON_SQLITE = ("three tasks in two stages", "two lanes with failures", "batches", "a stop")


@pytest.mark.parametrize(
    ("store", "name"), [*(("memory", name) for name in SMALL), *(("sqlite", name) for name in ON_SQLITE)]
)
def test_a_repair_in_the_middle_of_anything_changes_nothing(tmp_path: Path, store: str, name: str) -> None:
    assert every_single_fault(JOBS[name], store, tmp_path, Kind.LEASE_LOST, meanwhile=two_looks) == []
