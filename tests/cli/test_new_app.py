"""`jobkit new-app`: a Function App that runs here and in Azure."""

from __future__ import annotations

import compileall
import json
import shutil
import subprocess
import sys
from errno import ENOSPC
from pathlib import Path

import pytest

from commands import InProcess
from jobkit.deploy.vendored import runtime_files
from jobkit.scaffold.app import hub_of
from jobkit.scaffold.rendering import render

TEMPLATE = Path(__file__).parents[2] / "function_app_template"
FILES = [
    ".funcignore",
    ".github/workflows/ci.yml",
    ".gitignore",
    "README.md",
    "controllers/__init__.py",
    "controllers/greetings.py",
    "function_app.py",
    "host.json",
    "infra/main.bicep",
    "local.settings.json",
    "pyproject.toml",
    "requirements-dev.txt",
    "requirements.txt",
    "tests/test_greetings.py",
]


def files_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_an_app_is_made_with_the_runtime_in_it_and_says_what_is_next(jobkit: InProcess, folder: Path):
    done = jobkit("new-app", "my-etl")

    listed = "".join(f"my-etl/{file}\n" for file in FILES) + "my-etl/vendor/jobkit/ (the runtime)\n"
    assert (done.code, done.out, done.err) == (0, listed, "Try it: cd my-etl && jobkit run greetings --n 5\n")
    vendored = sorted(f"vendor/jobkit/{name}" for name in [*runtime_files(), "VENDORED.json"])
    assert files_below(folder / "my-etl") == sorted([*FILES, *vendored])
    settings = json.loads((folder / "my-etl" / "local.settings.json").read_text())
    assert settings["Values"] == {
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "AzureWebJobsStorage": "UseDevelopmentStorage=true",
        "PYTHON_THREADPOOL_THREAD_COUNT": "32",
        "JOBKIT_HUB": "myetl",
    }
    assert sorted(path.name for path in folder.iterdir()) == ["my-etl"]


def test_bytecode_that_pip_left_in_the_installed_template_does_not_come_along(tmp_path: Path):
    template = shutil.copytree(TEMPLATE, tmp_path / "template")
    assert compileall.compile_dir(template, quiet=2)

    made = render(template, {"folder": "my-etl", "hub": "myetl", "runtime_requirements": "pydantic"}, tmp_path / "made")

    assert files_below(made) == FILES


def test_a_folder_that_is_there_stays_empty_when_the_app_cannot_be_put_into_it(
    jobkit: InProcess, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    (folder / "etl").mkdir()
    rename = Path.rename

    def full(path: Path, target: Path) -> Path:
        if target == folder / "etl" / "host.json":
            raise OSError(ENOSPC, "No space left on device", str(path))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", full)
    done = jobkit("new-app", "etl")

    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("error: can't write ")
    assert done.err.endswith("/host.json: No space left on device\n")
    assert list((folder / "etl").iterdir()) == []


def test_its_controller_runs_and_its_own_tests_pass(jobkit: InProcess, folder: Path, monkeypatch: pytest.MonkeyPatch):
    jobkit("new-app", "etl")
    monkeypatch.chdir(folder / "etl")

    done = jobkit("run", "greetings", "--n", "5", "--json")

    job = json.loads(done.out)
    assert (done.code, job["status"], job["stages"][1]["completed"]) == (0, "completed", 5)
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)  # CI's own
    tests = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n0"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (tests.returncode, tests.stdout.splitlines()[-1][:9]) == (0, "1 passed "), tests.stdout


def test_a_dry_run_lists_the_same_and_leaves_nothing(jobkit: InProcess, folder: Path):
    done = jobkit("new-app", "deep/er/my-etl", "--dry-run", "--json")

    assert json.loads(done.out) == {
        "schema": 1,
        "app": "deep/er/my-etl",
        "files": FILES,
        "runtime": "vendor/jobkit",
        "made": False,
    }
    assert list(folder.iterdir()) == []


def test_it_never_writes_into_a_folder_that_has_something(jobkit: InProcess, folder: Path):
    (folder / "etl").mkdir()
    (folder / "etl" / "mine.txt").write_text("mine")
    (folder / "file").write_text("mine")

    answers = [jobkit("new-app", name) for name in ("etl", "file")]

    why = "is there already, and nothing in it was changed. Name another, or remove it."
    assert [(done.code, done.out, done.err) for done in answers] == [
        (1, "", f"error: etl {why}\n"),
        (1, "", f"error: file {why}\n"),
    ]
    assert files_below(folder) == ["etl/mine.txt", "file"]


def test_an_empty_folder_may_be_there_and_the_shell_be_in_it(
    jobkit: InProcess, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    (folder / "etl").mkdir()
    monkeypatch.chdir(folder / "etl")

    done = jobkit("new-app", ".")

    assert (done.code, done.out.splitlines()[0], done.err) == (0, FILES[0], "Try it: jobkit run greetings --n 5\n")
    assert [file for file in files_below(Path()) if not file.startswith("vendor/")] == FILES
    assert {path.name for path in Path().iterdir()} == {file.partition("/")[0] for file in [*FILES, "vendor/"]}


@pytest.mark.parametrize("name", ["a b", "9lives", "-x", "ä", ".."])
def test_a_name_that_is_none_is_refused(jobkit: InProcess, folder: Path, name: str):
    done = jobkit("new-app", "--", f"sub/{name}" if name == ".." else name)

    assert (done.code, done.out) == (2, "")
    assert done.err.endswith(" can't be an app's name: give a letter, then letters, digits, - and _\n")
    assert list(folder.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_told(jobkit: InProcess, folder: Path):
    (folder / "file").write_text("")
    long = "x" * 300

    answers = [jobkit("new-app", name) for name in ("file/etl", long)]

    assert [(done.code, done.out, done.err) for done in answers] == [
        (1, "", f"error: can't write {folder / 'file'}: File exists\n"),
        (1, "", f"error: can't write {folder / long}: File name too long\n"),
    ]


@pytest.mark.parametrize(
    ("name", "hub"), [("my-etl", "myetl"), ("A", "a00"), ("x" * 40, "x" * 31), ("Tiles_2", "tiles2")]
)
def test_the_hub_comes_from_the_name(name: str, hub: str):
    assert hub_of(name) == hub
