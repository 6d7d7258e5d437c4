"""One fault at every port call of a job, one at a time: the job ends as without it, and every invariant holds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fault_cases import DIFFERENT, GRID, JOBS, SMALL, every_single_fault
from faulty import Kind

CRASHES = (Kind.CRASH_BEFORE, Kind.CRASH_AFTER)
FAILURES = (Kind.FAILED, Kind.DOUBTFUL, Kind.REFUSED)
DUPLICATES = (Kind.TWICE, Kind.TWICE_LATE, Kind.LATE)


#: One of each way through a store; the others differ in what is decided, not in what is called.
ON_SQLITE = (
    "three tasks in two stages",
    "a retried task",
    "a fan-out that raises",
    "a result in chunks",
    "the second stage alone, of a list",
    "two lanes with failures",
    "a stop",
    "batches",
    "one failure more than is tolerated",
    "the first, a middle and the last stage skipped",
    "a shared stage",
    "a timeout",
)
#: `make azurite` runs those of SQLite on Azurite instead, which takes half an hour.
REAL_STORE = "azure" if os.environ.get("JOBKIT_TEST_ENGINE_ON_AZURE") else "sqlite"
STORES_AND_NAMES = [*(("memory", name) for name in SMALL), *((REAL_STORE, name) for name in ON_SQLITE)]


@pytest.mark.parametrize("kind", CRASHES, ids=lambda kind: kind.value)
@pytest.mark.parametrize(("store", "name"), STORES_AND_NAMES)
def test_a_process_that_dies_before_or_after_any_call_changes_nothing(
    tmp_path: Path, store: str, name: str, kind: Kind
) -> None:
    assert list(every_single_fault(JOBS[name], store, tmp_path, kind)) == []


@pytest.mark.parametrize("kind", FAILURES, ids=lambda kind: kind.value)
@pytest.mark.parametrize("name", DIFFERENT)
def test_a_store_that_fails_or_answers_wrongly_once_changes_nothing(tmp_path: Path, name: str, kind: Kind) -> None:
    assert list(every_single_fault(JOBS[name], "memory", tmp_path, kind)) == []


@pytest.mark.parametrize("kind", DUPLICATES, ids=lambda kind: kind.value)
@pytest.mark.parametrize("name", DIFFERENT)
def test_a_message_that_is_in_the_queue_twice_changes_nothing(tmp_path: Path, name: str, kind: Kind) -> None:
    assert list(every_single_fault(JOBS[name], "memory", tmp_path, kind)) == []


@pytest.mark.parametrize(
    ("name", "deliveries"),
    [*((name, 1) for name in DIFFERENT), ("three tasks in two stages", 1_000), ("a retried task", 2)],
)
def test_another_instance_that_takes_over_at_any_call_changes_nothing(
    tmp_path: Path, name: str, deliveries: int
) -> None:
    assert list(every_single_fault(JOBS[name], "memory", tmp_path, Kind.LEASE_LOST, deliveries=deliveries)) == []


@pytest.mark.parametrize("name", GRID)
def test_any_number_of_tasks_in_one_to_three_stages_stands_every_fault(tmp_path: Path, name: str) -> None:
    found = {kind: list(every_single_fault(GRID[name], "memory", tmp_path, kind, deliveries=1)) for kind in Kind}

    assert found == {kind: [] for kind in Kind}


@pytest.mark.parametrize("kind", [*FAILURES, *DUPLICATES, Kind.LEASE_LOST], ids=lambda kind: kind.value)
def test_three_tasks_in_two_stages_stand_every_other_fault_on_a_real_store(tmp_path: Path, kind: Kind) -> None:
    job = JOBS["three tasks in two stages"]
    assert list(every_single_fault(job, REAL_STORE, tmp_path, kind, deliveries=1)) == []


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", list(Kind), ids=lambda kind: kind.value)
def test_a_job_of_two_shards_stands_every_fault(tmp_path: Path, kind: Kind) -> None:
    assert list(every_single_fault(JOBS["101 tasks"], "memory", tmp_path, kind, deliveries=1, batch=16)) == []
