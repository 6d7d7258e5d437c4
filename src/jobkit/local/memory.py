"""A store of plain dicts, for tests and for fault injection: small and obviously right."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from jobkit.runtime.clock import Clock
from jobkit.runtime.errors import EntityChanged, EntityExists, EntityNotFound
from jobkit.runtime.storage import limits
from jobkit.runtime.storage.ports import (
    Condition,
    Delete,
    Delivery,
    Entity,
    Insert,
    Mode,
    Operation,
    Span,
    Store,
    Update,
    Upsert,
    Value,
)

from .conditions import meets

_PAGE_ROWS = 1000

_Partition = dict[str, Entity]


class MemoryStore:
    """Tables and queues of one process, gone with it. Threads may share it.

    Attributes:
        tables: The port for rows.
        queues: The port for messages.
        store: Both.
    """

    def __init__(self, *, clock: Clock, rng: random.Random) -> None:
        """Start empty. `rng` gives the ids of messages, `clock` their times."""
        lock = threading.Lock()
        self.tables = MemoryTables(lock)
        self.queues = MemoryQueues(lock, clock, rng)
        self.store = Store(self.tables, self.queues)


class MemoryTables:
    """The `Tables` port on dicts. ETags count up, so none comes twice."""

    def __init__(self, lock: threading.Lock) -> None:
        """Start without tables: one is there as soon as it is named."""
        self._lock = lock
        self._tables: dict[str, dict[str, _Partition]] = {}
        self._writes = 0

    def insert(self, table: str, entity: Entity) -> str:
        """Create a row and return its ETag. Raises EntityExists."""
        return self.transact(table, [Insert(entity)])[0]

    def get(self, table: str, partition: str, row: str, *, select: Sequence[str] | None = None) -> Entity:
        """Read one row, or only the properties named by `select`. Raises EntityNotFound."""
        with self._lock:
            stored = self._tables.get(table, {}).get(partition, {}).get(row)
        if stored is None:
            raise EntityNotFound(table=table, partition=partition, row=row)
        return _selected(stored, select)

    def update(self, table: str, entity: Entity, *, etag: str, mode: Mode = Mode.MERGE) -> str:
        """Change a row if its ETag is still `etag`; return the new one. Raises EntityChanged, EntityNotFound."""
        return self.transact(table, [Update(entity, etag, mode)])[0]

    def upsert(self, table: str, entity: Entity) -> str:
        """Create or replace a row, unconditionally (idempotent); return its ETag."""
        return self.transact(table, [Upsert(entity)])[0]

    def delete(self, table: str, partition: str, row: str, *, etag: str) -> None:
        """Delete a row if its ETag is still `etag`. Raises EntityChanged, EntityNotFound."""
        self.transact(table, [Delete(partition, row, etag)])

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
        after: tuple[str, str] | None = None
        left = top
        while left is None or left > 0:
            with self._lock:
                page = self._page(table, partition, rows, after)
            for entity in page:
                if not where or meets(entity.properties, where):
                    yield _selected(entity, select)
                    if left is not None and (left := left - 1) == 0:
                        return
            if len(page) < _PAGE_ROWS:
                return
            after = (page[-1].partition, page[-1].row + "\0")

    def _page(
        self, table: str, partition: str | Span, rows: Span | None, start: tuple[str, str] | None
    ) -> list[Entity]:
        """Return the next rows of a query, from the key `start` on."""
        partitions = self._tables.get(table, {})
        if isinstance(partition, str):
            names = [partition] if partition in partitions else []
        else:
            names = sorted(name for name in partitions if partition.low <= name < partition.high)
        found: list[Entity] = []
        for name in names:
            stored = partitions[name]
            keys = sorted(stored if rows is None else [row for row in stored if rows.low <= row < rows.high])
            found += [stored[row] for row in keys if start is None or (name, row) >= start]
            if len(found) >= _PAGE_ROWS:
                break
        return found[:_PAGE_ROWS]

    def transact(self, table: str, operations: Sequence[Operation]) -> list[str]:
        """Do 1 to 100 operations on distinct rows of one partition, all or none; return the new ETags."""
        if len(operations) == 1 and not isinstance(operations[0], Delete):
            limits.check_entity(operations[0].entity)
        else:
            limits.check_transaction(operations)
        with self._lock:
            stored = self._tables.setdefault(table, {}).setdefault(_key(operations[0])[0], {})
            changes = [(_key(operation)[1], self._changed(table, stored, operation)) for operation in operations]
            for row, entity in changes:
                if entity is None:
                    del stored[row]
                else:
                    stored[row] = entity
        return ["" if entity is None else entity.etag for _, entity in changes]

    def _changed(self, table: str, rows: _Partition, operation: Operation) -> Entity | None:
        """Return what an operation makes of its row (None: deleted), or raise what it refuses."""
        partition, row = _key(operation)
        stored = rows.get(row)
        if isinstance(operation, Insert | Upsert):
            if isinstance(operation, Insert) and stored is not None:
                raise EntityExists(table=table, partition=partition, row=row)
            return self._stored(operation.entity, operation.entity.properties)
        if stored is None:
            raise EntityNotFound(table=table, partition=partition, row=row)
        if stored.etag != operation.etag:
            raise EntityChanged(table=table, partition=partition, row=row)
        if isinstance(operation, Delete):
            return None
        if operation.mode is Mode.REPLACE:
            return self._stored(operation.entity, operation.entity.properties)
        entity = self._stored(operation.entity, {**stored.properties, **operation.entity.properties})
        limits.check_entity(entity)
        return entity

    def _stored(self, entity: Entity, properties: Mapping[str, Value]) -> Entity:
        self._writes += 1
        kept = MappingProxyType(dict(properties))  # read only: whoever reads the whole row is given this very one
        return Entity(partition=entity.partition, row=entity.row, properties=kept, etag=str(self._writes))


def _key(operation: Operation) -> tuple[str, str]:
    if isinstance(operation, Delete):
        return operation.partition, operation.row
    return operation.entity.partition, operation.entity.row


def _selected(entity: Entity, select: Sequence[str] | None) -> Entity:
    if select is None:
        return entity
    kept = {name: entity.properties[name] for name in select if name in entity.properties}
    return Entity(partition=entity.partition, row=entity.row, properties=kept, etag=entity.etag)


@dataclass(slots=True)
class _Message:
    id: str
    number: int
    body: str
    inserted_at: datetime
    visible_at: datetime
    dequeue_count: int = 0
    receipt: str = ""

    def delivery(self, receipt: str) -> Delivery:
        return Delivery(
            id=self.id,
            body=self.body,
            dequeue_count=self.dequeue_count,
            receipt=receipt,
            inserted_at=self.inserted_at,
            visible_at=self.visible_at,
        )


class MemoryQueues:
    """The `Queues` port on dicts. Receipts count up, so none comes twice."""

    def __init__(self, lock: threading.Lock, clock: Clock, rng: random.Random) -> None:
        """Start without queues: one is there as soon as it is named."""
        self._lock = lock
        self._clock = clock
        self._rng = rng
        self._queues: dict[str, dict[str, _Message]] = {}
        self._last_number = 0

    def send(self, queue: str, body: str, *, delay_s: float = 0.0) -> None:
        """Add a message that becomes visible after `delay_s`."""
        limits.check_message(body, delay_s)
        with self._lock:
            now = self._clock.now()
            message = _Message(
                id=f"{self._rng.getrandbits(128):032x}",
                number=self._next_number(),
                body=body,
                inserted_at=now,
                visible_at=now + timedelta(seconds=delay_s),
            )
            self._queues.setdefault(queue, {})[message.id] = message

    def receive(self, queue: str, *, limit: int, visibility_s: float) -> list[Delivery]:
        """Take up to `limit` visible messages, oldest first; nobody else gets them for `visibility_s`."""
        limits.check_receive(limit)
        with self._lock:
            taken = self._visible(queue)[:limit]
            for message in taken:
                message.dequeue_count += 1
                self._hide(message, visibility_s)
            return [message.delivery(message.receipt) for message in taken]

    def extend(self, queue: str, delivery: Delivery, *, visibility_s: float) -> Delivery:
        """Hide a received message for `visibility_s` from now; return it with its new receipt."""
        with self._lock:
            message = self._held(queue, delivery)
            self._hide(message, visibility_s)
            return message.delivery(message.receipt)

    def delete(self, queue: str, delivery: Delivery) -> None:
        """Remove a received message."""
        with self._lock:
            del self._queues[queue][self._held(queue, delivery).id]

    def peek(self, queue: str, *, limit: int) -> list[Delivery]:
        """Look at up to `limit` visible messages without taking them; their receipts are empty."""
        limits.check_receive(limit)
        with self._lock:
            return [message.delivery("") for message in self._visible(queue)[:limit]]

    def length(self, queue: str) -> int:
        """Count the messages of a queue, hidden ones included."""
        with self._lock:
            return len(self._queues.get(queue, {}))

    def first_visible_in_s(self, queues: Sequence[str]) -> float | None:
        """Return how long it takes until the first message is visible (0: it is); None if there are no messages."""
        with self._lock:
            visible_at = [message.visible_at for queue in queues for message in self._queues.get(queue, {}).values()]
        return max(0.0, (min(visible_at) - self._clock.now()).total_seconds()) if visible_at else None

    def _visible(self, queue: str) -> list[_Message]:
        messages = self._queues.get(queue)
        if not messages:
            return []
        now = self._clock.now()
        visible = [message for message in messages.values() if message.visible_at <= now]
        return sorted(visible, key=lambda message: (message.visible_at, message.number))

    def _hide(self, message: _Message, visibility_s: float) -> None:
        message.visible_at = self._clock.now() + timedelta(seconds=visibility_s)
        message.receipt = str(self._next_number())

    def _next_number(self) -> int:
        self._last_number += 1
        return self._last_number

    def _held(self, queue: str, delivery: Delivery) -> _Message:
        message = self._queues.get(queue, {}).get(delivery.id)
        if message is None:
            raise EntityNotFound(table=queue, partition="messages", row=delivery.id)
        if message.receipt != delivery.receipt:
            raise EntityChanged(table=queue, partition="messages", row=delivery.id)
        return message
