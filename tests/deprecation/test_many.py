"""Many files: a part of the standard library, all cores, Ctrl-C."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sysconfig
from pathlib import Path

import pytest

from commands import JOBKIT, InProcess
from waiting import wait_until

PARTS = ("email", "json", "asyncio", "lib2to3/tests/data")


@pytest.fixture
def library(folder: Path) -> Path:
    """Copy a part of the standard library, odd files of its own tests included."""
    for part in PARTS:
        source = Path(sysconfig.get_path("stdlib")) / part
        if source.is_dir():
            for path in source.rglob("*.py"):
                copy = folder / "library" / part / path.relative_to(source)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy)
    return folder / "library"


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_standard_library_is_marked_and_comes_back_to_the_byte(jobkit: InProcess, library: Path):
    before = contents(library)

    marked = jobkit("deprecate", "library", "--json", "--include", "*.py").document
    after = contents(library)
    again = jobkit("deprecate", "library", "--json", "--include", "*.py").document
    undone = jobkit("deprecate", "library", "--undo", "--json").document

    count = marked["counts"]["marked"]
    assert count > 60
    assert sum(after[path] != before[path] for path in before) == count
    assert (again["counts"]["marked"], again["counts"]["already marked"]) == (0, count)
    assert undone["counts"]["undone"] == count
    assert contents(library) == before


def test_ctrl_c_leaves_whole_files_only(library: Path):
    before = contents(library)
    command = [*JOBKIT, "deprecate", "library"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )

    wait_until(lambda: any(path.read_bytes() != raw for path, raw in before.items()), "a file is marked", every_s=0.05)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: its workers get it too
    _, err = process.communicate(timeout=60)
    after = contents(library)
    undone = subprocess.run([*JOBKIT, "deprecate", "library", "--undo"], capture_output=True, text=True, timeout=60)

    assert (process.returncode, "every file is whole" in err, "Traceback" in err) == (130, True, False)
    assert set(after) == set(before)
    assert 0 < sum(after[path] != before[path] for path in before) < len(before)
    assert undone.returncode in (0, 1), undone.stderr
    assert contents(library) == before
