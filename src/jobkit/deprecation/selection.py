"""Which files of a tree are looked at: by their paths. What is in them is judged in `relevance`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pathspec import GitIgnoreSpec

from .ignoring import Ignored
from .outcome import Outcome, Status

_NEVER: Final = frozenset({"__pycache__", ".git", ".hg", ".svn", ".tox", ".nox", ".eggs", "node_modules"})
_TEST_FOLDERS: Final = frozenset({"test", "tests", "testing"})
_TEST_FILE: Final = re.compile(r"test_.*|.*_tests?|conftest|tests?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the user says about which files are relevant."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    #: Whether tests are taken too.
    tests: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A file to be looked into; one that the user has named is taken though generated, or a test."""

    path: Path
    #: Its own name and those of its folders below the tree's root.
    names: tuple[str, ...]
    is_named: bool = False


def select(paths: Sequence[Path], rules: Rules) -> tuple[list[Candidate], list[Outcome]]:
    """Return the files in their order, each once, and what was passed over, with the reason."""
    chosen: dict[Path, Candidate] = {}
    passed: dict[Path, Outcome] = {}
    for path in paths:
        if not path.is_dir() or path.is_symlink():
            chosen.setdefault(path, Candidate(path=path, names=(path.stem,), is_named=True))
            continue
        for found in _below(path, rules):
            if isinstance(found, Outcome):
                passed[found.path] = found
            else:
                chosen.setdefault(found.path, found)
    return list(chosen.values()), [outcome for outcome in passed.values() if outcome.path not in chosen]


def python_files(root: Path) -> Iterator[Path]:
    """Walk every Python file of a tree that git doesn't ignore and that is in no virtual environment, tests included."""
    if root.is_file():
        yield root
        return
    for found in _Walk(root, Rules()).files():
        if isinstance(found, Path):
            yield found


def _below(root: Path, rules: Rules) -> Iterator[Candidate | Outcome]:
    included = GitIgnoreSpec.from_lines(rules.include)
    for found in _Walk(root, rules).files():
        if isinstance(found, Outcome):
            yield found
            continue
        relative = found.relative_to(root)
        is_named = bool(rules.include) and included.match_file(relative.as_posix())
        if rules.include and not is_named:
            yield _skipped(found, "not included")
        elif not (is_named or rules.tests) and is_test(relative):
            yield _skipped(found, "test")
        else:
            yield Candidate(path=found, names=(found.stem, *relative.parts[:-1]), is_named=is_named)


def is_test(relative: Path) -> bool:
    """Whether a file is a test or belongs to tests, by its name and its folders'."""
    return bool(_TEST_FILE.fullmatch(relative.stem)) or not _TEST_FOLDERS.isdisjoint(relative.parts[:-1])


class _Walk:
    def __init__(self, root: Path, rules: Rules) -> None:
        self._root = root
        self._resolved = root.resolve()
        self._ignored = Ignored(self._resolved)
        self._excluded = GitIgnoreSpec.from_lines(rules.exclude)

    def files(self) -> Iterator[Path | Outcome]:
        return self._in(self._root)

    def _in(self, folder: Path) -> Iterator[Path | Outcome]:
        try:
            entries = sorted(folder.iterdir())
        except OSError as exc:
            yield Outcome(path=folder, status=Status.LEFT, reason=f"can't be read: {exc.strerror}")
            return
        for entry in entries:
            is_folder = entry.is_dir() and not entry.is_symlink()
            if entry.name in _NEVER or not (is_folder or entry.suffix in (".py", ".pyw") or entry.is_dir()):
                continue
            reason = self._reason(entry, is_folder=is_folder)
            if reason:
                yield _skipped(entry, reason)
            elif entry.is_symlink():
                yield Outcome(path=entry, status=Status.LEFT, reason="symlink")
            elif is_folder:
                yield from self._in(entry)
            else:
                yield entry

    def _reason(self, entry: Path, *, is_folder: bool) -> str:
        if is_folder and ((entry / "pyvenv.cfg").exists() or (entry / "conda-meta").exists()):
            return "virtual environment"
        relative = entry.relative_to(self._root)
        if self._ignored.has(self._resolved / relative, is_folder=is_folder):
            return "ignored by git"
        is_excluded = self._excluded.match_file(relative.as_posix() + ("/" if is_folder else ""))
        return "excluded" if is_excluded else ""


def _skipped(path: Path, reason: str) -> Outcome:
    return Outcome(path=path, status=Status.SKIPPED, reason=reason)
