"""The app's files: the vendored runtime, its requirements, and what editors and merges left behind."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from jobkit import __version__
from jobkit.deploy.vendored import REQUIREMENTS, Found, State, look, write
from jobkit.runtime.checks import files
from jobkit.runtime.checks.finding import Finding, Findings, Group
from jobkit.runtime.stamp import PLACE

from .mending import lines_added
from .subject import Subject

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
    """Tell which files an editor, a merge or a killed `jobkit deploy` left, which are deployed with the rest."""
    yield from files.check_backups(subject.folder, remove=_remove)


def _deploy(found: Found) -> str:
    return f"{write(found)} files written to {PLACE.as_posix()}"


def _remove(folders: Sequence[Path]) -> str:
    for folder in folders:
        shutil.rmtree(folder)
    return f"deleted: {', '.join(folder.name for folder in folders)}"
