"""The `Tables` port on SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Final, NamedTuple

from jobkit.runtime.errors import EntityChanged, EntityExists, EntityNotFound
from jobkit.runtime.storage import limits
from jobkit.runtime.storage.ports import (
    Condition,
    Delete,
    Entity,
    Insert,
    Mode,
    Operation,
    Span,
    Update,
    Upsert,
    Value,
)

from .database import Database
from .entity_json import from_json, to_json
from .numbers import number_of
from .scan import Scan

_FIND = "select etag, body from entity where tbl = ? and partition = ? and row = ?"
_FIND_ALL = "select row, etag, body from entity where tbl = ? and partition = ? and row in (?" + 99 * ", ?" + ")"
_INSERT = "insert or ignore into entity (etag, status, body, tbl, partition, row) values (?, ?, ?, ?, ?, ?)"
_PUT = "insert or replace into entity (etag, status, body, tbl, partition, row) values (?, ?, ?, ?, ?, ?)"
_REPLACE = "update entity set etag = ?, status = ?, body = ? where tbl = ? and partition = ? and row = ? and etag = ?"
_MERGE = (
    "update entity set etag = ?, body = json_patch(body, ?) "
    "where tbl = ? and partition = ? and row = ? and etag = ? and length(body) < ?"
)
_MERGE_STATUS = _MERGE.replace("body =", "status = ?, body =", 1)
_DELETE = "delete from entity where tbl = ? and partition = ? and row = ? and etag = ?"

#: A body shorter than this has no more properties than an entity may have, so a merge in SQL passes no limit.
_SHORT_CHARS: Final = limits.ENTITY_PROPERTIES * len('"":1,')


class _Stored(NamedTuple):
    etag: str
    body: str


class _Put(NamedTuple):
    etag: int
    status: str | None
    body: str
    table: str
    partition: str
    row: str


class SqliteTables:
    """Rows of one hub in the table `entity`.

    A verb on one row is one statement. If that changes nothing, `_apply`, which reads first, finds out why.
    """

    def __init__(self, database: Database, *, hub: str, numbers: count[int]) -> None:
        """Keep rows under the hub's prefix; `numbers` gives ETags, none of them twice."""
        self._database = database
        self._prefix = f"{hub}-"
        self._numbers = numbers

    def insert(self, table: str, entity: Entity) -> str:
        """Create a row and return its ETag. Raises EntityExists."""
        limits.check_entity(entity)
        put = self._put(table, entity, entity.properties)
        if self._changes_one(_INSERT, put):
            return str(put.etag)
        return self._change(table, [Insert(entity)])[0]

    def get(self, table: str, partition: str, row: str, *, select: Sequence[str] | None = None) -> Entity:
        """Read one row, or only the properties named by `select`. Raises EntityNotFound."""
        values = (self._prefix + table, partition, row)
        found = self._database.read(lambda cursor: cursor.execute(_FIND, values).fetchall())
        if not found:
            raise EntityNotFound(table=table, partition=partition, row=row)
        etag, body = found[0]
        return Entity(partition=partition, row=row, properties=from_json(body, select), etag=str(etag))

    def update(self, table: str, entity: Entity, *, etag: str, mode: Mode = Mode.MERGE) -> str:
        """Change a row if its ETag is still `etag`; return the new one. Raises EntityChanged, EntityNotFound."""
        limits.check_entity(entity)
        put = self._put(table, entity, entity.properties)
        key = (put.table, put.partition, put.row, number_of(etag))
        if mode is Mode.REPLACE:
            changed = self._changes_one(_REPLACE, (put.etag, put.status, put.body, *key))
        elif "status" in entity.properties:
            short = _SHORT_CHARS - len(put.body)
            changed = self._changes_one(_MERGE_STATUS, (put.etag, put.status, put.body, *key, short))
        else:
            changed = self._changes_one(_MERGE, (put.etag, put.body, *key, _SHORT_CHARS - len(put.body)))
        return str(put.etag) if changed else self._change(table, [Update(entity, etag, mode)])[0]

    def upsert(self, table: str, entity: Entity) -> str:
        """Create or replace a row, unconditionally (idempotent); return its ETag."""
        limits.check_entity(entity)
        put = self._put(table, entity, entity.properties)
        self._changes_one(_PUT, put)
        return str(put.etag)

    def delete(self, table: str, partition: str, row: str, *, etag: str) -> None:
        """Delete a row if its ETag is still `etag`. Raises EntityChanged, EntityNotFound."""
        if not self._changes_one(_DELETE, (self._prefix + table, partition, row, number_of(etag))):
            self._change(table, [Delete(partition, row, etag)])

    def transact(self, table: str, operations: Sequence[Operation]) -> list[str]:
        """Do 1 to 100 operations on distinct rows of one partition, all or none; return the new ETags."""
        limits.check_transaction(operations)
        return self._change(table, operations)

    def query(
        self,
        table: str,
        partition: str | Span,
        *,
        rows: Span | None = None,
        where: Sequence[Condition] = (),
        select: Sequence[str] | None = None,
        top: int | None = None,
    ) -> Iterator[Entity]:
        """Yield the rows of a partition, or of a range of them, that meet all conditions, in key order."""
        scan = Scan(self._prefix + table, partition, rows=rows, where=where, select=select, top=top)
        while not scan.ended:
            yield from scan.entities(self._database.read(scan.next_page()))

    def _changes_one(self, sql: str, values: Sequence[object]) -> bool:
        return self._database.write(lambda cursor: cursor.execute(sql, values).rowcount, single=True) == 1

    def _change(self, table: str, operations: Sequence[Operation]) -> list[str]:
        return self._database.write(lambda cursor: self._apply(cursor, table, operations))

    def _apply(self, cursor: sqlite3.Cursor, table: str, operations: Sequence[Operation]) -> list[str]:
        """Read the rows and check all operations before the first is written."""
        tbl = self._prefix + table
        partition = _key(operations[0])[0]
        keys = [row for _, row in map(_key, operations)]
        padded = keys + keys[:1] * (limits.TRANSACTION_OPERATIONS - len(keys))
        found = cursor.execute(_FIND_ALL, (tbl, partition, *padded)).fetchall()
        stored = {row: _Stored(str(etag), body) for row, etag, body in found}
        puts: list[_Put] = []
        deletes: list[tuple[str, str, str, int]] = []
        etags: list[str] = []
        for operation in operations:
            properties = _checked(table, operation, stored)
            if isinstance(operation, Delete):
                deletes.append((tbl, partition, operation.row, number_of(operation.etag)))
                etags.append("")
            else:
                puts.append(self._put(table, operation.entity, properties))
                etags.append(str(puts[-1].etag))
        cursor.executemany(_PUT, puts)
        cursor.executemany(_DELETE, deletes)
        return etags

    def _put(self, table: str, entity: Entity, properties: Mapping[str, Value]) -> _Put:
        """Make a new version of a row."""
        status = properties.get("status")
        return _Put(
            next(self._numbers),
            status if isinstance(status, str) else None,
            to_json(properties),
            self._prefix + table,
            entity.partition,
            entity.row,
        )


def _key(operation: Operation) -> tuple[str, str]:
    if isinstance(operation, Delete):
        return operation.partition, operation.row
    return operation.entity.partition, operation.entity.row


def _checked(table: str, operation: Operation, stored: Mapping[str, _Stored]) -> Mapping[str, Value]:
    """Return the properties that an operation leaves in its row, or raise what it refuses."""
    partition, row = _key(operation)
    before = stored.get(row)
    if isinstance(operation, Insert | Upsert):
        if before is not None and isinstance(operation, Insert):
            raise EntityExists(table=table, partition=partition, row=row)
        return operation.entity.properties
    if before is None:
        raise EntityNotFound(table=table, partition=partition, row=row)
    if before.etag != operation.etag:
        raise EntityChanged(table=table, partition=partition, row=row)
    if isinstance(operation, Delete):
        return {}
    if operation.mode is Mode.REPLACE:
        return operation.entity.properties
    merged = {**from_json(before.body), **operation.entity.properties}
    limits.check_entity(Entity(partition=partition, row=row, properties=merged))
    return merged
