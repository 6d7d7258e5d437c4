"""The file of a local store: whether there could be one, and whether one that is there is sound."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import quote

from jobkit.runtime.checks.finding import Finding, Findings, Group
from jobkit.runtime.checks.storage import not_written

_TELL: Final = Findings(Group.STORAGE)


def check_file(path: Path) -> Iterator[Finding]:
    """Tell of a local store that is not there yet: whether there could be one."""
    folder = next(parent for parent in path.parents if parent.exists())
    if folder.is_dir() and os.access(folder, os.W_OK):
        yield _TELL.ok("reachable", f"{path} is not there yet: the first job makes it")
    else:
        yield _TELL.error("reachable", f"{path} can't be made: {folder} is not writable", f"chmod u+w {folder}")
    yield not_written("there is no store yet", "jobkit run hello_worlds, then again")


def check_soundness(path: Path) -> Iterator[Finding]:
    """Read a local store's whole file and tell whether it is damaged; a damaged page may be one that nothing has asked for yet.

    See "PRAGMA quick_check" in SQLite's documentation.
    """
    address = f"file:{quote(str(path.absolute()))}?mode=ro"
    try:
        with contextlib.closing(sqlite3.connect(address, uri=True)) as connection:
            found = connection.execute("pragma quick_check(1)").fetchone()[0]
    except sqlite3.OperationalError as exc:  # locked, or in a folder where no write-ahead log can be read
        fix = "try again when nothing works on it; of a folder that can't be written, copy the file elsewhere"
        yield _TELL.not_checked("file", f"{path} can't be read alone: {exc}", fix)
        return
    except sqlite3.DatabaseError as exc:
        found = str(exc)
    if found == "ok":
        yield _TELL.ok("file", "sound: all of it could be read")
    else:
        fix = f"save what is still read (jobkit inspect job ID --json), then move {path} away: the next job makes a new one"
        yield _TELL.error("file", f"damaged ({' '.join(found.split())})", fix, unreachable=True)
