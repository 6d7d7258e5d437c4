"""The engine on Azurite; `make azurite` runs all tests of the engine, and the single faults, there."""

from __future__ import annotations

from pathlib import Path

import pytest

from fault_cases import JOBS, Job, every_single_fault, undisturbed
from faulty import Kind
from samples import two_stages

ONE_TASK = Job(make=two_stages, params={"n": 1}, how={"stages": ["1"]})


@pytest.mark.parametrize("name", ["a retried task", "two lanes with failures", "batches", "a stop"])
def test_a_job_comes_to_the_same_as_in_memory_by_the_same_calls(tmp_path: Path, name: str):
    in_memory, on_azurite = (undisturbed(JOBS[name], kind, tmp_path) for kind in ("memory", "azure"))

    assert on_azurite[0] == in_memory[0]
    assert [str(call) for call in on_azurite[1]] == [str(call) for call in in_memory[1]]


@pytest.mark.parametrize("kind", [Kind.CRASH_AFTER], ids=lambda kind: kind.value)
def test_a_fault_at_any_call_of_a_task_changes_nothing(tmp_path: Path, kind: Kind):
    assert list(every_single_fault(ONE_TASK, "azure", tmp_path, kind)) == []
