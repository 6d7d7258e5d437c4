"""`jobkit dev`: edit, save, see; each run in a process of its own, with the code as it stands."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from commands import InProcess, Spawned
from jobkit.cli.dev import is_code
from waiting import wait_until

GREET = '''\
"""Says something."""

import time
from pathlib import Path

from jobkit.runtime import BaseController, Params, TaskContext, stage


class GreetParams(Params):
    name: str
    pause_s: float = 0.0


class Greet(BaseController[GreetParams]):
    job_type = "greet"

    @stage("Say")
    def say(self, task: TaskContext[GreetParams, None]) -> str:
        Path("at work").touch()
        time.sleep(task.job.params.pause_s)
        return f"hello {task.job.params.name}"
'''


@pytest.fixture
def greet(folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's one module of controllers; what is temporary goes where it can be seen."""
    monkeypatch.setenv("TMPDIR", str(tmp_path_factory.mktemp("temporary")))
    (folder / "pyproject.toml").write_text("[tool.jobkit]\n")
    (folder / "controllers").mkdir()
    path = folder / "controllers" / "greet.py"
    path.write_text(GREET)
    return path


def left(folder: Path) -> list[str]:
    """What a command that has ended has left: nothing but what was there, and Python's own."""
    return sorted(path.name for path in folder.rglob("*") if "__pycache__" not in path.parts)


def test_each_save_runs_the_new_code_and_an_error_is_told_by_its_line(greet: Path, spawn: Callable[..., Spawned]):
    dev = spawn("dev", "greet", "--name", "Ada")
    dev.says("dev: ended with exit code 0")

    greet.write_text(GREET.replace("hello {", "good day {"))
    dev.says("\ndev: controllers/greet.py changed\njob ")
    dev.until(lambda: dev.err.count("dev: ended with exit code 0") == 2, "it has run again")
    greet.with_suffix(".new").write_text(GREET + "\ndef broken(:\n")
    greet.with_suffix(".new").rename(greet)  # as some editors save
    dev.says("dev: ended with exit code 3")
    greet.unlink()
    dev.until(lambda: dev.err.count("dev: ended with exit code 3") == 2, "it has looked for what is gone")
    dev.interrupt()
    done = dev.done()

    line = len(GREET.splitlines()) + 2
    assert done.code == 130
    assert re.findall(r"-1-0  (.*)", done.out) == ["hello Ada", "good day Ada"]
    assert f"not loaded: controllers.greet: SyntaxError: invalid syntax ({greet}:{line})\n" in done.err
    assert done.err.count("error: no controller has the job type 'greet'.") == 2
    assert left(greet.parents[1]) == ["at work", "controllers", "pyproject.toml"]
    assert left(Path(os.environ["TMPDIR"])) == []


def test_a_run_that_still_goes_on_is_stopped_and_so_is_the_last_one(greet: Path, spawn: Callable[..., Spawned]):
    dev = spawn("dev", "greet", "--name", "Ada", "--pause-s", "0.6")
    at_work = greet.parents[1] / "at work"
    dev.until(at_work.exists, "the first run is at work")
    at_work.unlink()

    greet.write_text(GREET.replace("hello {", "good day {"))
    dev.until(at_work.exists, "the second run is at work")
    dev.interrupt(signal.SIGTERM)
    done = dev.done()

    assert (done.code, done.out) == (130, "")
    assert done.err.count("stopping: running tasks have 5 s to end") == 2
    assert done.err.count("job ") == done.err.count(" created\n") == 2
    assert "Nothing is lost" not in done.err  # its store goes with it
    assert left(Path(os.environ["TMPDIR"])) == []


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGKILL])
def test_no_run_is_left_when_the_terminal_is_closed_or_it_is_killed(
    greet: Path, spawn: Callable[..., Spawned], number: signal.Signals
):
    greet.write_text(
        GREET.replace(".touch()", ".write_text(str(os.getpid()))").replace("import time", "import os\nimport time")
    )
    at_work = greet.parents[1] / "at work"
    dev = spawn("dev", "greet", "--name", "Ada", "--pause-s", "0.6")
    dev.until(lambda: at_work.exists() and at_work.read_text() != "", "the run is at work")

    dev.interrupt(number)
    code = dev.done().code

    run = Path(f"/proc/{at_work.read_text()}")
    wait_until(lambda: not run.exists(), "the run has ended too")
    assert dev.err.count("stopping: running tasks have 5 s to end") == 1
    assert (code, left(Path(os.environ["TMPDIR"])) == []) == ((130, True) if number is signal.SIGHUP else (-9, False))


def test_what_it_cannot_do_is_refused(greet: Path, jobkit: InProcess):
    answers = [jobkit("dev", "greet", *words) for words in (["--params", "-"], ["--json", "-h"])]
    bare = jobkit("dev")

    assert [(done.code, done.out) for done in (*answers, bare)] == [(2, "")] * 3
    assert answers[0].err == (
        "error: --params or --from=-: each run would read it, and standard input can be read once: give a file\n"
    )
    assert "Error: No such option: --json " in answers[1].err
    assert bare.err.startswith("Usage: jobkit dev JOB_TYPE [OPTIONS]\n\nJob types: greet, hello_worlds\n")


def test_without_a_project_there_is_nothing_to_watch(jobkit: InProcess):
    done = jobkit("dev", "hello_worlds")

    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "error: there is no project here to watch: no folder above has a pyproject.toml with [tool.jobkit], "
        "or a host.json. Make one with: jobkit new-app DIR\n"
    )


@pytest.mark.parametrize(
    ("path", "matters"),
    [
        ("controllers/tiles.py", True),
        ("pyproject.toml", True),
        ("lib/reading.py", True),
        ("data/tiles.csv", False),
        ("controllers/.#tiles.py", False),
        ("controllers/tiles.py~", False),
        (".venv/lib/thing.py", False),
        ("venv/lib/python3.13/site-packages/thing.py", False),
        ("controllers/__pycache__/tiles.py", False),
    ],
)
def test_only_code_and_settings_are_watched(path: str, matters: bool):
    assert is_code(Path(path)) is matters
