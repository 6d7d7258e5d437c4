"""Counts port calls as Azure bills them: one for a call, or for each page of a query; idle receives apart."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from jobkit.runtime.storage.ports import Condition, Delivery, Entity, Mode, Operation, Queues, Span, Store, Tables

PAGE = 1_000  # rows of one answer


class Counts:
    """Calls by kind. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.calls: Counter[str] = Counter()

    def add(self, kind: str, n: int = 1) -> None:
        with self._lock:
            self.calls[kind] += n


class CountedTables:
    """A tables port that counts."""

    def __init__(self, inner: Tables, counts: Counts) -> None:
        self._inner = inner
        self._counts = counts

    def insert(self, table: str, entity: Entity) -> str:
        self._counts.add("insert")
        return self._inner.insert(table, entity)

    def get(self, table: str, partition: str, row: str, *, select: Sequence[str] | None = None) -> Entity:
        self._counts.add("get")
        return self._inner.get(table, partition, row, select=select)

    def update(self, table: str, entity: Entity, *, etag: str, mode: Mode = Mode.MERGE) -> str:
        self._counts.add("update")
        return self._inner.update(table, entity, etag=etag, mode=mode)

    def upsert(self, table: str, entity: Entity) -> str:
        self._counts.add("upsert")
        return self._inner.upsert(table, entity)

    def delete(self, table: str, partition: str, row: str, *, etag: str) -> None:
        self._counts.add("delete")
        self._inner.delete(table, partition, row, etag=etag)

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
        found = 0
        for entity in self._inner.query(table, partition, rows=rows, where=where, select=select, top=top):
            if found % PAGE == 0:
                self._counts.add("query")
            found += 1
            yield entity
        if found == 0:
            self._counts.add("query")

    def transact(self, table: str, operations: Sequence[Operation]) -> list[str]:
        self._counts.add("transact")
        return self._inner.transact(table, operations)


class CountedQueues:
    """A queues port that counts; a receive that comes back empty is an idle poll and counted apart."""

    def __init__(self, inner: Queues, counts: Counts) -> None:
        self._inner = inner
        self._counts = counts

    def send(self, queue: str, body: str, *, delay_s: float = 0.0) -> None:
        self._counts.add("send")
        self._inner.send(queue, body, delay_s=delay_s)

    def receive(self, queue: str, *, limit: int, visibility_s: float) -> list[Delivery]:
        found = self._inner.receive(queue, limit=limit, visibility_s=visibility_s)
        self._counts.add("receive" if found else "idle receive")
        return found

    def extend(self, queue: str, delivery: Delivery, *, visibility_s: float) -> Delivery:
        self._counts.add("extend")
        return self._inner.extend(queue, delivery, visibility_s=visibility_s)

    def delete(self, queue: str, delivery: Delivery) -> None:
        self._counts.add("delete message")
        self._inner.delete(queue, delivery)

    def peek(self, queue: str, *, limit: int) -> list[Delivery]:
        self._counts.add("peek")
        return self._inner.peek(queue, limit=limit)

    def length(self, queue: str) -> int:
        self._counts.add("length")
        return self._inner.length(queue)


def counted(store: Store) -> tuple[Store, Counts]:
    """Wrap both ports."""
    counts = Counts()
    queues: Any = CountedQueues(store.queues, counts)
    return Store(CountedTables(store.tables, counts), queues), counts
