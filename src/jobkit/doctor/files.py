"""The app's files: the vendored runtime, its requirements, and what editors and merges left behind."""

from __future__ import annotations

import fnmatch
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from jobkit import __version__
from jobkit.deploy.vendored import PLACE, REQUIREMENTS, Found, State, look, write

from .finding import Finding, Findings, Group, listed
from .mending import lines_added
from .subject import Subject

#: What editors, merges and patches leave beside a file.
BACKUPS: Final = ("*~", "*.bak", "*.orig", "*.rej", "*.old", "*.swp", "*.bak.py", "*.orig.py", "*.old.py", "* copy.py")
#: What a `jobkit deploy` leaves that was killed.
_HALF: Final = (".jobkit-new", ".jobkit-old")
_SKIPPED: Final = ("__pycache__", "node_modules", "site-packages")
_SHOWN: Final = 5
_TELL: Final = Findings(Group.APP)


def check_runtime(subject: Subject) -> Iterator[Finding]:
    """Tell whether the runtime below vendor/ is that of this jobkit."""
    found = look(subject.folder)
    deploy = f"jobkit deploy {subject.folder}"
    if found.state is State.CURRENT:
        yield _TELL.ok("runtime", f"{PLACE.as_posix()} is jobkit {found.version}, up to date")
    elif found.state is State.EDITED:
        evidence = f"{PLACE.as_posix()} was changed by hand since it was written"
        yield _TELL.error("runtime", evidence, f"{deploy} --force writes it anew, and what was changed is lost")
    else:
        is_missing = found.state is State.MISSING
        evidence = (
            "is not there" if is_missing else f"is of jobkit {found.version}, not the files of this {__version__}"
        )
        yield _TELL.error("runtime", f"{PLACE.as_posix()} {evidence}", deploy, lambda: _deploy(found))
    if found.lacking:
        path = subject.folder / REQUIREMENTS
        evidence = f"{REQUIREMENTS} lacks what the runtime needs: {', '.join(found.lacking)}"
        yield _TELL.error("requirements", evidence, "add these lines", lines_added(path, found.lacking))
    else:
        yield _TELL.ok("requirements", "all that the runtime needs is listed")


def check_backups(subject: Subject) -> Iterator[Finding]:
    """Tell which files an editor or a merge left, which are deployed with the rest."""
    found: list[str] = []
    for root, folders, files in os.walk(subject.folder):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in _SKIPPED]
        left = (name for name in files if any(fnmatch.fnmatch(name, pattern) for pattern in BACKUPS))
        found.extend(Path(root, name).relative_to(subject.folder).as_posix() for name in left)
    if found:
        yield _TELL.warning(
            "backups", f"left behind: {listed(sorted(found), _SHOWN)}", "delete them, or add them to .funcignore"
        )
    half = [path for name in _HALF if (path := subject.folder / PLACE.parent / name).is_dir()]
    if half:
        names = ", ".join(path.relative_to(subject.folder).as_posix() for path in half)
        evidence = f"a jobkit deploy that was killed left {names}"
        yield _TELL.warning("backups", evidence, f"delete {names}", lambda: _remove(half))
    if not found and not half:
        yield _TELL.ok("backups", "none")


def _deploy(found: Found) -> str:
    return f"{write(found)} files written to {PLACE.as_posix()}"


def _remove(folders: list[Path]) -> str:
    for folder in folders:
        shutil.rmtree(folder)
    return f"deleted: {', '.join(folder.name for folder in folders)}"
