"""The runtime below an app's `vendor/`: what is there, whether it is this jobkit's, and how it gets there.

It is the package `jobkit` with `runtime` alone, and a stamp with its version and the hash of its contents.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import re
import shutil
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from jobkit import __version__
from jobkit.runtime.errors import JobkitError, NotFound
from jobkit.runtime.loader import HOST_FILE
from jobkit.runtime.stamp import PLACE, Stamp, files_below, hash_files, read_stamp, write_stamp

REQUIREMENTS: Final = "requirements.txt"
#: What of jobkit's own dependencies its runtime needs.
RUNTIME_NEEDS: Final = (
    "azure-data-tables",
    "azure-functions",
    "azure-identity",
    "azure-storage-queue",
    "pydantic",
    "rfc8785",
)
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SOURCE: Final = Path(__file__).parent.parent


class NoFunctionApp(NotFound):
    """Raised when a folder is no Function App."""

    def __init__(self, *, folder: Path) -> None:
        """Name the folder."""
        super().__init__(f"{folder} is no Function App: it has no {HOST_FILE}. Make one with: jobkit new-app DIR")


class Edited(JobkitError):
    """Raised when what is vendored was changed by hand, and would be lost."""

    def __init__(self, *, place: Path) -> None:
        """Name the folder."""
        super().__init__(f"{place} was changed by hand since it was written; --force writes it anew")


class State(StrEnum):
    """What a folder's vendored runtime is."""

    MISSING = "missing"
    CURRENT = "current"
    #: Written by another jobkit.
    OUTDATED = "outdated"
    #: Its contents are not those that its stamp tells of.
    EDITED = "edited"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What an app has: the vendored runtime, and which of its requirements are not listed."""

    app: Path
    state: State
    version: str | None
    lacking: tuple[str, ...]

    @property
    def place(self) -> Path:
        """Where the runtime is, or belongs."""
        return self.app / PLACE


def look(app: Path) -> Found:
    """Look at an app; nothing is changed. Raises NoFunctionApp."""
    if not (app / HOST_FILE).is_file():
        raise NoFunctionApp(folder=app)
    stamp = read_stamp(app / PLACE)
    found = files_below(app / PLACE)
    if not found:
        state = State.MISSING
    elif stamp is None or hash_files(found) != stamp.sha256:
        state = State.EDITED
    else:
        state = State.CURRENT if stamp == _stamp(runtime_files()) else State.OUTDATED
    version = None if stamp is None else stamp.version
    return Found(app=app, state=state, version=version, lacking=_lacking(app / REQUIREMENTS))


def write(found: Found, *, force: bool = False) -> int:
    """Write this jobkit's runtime, all or nothing; return the number of files. Raises Edited, JobkitError."""
    if found.state is State.EDITED and not force:
        raise Edited(place=found.place)
    files = runtime_files()
    new, old = (found.place.with_name(f".jobkit-{part}") for part in ("new", "old"))
    try:
        for left in (new, old):  # by a run that was killed
            shutil.rmtree(left, ignore_errors=True)
        for name, content in files.items():
            path = new / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        write_stamp(new, _stamp(files))
        with contextlib.suppress(FileNotFoundError):
            found.place.rename(old)
        new.rename(found.place)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as exc:
        raise JobkitError(f"can't write {exc.filename or found.place}: {exc.strerror or exc}") from exc
    return len(files) + 1


def runtime_files() -> dict[str, bytes]:
    """Return the files of the runtime by their path in the package `jobkit`."""
    names = [_SOURCE / "__init__.py", _SOURCE / "py.typed", *(_SOURCE / "runtime").rglob("*.py")]
    return {path.relative_to(_SOURCE).as_posix(): path.read_bytes() for path in sorted(names)}


def runtime_requirements() -> list[str]:
    """Return what the runtime needs, as lines of a requirements file."""
    wanted = [line.partition(";")[0].strip() for line in importlib.metadata.requires("jobkit") or ()]
    return [line for line in wanted if _normal(line) in RUNTIME_NEEDS]


def _stamp(files: dict[str, bytes]) -> Stamp:
    return Stamp(version=__version__, sha256=hash_files(files), requires=tuple(runtime_requirements()))


def _lacking(requirements: Path) -> tuple[str, ...]:
    lines = requirements.read_text(encoding="utf-8").splitlines() if requirements.is_file() else []
    listed = {_normal(line) for line in lines}
    return tuple(line for line in runtime_requirements() if _normal(line) not in listed)


def _normal(requirement: str) -> str:
    """Return a requirement's name as the index compares it (PEP 503)."""
    name = _NAME.match(requirement.strip())
    return re.sub(r"[-_.]+", "-", name.group()).lower() if name else ""
