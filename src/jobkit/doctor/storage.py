"""A local store that is not there yet."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

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
