"""What doctor found, on one screen: a line for each finding, by group, and its fix below it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

_STYLES = {"ok": "green", "warning": "yellow", "error": "bold red", "not checked": "dim"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingRow:
    """One finding; `can_mend` where `--fix` does what `fix` says."""

    group: str
    name: str
    state: str
    evidence: str
    fix: str
    can_mend: bool


def doctor_view(rows: Sequence[FindingRow], verdict: str) -> RenderableType:
    """Show the findings as they come, under the heading of each group, and what they come to."""
    parts: list[RenderableType] = []
    for group, found in groupby(rows, key=lambda row: row.group):
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
        table.add_column(no_wrap=True, min_width=len("not checked"))
        table.add_column(overflow="fold")
        for row in found:
            table.add_row(Text(row.state, style=_STYLES.get(row.state, "")), _what(row))
        parts += [Text(group, style="bold"), Padding(table, (0, 0, 0, 2))]
    return Group(*parts, Text(verdict))


def _what(row: FindingRow) -> Text:
    text = Text.assemble((row.name, "bold"), ": ", row.evidence)
    if row.fix:
        how = "--fix does it: " if row.can_mend else "fix: "
        text.append(f"\n{how}", style="cyan")
        text.append(row.fix)
    return text
