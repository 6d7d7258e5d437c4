"""Runs that are stopped in the middle, by Ctrl-C, SIGTERM or `--timeout`, and runs of the same job side by side."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from commands import InProcess, Spawned, copy_samples, still
from jobkit.__main__ import main

Spawn = Callable[..., Spawned]

if sys.platform == "win32":
    pytest.skip("signals are other ones there", allow_module_level=True)


@pytest.fixture(autouse=True)
def _gated(folder: Path) -> None:
    copy_samples(folder, "gated")


def started(folder: Path) -> list[str]:
    """Which tasks have begun, in that order."""
    log = folder / "log"
    return log.read_text().split() if log.exists() else []


def wait_for_tasks(run: Spawned, folder: Path, count: int) -> None:
    run.until(lambda: len(started(folder)) == count, f"{count} tasks run")


def open_gate(folder: Path) -> None:
    (folder / "gate").touch()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_interrupted_says_what_is_left_and_the_same_command_goes_on(
    spawn: Spawn, jobkit: InProcess, folder: Path, number: signal.Signals
):
    run = spawn("run", "gated", "--n", "6", "--concurrency", "2", "--json")
    wait_for_tasks(run, folder, 2)

    run.interrupt(number)
    run.says("stopping")
    open_gate(folder)
    interrupted = run.done()
    going_on = jobkit("run", "gated", "--n", "6", "--concurrency", "2", "--json")

    job_id = interrupted.err.split()[1]
    assert (interrupted.code, interrupted.out) == (130, "")
    assert still(interrupted.err).splitlines()[-4:] == [
        "stopping: running tasks have TIME to end (Ctrl-C again leaves at once)",
        "interrupted: stage 1 Wait: 2/6, 0 in flight, TIME",
        "Nothing is lost. Go on with:",
        "  jobkit run gated --n 6 --concurrency 2 --json",
    ]
    assert (going_on.code, going_on.document["result"], going_on.document["job_id"]) == (0, 6, job_id)
    assert going_on.err.splitlines()[0] == f"job {job_id} goes on"
    assert going_on.err.splitlines()[-1].startswith("5 tasks run in ")
    assert sorted(started(folder)) == list("012345")  # each once


def test_the_command_it_names_goes_on_with_the_job(spawn: Spawn, jobkit: InProcess, folder: Path):
    run = spawn("run", "gated", "--params", "p.json", "--n=3", "--again")
    run.done()
    (folder / "p.json").write_text('{"log": "a log"}')
    run = spawn("run", "gated", "--params", "p.json", "--n=3", "--again")
    run.until((folder / "a log").exists, "a task runs")

    run.interrupt()
    run.says("stopping")
    open_gate(folder)
    command = run.done().err.splitlines()[-1]

    assert command == "  jobkit run gated --params p.json --n=3"
    assert jobkit(*command.split()[1:], "--json").document["result"] == 3


def test_a_second_ctrl_c_leaves_at_once_and_nothing_is_lost(spawn: Spawn, jobkit: InProcess, folder: Path):
    run = spawn("run", "gated", "--n", "2")
    wait_for_tasks(run, folder, 2)

    run.interrupt()
    run.says("stopping")
    run.interrupt()
    done = run.done()  # the gate is still closed
    open_gate(folder)

    assert (done.code, done.out) == (130, "")
    assert done.err.splitlines()[-2:] == ["Nothing is lost. Go on with:", "  jobkit run gated --n 2"]
    assert jobkit("run", "gated", "--n", "2", "--json").document["result"] == 2


def test_ctrl_c_as_soon_as_the_job_is_there_says_how_to_go_on(spawn: Spawn, jobkit: InProcess, folder: Path):
    run = spawn("run", "gated", "--n", "101")
    run.says("created\n")

    run.interrupt()
    open_gate(folder)
    done = run.done()

    assert (done.code, done.out) == (130, "")
    assert done.err.splitlines()[-2:] == ["Nothing is lost. Go on with:", "  jobkit run gated --n 101"]
    assert jobkit("run", "gated", "--n", "101", "--json").document["result"] == 101
    assert sorted(started(folder), key=int) == [str(number) for number in range(101)]


def test_ctrl_c_before_the_command_line_is_loaded_shows_no_traceback(monkeypatch: pytest.MonkeyPatch):
    class Loading:
        @property
        def main(self) -> None:
            raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "jobkit.cli.main", Loading())

    with pytest.raises(SystemExit) as left:
        main()

    assert left.value.code == 130


def test_a_run_that_was_killed_is_gone_on_with(spawn: Spawn, jobkit: InProcess, folder: Path):
    run = spawn("run", "gated", "--n", "2")
    wait_for_tasks(run, folder, 2)

    run.interrupt(signal.SIGKILL)
    run.process.wait()
    open_gate(folder)

    document = jobkit("run", "gated", "--n", "2", "--json").document
    assert (document["status"], document["result"]) == ("completed", 2)


def test_time_that_runs_out_is_exit_code_4_and_the_job_can_be_gone_on_with(
    spawn: Spawn, jobkit: InProcess, folder: Path
):
    run = spawn("run", "gated", "--n", "6", "--concurrency", "2", "--timeout", "0.5")
    run.says("time is up after 0.5 s: running tasks have 5 s to end (Ctrl-C leaves at once)")
    wait_for_tasks(run, folder, 2)
    open_gate(folder)

    done = run.done()
    assert (done.code, done.out) == (4, "")
    assert still(done.err).splitlines()[-3:] == [
        "stopped: stage 1 Wait: 2/6, 0 in flight, TIME",
        "Nothing is lost. Go on with:",
        "  jobkit run gated --n 6 --concurrency 2 --timeout 0.5",
    ]
    assert jobkit("run", "gated", "--n", "6", "--json").document["result"] == 6


def test_two_runs_of_the_same_job_at_once_are_one_job_and_both_show_it_to_its_end(spawn: Spawn, folder: Path):
    runs = [spawn("run", "gated", "--n", "6", "--concurrency", "2", "--json") for _ in range(2)]
    wait_for_tasks(runs[0], folder, 4)
    open_gate(folder)

    done = [run.done() for run in runs]

    assert [one.code for one in done] == [0, 0]
    assert done[0].document == done[1].document
    assert done[0].document["result"] == 6
    assert sorted(one.err.splitlines()[0].split()[-1] for one in done) in (["created", "on"], ["created", "created"])
    run_here = [int(match[1]) for one in done if (match := re.search(r"(?m)^(\d+) tasks? run in", one.err))]
    assert sum(run_here) == 7
    assert sorted(started(folder)) == list("012345")


@pytest.mark.parametrize("store", ["", "--store local:mine.db"])
def test_what_came_through_stdin_is_gone_so_a_worker_goes_on(spawn: Spawn, folder: Path, store: str):
    run = spawn("run", "gated", "--params", "-", *store.split(), stdin='{"n": 1}')
    wait_for_tasks(run, folder, 1)

    run.interrupt()
    run.says("stopping")
    open_gate(folder)

    assert run.done().err.splitlines()[-2:] == ["Nothing is lost. Go on with:", f"  jobkit worker {store}".rstrip()]
