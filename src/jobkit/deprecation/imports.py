"""What a file imports, lazily in functions too, and what is reached by imports from an entry."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .modules import Finder, names_of
from .source import Unreadable, parse
from .writing import read_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """One name that is imported: `module` or, with `name`, something of it."""

    module: str
    name: str
    #: What it is called in the importing file.
    alias: str
    #: From 1.
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """The files that imports reach, and those whose own imports could not be told."""

    files: frozenset[Path]
    #: File and reason: unreadable ones, and imports of a name that is computed.
    unsure: tuple[tuple[Path, str], ...]


def imports_of(tree: ast.Module, packages: Sequence[str]) -> Iterator[Import]:
    """Return all imports of a file; `packages` are the names of the package that it is in, for relative ones."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                bound = alias.asname or alias.name.partition(".")[0]
                yield Import(module=alias.name, name="", alias=bound, line=node.lineno)
        elif isinstance(node, ast.ImportFrom):
            for module in _origins(node, packages):
                for alias in node.names:
                    bound = alias.asname or alias.name
                    yield Import(module=module, name=alias.name, alias=bound, line=node.lineno)
        elif isinstance(node, ast.Call) and _is_import_call(node):
            for module in _called(node, packages):
                yield Import(module=module, name="", alias="", line=node.lineno)


def packages_of(path: Path, names: Sequence[str]) -> list[str]:
    """Return the names of the package a file is in, from the names of the file."""
    return list(names) if path.name == "__init__.py" else [name.rpartition(".")[0] for name in names]


def reach(entries: Sequence[Path], roots: Sequence[Path]) -> Reach:
    """Follow imports from the entries (absolute paths) through the files below the roots."""
    finder = Finder(roots)
    reached: dict[Path, None] = dict.fromkeys(entries)
    unsure: list[tuple[Path, str]] = []
    waiting = list(entries)
    while waiting:
        path = waiting.pop()
        try:
            tree = parse(read_bytes(path))
        except Unreadable as exc:
            unsure.append((path, str(exc)))
            continue
        unsure += [(path, f"line {line}: imports a module whose name is computed") for line in _computed(tree)]
        for name in _modules(tree, packages_of(path, names_of(path, roots))):
            for found in finder.with_parents(name):
                if found not in reached:
                    reached[found] = None
                    waiting.append(found)
    return Reach(files=frozenset(reached), unsure=tuple(unsure))


def _modules(tree: ast.Module, packages: Sequence[str]) -> Iterator[str]:
    for found in imports_of(tree, packages):
        yield found.module
        if found.name:
            yield f"{found.module}.{found.name}"  # it may be a submodule


def _origins(node: ast.ImportFrom, packages: Sequence[str]) -> Iterator[str]:
    """Return the absolute names of what a `from` import imports from."""
    if not node.level:
        yield node.module or ""
        return
    for package in packages:
        parts = package.split(".") if package else []
        if len(parts) >= node.level:
            parts = parts[: len(parts) - node.level + 1]
            yield ".".join([*parts, *([node.module] if node.module else [])])


def _is_import_call(node: ast.Call) -> bool:
    called = node.func
    return (isinstance(called, ast.Attribute) and called.attr == "import_module") or (
        isinstance(called, ast.Name) and called.id in ("import_module", "__import__")
    )


def _called(node: ast.Call, packages: Sequence[str]) -> Iterator[str]:
    if not (node.args and isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str)):
        return
    name = node.args[0].value
    level = len(name) - len(name.lstrip("."))
    if level:
        yield from _origins(ast.ImportFrom(module=name.lstrip(".") or None, names=[], level=level), packages)
    else:
        yield name


def _computed(tree: ast.Module) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _is_import_call(node) and not list(_called(node, ["a.a.a.a.a.a.a.a"])):
            yield node.lineno
