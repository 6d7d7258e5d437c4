"""Puts new files into a project: all of them or none, and never over what is there unless a copy of it is kept."""

from __future__ import annotations

import contextlib
import difflib
import secrets
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from jobkit.runtime.errors import JobkitError


class State(StrEnum):
    """What is where a new file belongs."""

    #: Nothing.
    NEW = "new"
    #: The same file.
    SAME = "same"
    #: Another file.
    DIFFERS = "differs"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFile:
    """A file to be written, and what is there now."""

    #: Below the project's root, with forward slashes.
    name: str
    path: Path
    content: bytes
    state: State
    #: From what is there to what would be; empty but for one that differs.
    diff: str = ""

    @property
    def backup(self) -> Path:
        """The first free name for a copy of what is there."""
        names = (f"{self.path.name}.bak{number or ''}" for number in range(1_000_000))
        return next(found for name in names if not (found := self.path.with_name(name)).exists())


def look_at(root: Path, contents: Mapping[str, bytes]) -> list[NewFile]:
    """Compare new files, by their names below the root, with what is there. Raises JobkitError."""
    try:
        return [_look(root, name, content) for name, content in sorted(contents.items())]
    except OSError as exc:
        raise JobkitError(f"can't read {exc.filename or root}: {exc.strerror or exc}") from exc


def put(files: Sequence[NewFile]) -> dict[str, Path]:
    """Write files, all or none; return the copies of those that differed, by name. Raises JobkitError."""
    changes = [file for file in files if file.state is not State.SAME]
    backups = {file.name: file.backup for file in changes if file.state is State.DIFFERS}
    with contextlib.ExitStack() as undo:
        try:
            staged = [(file, _stage(file, undo)) for file in changes]
            for file in changes:
                if file.name in backups:
                    undo.callback(_try, backups[file.name].unlink)
                    shutil.copy2(file.path, backups[file.name])
            for file, temporary in staged:
                if file.name in backups:
                    undo.callback(_try, backups[file.name].replace, file.path)
                else:
                    undo.callback(_try, file.path.unlink)
                temporary.replace(file.path)
        except OSError as exc:
            raise JobkitError(f"can't write {exc.filename or files[0].path}: {exc.strerror or exc}") from exc
        undo.pop_all()
    return backups


def _look(root: Path, name: str, content: bytes) -> NewFile:
    path = root / name
    if not path.exists() and not path.is_symlink():
        return NewFile(name=name, path=path, content=content, state=State.NEW)
    if not path.is_file():
        raise JobkitError(f"{path} is there and is no file; nothing was changed. Move it away, or choose another name.")
    there = path.read_bytes()
    if there == content:
        return NewFile(name=name, path=path, content=content, state=State.SAME)
    return NewFile(
        name=name, path=path.resolve(), content=content, state=State.DIFFERS, diff=_diff(name, there, content)
    )


def _diff(name: str, there: bytes, content: bytes) -> str:
    try:
        before, after = (text.decode("utf-8").splitlines(keepends=True) for text in (there, content))
    except UnicodeDecodeError:
        return f"{name}: both are binary, {len(there):,} and {len(content):,} bytes\n"
    lines = difflib.unified_diff(before, after, f"{name} (as it is)", f"{name} (new)")
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _stage(file: NewFile, undo: contextlib.ExitStack) -> Path:
    """Write the file beside its place, so that one rename puts it there."""
    for folder in reversed([folder for folder in file.path.parents if not folder.exists()]):
        folder.mkdir()
        undo.callback(_try, folder.rmdir)
    temporary = file.path.with_name(f".{file.path.name[:60]}.{secrets.token_hex(4)}.jobkit")
    undo.callback(_try, temporary.unlink)
    temporary.write_bytes(file.content)
    if file.state is State.DIFFERS:
        shutil.copymode(file.path, temporary)
    return temporary


def _try(step: Callable[..., object], *arguments: Path) -> None:
    """Take a step back; one that was never made forward, or can't be taken back, hinders no other."""
    with contextlib.suppress(OSError):
        step(*arguments)
