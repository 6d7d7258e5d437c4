"""Makes a Function App from the template that comes with jobkit, with the runtime in it."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Final

from jobkit.deploy.vendored import look, runtime_requirements, write
from jobkit.runtime.errors import JobkitError, WrongUsage

from .rendering import files_below, render

_INSTALLED: Final = Path(__file__).parents[1] / "_app_template"
_CHECKED_OUT: Final = Path(__file__).parents[3] / "function_app_template"
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


class InvalidName(WrongUsage):
    """Raised when an app can't have the name."""

    def __init__(self, *, name: str) -> None:
        """Name it, and what it must be."""
        super().__init__(f"{name!r} can't be an app's name: give a letter, then letters, digits, - and _")


class FolderExists(JobkitError):
    """Raised when there is something where the app is to be."""

    def __init__(self, *, folder: Path) -> None:
        """Name the folder."""
        super().__init__(f"{folder} is there already, and nothing in it was changed. Name another, or remove it.")


def make_app(folder: Path, *, dry_run: bool = False) -> list[str]:
    """Make a Function App in a new folder, whole or not at all; return its files but those of the runtime.

    Its hub is its name's letters and digits. With `dry_run` nothing is left. Raises InvalidName, FolderExists,
    JobkitError when it can't be written.
    """
    target = Path.cwd() / folder
    if not _NAME.fullmatch(target.name):
        raise InvalidName(name=target.name)
    try:
        is_there = target.exists()
        if is_there and (not target.is_dir() or any(target.iterdir())):
            raise FolderExists(folder=folder)
        if dry_run:
            with tempfile.TemporaryDirectory() as place:
                return _render(Path(place), target.name)
        target.parent.mkdir(parents=True, exist_ok=True)
        # on the same disk, so that renames put it in its place
        with tempfile.TemporaryDirectory(prefix=".jobkit-", dir=target if is_there else target.parent) as place:
            made = Path(place) / target.name
            files = _render(Path(place), target.name)
            write(look(made))
            if is_there:
                _move(made, target)
            else:
                made.rename(target)
    except OSError as exc:
        raise JobkitError(f"can't write {exc.filename or folder}: {exc.strerror or exc}") from exc
    return files


def _move(made: Path, target: Path) -> None:
    """Move what is in a folder into another, all or nothing: it may be the folder that somebody's shell is in."""
    paths = list(made.iterdir())
    try:
        for path in paths:
            path.rename(target / path.name)
    except OSError:
        for path in paths:
            if not path.exists():
                (target / path.name).rename(path)
        raise


def hub_of(name: str) -> str:
    """Return the hub of an app: its name's lower-case letters and digits, 3 to 31 of them."""
    return re.sub(r"[^a-z0-9]", "", name.lower())[:31].ljust(3, "0")


def _render(place: Path, name: str) -> list[str]:
    answers = {
        "folder": name,
        "hub": hub_of(name),
        "runtime_requirements": "\n".join(runtime_requirements()),
    }
    return files_below(render(_INSTALLED if _INSTALLED.is_dir() else _CHECKED_OUT, answers, place))
