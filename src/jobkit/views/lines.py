"""Rows of cells, a line each, on a screen of any width: what matters most is never cut off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.padding import Padding
from rich.text import Text

GAP: Final = "  "
NOTE_FROM: Final = 34  # a note that has fewer columns goes on lines of its own
LEAST: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column; it is left out where the screen is narrower than `from_width`, and cut where it `shrinks`."""

    title: str
    justify: Literal["left", "right"] = "left"
    from_width: int = 0
    shrinks: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The cells of a line, one for each column, and what is noted of it.

    A note stands at the end of the line, cut off where the screen ends, or left out; one that is a `must` goes on lines
    of its own where there is not the room for it.
    """

    cells: Sequence[Text]
    note: Text | None = None
    must: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """A renderable of rows under the titles of their columns; `note` is the title of the notes."""

    columns: Sequence[Column]
    rows: Sequence[Row]
    note: str = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Lay the rows out for the width that there is."""
        width = options.max_width
        shown = [number for number, column in enumerate(self.columns) if column.from_width <= width]
        titles = [Text(self.columns[number].title, style="dim") for number in shown]
        lines = [titles, *([row.cells[number] for number in shown] for row in self.rows)]
        widths = [max(cell_len(line[place].plain) for line in lines) for place in range(len(shown))]
        excess = sum(widths) + len(GAP) * (len(widths) - 1) - width
        shrinking = [place for place, number in enumerate(shown) if self.columns[number].shrinks]
        while excess > 0 and (widest := max((widths[place] for place in shrinking), default=0)) > LEAST:
            widths[next(place for place in shrinking if widths[place] == widest)] -= 1
            excess -= 1
        left = -excess - len(GAP)
        beside = bool(self.note) and left >= NOTE_FROM
        notes = [Text(self.note, style="dim"), *(row.note for row in self.rows)]
        for line, note, row in zip(lines, notes, [None, *self.rows], strict=True):
            text = Text(GAP).join(
                _cell(cell, widths[place], self.columns[number].justify)
                for place, (number, cell) in enumerate(zip(shown, line, strict=True))
            )
            below = row is not None and row.must and note is not None and (not beside or cell_len(note.plain) > left)
            if beside and note is not None and not below:
                text.append(GAP)
                text.append_text(_cut(note, left))
            text.rstrip()
            text.no_wrap, text.overflow = True, "crop"
            yield text
            if below and note is not None:
                yield Padding(note, (0, 0, 0, 4), expand=False)


def _cell(cell: Text, width: int, justify: Literal["left", "right"]) -> Text:
    found = _cut(cell, width)
    found.align(justify, width)
    return found


def _cut(text: Text, width: int) -> Text:
    found = text.copy()
    found.truncate(width, overflow="ellipsis")
    return found
