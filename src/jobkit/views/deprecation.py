"""What `deprecate` did, and who still uses what is deprecated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryRow:
    """How many files had one outcome for one reason."""

    status: str
    reason: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UseRow:
    """One use."""

    path: str
    line: int
    name: str
    how: str
    in_test: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DeprecatedRow:
    """A deprecated module, class or function."""

    name: str
    since: str
    is_ours: bool
    is_deletable: bool
    #: Uses more or less than at the last report; None when it was not in that.
    change: int | None
    uses: tuple[UseRow, ...]


def summary_view(rows: Sequence[SummaryRow], *, is_dry: bool) -> RenderableType:
    """Count files by what became of them, or would."""
    if not rows:
        return Text("no Python files")
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(justify="right")
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for row in rows:
        table.add_row(f"{row.count:,}", Text(row.status), Text(row.reason, style="dim"))
    note = [Text("nothing was written: --check", style="dim")] if is_dry else []
    return Group(table, *note)


def report_view(
    rows: Sequence[DeprecatedRow], *, as_tree: bool, last: str, last_uses: int, gone: Sequence[str]
) -> RenderableType:
    """Show what is deprecated with its uses, what can be deleted, and the progress."""
    if not rows and not last:
        return Text("nothing is deprecated here")
    parts: list[RenderableType] = [_tree(rows)] if as_tree else [_counts(rows), *_uses(rows)]
    deletable = [row.name for row in rows if row.is_deletable]
    if deletable:
        parts += [Text(), Text("used by nobody, can be deleted:")]
        parts += [Text(f"  {name}") for name in deletable]
    parts += [Text(), Text(_progress(rows, last, last_uses, gone))]
    return Group(*parts)


def _counts(rows: Sequence[DeprecatedRow]) -> RenderableType:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("deprecated", overflow="fold")
    table.add_column("since", no_wrap=True)
    for heading in ("uses", "files", "change"):
        table.add_column(heading, justify="right")
    for row in rows:
        change = "" if row.change is None else f"{row.change:+d}" if row.change else "0"
        since = row.since or ("" if row.is_ours else "by others")
        table.add_row(Text(row.name), since, str(len(row.uses)), str(len({use.path for use in row.uses})), change)
    return table


def _uses(rows: Sequence[DeprecatedRow]) -> Iterator[RenderableType]:
    uses = sorted({(use.path, use.line, use.name, use.how, use.in_test) for row in rows for use in row.uses})
    if not uses:
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("used at", overflow="fold")
    table.add_column("name", overflow="fold")
    table.add_column("how", no_wrap=True)
    for path, line, name, how, in_test in uses:
        table.add_row(Text(f"{path}:{line}"), Text(name), f"{how}, in a test" if in_test else how)
    yield Text()
    yield table


def _tree(rows: Sequence[DeprecatedRow]) -> Tree:
    tree = Tree(f"{len(rows)} deprecated")
    for row in rows:
        branch = tree.add(Text(f"{row.name}  {_plural(len(row.uses), 'use')}"))
        for path, uses in groupby(row.uses, key=lambda use: use.path):
            leaf = branch.add(Text(path))
            for use in uses:
                leaf.add(Text(f"{use.line}  {use.how}  {use.name}{'  in a test' if use.in_test else ''}"))
    return tree


def _progress(rows: Sequence[DeprecatedRow], last: str, last_uses: int, gone: Sequence[str]) -> str:
    count = sum(len(row.uses) for row in rows)
    text = f"{len(rows)} deprecated, {_plural(count, 'use')}"
    if not last:
        return f"{text}; the next report tells the progress"
    text += f" ({count - last_uses:+d} since {last})" if count != last_uses else f" (as on {last})"
    return f"{text}; gone: {', '.join(gone)}" if gone else text


def _plural(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
