"""A purge may die, or meet others, at every one of its calls: what is left is deleted later, and no job is left in part."""

from __future__ import annotations

from pathlib import Path

import pytest

from fault_cases import Job
from faulty import Kind
from purged_cases import (
    FAILED,
    LONG,
    Act,
    beside_a_purge,
    cancel_now,
    every_fault_of_a_purge,
    purge_and_begin,
    purge_and_submit,
    purge_beside,
    purge_beside_the_last_task,
    purge_too,
    purged_beside,
    repair,
    retry,
    submit,
    submit_again,
)

STORES = ("memory", "sqlite")
#: What is done once: the mark, tasks, the job's own rows, the row that lists it; and all that is called.
WRITES, CALLS = 4, 14


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize(
    ("kind", "faults"),
    [
        (Kind.CRASH_BEFORE, CALLS),
        (Kind.CRASH_AFTER, WRITES),
        (Kind.FAILED, CALLS),
        (Kind.DOUBTFUL, WRITES),
        (Kind.REFUSED, WRITES),
    ],
)
def test_a_purge_that_fails_anywhere_is_gone_on_with(tmp_path: Path, store: str, kind: Kind, faults: int) -> None:
    assert every_fault_of_a_purge(tmp_path, kind, store=store) == (faults, [])


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize(
    ("job", "act", "ends"),
    [
        (LONG, purge_too, {"gone"}),
        (LONG, submit, {"gone", "completed"}),
        (LONG, purge_and_submit, {"completed"}),
        (LONG, purge_and_begin, {"completed"}),
        (FAILED, retry, {"gone", "failed"}),
    ],
)
def test_whatever_is_done_meanwhile_a_job_is_whole_or_gone(
    tmp_path: Path, store: str, job: Job, act: Act, ends: set[str]
) -> None:
    assert beside_a_purge(tmp_path, job, act, store=store) == (ends, [])


@pytest.mark.parametrize("meanwhile", [purge_too, purge_and_submit])
@pytest.mark.parametrize("act", [submit, submit_again, retry, cancel_now, repair])
def test_a_job_that_is_purged_at_any_call_of_what_is_done_to_it_is_refused_by_name(
    tmp_path: Path, act: Act, meanwhile: Act
) -> None:
    assert purged_beside(tmp_path, act, meanwhile) == []


def test_a_delivery_that_lags_behind_a_purge_leaves_no_marker(tmp_path: Path) -> None:
    assert purge_beside_the_last_task(tmp_path) == []


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize(("act", "ended"), [(cancel_now, False), (repair, False), (retry, True)])
def test_nothing_of_what_an_operator_notes_outlives_a_job_that_ends_and_is_purged_meanwhile(
    tmp_path: Path, store: str, act: Act, ended: bool
) -> None:
    assert purge_beside(tmp_path, FAILED, act, ended=ended, store=store) == []
