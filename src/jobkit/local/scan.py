"""Reads a query's rows page by page: no page holds more than some megabytes, and none keeps the file busy for long."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Final

from jobkit.runtime.storage.ports import Condition, Entity, Span, Value

from .conditions import meets
from .entity_json import from_json
from .group_commit import Work

_PAGE_ROWS: Final = 1000
_PAGE_CHARS: Final = 2 * 1024 * 1024
_OPERATORS: Final = {"eq": "=", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}

Page = list[tuple[str, str, int, str]]


class Scan:
    """One query on its way through the table `entity`.

    Attributes:
        ended: Whether all rows, or as many as were asked for, have been read.
    """

    def __init__(
        self,
        tbl: str,
        partition: str | Span,
        *,
        rows: Span | None,
        where: Sequence[Condition],
        select: Sequence[str] | None,
        top: int | None,
    ) -> None:
        """Begin before the first row. Conditions on a text `status` are SQL; the others are checked here."""
        self._left = top
        self._select = select
        self._where = [each for each in where if not _in_sql(each)]
        self._bodies = bool(self._where) or select is None or len(select) > 0
        self._values: list[object] = [tbl]
        self._filter = ""
        if isinstance(partition, str):
            self._from, self._start = "partition = ? and row >= ?", [partition, rows.low if rows else ""]
            self._next = "partition = ? and row > ?"
        else:
            self._from, self._start = "partition >= ?", [partition.low]
            self._next = "(partition, row) > (?, ?)"
            self._add_filter("partition < ?", partition.high)
            if rows is not None:
                self._add_filter("row >= ?", rows.low)
        if rows is not None:
            self._add_filter("row < ?", rows.high)
        for condition in where:
            if _in_sql(condition):
                self._add_filter(f"status {_OPERATORS[condition.op]} ?", condition.value)
        self.ended = top == 0

    def _add_filter(self, sql: str, value: object) -> None:
        self._filter += f" and {sql}"
        self._values.append(value)

    def next_page(self) -> Work[Page]:
        """Return what reads the next rows; give its result to `entities`."""
        columns = "partition, row, etag, body" if self._bodies else "partition, row, etag, ''"
        sql = (
            f"select {columns} from entity where tbl = ?{self._filter} and {self._from} "  # noqa: S608 - only literals
            "order by partition, row limit ?"
        )
        values = (*self._values, *self._start, self._limit)
        if not self._bodies:
            return lambda cursor: cursor.execute(sql, values).fetchall()

        def read(cursor: sqlite3.Cursor) -> Page:
            page: Page = []
            chars = 0
            with contextlib.closing(cursor.connection.execute(sql, values)) as found:
                for row in found:
                    page.append(row)
                    chars += len(row[3])
                    if chars >= _PAGE_CHARS:
                        break
            return page

        return read

    def entities(self, page: Page) -> Iterator[Entity]:
        """Yield those rows of a page that meet the conditions, and get ready for the next page."""
        whole = len(page) < self._limit
        self.ended = whole and (not self._bodies or sum(len(row[3]) for row in page) < _PAGE_CHARS)
        if not self.ended:
            self._from, self._start = self._next, list(page[-1][:2])
        for partition, row, etag, body in page:
            properties = self._properties(body)
            if properties is None:
                continue
            yield Entity(partition=partition, row=row, properties=properties, etag=str(etag))
            if self._left is not None:
                self._left -= 1
                if self._left == 0:
                    self.ended = True
                    return

    def _properties(self, body: str) -> dict[str, Value] | None:
        """Return what of a body was asked for; None if it does not meet the conditions."""
        if not self._bodies:
            return {}
        if not self._where:
            return from_json(body, self._select)
        properties = from_json(body)
        if not meets(properties, self._where):
            return None
        if self._select is None:
            return properties
        return {name: properties[name] for name in self._select if name in properties}

    @property
    def _limit(self) -> int:
        return _PAGE_ROWS if self._left is None or self._where else min(self._left, _PAGE_ROWS)


def _in_sql(condition: Condition) -> bool:
    return condition.name == "status" and isinstance(condition.value, str)
