"""`jobkit submit` and `jobkit worker`, which know of each other only by the store."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from commands import InProcess, Spawned, copy_samples
from waiting import wait_until

Spawn = Callable[..., Spawned]

if sys.platform == "win32":
    pytest.skip("signals are other ones there", allow_module_level=True)


def wait_for_end(jobkit: InProcess, job_id: str) -> str:
    status = ""

    def ended() -> bool:
        nonlocal status
        status = jobkit("inspect", "job", job_id, "--json").document["status"]
        return status in ("completed", "failed")

    wait_until(ended, f"{job_id} has ended", every_s=0.05)
    return status


def test_submit_says_the_id_and_whether_it_is_new(jobkit: InProcess):
    first = jobkit("submit", "hello_worlds", "--n", "1")
    second = jobkit("submit", "hello_worlds", "--n", "1")
    jobkit("run", "hello_worlds", "--n", "1")
    third = jobkit("submit", "hello_worlds", "--n", "1")

    job = "job c9b3a836b04f59c443457c5eb5e74976"
    assert first.out == f"{job} created\nIt waits for an instance: jobkit worker\n"
    assert second.out == f"{job} already there, queued\nIt waits for an instance: jobkit worker\n"
    assert third.out == f"{job} already there, completed\n"
    assert [done.code for done in (first, second, third)] == [0, 0, 0]
    assert [done.err for done in (first, second, third)] == ["", "", ""]


def test_submit_names_the_store_that_a_worker_needs(jobkit: InProcess):
    done = jobkit("submit", "hello_worlds", "--store", "local:my jobs.db")

    assert done.out.splitlines()[1] == "It waits for an instance: jobkit worker --store 'local:my jobs.db'"


def test_submit_prints_the_document_of_a_job_that_waits(jobkit: InProcess):
    document = jobkit("submit", "hello_worlds", "--n", "1", "--json").document

    assert (document["status"], document["stage"], document["result"]) == ("queued", 1, None)
    assert document["stages"] == [
        {
            "number": number,
            "name": name,
            "status": "queued",
            "skipped": False,
            "task_count": None,
            "completed": 0,
            "failed": 0,
            "started_at": None,
            "ended_at": None,
        }
        for number, name in ((1, "Hello Worlds"), (2, "Worlds Reply"))
    ]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_worker_works_on_what_is_there_and_on_what_comes_until_it_is_told_to_stop(
    spawn: Spawn, jobkit: InProcess, folder: Path, number: signal.Signals
):
    before = jobkit("submit", "hello_worlds", "--n", "1", "--json").document["job_id"]
    worker = spawn("worker", "--concurrency", "2")
    worker.says("worker: ")
    after = jobkit("submit", "hello_worlds", "--n", "101", "--json").document["job_id"]

    assert [wait_for_end(jobkit, job_id) for job_id in (before, after)] == ["completed", "completed"]
    worker.interrupt(number)
    done = worker.done()

    lines = [re.sub(r"^\d{4}-\S+ \S+ ", "", line) for line in done.err.splitlines()]
    assert (done.code, done.out) == (130, "")
    assert lines[0] == f"worker: 2 tasks at once on {folder}/.jobkit/local.db; Ctrl-C stops it"
    assert [line for line in lines if before in line] == [
        f"INFO {before} stage 1: planning",
        f"INFO {before} stage 1: sealed",
        f"INFO {before} stage 2: planning",
        f"INFO {before} stage 2: sealed",
        f"INFO {before}: ended",
    ]
    assert lines[-2:] == ["stopping: running tasks have 5 s to end (Ctrl-C again leaves at once)", "stopped"]


def test_a_worker_tells_of_failures_and_goes_on(spawn: Spawn, jobkit: InProcess, folder: Path):
    copy_samples(folder, "failing")
    worker = spawn("worker")
    failed = jobkit("submit", "failing", "--how", "exit", "--json").document["job_id"]
    completed = jobkit("submit", "hello_worlds", "--n", "1", "--json").document["job_id"]

    assert [wait_for_end(jobkit, job_id) for job_id in (failed, completed)] == ["failed", "completed"]
    worker.interrupt()

    told = f"WARNING {failed} stage 1 task 1: failed (SystemExit: sys.exit(3) was called)"
    assert told in worker.done().err


def test_a_worker_that_leaves_tasks_says_how_many_and_another_one_has_them_at_once(
    spawn: Spawn, jobkit: InProcess, folder: Path
):
    copy_samples(folder, "gated")
    job_id = jobkit("submit", "gated", "--n", "2", "--json").document["job_id"]
    first = spawn("worker")
    first.until(lambda: (folder / "log").exists() and len((folder / "log").read_text()) == 4, "two tasks run")

    first.interrupt()
    left = first.done()  # after the 5 s of grace: the gate is closed
    (folder / "gate").touch()
    second = spawn("worker")

    assert (left.code, left.err.splitlines()[-1]) == (130, "stopped; 2 messages will be delivered again")
    assert wait_for_end(jobkit, job_id) == "completed"
    second.interrupt()
    assert second.done().code == 130


def test_a_second_ctrl_c_ends_a_worker_at_once(spawn: Spawn, jobkit: InProcess, folder: Path):
    copy_samples(folder, "gated")
    jobkit("submit", "gated", "--n", "1")
    worker = spawn("worker")
    worker.until((folder / "log").exists, "a task runs")

    worker.interrupt()
    worker.says("stopping")
    worker.interrupt()

    assert worker.done().code in (-signal.SIGINT, 130)
