"""`jobkit retry`: what a user sees of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from commands import InProcess

HOW = "Whoever works on the queues runs it.\nIf nobody does: jobkit worker\n"
CONTROLLER = """
from collections.abc import Iterator
from pathlib import Path

from jobkit.runtime import BaseController, JobContext, Params, PermanentError, TaskContext, stage


class Many(Params):
    n: int
    bad: int


class Tiles(BaseController[Many]):
    job_type = "tiles"

    @stage("cut")
    def cut(self, task: TaskContext[Many, int]) -> int:
        with Path("ran").open("a") as ran:
            ran.write(".")
        if task.index < task.job.params.bad and not Path("mended").exists():
            raise PermanentError("no such tile")
        return task.index

    @cut.fan_out
    def tiles(self, job: JobContext[Many]) -> Iterator[int]:
        yield from range(job.params.n)
"""


@pytest.fixture(autouse=True)
def project(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "pyproject.toml").write_text("[tool.jobkit]\n")
    (folder / "controllers").mkdir()
    (folder / "controllers" / "tiles.py").write_text(CONTROLLER)
    monkeypatch.setattr("jobkit.cli.retry.who", lambda: "ann@desk")


def test_of_a_job_with_37_failures_37_tasks_run_again(jobkit: InProcess, folder: Path):
    run = ("run", "tiles", "--n", "1000", "--bad", "37", "--json")
    job = json.loads(jobkit(*run).out)["job_id"]
    (folder / "mended").touch()
    (folder / "ran").unlink()

    done = jobkit("retry", job[:8], "--reason", "tiles are there now")
    after = jobkit(*run)

    line = f"job {job[:12]} tiles: round 2: stage 1 cut, 37 of 1,000 tasks run again\n"
    assert (done.code, done.out, done.err) == (0, line, HOW)
    document = json.loads(after.out)
    assert (after.code, document["status"], document["stages"][0]["completed"]) == (0, "completed", 1000)
    assert "37 tasks run" in after.err
    assert (folder / "ran").read_text() == "." * 37
    [audit] = json.loads(jobkit("inspect", "job", job, "--json").out)["audit"]
    assert (audit["action"], audit["by"], audit["reason"]) == ("retry", "ann@desk", "tiles are there now")


def test_a_dry_run_begins_nothing_and_what_has_not_failed_is_named(jobkit: InProcess):
    failed = json.loads(jobkit("run", "tiles", "--n", "2", "--bad", "1", "--json").out)["job_id"]
    well = json.loads(jobkit("run", "tiles", "--n", "2", "--bad", "0", "--json").out)["job_id"]

    done = jobkit("retry", failed, well, "--dry-run", "--json")

    assert json.loads(done.out) == {
        "schema": 1,
        "jobs": [{"job_id": failed, "round": 2, "stage": 1, "tasks": 1, "retried": False}],
        "refused": [
            {
                "job_id": well,
                "error": "NothingToRetry",
                "detail": f"job {well[:12]} has ended (completed): there is nothing to retry",
            }
        ],
    }
    error = f"error: job {well[:12]} has ended (completed): there is nothing to retry\n"
    assert (done.code, done.err) == (1, error)
    assert json.loads(jobkit("inspect", "job", failed, "--json").out)["status"] == "failed"


def test_a_round_that_goes_on_is_said_to(jobkit: InProcess):
    job = json.loads(jobkit("run", "tiles", "--n", "2", "--bad", "1", "--json").out)["job_id"]
    jobkit("retry", job)

    again = jobkit("retry", job)

    line = f"job {job[:12]} tiles: round 2 goes on; its message is sent again\n"
    assert (again.code, again.out, again.err) == (0, line, HOW)


def test_a_job_that_there_is_not_is_refused(jobkit: InProcess):
    jobkit("run", "tiles", "--n", "1", "--bad", "0")

    done = jobkit("retry", "abc")

    assert (done.code, done.out, done.err) == (3, "", "error: no job 'abc' in this store\n")


def test_single_tasks_are_named_by_their_ids_or_with_the_stage_by_their_indexes(jobkit: InProcess, folder: Path):
    run = ("run", "tiles", "--n", "5", "--bad", "3", "--json")
    job = json.loads(jobkit(*run).out)["job_id"]
    (folder / "mended").touch()
    (folder / "ran").unlink()

    by_id = jobkit("retry", job, "--task", f"{job[:16]}-1-0", "--json")
    jobkit(*run)
    by_index = jobkit("retry", job, "--stage", "Cut", "--task", "1", "--task", "2")
    after = jobkit(*run)

    assert by_id.document == {
        "schema": 1,
        "jobs": [{"job_id": job, "round": 2, "stage": 1, "tasks": 1, "retried": True}],
        "refused": [],
    }
    assert by_index.out == f"job {job[:12]} tiles: round 3: stage 1 cut, 2 of 5 tasks run again\n"
    assert (json.loads(after.out)["status"], (folder / "ran").read_text()) == ("completed", "...")


def test_what_is_not_there_or_not_of_one_job_is_refused(jobkit: InProcess):
    job = json.loads(jobkit("run", "tiles", "--n", "1", "--bad", "1", "--json").out)["job_id"]

    no_stage = jobkit("retry", job, "--stage", "cat")
    no_job = jobkit("retry", "--type", "tiles", "--task", "1")

    said = f"error: job {job[:12]}: it has no stage 'cat'. Did you mean 'cut'? There are: 1 'cut'\n"
    assert (no_stage.code, no_stage.out, no_stage.err) == (2, "", said)
    assert (no_job.code, no_job.err) == (2, "error: --task goes with one job, by its id\n")
