"""Both ports of a store with something around every call: what counts calls, or lets them go wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from jobkit.runtime.storage.ports import (
    Condition,
    Delete,
    Delivery,
    Entity,
    Insert,
    Mode,
    Operation,
    Queues,
    Span,
    Store,
    Tables,
    Update,
    Upsert,
)

T = TypeVar("T")

_READS = frozenset({"get", "query", "peek", "length"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of a port.

    Attributes:
        verb: Its name; `remove` is that of a message.
        place: The table or queue.
        operations: What it writes.
        partition: What a `get` or a `query` reads; empty for a range of partitions.
        row: The one row that a `get` reads.
        body: The text that a `send` sends.
        delay_s: After how long it is to be visible.
    """

    verb: str
    place: str
    operations: tuple[Operation, ...] = ()
    partition: str = ""
    row: str = ""
    body: str = ""
    delay_s: float = 0.0

    @property
    def reads(self) -> bool:
        """Whether it changes nothing."""
        return self.verb in _READS


class Around(Protocol):
    """Does a call, or something else in its place. It may be called by many threads at a time."""

    def __call__(self, call: Call, do: Callable[[], T]) -> T:
        """Return what `do` returns, or raise."""
        ...


def around_calls(store: Store, around: Around) -> Store:
    """Return the store with `around` about every call of both ports."""
    return Store(_Tables(store.tables, around), _Queues(store.queues, around))


class _Tables:
    def __init__(self, tables: Tables, around: Around) -> None:
        self._tables = tables
        self._around = around

    def insert(self, table: str, entity: Entity) -> str:
        call = Call(verb="insert", place=table, operations=(Insert(entity),))
        return self._around(call, lambda: self._tables.insert(table, entity))

    def get(self, table: str, partition: str, row: str, *, select: Sequence[str] | None = None) -> Entity:
        call = Call(verb="get", place=table, partition=partition, row=row)
        return self._around(call, lambda: self._tables.get(table, partition, row, select=select))

    def update(self, table: str, entity: Entity, *, etag: str, mode: Mode = Mode.MERGE) -> str:
        call = Call(verb="update", place=table, operations=(Update(entity, etag, mode),))
        return self._around(call, lambda: self._tables.update(table, entity, etag=etag, mode=mode))

    def upsert(self, table: str, entity: Entity) -> str:
        call = Call(verb="upsert", place=table, operations=(Upsert(entity),))
        return self._around(call, lambda: self._tables.upsert(table, entity))

    def delete(self, table: str, partition: str, row: str, *, etag: str) -> None:
        call = Call(verb="delete", place=table, operations=(Delete(partition, row, etag),))
        return self._around(call, lambda: self._tables.delete(table, partition, row, etag=etag))

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
        call = Call(verb="query", place=table, partition=partition if isinstance(partition, str) else "")
        return self._around(
            call, lambda: self._tables.query(table, partition, rows=rows, where=where, select=select, top=top)
        )

    def transact(self, table: str, operations: Sequence[Operation]) -> list[str]:
        call = Call(verb="transact", place=table, operations=tuple(operations))
        return self._around(call, lambda: self._tables.transact(table, operations))


class _Queues:
    def __init__(self, queues: Queues, around: Around) -> None:
        self._queues = queues
        self._around = around

    def send(self, queue: str, body: str, *, delay_s: float = 0.0) -> None:
        call = Call(verb="send", place=queue, body=body, delay_s=delay_s)
        return self._around(call, lambda: self._queues.send(queue, body, delay_s=delay_s))

    def receive(self, queue: str, *, limit: int, visibility_s: float) -> list[Delivery]:
        call = Call(verb="receive", place=queue)
        return self._around(call, lambda: self._queues.receive(queue, limit=limit, visibility_s=visibility_s))

    def extend(self, queue: str, delivery: Delivery, *, visibility_s: float) -> Delivery:
        call = Call(verb="extend", place=queue)
        return self._around(call, lambda: self._queues.extend(queue, delivery, visibility_s=visibility_s))

    def delete(self, queue: str, delivery: Delivery) -> None:
        return self._around(Call(verb="remove", place=queue), lambda: self._queues.delete(queue, delivery))

    def peek(self, queue: str, *, limit: int) -> list[Delivery]:
        return self._around(Call(verb="peek", place=queue), lambda: self._queues.peek(queue, limit=limit))

    def length(self, queue: str) -> int:
        return self._around(Call(verb="length", place=queue), lambda: self._queues.length(queue))
