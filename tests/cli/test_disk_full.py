"""A disk that is full in the middle of a run: a clear error, nothing acknowledged is lost, and the same command goes on."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

KB = 1024


def run(folder: Path, *arguments: str, limit_kb: int | None = None) -> subprocess.CompletedProcess[str]:
    """Run jobkit; no file that it writes may grow beyond `limit_kb`, as on a full disk."""

    def limit() -> None:
        if limit_kb is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit_kb * KB, limit_kb * KB))

    return subprocess.run(
        [sys.executable, "-m", "jobkit", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        preexec_fn=limit,
        timeout=120,
        env={**os.environ, "NO_COLOR": "1"},
        check=False,
    )


@pytest.mark.timeout(300)
@pytest.mark.parametrize("limit_kb", [700])
def test_a_run_on_a_disk_that_fills_up_says_so_and_goes_on_later(tmp_path: Path, limit_kb: int):
    full = run(tmp_path, "run", "hello_worlds", "--n", "3000", "--json", limit_kb=limit_kb)
    again = run(tmp_path, "run", "hello_worlds", "--n", "3000", "--json")

    assert full.returncode == 5, full.stderr
    assert "error: store " in full.stderr
    assert "Check the disk." in full.stderr
    job = json.loads(again.stdout)
    assert (again.returncode, job["status"]) == (0, "completed")
    assert [(stage["completed"], stage["failed"]) for stage in job["stages"]] == [(3000, 0), (3000, 0)]
