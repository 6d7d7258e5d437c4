"""A local.db that somebody else locks, or cuts off, in the middle of a run: it waits, or says what is wrong."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from waiting import wait_until

RUN = [sys.executable, "-m", "jobkit", "run", "hello_worlds", "--n", "2000", "--json"]
BEGUN_BYTES = 300_000
LOCKED_S = 1.0


@contextlib.contextmanager
def begun(project: Path) -> Iterator[subprocess.Popen[str]]:
    """A run whose first rows are in the file."""
    with subprocess.Popen(RUN, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        try:
            database = file_of(project)
            wait_until(lambda: database.exists() and database.stat().st_size > BEGUN_BYTES, "rows in the file")
            yield run
        finally:
            run.kill()


def file_of(project: Path) -> Path:
    return project / ".jobkit" / "local.db"


def counts(document: str) -> list[tuple[int, int]]:
    return [(stage["completed"], stage["failed"]) for stage in json.loads(document)["stages"]]


def test_a_run_waits_for_a_file_that_is_locked(tmp_path: Path) -> None:
    with begun(tmp_path) as run:
        other = sqlite3.connect(file_of(tmp_path), timeout=20, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        was_running = run.poll() is None
        time.sleep(LOCKED_S)
        other.execute("ROLLBACK")
        other.close()
        out, err = run.communicate(timeout=60)

    assert was_running
    assert (run.returncode, counts(out)) == (0, [(2000, 0), (2000, 0)]), err


def test_a_run_whose_file_is_cut_off_says_that_it_is_damaged(tmp_path: Path) -> None:
    with begun(tmp_path) as run:
        os.truncate(file_of(tmp_path), BEGUN_BYTES // 2)
        _, err = run.communicate(timeout=60)
    shutil.rmtree(tmp_path / ".jobkit")
    anew = subprocess.run(RUN, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    damaged = f"store {file_of(tmp_path)}: the file is damaged. Move it away to begin with an empty store."
    assert (run.returncode, err.splitlines()[-1]) == (5, f"error: {damaged}")
    assert (anew.returncode, counts(anew.stdout)) == (0, [(2000, 0), (2000, 0)])
