"""A query's pages as the Table service cuts them, and Azurite does not: some are empty, and only the last has no token."""

from __future__ import annotations

import pytest

from jobkit.runtime.storage.ports import Condition, Span
from table_pages import PAGES, tables_in_pages


def test_an_empty_page_is_not_the_end_of_a_query() -> None:
    with tables_in_pages() as (port, asked):
        found = list(port.query("tasks", Span("p", "q"), where=(Condition("status", "eq", "queued"),)))

    assert [(each.row, each.etag) for each in found] == [("2", "W/2"), ("3", "W/3"), ("4", "W/4")]
    assert asked == list(PAGES)


@pytest.mark.parametrize(("top", "rows", "pages"), [(1, ["2"], 3), (2, ["2", "3"], 3), (3, ["2", "3", "4"], 5)])
def test_the_first_rows_may_be_behind_empty_pages_and_no_page_after_them_is_asked_for(
    top: int, rows: list[str], pages: int
) -> None:
    with tables_in_pages() as (port, asked):
        found = list(port.query("tasks", "p", top=top))

    assert [each.row for each in found] == rows
    assert asked == list(PAGES)[:pages]
