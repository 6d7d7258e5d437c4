"""The plugin: pytest finds the fixture by itself, and pays nothing for it until a test asks for it."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

from jobkit.runtime.controllers import HelloWorlds
from jobkit.testing import RunJob

TESTS = """\
from jobkit.runtime.controllers import HelloWorlds


def test_first(jobkit_run):
    assert len(jobkit_run(HelloWorlds, n=3).events) == 20


def test_second(jobkit_run):
    job = jobkit_run(HelloWorlds, n=3)

    assert len(job.events) == 20
    assert jobkit_run(HelloWorlds, n=3).events == ()
    assert jobkit_run(HelloWorlds, n=3, stages="2", earlier=job.job_id).status == "completed"
"""


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def test_the_fixture_runs_jobs_in_a_store_of_the_tests_own(jobkit_run: RunJob) -> None:
    first = jobkit_run(HelloWorlds, n=2)
    same = jobkit_run(HelloWorlds, n=2)
    alone = jobkit_run(HelloWorlds, n=2, stages="Worlds Reply", earlier=first)

    assert [result.message for result in first.results("Hello Worlds")] == [
        "hello from f5a71d1cf0639113-1-0!",
        "hello from f5a71d1cf0639113-1-1!",
    ]
    assert (same.job, same.events) == (first.job, ())
    assert [m.message for m in alone.results(HelloWorlds.reply)] == [
        f"hello f5a71d1cf0639113-1-{i} from {alone.job_id[:16]}-2-{i}" for i in range(2)
    ]


def test_pytest_finds_the_fixture_in_any_project_with_warnings_as_errors(tmp_path: Path) -> None:
    (tmp_path / "test_hello.py").write_text(TESTS)

    done = run(tmp_path, "-m", "pytest", "-q", "-W", "error", "-o", f"cache_dir={tmp_path}/cache")

    assert done.stdout.splitlines()[0].split() == ["..", "[100%]"]
    assert (done.returncode, done.stdout.splitlines()[-1].partition(" in ")[0], done.stderr) == (0, "2 passed", "")


def test_the_plugin_is_an_entry_point_and_imports_nothing_but_pytest(tmp_path: Path) -> None:
    [point] = [point for point in entry_points(group="pytest11") if point.name == "jobkit"]
    code = (
        "import sys, typing, pytest\nbefore = set(sys.modules)\nimport jobkit.pytest_plugin\n"
        "print(*sorted(set(sys.modules) - before))"
    )

    assert point.value == "jobkit.pytest_plugin"
    assert run(tmp_path, "-c", code).stdout.split() == ["jobkit", "jobkit.pytest_plugin"]


def test_jobkit_testing_does_without_pytest(tmp_path: Path) -> None:
    code = "import sys\nsys.modules['pytest'] = None\nimport jobkit.testing\nprint('imported')"

    assert run(tmp_path, "-c", code).stdout == "imported\n"
