"""Lines of cells on narrow and wide screens, letter for letter."""

from __future__ import annotations

from rich.text import Text

from jobkit.views.lines import Column, Lines, Row
from records import screen

COLUMNS = (Column(title="id"), Column(title="name", shrinks=True), Column(title="n", justify="right", from_width=40))


def row(name: str, n: int, note: str | None = None, *, must: bool = False) -> Row:
    cells = (Text("abc"), Text(name), Text(str(n)))
    return Row(cells=cells, note=None if note is None else Text(note), must=must)


LINES = Lines(
    columns=COLUMNS,
    rows=[
        row("short", 1, "a note that is long enough to be cut"),
        row("a name that is quite long", 1_000, "this one must be read whatever it takes", must=True),
        row("日本語", 5),
    ],
    note="notes",
)


def test_all_fits_a_wide_screen():
    assert (
        screen(LINES, 100)
        == """
id   name                          n  notes
abc  short                         1  a note that is long enough to be cut
abc  a name that is quite long  1000  this one must be read whatever it takes
abc  日本語                        5
"""
    )


def test_a_note_is_cut_where_the_screen_ends_and_one_that_must_be_read_goes_below():
    assert (
        screen(LINES, 72)
        == """
id   name                          n  notes
abc  short                         1  a note that is long enough to be …
abc  a name that is quite long  1000
    this one must be read whatever it takes
abc  日本語                        5
"""
    )


def test_where_no_room_is_left_only_what_must_be_read_is():
    assert (
        screen(LINES, 40)
        == """
id   name                          n
abc  short                         1
abc  a name that is quite long  1000
    this one must be read whatever it
    takes
abc  日本語                        5
"""
    )


def test_a_narrow_screen_leaves_columns_out_and_cuts_those_that_may_be():
    assert (
        screen(LINES, 20)
        == """
id   name
abc  short
abc  a name that is…
    this one must be
    read whatever it
    takes
abc  日本語
"""
    )
