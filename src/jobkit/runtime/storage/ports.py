"""The storage ports: the primitives of Azure Storage Tables and Queues that the protocol is built on.

A backend implements both protocols; nothing above them knows which one it runs on. Every verb is atomic on its own.
Names of tables and queues are short (`tasks`, `jobs-poison`); the backend adds the hub's prefix.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Literal, NamedTuple, Protocol, TypeAlias, runtime_checkable

Value: TypeAlias = str | int | float | bool | bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """One row: its two keys, its properties and the ETag of the version that was read (empty for a new one)."""

    partition: str
    row: str
    properties: Mapping[str, Value]
    etag: str = ""


class Span(NamedTuple):
    """A half-open range of keys in ordinal order: `low <= key < high`."""

    low: str
    high: str


class Condition(NamedTuple):
    """One comparison of a query. A row without the property matches no comparison, `ne` included (as in Azure)."""

    name: str
    op: Literal["eq", "ne", "lt", "le", "gt", "ge"]
    value: str | int | float | bool


class Mode(Enum):
    """How an update treats the stored properties."""

    #: The given properties are added or overwritten; the others stay.
    MERGE = "merge"
    #: The given properties are all there is afterwards.
    REPLACE = "replace"


@dataclass(frozen=True, slots=True)
class Insert:
    """Part of a transaction: create the row; fails the whole with EntityExists."""

    entity: Entity


@dataclass(frozen=True, slots=True)
class Update:
    """Part of a transaction: change the row if its ETag is still `etag`; fails the whole with EntityChanged."""

    entity: Entity
    etag: str
    mode: Mode = Mode.MERGE


@dataclass(frozen=True, slots=True)
class Upsert:
    """Part of a transaction: create the row or replace it, whatever is there."""

    entity: Entity


@dataclass(frozen=True, slots=True)
class Delete:
    """Part of a transaction: delete the row if its ETag is still `etag`; fails the whole with EntityChanged."""

    partition: str
    row: str
    etag: str


Operation: TypeAlias = Insert | Update | Upsert | Delete


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One receipt of a queue message. `dequeue_count` is 1 at the first; `receipt` is good until the next one."""

    id: str
    body: str
    dequeue_count: int
    receipt: str
    inserted_at: datetime
    visible_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Hidden:
    """A message that nobody else gets until `visible_at`.

    `holder_lives` says whether the process that has received it still runs; None where nobody has: it is delayed.
    """

    body: str
    dequeue_count: int
    visible_at: datetime
    holder_lives: bool | None


class Tables(Protocol):
    """Rows addressed by table, partition and row key. Reads are strongly consistent.

    Any verb raises StoreUnavailable when the store can't be reached or refuses: a write may then have happened or not.
    Writes beyond a limit of Azure raise LimitExceeded and change nothing (see `limits`).
    An ETag is never used twice, not even for a row that was deleted and created again.
    """

    def insert(self, table: str, entity: Entity) -> str:
        """Create a row and return its ETag. Raises EntityExists."""
        ...

    def get(self, table: str, partition: str, row: str, *, select: Sequence[str] | None = None) -> Entity:
        """Read one row, or only the properties named by `select`. Raises EntityNotFound."""
        ...

    def update(self, table: str, entity: Entity, *, etag: str, mode: Mode = Mode.MERGE) -> str:
        """Change a row if its ETag is still `etag`; return the new one. Raises EntityChanged, EntityNotFound."""
        ...

    def upsert(self, table: str, entity: Entity) -> str:
        """Create or replace a row, unconditionally (idempotent); return its ETag."""
        ...

    def delete(self, table: str, partition: str, row: str, *, etag: str) -> None:
        """Delete a row if its ETag is still `etag`. Raises EntityChanged, EntityNotFound."""
        ...

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
        """Yield the rows of one partition, or of a range of them, that meet all conditions.

        Ordered by partition and row key (ordinal). Read lazily, page by page: rows written meanwhile may be missed or
        seen; each row that is yielded is one consistent version. `select` limits the properties (an empty sequence:
        keys and ETag only), `top` the number of rows.
        """
        ...

    def transact(self, table: str, operations: Sequence[Operation]) -> list[str]:
        """Do 1 to 100 operations on distinct rows of one partition, all or none.

        Returns the new ETags in order (empty for a delete). Raises EntityExists, EntityChanged or EntityNotFound for
        the first operation that fails.
        """
        ...


class Queues(Protocol):
    """Queues that deliver at least once, in roughly the order of sending. Messages never expire.

    Any verb raises StoreUnavailable when the store can't be reached or refuses.
    """

    def send(self, queue: str, body: str, *, delay_s: float = 0.0) -> None:
        """Add a message that becomes visible after `delay_s` (0 to 604,800). Tried once: never repeated by the port.

        After StoreUnavailable the message may have been added or not. Raises LimitExceeded.
        """
        ...

    def receive(self, queue: str, *, limit: int, visibility_s: float) -> list[Delivery]:
        """Take up to `limit` (1 to 32) visible messages, oldest first; nobody else gets them for `visibility_s`."""
        ...

    def extend(self, queue: str, delivery: Delivery, *, visibility_s: float) -> Delivery:
        """Hide a received message for `visibility_s` from now (0: visible at once); return it with its new receipt.

        Raises EntityChanged when it was received again since, EntityNotFound when it is gone.
        """
        ...

    def delete(self, queue: str, delivery: Delivery) -> None:
        """Remove a received message. Raises EntityChanged when it was received again, EntityNotFound when it is gone."""
        ...

    def peek(self, queue: str, *, limit: int) -> list[Delivery]:
        """Look at up to `limit` (1 to 32) visible messages without taking them; their receipts are empty."""
        ...

    def length(self, queue: str) -> int:
        """Count the messages of a queue, hidden ones included."""
        ...


@runtime_checkable
class ShowsHidden(Protocol):
    """What queues can do besides where they are not a service's: tell what is hidden, and whether its holder lives."""

    def hidden(self, queue: str, *, limit: int) -> list[Hidden]:
        """Look at up to `limit` hidden messages, those first that are visible first. Raises StoreUnavailable."""
        ...


@dataclass(frozen=True, slots=True)
class Store:
    """A pair of ports on one backend."""

    tables: Tables
    queues: Queues
