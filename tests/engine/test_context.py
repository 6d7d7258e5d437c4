"""What a task is given: its job, its item, a folder of its own, and a way to tell how far it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from driver import EVERYTHING, Driver
from faulty import Call, Fault, Faulty, Kind
from invariants import check_invariants
from jobkit.runtime import BaseController, JobContext, TaskContext, stage
from samples import Count, one_stage

Drive = Callable[..., Driver]
DriveFaulty = Callable[..., tuple[Driver, Faulty]]


def test_a_task_knows_its_id_its_index_its_item_and_its_job(drive: Drive) -> None:
    def run(task: TaskContext[Count, int]) -> list[Any]:
        return [task.task_id, task.index, task.attempt, task.params, task.job.params.n, task.job.job_type]

    driver = drive(one_stage(run, items=lambda n: [7, 8]))

    job = driver.finish("one_stage", {"n": 2})

    start = job["job_id"][:16]
    assert [task["result"] for task in driver.tasks(job["job_id"])] == [
        [f"{start}-1-0", 0, 1, 7, 2, "one_stage"],
        [f"{start}-1-1", 1, 1, 8, 2, "one_stage"],
    ]


def test_controllers_of_plain_dicts_work_wherever_models_do(drive: Drive) -> None:
    class Plain(BaseController[dict[str, Any]]):
        job_type = "plain"

        @stage("Split")
        def split(self, task: TaskContext[dict[str, Any], dict[str, Any]]) -> dict[str, Any]:
            return {"word": task.params["word"].upper(), "of": task.job.params["text"]}

        @split.fan_out
        def words(self, job: JobContext[dict[str, Any]]) -> Iterator[dict[str, Any]]:
            for word in job.params["text"].split():
                yield {"word": word}

        @stage("Join")
        def join(self, task: TaskContext[dict[str, Any], Any]) -> Any:
            return " ".join(result.value["word"] for result in task.job.results(self.split))

        def aggregate(self, job: JobContext[dict[str, Any]]) -> dict[str, Any]:
            return {"joined": [result.value for result in job.results(self.join)]}

    driver = drive(Plain)

    job = driver.finish("plain", {"text": "so long"})

    assert job["result"] == {"joined": ["SO LONG"]}
    assert driver.tasks(job["job_id"])[1]["result"] == {"word": "LONG", "of": "so long"}


def test_failed_tasks_are_read_with_their_errors_and_left_out_of_the_results(drive: Drive) -> None:
    seen: list[Any] = []

    class Both(BaseController[Count]):
        job_type = "both"

        @stage("Odd fails")
        def odd(self, task: TaskContext[Count, int]) -> int:
            if task.params % 2:
                raise ValueError(f"odd {task.params}")
            return task.params

        @odd.fan_out
        def numbers(self, job: JobContext[Count]) -> Iterator[int]:
            yield from range(job.params.n)

        def on_complete(self, job: JobContext[Count], *, status: str) -> None:
            seen.append([(one.index, one.value) for one in job.results(self.odd)])
            seen.append([(one.index, one.error.message) for one in job.results(self.odd, failed=True)])

    drive(Both).finish("both", {"n": 5})

    assert seen == [[(0, 0), (2, 2), (4, 4)], [(1, "odd 1"), (3, "odd 3")]]


def progress_rows(driver: Driver) -> list[tuple[Any, ...]]:
    names = ("progress_done", "progress_total", "progress_text")
    return [tuple(e.properties.get(n) for n in names) for e in driver.store.tables.query("tasks", EVERYTHING)]


def test_progress_is_written_at_most_every_15_seconds(drive_faulty: DriveFaulty) -> None:
    def run(task: TaskContext[Count, int]) -> str:
        for step in range(60):
            task.progress(step, 60, f"step {step}")
            driver.clock.advance(1)
        return "done"

    driver, faulty = drive_faulty(one_stage(run))

    job = driver.finish("one_stage", {"n": 1})

    reports = [step.after for step in faulty.history if step.after and "progress_done" in step.after]
    assert [report["progress_done"] for report in reports if report["status"] == "processing"] == [0, 15, 30, 45]
    assert progress_rows(driver) == [(45, 60, "step 45")]
    assert driver.tasks(job["job_id"])[0]["result"] == "done"
    check_invariants(driver.store, job["job_id"], faulty.history)


@pytest.mark.parametrize("kind", [Kind.REFUSED, Kind.DOUBTFUL, Kind.FAILED])
@pytest.mark.parametrize("batch", [1, 2])
def test_a_report_that_goes_wrong_ends_neither_the_task_nor_its_signs_of_life(
    drive_faulty: DriveFaulty, kind: Kind, batch: int
) -> None:
    runs: list[int] = []

    def run(task: TaskContext[Count, int]) -> int:
        runs.append(task.index)
        for step in range(4):
            task.progress(step, 4)
            driver.clock.advance(20)
        return task.index

    def hits(call: Call) -> bool:
        return call.verb == "update" and call.place == "tasks" and bool(runs) and not faulty.happened

    driver, faulty = drive_faulty(one_stage(run, batch=batch), faults=(Fault(kind, hits),))

    job = driver.finish("one_stage", {"n": 2})

    assert (runs, len(faulty.happened), driver.errors) == ([0, 1], 1, [])
    assert [(t["status"], t["attempt"]) for t in driver.tasks(job["job_id"])] == [("completed", 1)] * 2
    assert progress_rows(driver) == [(3, 4, "")] * 2
    check_invariants(driver.store, job["job_id"], faulty.history)


def test_a_long_progress_text_is_cut(drive: Drive) -> None:
    driver = drive(one_stage(lambda task: task.progress(1, 2, "p" * 1_000)))

    driver.finish("one_stage", {"n": 1})

    assert progress_rows(driver) == [(1, 2, "p" * 200)]


@pytest.mark.parametrize("fails", [False, True])
def test_the_workdir_is_an_empty_folder_of_the_attempts_own_and_is_removed(drive: Drive, fails: bool) -> None:
    seen: list[Path] = []

    def run(task: TaskContext[Count, int]) -> str:
        folder = task.workdir
        assert folder is task.workdir
        assert list(folder.iterdir()) == []
        (folder / "deep").mkdir()
        (folder / "deep" / "file.txt").write_text("x")
        seen.append(folder)
        if fails:
            raise OSError("disk")
        return str(folder)

    driver = drive(one_stage(run, max_attempts=2, retry_delay=timedelta(0)))

    job = driver.finish("one_stage", {"n": 2})

    assert job["status"] == ("failed" if fails else "completed")
    assert len(set(seen)) == len(seen) == (4 if fails else 2)
    assert [folder.exists() for folder in seen] == [False] * len(seen)


def test_the_first_task_finds_its_job_processing_and_at_its_stage(drive: Drive) -> None:
    found: list[tuple[str, int | None]] = []

    def run(task: TaskContext[Count, int]) -> None:
        job = driver.job(task.job.job_id)
        found.append((job["status"], job["stage"]))

    driver = drive(one_stage(run))

    driver.finish("one_stage", {"n": 2})

    assert found == [("processing", 1), ("processing", 1)]
