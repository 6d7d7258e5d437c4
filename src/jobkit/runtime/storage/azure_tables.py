"""The tables port on Azure Storage Tables (and Azurite)."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, TypeVar

from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError
from azure.data.tables import (
    EdmType,
    EntityProperty,
    RequestTooLargeError,
    TableServiceClient,
    TableTransactionError,
    UpdateMode,
)

from jobkit.runtime.errors import LimitExceeded

from . import limits
from .azure_errors import ContainerMissing, mapped_errors, place_of
from .ports import Condition, Delete, Entity, Insert, Mode, Operation, Span, Update, Upsert, Value

T = TypeVar("T")

_MODES: Final = {Mode.MERGE: UpdateMode.MERGE, Mode.REPLACE: UpdateMode.REPLACE}
_KEYS: Final = ("PartitionKey", "RowKey")


class AzureTables:
    """Rows of one hub: its tables are named by hub and table together. Thread-safe."""

    def __init__(self, service: TableServiceClient, *, hub: str) -> None:
        """Work on an account; tables are made when they are first found missing."""
        self._service: Any = service  # the SDK is typed in part
        self._hub = hub
        self._place = place_of(str(self._service.url))
        self._lock = threading.Lock()
        self._clients: dict[str, Any] = {}

    def insert(self, table: str, entity: Entity) -> str:
        """Create a row and return its ETag. Raises EntityExists."""
        limits.check_entity(entity)
        return self._on(table, entity.partition, entity.row, lambda c: _etag(c.create_entity(_write(entity))))

    def get(self, table: str, partition: str, row: str, *, select: Sequence[str] | None = None) -> Entity:
        """Read one row, or only the properties named by `select`. Raises EntityNotFound."""
        names = None if select is None else [*_KEYS, *select]
        return self._on(table, partition, row, lambda c: _read(c.get_entity(partition, row, select=names)))

    def update(self, table: str, entity: Entity, *, etag: str, mode: Mode = Mode.MERGE) -> str:
        """Change a row if its ETag is still `etag`; return the new one. Raises EntityChanged, EntityNotFound."""
        limits.check_entity(entity)
        return self._on(
            table,
            entity.partition,
            entity.row,
            lambda c: _etag(
                c.update_entity(_write(entity), _MODES[mode], etag=etag, match_condition=MatchConditions.IfNotModified)
            ),
        )

    def upsert(self, table: str, entity: Entity) -> str:
        """Create or replace a row, unconditionally (idempotent); return its ETag."""
        limits.check_entity(entity)
        return self._on(
            table, entity.partition, entity.row, lambda c: _etag(c.upsert_entity(_write(entity), UpdateMode.REPLACE))
        )

    def delete(self, table: str, partition: str, row: str, *, etag: str) -> None:
        """Delete a row if its ETag is still `etag`. Raises EntityChanged, EntityNotFound."""
        self.transact(table, [Delete(partition, row, etag)])  # the SDK's own delete is silent about a missing row

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
        terms = (
            [f"PartitionKey eq {_literal(partition)}"] if isinstance(partition, str) else _range(_KEYS[0], partition)
        )
        if rows is not None:
            terms += _range(_KEYS[1], rows)
        terms += [f"{c.name} {c.op} {_literal(c.value)}" for c in where]
        names = None if select is None else [*_KEYS, *select]
        pages = self._pages(table, " and ".join(terms), names, top)
        found = (_read(entity) for page in pages for entity in page)
        return found if top is None else islice(found, top)

    def transact(self, table: str, operations: Sequence[Operation]) -> list[str]:
        """Do 1 to 100 operations on distinct rows of one partition, all or none; return the new ETags."""
        limits.check_transaction(operations)
        first = operations[0]
        partition = first.partition if isinstance(first, Delete) else first.entity.partition
        written = [_operation(operation) for operation in operations]

        def submit(client: Any) -> list[str]:
            try:
                done = client.submit_transaction(written)
            except RequestTooLargeError as exc:
                size = sum(limits.payload_bytes(o.entity) for o in operations if not isinstance(o, Delete))
                raise LimitExceeded(
                    what="transaction", size=size, limit=limits.TRANSACTION_BYTES, unit="bytes"
                ) from exc
            except TableTransactionError as exc:
                with mapped_errors(self._place, table, partition, _row(operations[int(exc.index)])):
                    raise
            return ["" if isinstance(o, Delete) else _etag(d) for o, d in zip(operations, done, strict=True)]

        return self._on(table, partition, f"{len(operations)} rows", submit)

    # how a call is made

    def _on(self, table: str, partition: str, row: str, call: Callable[[Any], T]) -> T:
        """Make a call; a table that is missing is made, and the call done again."""
        try:
            with mapped_errors(self._place, table, partition, row):
                return call(self._client(table))
        except ContainerMissing:
            self._create(table)
        with mapped_errors(self._place, table, partition, row):
            return call(self._client(table))

    def _pages(
        self, table: str, query_filter: str, select: list[str] | None, top: int | None
    ) -> Iterator[list[Mapping[str, Any]]]:
        """Yield a query's pages, each with a call of its own; an empty one is not the last."""
        token: str | None = None
        while True:

            def fetch(client: Any, token: str | None = token) -> tuple[list[Mapping[str, Any]], str | None]:
                found = client.query_entities(query_filter, select=select, results_per_page=top)
                paged = found.by_page(token)
                page = list(next(paged))
                return page, paged.continuation_token

            page, token = self._on(table, query_filter, "", fetch)
            yield page
            if token is None:
                return

    def _client(self, table: str) -> Any:
        client = self._clients.get(table)
        if client is None:
            with self._lock:
                client = self._clients.setdefault(table, self._service.get_table_client(self._hub + table))
        return client

    def _create(self, table: str) -> None:
        with mapped_errors(self._place, table), contextlib.suppress(ResourceExistsError):
            self._service.create_table(self._hub + table)


def _row(operation: Operation) -> str:
    return operation.row if isinstance(operation, Delete) else operation.entity.row


def _operation(operation: Operation) -> Any:
    match operation:
        case Insert(entity):
            return ("create", _write(entity))
        case Upsert(entity):
            return ("upsert", _write(entity), {"mode": UpdateMode.REPLACE})
        case Update(entity, etag, mode):
            how = {"mode": _MODES[mode], "etag": etag, "match_condition": MatchConditions.IfNotModified}
            return ("update", _write(entity), how)
        case Delete(partition, row, etag):
            keys = dict(zip(_KEYS, (partition, row), strict=True))
            return ("delete", keys, {"etag": etag, "match_condition": MatchConditions.IfNotModified})


def _write(entity: Entity) -> dict[str, Any]:
    """Write an entity; every whole number as 64 bits, so that a query compares like with like."""
    out: dict[str, Any] = dict(zip(_KEYS, (entity.partition, entity.row), strict=True))
    for name, value in entity.properties.items():
        out[name] = EntityProperty(value, EdmType.INT64) if type(value) is int else value
    return out


def _read(found: Any) -> Entity:
    properties: dict[str, Value] = {}
    for name, value in found.items():
        if name not in _KEYS:
            properties[name] = value.value if isinstance(value, EntityProperty) else value
    return Entity(
        partition=found[_KEYS[0]], row=found[_KEYS[1]], properties=properties, etag=str(found.metadata["etag"])
    )


def _etag(found: Mapping[str, Any]) -> str:
    return str(found["etag"])


def _range(name: str, span: Span) -> list[str]:
    return [f"{name} ge {_literal(span.low)}", f"{name} lt {_literal(span.high)}"]


def _literal(value: str | int | float | bool) -> str:
    """Write a value of an OData filter."""
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return f"{value}L"
        case float():
            return repr(value)
        case _:
            return "'" + value.replace("'", "''") + "'"
