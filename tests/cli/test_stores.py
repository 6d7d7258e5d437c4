"""A store that can't be used: exit code 5, and a text that names the file and says what to do."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest

from commands import JOBKIT, Done, InProcess

COMMANDS = (["run", "hello_worlds", "--n", "1"], ["submit", "hello_worlds"], ["inspect", "job", "c9"], ["worker"])
every_command = pytest.mark.parametrize("arguments", COMMANDS, ids=lambda words: words[0])
FOREIGN = "this file is no store of jobkit. Give another path, or move the file away."
READ_ONLY = "it can't be written to. Check who owns the file and its folder, and their permissions."


@pytest.fixture
def db(folder: Path) -> Path:
    """The place of the store, in a folder that is there."""
    (folder / ".jobkit").mkdir()
    return folder / ".jobkit" / "local.db"


def refused(done: Done, db: Path, reason: str) -> bool:
    return (done.code, done.out, done.err) == (5, "", f"error: store {db}: {reason}\n")


@every_command
def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(jobkit: InProcess, db: Path, arguments: list[str]):
    db.write_text("my notes\n" * 100)

    assert refused(jobkit(*arguments), db, FOREIGN)
    assert db.read_text() == "my notes\n" * 100


@every_command
def test_a_database_of_somebody_else_is_refused(jobkit: InProcess, db: Path, arguments: list[str]):
    other = sqlite3.connect(db)
    other.execute("create table notes (text)")
    other.close()

    assert refused(jobkit(*arguments), db, FOREIGN)


@every_command
def test_a_damaged_store_is_refused(jobkit: InProcess, db: Path, arguments: list[str]):
    jobkit("run", "hello_worlds", "--n", "1")
    content = db.read_bytes()
    db.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))

    done = jobkit(*arguments)

    assert refused(done, db, "the file is damaged. Move it away to begin with an empty store.")


@every_command
def test_a_store_of_a_newer_jobkit_is_refused(jobkit: InProcess, db: Path, arguments: list[str]):
    jobkit("submit", "hello_worlds")
    newer = sqlite3.connect(db, isolation_level=None)
    newer.execute("update meta set value = 99 where name = 'schema_version'")
    newer.close()

    done = jobkit(*arguments)

    known = done.err.partition("knows ")[2].partition(" ")[0]
    assert refused(done, db, f"it has schema version 99, this jobkit knows {known} at most. Upgrade jobkit.")
    assert 0 < int(known) < 99


def without_root(*arguments: str) -> Done:
    """Run a command that permissions hold for, whoever runs the tests."""
    if os.geteuid() != 0:
        prefix: list[str] = []
    elif (setpriv := shutil.which("setpriv")) is not None:
        prefix = [setpriv, "--bounding-set=-dac_override,-dac_read_search"]
    else:
        pytest.skip("root may write everywhere, and there is no setpriv to give that up")
    done = subprocess.run([*prefix, *JOBKIT, *arguments], capture_output=True, text=True, timeout=60)
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.mark.skipif(os.name == "nt", reason="permissions are other ones there")
@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_store_that_is_read_only_is_refused_and_keeps_its_jobs(jobkit: InProcess, db: Path, what: str):
    done = jobkit("run", "hello_worlds", "--n", "1")
    locked = db if what == "file" else db.parent
    for path in db.parent.iterdir():
        path.chmod(0o444 if path.is_file() else 0o555)
    locked.chmod(0o444 if what == "file" else 0o555)

    refusal = without_root("run", "hello_worlds", "--n", "2")

    locked.chmod(0o755)
    for path in db.parent.iterdir():
        path.chmod(0o755)
    assert refused(refusal, db, READ_ONLY)
    assert jobkit("run", "hello_worlds", "--n", "1").out == done.out


@pytest.mark.skipif(os.name == "nt", reason="permissions are other ones there")
def test_a_folder_that_may_not_be_looked_into_is_refused(jobkit: InProcess, db: Path):
    db.parent.chmod(0)

    done = without_root("inspect", "job", "c9")

    db.parent.chmod(0o755)
    assert refused(done, db, "it can't be opened. Check that its folder exists and may be written to.")


def test_a_path_that_cannot_be_a_file_is_refused(jobkit: InProcess, folder: Path):
    (folder / "file").write_text("x")

    below_a_file = jobkit("run", "hello_worlds", "--store", "local:file/local.db")
    a_folder = jobkit("run", "hello_worlds", "--store", "local:.")

    assert refused(below_a_file, folder / "file" / "local.db", f"File exists: {folder}/file")
    assert refused(a_folder, folder, "it can't be opened. Check that its folder exists and may be written to.")
