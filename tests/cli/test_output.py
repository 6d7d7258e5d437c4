"""What goes where: the answer on stdout, all else on stderr; pipes that end, colour, and a terminal."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from commands import JOBKIT, InProcess, copy_samples, still, terminal

N2 = "f5a71d1cf06391137ef6a07742a7387a"  # hello_worlds with n = 2


def shell(command: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a line of bash in which `jobkit` is the command."""
    line = f'set -o pipefail; jobkit() {{ {" ".join(JOBKIT)} "$@"; }}; {command}'
    return subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=60, env={**os.environ, **env})


def without_controls(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


@pytest.mark.parametrize("instances", ["1", "2"])
def test_what_tasks_and_the_programs_they_start_print_is_on_stderr(jobkit: InProcess, folder: Path, instances: str):
    copy_samples(folder, "failing")

    done = jobkit("run", "failing", "--how", "print", "--json", "--instances", instances)

    assert (done.code, done.document["status"]) == (0, "completed")
    printed = [line for line in done.err.splitlines() if line.startswith("printed by")]
    assert printed == ["printed by a task", "printed by a program"]


def test_nothing_but_the_document_is_on_stdout_whatever_is_wrong(jobkit: InProcess, folder: Path):
    copy_samples(folder, "failing")

    for how in ("raise", "exit", "list", "sum"):
        done = jobkit("run", "failing", "--how", how, "--json")
        assert json.loads(done.out)["status"] == "failed"


@pytest.mark.parametrize("command", ["run hello_worlds --n 200 --json", "run hello_worlds --n 200", "controllers"])
def test_a_reader_that_leaves_is_no_failure(command: str):
    done = shell(f"jobkit {command} | head -1")

    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 1
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


def test_the_exit_code_is_the_jobs_although_nobody_reads_its_result(folder: Path):
    copy_samples(folder, "failing")

    assert shell("jobkit run failing | true").returncode == 1


def test_a_job_runs_to_its_end_although_nobody_hears_of_its_progress(jobkit: InProcess):
    assert shell("jobkit run hello_worlds --n 2 2>&1 >/dev/null | true").returncode == 0
    assert jobkit("inspect", "job", N2, "--json").document["status"] == "completed"


def test_an_error_that_nobody_hears_keeps_its_exit_code():
    assert shell("jobkit run no_such_type 2>&1 >/dev/null | true").returncode == 3


def test_closed_streams_are_as_good_as_unread_ones():
    done = shell("jobkit run hello_worlds --n 2 >&- 2>&-")

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device")
@pytest.mark.parametrize("command", ["run hello_worlds --n 2", "run hello_worlds --n 2 --json", "controllers"])
def test_an_answer_that_cannot_be_written_is_a_failure_in_one_line(command: str):
    done = shell(f"jobkit {command} > /dev/full")

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "error: can't write to standard output: No space left on device"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_an_encoding_that_cannot_say_all_breaks_neither_the_screen_nor_the_document(encoding: str):
    screen = shell("jobkit controllers", PYTHONIOENCODING=encoding)
    document = shell("""jobkit submit hello_worlds --params - --json <<< '{"n": 2}'""", PYTHONIOENCODING=encoding)

    assert screen.stdout.splitlines()[2] == r"  stages: 1 Hello Worlds \u2192 2 Worlds Reply"
    assert json.loads(document.stdout)["job_id"] == N2


def test_a_pipe_gets_every_line_whole_and_no_colour(jobkit: InProcess):
    done = jobkit("run", "hello_worlds", "--params", "-", stdin='{"n": 30}')

    assert "\x1b" not in done.out + done.err
    assert [line for line in done.out.splitlines() if line != line.rstrip()] == []
    assert "more" not in done.out
    assert len(re.findall(r"(?m)^    \w{16}-[12]-\d+ +hello ", done.out)) == 60


def test_a_terminal_gets_bars_colour_and_the_first_results(folder: Path):
    code, raw = terminal("run", "hello_worlds", "--n", "30")

    text = without_controls(raw.rpartition("\x1b[2K")[2])  # from the last frame on
    assert code == 0
    assert re.search(r"\x1b\[[0-9;]*32m", raw)  # green
    assert max(map(len, text.split("\n"))) <= 80
    bars = [still(line).rstrip() for line in text.split("\n")[:2]]
    assert [re.sub(r"task \d+$", "task N", bar) for bar in bars] == [
        f"1 Hello Worlds {'━' * 16} 30/30 TIME, lights out by task N",
        f"2 Worlds Reply {'━' * 16} 30/30 TIME, lights out by task N",
    ]
    assert text.count("    and 20 more\n") == 2


def test_no_color_takes_the_colour_and_leaves_the_words(folder: Path):
    copy_samples(folder, "failing")

    code, raw = terminal("run", "failing", "--how", "exit", NO_COLOR="1")

    assert code == 1
    assert re.findall(r"\x1b\[[0-9;]*3[0-9][0-9;]*m", raw) == []
    assert re.search(r"failing.* failed in ", without_controls(raw))


def test_a_terminal_that_can_do_nothing_gets_lines_instead_of_bars():
    _, raw = terminal("run", "hello_worlds", "--n", "2", TERM="dumb")

    assert ("━" in raw, "\x1b" in raw) == (False, False)
    assert "stage 2 Worlds Reply: 2/2" in raw


def test_json_on_a_terminal_is_the_document_after_the_progress():
    _, raw = terminal("run", "hello_worlds", "--n", "2", "--json")

    text = without_controls(raw)
    assert json.loads(text[text.index("\n{") :])["job_id"] == N2
