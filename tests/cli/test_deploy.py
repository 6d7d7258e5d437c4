"""`jobkit deploy`: the runtime below an app's vendor/."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from commands import InProcess
from jobkit import __version__
from jobkit.deploy.vendored import runtime_files
from jobkit.runtime.stamp import files_below, hash_files

NEEDS = "azure-data-tables>=12.7\nazure_functions\nAzure.Identity\nazure-storage-queue\npydantic>=2\nrfc8785\n"
FILES = len(runtime_files()) + 1


@pytest.fixture
def app(folder: Path) -> Path:
    (folder / "app").mkdir()
    (folder / "app" / "host.json").write_text("{}")
    (folder / "app" / "requirements.txt").write_text(NEEDS)
    return folder / "app"


def test_the_runtime_is_written_once_and_found_to_be_the_same(jobkit: InProcess, app: Path):
    answers = [jobkit("deploy", "app", *options) for options in (("--check",), (), (), ("--check",))]

    assert [(done.code, done.out, done.err) for done in answers] == [
        (1, "app/vendor/jobkit: not there yet\n", "To write it: jobkit deploy app\n"),
        (0, f"app/vendor/jobkit: jobkit {__version__} written ({FILES} files)\n", ""),
        (0, f"app/vendor/jobkit: jobkit {__version__}, up to date\n", ""),
        (0, f"app/vendor/jobkit: jobkit {__version__}, up to date\n", ""),
    ]
    assert sorted(path.name for path in (app / "vendor").iterdir()) == ["jobkit"]


def test_what_is_vendored_needs_nothing_of_the_command_line(jobkit: InProcess, app: Path):
    jobkit("deploy", "app")
    (app / "show.py").write_text(
        "import sys; sys.path.insert(0, 'vendor')\n"
        "import jobkit.runtime.functions, jobkit.runtime.storage.azure\n"
        "foreign = {'typer', 'rich', 'cookiecutter', 'libcst', 'sqlite3'}\n"
        "print(jobkit.__file__, sorted(foreign & set(sys.modules)))\n"
    )

    done = subprocess.run([sys.executable, "show.py"], cwd=app, capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout == f"{app / 'vendor' / 'jobkit' / '__init__.py'} []\n"


def test_another_one_is_replaced_whole(jobkit: InProcess, app: Path):
    jobkit("deploy", "app")
    stamp = app / "vendor" / "jobkit" / "VENDORED.json"
    old = app / "vendor" / "jobkit" / "runtime" / "old.py"
    old.write_text("")
    stamped = json.loads(jobkit("deploy", "app", "--check", "--json").out)
    assert stamped["state"] == "edited"
    # as a version that had this file would have stamped it
    found = files_below(app / "vendor" / "jobkit")
    stamp.write_text(json.dumps({"version": "0.0.9", "sha256": hash_files(found)}))

    answers = [jobkit("deploy", "app", *options) for options in (("--dry-run",), ())]

    assert [(done.code, done.out, done.err) for done in answers] == [
        (
            0,
            f"app/vendor/jobkit: jobkit 0.0.9, not the same as this jobkit {__version__}\n",
            "To write it: jobkit deploy app\n",
        ),
        (0, f"app/vendor/jobkit: jobkit {__version__} written ({FILES} files, was 0.0.9)\n", ""),
    ]
    assert not old.exists()


def test_what_was_changed_by_hand_is_kept_unless_forced(jobkit: InProcess, app: Path):
    jobkit("deploy", "app")
    changed = app / "vendor" / "jobkit" / "runtime" / "clock.py"
    changed.write_text("mine")

    answers = [jobkit("deploy", "app", *options) for options in (("--check",), (), ("--force",))]

    assert [(done.code, done.out, done.err) for done in answers] == [
        (
            1,
            f"app/vendor/jobkit: jobkit {__version__}, changed by hand since it was written\n",
            "To write it: jobkit deploy app --force\n",
        ),
        (1, "", "error: app/vendor/jobkit was changed by hand since it was written; --force writes it anew\n"),
        (0, f"app/vendor/jobkit: jobkit {__version__} written ({FILES} files)\n", ""),
    ]
    assert changed.read_bytes() == runtime_files()["runtime/clock.py"]


def test_line_ends_of_a_checkout_and_compiled_files_change_nothing(jobkit: InProcess, app: Path):
    jobkit("deploy", "app")
    one = app / "vendor" / "jobkit" / "runtime" / "clock.py"
    one.write_bytes(one.read_bytes().replace(b"\n", b"\r\n"))
    (one.parent / "__pycache__").mkdir()
    (one.parent / "__pycache__" / "clock.cpython-313.pyc").write_bytes(b"x")

    assert jobkit("deploy", "app", "--check").code == 0


def test_requirements_that_are_not_listed_are_told(jobkit: InProcess, app: Path):
    (app / "requirements.txt").write_text("pydantic\n# rfc8785\nnumpy")

    answers = [jobkit("deploy", "app"), jobkit("deploy", "app", "--check")]

    lacking = "azure-data-tables>=12.7, azure-functions>=1.26, azure-identity>=1.27, azure-storage-queue>=12.18, rfc8785>=0.1.4"
    warning = f"warning: app/requirements.txt does not list what the runtime needs: {lacking}\n"
    assert [(done.code, done.err) for done in answers] == [(0, warning), (1, warning)]


def test_a_folder_that_is_no_app_is_refused(jobkit: InProcess, folder: Path):
    done = jobkit("deploy", "nowhere")

    answer = "error: nowhere is no Function App: it has no host.json. Make one with: jobkit new-app DIR\n"
    assert (done.code, done.out, done.err) == (3, "", answer)


def test_a_write_that_was_cut_off_is_done_again(jobkit: InProcess, app: Path):
    jobkit("deploy", "app")
    (app / "vendor" / "jobkit").rename(app / "vendor" / ".jobkit-old")
    (app / "vendor" / ".jobkit-new" / "runtime").mkdir(parents=True)

    answers = [jobkit("deploy", "app", *options) for options in (("--check",), (), ("--check",))]

    assert [done.code for done in answers] == [1, 0, 0]
    assert sorted(path.name for path in (app / "vendor").iterdir()) == ["jobkit"]
