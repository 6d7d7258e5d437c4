"""Names of modules and the files they are: as Python would find them from some folders, without importing anything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path


def package_root(path: Path) -> Path:
    """Return the folder that must be on Python's path for this file, or this folder, to be imported by its whole name."""
    folder = path if path.is_dir() else path.parent
    while (folder / "__init__.py").is_file() and folder.parent != folder:
        folder = folder.parent
    return folder


def dotted(path: Path, root: Path) -> str:
    """Return a file's module name below a root; "" for the root's own `__init__.py`."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def names_of(path: Path, roots: Sequence[Path]) -> list[str]:
    """Return the names by which a file can be imported: below the roots that hold it, the longest first."""
    names = {dotted(path, root) for root in (*roots, package_root(path)) if path.is_relative_to(root)}
    return sorted((name for name in names if name), key=lambda name: (-len(name), name))


class Finder:
    """Finds the files of modules below some roots; remembers what it has looked up."""

    def __init__(self, roots: Sequence[Path]) -> None:
        """Search the roots in their order."""
        self._roots = list(dict.fromkeys(roots))
        self._found: dict[str, Path | None] = {}

    def find(self, name: str) -> Path | None:
        """Find a module's file; a namespace package has none."""
        if name not in self._found:
            self._found[name] = next(self._candidates(name), None)
        return self._found[name]

    def with_parents(self, name: str) -> Iterator[Path]:
        """Find a module's file and those of the packages around it, which an import runs too."""
        parts = name.split(".")
        for length in range(1, len(parts) + 1):
            path = self.find(".".join(parts[:length]))
            if path is not None:
                yield path

    def _candidates(self, name: str) -> Iterator[Path]:
        if not name:
            return
        for root in self._roots:
            path = root.joinpath(*name.split("."))
            for found in (path / "__init__.py", path.with_name(f"{path.name}.py")):
                if found.is_file():
                    yield found
