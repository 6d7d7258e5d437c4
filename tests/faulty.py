"""A store whose port calls are numbered, kept, and can go wrong: the process dies, the store fails, answers get lost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

from driver import Crash
from invariants import Written
from jobkit.runtime.errors import EntityChanged, EntityExists, EntityNotFound, StoreUnavailable
from jobkit.runtime.messages import POISON_SUFFIX
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

LATE_S = 3_000.0


class Kind(Enum):
    """What goes wrong."""

    #: The process dies before the call.
    CRASH_BEFORE = "crash before"
    #: The call is done, and the process dies over its answer.
    CRASH_AFTER = "crash after"
    #: The store fails and has done nothing.
    FAILED = "failed"
    #: The store fails and has done it.
    DOUBTFUL = "doubtful"
    #: The SDK tried twice: done the first time, refused the second.
    REFUSED = "done and refused"
    #: The message is in the queue twice.
    TWICE = "sent twice"
    #: The message is in the queue twice, one of them much later.
    TWICE_LATE = "sent twice, once late"
    #: The message comes much later than all that were sent after it.
    LATE = "sent late"
    #: The lease runs out before the call; another instance takes over and works for a while.
    LEASE_LOST = "lease lost"


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a port: which; in which delivery, the how-manieth in it, and whether that is of a poison message."""

    number: int
    verb: str
    place: str
    delivery: int
    step: int
    poison: bool

    @property
    def writes(self) -> bool:
        return self.verb not in ("get", "query")

    def can(self, kind: Kind) -> bool:
        """Whether a kind of fault makes sense here (a read that was done and lost is one that was not done)."""
        match kind:
            case Kind.CRASH_AFTER | Kind.DOUBTFUL:
                return self.writes
            case Kind.REFUSED:
                return self.verb in ("insert", "update", "delete", "transact", "remove")
            case Kind.TWICE | Kind.TWICE_LATE | Kind.LATE:
                return self.verb == "send"
            case _:
                return True

    def __str__(self) -> str:
        return f"call {self.number} ({self.verb} {self.place}, delivery {self.delivery}, its call {self.step})"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: its kind, and the calls that it hits."""

    kind: Kind
    hits: Callable[[Call], bool]
    name: str = ""


class Faulty:
    """Both ports of a store; `store` is to be used, `calls` and `history` to be looked at.

    A process that has crashed stays dead: every further call crashes as well, until the driver starts a new one. So a
    crash within a user's code (a fan-out reads results) can't be taken for an error of that code.
    """

    def __init__(self, store: Store, *faults: Fault) -> None:
        self.faults = faults
        self.calls: list[Call] = []
        self.history: list[Written] = []
        self.delays: list[tuple[str, float]] = []
        self.happened: list[Call] = []
        self.lease_lost: Callable[[], None] = lambda: None
        self.dead = False
        self.paused = False
        self.lock = threading.RLock()
        self.delivery = 0
        self._step = 0
        self._poison = False
        self._numbers: dict[str, int] = {}
        self.real = store
        self.store = Store(_FaultyTables(store.tables, self), _FaultyQueues(store.queues, self))

    def revive(self) -> None:
        self.dead = False
        self.delivery = 0

    def begin_delivery(self, queue: str, delivery: Delivery) -> None:
        """Number what follows by the message: its first delivery, and every further one, has the same number."""
        self.delivery = self._numbers.setdefault(f"{queue} {delivery.id}", len(self._numbers) + 1)
        self._step = 0
        self._poison = queue.endswith(POISON_SUFFIX)

    def call(
        self,
        verb: str,
        place: str,
        do: Callable[[], T],
        *,
        keep: Callable[[], list[Written]] | None = None,
        refusal: type[EntityChanged | EntityExists | EntityNotFound] = EntityChanged,
        again: Callable[[float], None] = lambda delay_s: None,
        reads: tuple[str, str] | None = None,
    ) -> T:
        """Do a call, or let go wrong what is to go wrong at it. `reads` is a partition and a row, or "" for all of it."""
        if self.paused:
            return self._apply(do, keep)
        if self.dead:
            raise Crash
        self._step += 1
        call = Call(len(self.calls) + 1, verb, place, self.delivery, self._step, self._poison)
        self.calls.append(call)
        kind = next((fault.kind for fault in self.faults if call.can(fault.kind) and fault.hits(call)), None)
        if kind is None:
            return self._apply(do, keep)
        self.happened.append(call)
        if kind is Kind.LEASE_LOST:
            self.paused = True
            self.lease_lost()
            self.paused = False
            return self._apply(do, keep)
        if kind is Kind.CRASH_BEFORE:
            self.dead = True
            raise Crash
        if kind is Kind.FAILED:
            raise StoreUnavailable(store="faulty", reason="injected, nothing was done")
        if kind is Kind.LATE:
            self._apply(lambda: again(LATE_S), keep)
            return None  # type: ignore[return-value] - what a send returns
        result = self._apply(do, keep)
        if kind is Kind.CRASH_AFTER:
            self.dead = True
            raise Crash
        if kind is Kind.DOUBTFUL:
            raise StoreUnavailable(store="faulty", reason="injected, it was done")
        if kind is Kind.REFUSED:
            raise refusal(table=place, partition="injected", row="done")
        again(LATE_S if kind is Kind.TWICE_LATE else 0.0)
        return result

    def _apply(self, do: Callable[[], T], keep: Callable[[], list[Written]] | None) -> T:
        if keep is None:
            return do()
        with self.lock:  # so that the history is in the order in which it happened
            steps = keep()
            result = do()
            self.history += steps
        return result


class _FaultyTables:
    def __init__(self, tables: Tables, faulty: Faulty) -> None:
        self._tables = tables
        self._faulty = faulty

    def insert(self, table: str, entity: Entity) -> str:
        keep = self._keep(table, [Insert(entity)])
        return self._faulty.call(
            "insert", table, lambda: self._tables.insert(table, entity), keep=keep, refusal=EntityExists
        )

    def get(self, table: str, partition: str, row: str, *, select: Sequence[str] | None = None) -> Entity:
        return self._faulty.call(
            "get", table, lambda: self._tables.get(table, partition, row, select=select), reads=(partition, row)
        )

    def update(self, table: str, entity: Entity, *, etag: str, mode: Mode = Mode.MERGE) -> str:
        keep = self._keep(table, [Update(entity, etag, mode)])
        return self._faulty.call(
            "update", table, lambda: self._tables.update(table, entity, etag=etag, mode=mode), keep=keep
        )

    def upsert(self, table: str, entity: Entity) -> str:
        keep = self._keep(table, [Upsert(entity)])
        return self._faulty.call("upsert", table, lambda: self._tables.upsert(table, entity), keep=keep)

    def delete(self, table: str, partition: str, row: str, *, etag: str) -> None:
        keep = self._keep(table, [Delete(partition, row, etag)])
        return self._faulty.call(
            "delete",
            table,
            lambda: self._tables.delete(table, partition, row, etag=etag),
            keep=keep,
            refusal=EntityNotFound,
        )

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
        return self._faulty.call(
            "query",
            table,
            lambda: self._tables.query(table, partition, rows=rows, where=where, select=select, top=top),
            reads=(partition if isinstance(partition, str) else "", ""),
        )

    def transact(self, table: str, operations: Sequence[Operation]) -> list[str]:
        refusal = EntityExists if isinstance(operations[0], Insert) else EntityChanged
        return self._faulty.call(
            "transact",
            table,
            lambda: self._tables.transact(table, operations),
            keep=self._keep(table, operations),
            refusal=refusal,
        )

    def _keep(self, table: str, operations: Sequence[Operation]) -> Callable[[], list[Written]]:
        return lambda: [self._written(table, operation) for operation in operations]

    def _written(self, table: str, operation: Operation) -> Written:
        if isinstance(operation, Delete):
            partition, row = operation.partition, operation.row
        else:
            partition, row = operation.entity.partition, operation.entity.row
        before: dict[str, Any] | None = None
        if not isinstance(operation, Insert):
            try:
                before = dict(self._tables.get(table, partition, row).properties)
            except EntityNotFound:
                before = None
        after: dict[str, Any] | None = None
        if not isinstance(operation, Delete):
            merged = isinstance(operation, Update) and operation.mode is Mode.MERGE
            after = {**((before or {}) if merged else {}), **operation.entity.properties}
        return Written(table, partition, row, before, after)


class _FaultyQueues:
    def __init__(self, queues: Queues, faulty: Faulty) -> None:
        self._queues = queues
        self._faulty = faulty

    def send(self, queue: str, body: str, *, delay_s: float = 0.0) -> None:
        def do(more_s: float = 0.0) -> None:
            self._faulty.delays.append((queue, delay_s))
            self._queues.send(queue, body, delay_s=delay_s + more_s)

        return self._faulty.call("send", queue, do, keep=lambda: [Written(queue, body=body)], again=do)

    def delete(self, queue: str, delivery: Delivery) -> None:
        self._faulty.call("remove", queue, lambda: self._queues.delete(queue, delivery), refusal=EntityNotFound)

    # The host's own calls: dying before or after them is dying around the handler.

    def receive(self, queue: str, *, limit: int, visibility_s: float) -> list[Delivery]:
        return self._queues.receive(queue, limit=limit, visibility_s=visibility_s)

    def extend(self, queue: str, delivery: Delivery, *, visibility_s: float) -> Delivery:
        return self._queues.extend(queue, delivery, visibility_s=visibility_s)

    def peek(self, queue: str, *, limit: int) -> list[Delivery]:
        return self._queues.peek(queue, limit=limit)

    def length(self, queue: str) -> int:
        return self._queues.length(queue)
