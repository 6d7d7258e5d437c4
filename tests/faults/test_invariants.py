"""What the invariants are there to find is found: histories and rows that no job may have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fault_cases import JOBS, Trial, trial
from invariants import Written, broken_history
from jobkit.runtime.storage.ports import Entity

NAMED = "results that name who gave them"


def ended(name: str, folder: Path) -> Trial:
    with trial(JOBS[name], "memory", folder) as run:
        run.run()
        run.check()
    return run


def is_stage(step: Written, number: int, state: str) -> bool:
    return step.row == f"stage-{number:02}" and (step.after or {}).get("state") == state


def test_a_stage_that_begins_before_the_one_before_it_is_closed_is_told(tmp_path: Path) -> None:
    run = ended("three tasks in two stages", tmp_path)
    history = run.faulty.history
    (closing,) = [step for step in history if is_stage(step, 1, "closed")]
    at_end = [step for step in history if step is not closing] + [closing]

    told = broken_history(run.job_id, at_end)

    assert broken_history(run.job_id, history) == []
    assert told == [
        "stage 2 was planning while stage 1 was sealed",
        "stage 2 was sealed while stage 1 was sealed",
        "stage 2 was at task 0 while stage 1 was sealed",
        "stage 2 was at task 1 while stage 1 was sealed",
        "stage 2 was at task 2 while stage 1 was sealed",
        "the stages were closed in the order [2, 1]",
    ]


def changed(what: Mapping[str, Any]) -> Callable[[Trial, str, str, str], None]:
    def change(run: Trial, table: str, partition: str, row: str) -> None:
        tables = run.faulty.real.tables
        tables.update(
            table, Entity(partition=partition, row=row, properties=what), etag=tables.get(table, partition, row).etag
        )

    return change


def deleted(run: Trial, table: str, partition: str, row: str) -> None:
    tables = run.faulty.real.tables
    tables.delete(table, partition, row, etag=tables.get(table, partition, row).etag)


@pytest.mark.parametrize(
    ("row", "change", "told"),
    [
        ("0000000001", changed({"result": '{"square":5}'}), "has result '{\"square\":5}' instead of '{\"square\":1}'"),
        ("0000000001", changed({"attempt": 2}), "has attempt 2 instead of 1"),
        ("0000000001", deleted, "is gone"),
        ("job", changed({"job_result_data": '"another"'}), "has job_result_data '\"another\"' instead of '{"),
    ],
)
def test_a_row_that_is_not_as_it_was_last_written_is_told(
    tmp_path: Path, row: str, change: Callable[[Trial, str, str, str], None], told: str
) -> None:
    run = ended("three tasks in two stages", tmp_path)
    step = next(step for step in run.faulty.history if step.row.startswith(row))

    change(run, step.place, step.partition, step.row)

    with pytest.raises(AssertionError) as error:
        run.check()
    assert f"row ('{step.place}', '{step.partition}', '{step.row}') {told}" in str(error.value)


@pytest.mark.parametrize(
    ("claim", "told"),
    [
        ({"attempt": 1}, "'attempt': 1, "),
        ({"owner_delivery": 2}, "'delivered': 2}"),
        ({"owner_message": "another"}, "'message': 'another', "),
    ],
)
def test_a_result_of_another_attempt_or_delivery_than_the_one_that_is_recorded_is_told(
    tmp_path: Path, claim: Mapping[str, Any], told: str
) -> None:
    run = ended(NAMED, tmp_path)
    history = [
        replace(step, after={**(step.after or {}), **claim})
        if step.row == "0000000001" and (step.after or {}).get("status") == "completed"
        else step
        for step in run.faulty.history
    ]

    (first, *_) = broken_history(run.job_id, history)

    assert first.startswith("task 1-1 was completed with what {'attempt': 2, ")
    assert told in first
