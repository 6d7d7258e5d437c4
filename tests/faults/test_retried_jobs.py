"""A failed job's further round, with a fault at every call of it: the job ends, and every invariant holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from faulty import Kind
from retried_cases import RETRIED_JOBS, every_fault_of_a_retry

#: On SQLite the others are decided as in memory.
CASES = [
    *(("memory", name, kind) for name in RETRIED_JOBS for kind in Kind),
    *(("sqlite", name, kind) for name in ("tasks", "lanes") for kind in (Kind.CRASH_AFTER, Kind.LEASE_LOST)),
]


@pytest.mark.parametrize(("store", "name", "kind"), CASES, ids=lambda value: getattr(value, "value", value))
def test_a_fault_at_any_call_of_a_further_round_changes_nothing(
    tmp_path: Path, store: str, name: str, kind: Kind
) -> None:
    assert list(every_fault_of_a_retry(name, store, tmp_path, kind)) == []
