"""Who still imports, calls or names what is deprecated, and what nobody uses any more."""

from __future__ import annotations

import ast
import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .foreign import find_foreign
from .imports import Import, imports_of, packages_of
from .modules import Finder, names_of, package_root
from .places import find_places
from .selection import is_test, python_files
from .source import Source, Unreadable, parse, read_source
from .symbols import find_symbols
from .writing import LARGEST_BYTES, read_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """One place that needs something deprecated."""

    path: Path
    line: int
    #: What is used, as a dotted name.
    name: str
    #: "import", "call" or "reference".
    how: str
    in_test: bool


@dataclass(slots=True, kw_only=True)
class Deprecated:
    """A deprecated module, or a class or function of one, and its uses from elsewhere."""

    name: str
    path: Path
    #: "" for a module.
    symbol: str = ""
    since: dt.date | None = None
    #: Whether the marker is jobkit's.
    is_ours: bool = True
    uses: list[Use] = field(default_factory=list["Use"])
    #: Whether nobody uses it but what can be deleted too.
    is_deletable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that is deprecated below a path, by name, and the files that could not be read."""

    items: tuple[Deprecated, ...]
    problems: tuple[tuple[Path, str], ...]

    @property
    def use_count(self) -> int:
        """How many uses there are."""
        return sum(len(item.uses) for item in self.items)


def report(root: Path) -> Report:
    """Look through a tree; `root` is absolute."""
    problems: dict[Path, str] = {}
    files = [path for path in python_files(root) if not path.is_symlink()]
    roots = _roots(root)
    items: list[Deprecated] = []
    for path in files:
        try:
            items += _marked_in(path, roots)
        except Unreadable as exc:
            problems[path] = str(exc)
    book = _Book(items, Finder(roots))
    for path in files if items else ():
        try:
            _add_uses(book, path, root, roots)
        except Unreadable as exc:
            problems.setdefault(path, str(exc))
    for item in items:
        item.uses.sort(key=lambda use: (use.path, use.line, use.name, use.how))
    _settle_deletable(items)
    return Report(
        items=tuple(sorted(items, key=lambda item: (item.name, item.path))), problems=tuple(sorted(problems.items()))
    )


def _roots(root: Path) -> list[Path]:
    folder = root if root.is_dir() else root.parent
    return [found for found in (folder, folder / "src", package_root(folder)) if found.is_dir()]


def _marked_in(path: Path, roots: Sequence[Path]) -> Iterator[Deprecated]:
    """Find a file's own marker, or somebody else's, or those of its classes and functions."""
    if path.stat().st_size > LARGEST_BYTES:
        raise Unreadable("huge")
    raw = read_bytes(path)
    if b"eprecat" not in raw.lower():
        return
    source = read_source(raw)
    places = find_places(source)
    name = (names_of(path, roots) or [path.stem])[0]
    own = [found for found in (places.banner, places.warn) if found]
    if own:
        yield Deprecated(name=name, path=path, since=next((found.date for found in own if found.date), None))
    elif find_foreign(source, places):
        yield Deprecated(name=name, path=path, is_ours=False)
    elif b"deprecated" in raw:
        yield from _marked_symbols(source, path, name)


def _marked_symbols(source: Source, path: Path, name: str) -> Iterator[Deprecated]:
    if not any("deprecated" in ast.dump(d) for node in _defined(source.tree.body) for d in node.decorator_list):
        return
    for symbol in find_symbols(source):
        if symbol.own or symbol.is_decorated:
            yield Deprecated(
                name=f"{name}.{symbol.name}",
                path=path,
                symbol=symbol.name,
                since=symbol.own.date if symbol.own else None,
                is_ours=symbol.own is not None,
            )


def _defined(body: Iterable[ast.stmt]) -> Iterator[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
        elif isinstance(node, ast.If | ast.Try | ast.TryStar | ast.With):
            yield from _defined(child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt))


class _Book:
    """Knows what is deprecated, by file and name."""

    def __init__(self, items: Sequence[Deprecated], finder: Finder) -> None:
        self._finder = finder
        self._modules = {item.path: item for item in items if not item.symbol}
        self._symbols = {(item.path, item.symbol): item for item in items if item.symbol}
        self._paths = {item.path for item in items}

    def symbols_of(self, path: Path) -> list[Deprecated]:
        return [item for (of, _), item in self._symbols.items() if of == path]

    def named(self, dotted: str) -> list[Deprecated]:
        """Return what a dotted name, of modules and then of something in the last, needs that is deprecated."""
        parts = dotted.split(".")
        found: dict[int, Deprecated] = {}
        for length in range(1, len(parts) + 1):
            path = self._finder.find(".".join(parts[:length]))
            if path is None or path not in self._paths:
                continue
            item = self._modules.get(path)
            if item is None and length < len(parts):
                item = self._symbols.get((path, parts[length]))
            if item is not None:
                found[id(item)] = item
        return list(found.values())


def _add_uses(book: _Book, path: Path, root: Path, roots: Sequence[Path]) -> None:
    tree = parse(read_bytes(path))
    in_test = path != root and is_test(path.relative_to(root if root.is_dir() else root.parent))
    seen: set[tuple[int, int, str, str]] = set()

    def add(dotted: str, line: int, how: str, items: Sequence[Deprecated]) -> None:
        for item in items:
            if _is_inside(path, item) or (id(item), line, dotted, how) in seen:
                continue
            seen.add((id(item), line, dotted, how))
            item.uses.append(Use(path=path, line=line, name=dotted, how=how, in_test=in_test))

    aliases: dict[str, str] = {}
    for found in imports_of(tree, packages_of(path, names_of(path, roots))):
        dotted = f"{found.module}.{found.name}" if found.name not in ("", "*") else found.module
        items = book.named(dotted)
        add(dotted, found.line, "import", items)
        _remember(aliases, found, dotted)
    for item in book.symbols_of(path):
        aliases[item.symbol] = item.name
    if not aliases:
        return
    for dotted, line, how in _names(tree, aliases):
        add(dotted, line, how, book.named(dotted))


def _remember(aliases: dict[str, str], found: Import, dotted: str) -> None:
    if not found.alias or found.name == "*":
        return
    is_plain = not found.name and "." in found.module and found.alias == found.module.partition(".")[0]
    aliases[found.alias] = found.alias if is_plain else dotted  # `import a.b` binds a


def _is_inside(path: Path, item: Deprecated) -> bool:
    """Whether a file belongs to what is deprecated: itself, or a module of the package."""
    if item.symbol:
        return False
    return path == item.path or (item.path.name == "__init__.py" and path.is_relative_to(item.path.parent))


def _names(tree: ast.Module, aliases: dict[str, str]) -> Iterator[tuple[str, int, str]]:
    """Return the dotted names that begin with an imported one, with the line, and whether they are called."""
    waiting: list[tuple[ast.AST, str]] = [(tree, "reference")]
    while waiting:
        node, how = waiting.pop()
        dotted = _dotted(node) if isinstance(node, ast.Attribute | ast.Name) else None
        if dotted is not None:
            first, dot, rest = dotted.partition(".")
            if first in aliases and isinstance(getattr(node, "ctx", None), ast.Load):
                yield aliases[first] + dot + rest, getattr(node, "lineno", 0), how
            continue
        for child in ast.iter_child_nodes(node):
            called = isinstance(node, ast.Call) and child is node.func
            waiting.append((child, "call" if called else "reference"))


def _dotted(node: ast.expr) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = _dotted(node.value)
        return None if before is None else f"{before}.{node.attr}"
    return None


def _settle_deletable(items: Sequence[Deprecated]) -> None:
    """Mark what is used by nobody, or only by modules that can be deleted themselves."""
    modules = {item.path: item for item in items if not item.symbol}
    alive = [item for item in items if any(use.path not in modules for use in item.uses)]
    kept = {id(item) for item in alive}
    needed_by: dict[Path, list[Deprecated]] = {}
    for item in items:
        for use in item.uses:
            needed_by.setdefault(use.path, []).append(item)
    while alive:
        for needed in needed_by.get(alive.pop().path, []):
            if id(needed) not in kept:
                kept.add(id(needed))
                alive.append(needed)
    for item in items:
        item.is_deletable = id(item) not in kept
