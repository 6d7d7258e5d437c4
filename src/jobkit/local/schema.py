"""The tables in the local store's file, version by version."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

#: What turns version n of the schema into version n + 1; a new file begins at version 0.
#:
#: Both tables are clustered by what they are looked up by, so that each write touches few pages: a message moves when
#: it is hidden. `status` repeats the entity's property of that name if it is text: what the hot queries filter by.
MIGRATIONS: Final[Sequence[Sequence[str]]] = (
    (
        "create table meta (name text primary key, value integer not null) without rowid",
        "insert into meta (name, value) values ('schema_version', 0)",
        """
        create table entity (
            tbl text not null, partition text not null, row text not null,
            etag integer not null, status text, body text not null,
            primary key (tbl, partition, row)
        ) without rowid
        """,
        """
        create table message (
            queue text not null, visible_us integer not null, id integer not null,
            inserted_us integer not null, dequeue_count integer not null, receipt integer not null, holder integer,
            body text not null,
            primary key (queue, visible_us, id)
        ) without rowid
        """,
    ),
)

#: The bodies of a partition's rows in key order, from a row on and up to another: for a reader that opens the file by itself.
ROWS: Final = "select body from entity where tbl = ? and partition = ? and row >= ? and row < ? order by row limit ?"


def found_version(cursor: sqlite3.Cursor) -> int | None:
    """Return the schema version of a file, 0 for an empty one, None for a foreign one."""
    tables = [name for (name,) in cursor.execute("select name from sqlite_master where type = 'table'").fetchall()]
    if "meta" not in tables:
        return None if tables else 0
    found = cursor.execute("select value from meta where name = 'schema_version'").fetchall()
    return found[0][0] if found and isinstance(found[0][0], int) else None


def migrate(cursor: sqlite3.Cursor, version: int) -> None:
    """Bring a file from this version to the newest, within the caller's transaction."""
    for statements in MIGRATIONS[version:]:
        for statement in statements:
            cursor.execute(statement)
    if version < len(MIGRATIONS):
        cursor.execute("update meta set value = ? where name = 'schema_version'", (len(MIGRATIONS),))
