"""The job's result: what `aggregate` makes of its tasks, kept whole up to 8 MiB; whatever it raises fails the job."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from driver import Driver
from invariants import check_invariants
from jobkit.runtime.operator import Operator
from samples import one_stage

Drive = Callable[..., Driver]


def index(task: Any) -> int:
    return int(task.index)


def raises(error: BaseException) -> Callable[[Any], Any]:
    def aggregate(job: Any) -> Any:
        raise error

    return aggregate


@pytest.mark.parametrize(
    ("aggregate", "error_type", "message"),
    [
        (raises(ZeroDivisionError("by nothing")), "ZeroDivisionError", "aggregate failed: by nothing"),
        (lambda job: sys.exit(1), "SystemExit", "aggregate failed: sys.exit(1) was called"),
        (
            lambda job: {"a": {1}},
            "NotJson",
            "aggregate failed: the job's result can't be stored as JSON: it.a is of type set",
        ),
        (
            lambda job: "x" * (8 * 1024 * 1024 - 1),
            "PayloadTooLarge",
            (
                "aggregate failed: the job's result takes 8,388,609 bytes as JSON, the limit is 8,388,608: "
                "store it in a blob (or a file) and return the reference"
            ),
        ),
    ],
)
def test_whatever_is_wrong_with_aggregate_fails_the_job_and_keeps_the_tasks(
    drive: Drive, aggregate: Callable[[Any], Any], error_type: str, message: str
) -> None:
    driver = drive(one_stage(index, aggregate=aggregate))

    job = driver.finish("one_stage", {"n": 2})

    assert (job["status"], job["result"]) == ("failed", None)
    assert (job["error"]["type"], job["error"]["message"]) == (error_type, message)
    assert [(stage["status"], stage["completed"]) for stage in job["stages"]] == [("completed", 2)]
    assert [task["result"] for task in driver.tasks(job["job_id"])] == [0, 1]
    assert driver.errors == []
    check_invariants(driver.store, job["job_id"])


@pytest.mark.parametrize("size", [0, 32_766, 32_767, 65_536, 300_000, 3_000_000, 8 * 1024 * 1024 - 2])
def test_a_result_of_any_size_up_to_8_mib_reads_back_whole(drive: Drive, size: int) -> None:
    driver = drive(one_stage(index, aggregate=lambda job: "y" * size))

    job = driver.finish("one_stage", {"n": 1})

    assert job["status"] == "completed"
    assert job["result"] == "y" * size
    parts = [e.row for e in driver.store.tables.query("jobs", job["job_id"], select=()) if e.row.startswith("chunk-")]
    assert len(parts) == (0 if 2 * (size + 2) <= 65_536 else -(-(size + 2) // 262_144))
    check_invariants(driver.store, job["job_id"])


def test_a_long_result_in_letters_of_several_bytes_reads_back_whole(drive: Drive) -> None:
    driver = drive(one_stage(index, aggregate=lambda job: "aé\u20ac\U0001f600" * 60_000))

    job = driver.finish("one_stage", {"n": 1})

    assert job["result"] == "aé\u20ac\U0001f600" * 60_000


def test_aggregate_reads_results_lazily_in_index_order(drive: Drive) -> None:
    def aggregate(job: Any) -> list[Any]:
        controller = driver.controllers[0]
        return [(r.index, r.task_id, r.value) for r in job.results(controller.stages[0])]

    driver = drive(one_stage(index, aggregate=aggregate))

    job = driver.finish("one_stage", {"n": 250})

    start = job["job_id"][:16]
    assert job["result"] == [[i, f"{start}-1-{i}", i] for i in range(250)]


def test_by_default_a_thousand_results_are_all_shown_and_of_more_the_first_hundred(drive: Drive) -> None:
    driver = drive(one_stage(index))

    all_shown = driver.finish("one_stage", {"n": 1_000})["result"]
    cut = driver.finish("one_stage", {"n": 1_001})["result"]

    assert [one["value"] for one in all_shown["stages"][0].pop("results")] == list(range(1_000))
    assert [one["value"] for one in cut["stages"][0].pop("results")] == list(range(100))
    stage = {"number": 1, "name": "Only", "failed": 0}
    assert all_shown == {"stages": [{**stage, "completed": 1_000}], "truncated": False}
    assert cut == {"stages": [{**stage, "completed": 1_001}], "truncated": True}


def test_by_default_results_that_pass_4_mib_are_cut_and_say_so(drive: Drive) -> None:
    driver = drive(one_stage(lambda task: "z" * 200_000))

    result = driver.finish("one_stage", {"n": 30})["result"]

    assert result["truncated"] is True
    assert len(result["stages"][0]["results"]) == 20


def test_what_an_operator_notes_while_a_job_aggregates_makes_it_aggregate_once(drive: Drive) -> None:
    aggregated: list[str] = []

    def aggregate(job: Any) -> str:
        aggregated.append(job.job_id)
        if len(aggregated) < 3:
            row = driver.repository.get_chain(job.job_id).job
            Operator(driver.service, by="ann").note(row, "looked", "it takes long")
        return "done"

    driver = drive(one_stage(index, aggregate=aggregate))

    job = driver.finish("one_stage", {"n": 2})

    assert (job["result"], aggregated) == ("done", [job["job_id"]])
    assert [audit.action for audit in driver.repository.audits(job["job_id"])] == ["looked"]
    check_invariants(driver.store, job["job_id"])
