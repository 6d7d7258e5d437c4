"""The `Queues` port on SQLite."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import count
from typing import Final, TypeVar

from jobkit.runtime.clock import Clock
from jobkit.runtime.errors import EntityChanged, EntityNotFound
from jobkit.runtime.storage import limits
from jobkit.runtime.storage.ports import Delivery, Hidden

from .database import Database
from .numbers import MessageIds, from_us, number_of, to_us
from .presence import Presence
from .wakeups import Wakeups

_SEND = (
    "insert into message (id, queue, visible_us, inserted_us, dequeue_count, receipt, body) "
    "values (?, ?, ?, ?, 0, 0, ?)"
)
_VISIBLE = (
    "select id, inserted_us, dequeue_count, visible_us, body from message "
    "where queue = ? and visible_us <= ? order by visible_us, id limit ?"
)
_HIDDEN = (
    "select visible_us, dequeue_count, holder, body from message "
    "where queue = ? and visible_us > ? order by visible_us, id limit ?"
)
_TAKE = (
    "update message set visible_us = ?, dequeue_count = dequeue_count + 1, receipt = ?, holder = ? "
    "where queue = ? and visible_us = ? and id = ?"
)
_EXTEND = (
    "update message set visible_us = ?, receipt = ?, holder = ? "
    "where queue = ? and visible_us = ? and id = ? and receipt = ?"
)
_DELETE = "delete from message where queue = ? and visible_us = ? and id = ? and receipt = ?"
_SEEK = "select 1 from message where queue = ? and id = ? order by visible_us desc limit 1"
_SLICE = (
    "select visible_us, id from message where queue = ? and (visible_us, id) > (?, ?) "
    "order by visible_us, id limit 1 offset ?"
)
_REST = "select count(*) from message where queue = ? and (visible_us, id) > (?, ?)"
_FIRST = "select visible_us from message where queue = ? order by visible_us limit 1"
_NEXT_QUEUE = "select min(queue) from message where queue > ?"
_FREE = "update message set visible_us = ?, holder = null where queue = ? and visible_us > ? and holder = ?"

_GIVE_BACK = _FREE.replace("holder = null", "holder = null, dequeue_count = dequeue_count - 1")

_SLICE_MESSAGES: Final = 10_000  # counted at a time, so that nobody waits long
_TOGETHER: Final = 100  # messages that go out in one transaction

Item = TypeVar("Item")
_Row = tuple[int, int, int, int, str]
_HiddenRow = tuple[int, int, int | None, str]
_Sent = tuple[str, int, int, str]


class SqliteQueues:
    """Messages of one hub in the table `message`, ordered by when they are visible and then by when they were sent."""

    def __init__(
        self,
        database: Database,
        *,
        hub: str,
        clock: Clock,
        numbers: count[int],
        presence: Presence,
        wakeups: Wakeups,
    ) -> None:
        """Keep messages under the hub's prefix; `numbers` gives receipts, none of them twice."""
        self._database = database
        self._prefix = f"{hub}-"
        self._clock = clock
        self._numbers = numbers
        self._presence = presence
        self._wakeups = wakeups
        self._ids = MessageIds()
        self._together = threading.local()

    def send(self, queue: str, body: str, *, delay_s: float = 0.0) -> None:
        """Add a message that becomes visible after `delay_s`."""
        limits.check_message(body, delay_s)
        now_us = self._now_us()
        visible_us = now_us + _us(delay_s)

        together: list[_Sent] | None = getattr(self._together, "sent", None)
        sent = (self._prefix + queue, visible_us, now_us, body)
        if together is None:
            self._add([sent])
        else:
            together.append(sent)

    def each(self, items: Iterable[Item], do: Callable[[Item], None]) -> None:
        """Do all items in this thread; what they send goes out together, at the latest when this returns.

        Raises StoreUnavailable when some of it may not have been sent.
        """
        together: list[_Sent] = []
        self._together.sent = together
        try:
            for item in items:
                do(item)
                if len(together) >= _TOGETHER:
                    full = together[:]
                    together.clear()  # first: what may have gone out must not go out once more below
                    self._add(full)
        finally:
            self._together.sent = None
            if together:
                self._add(together)

    def _add(self, messages: Sequence[_Sent]) -> None:
        def add(cursor: sqlite3.Cursor) -> None:
            cursor.executemany(_SEND, [(self._ids.next(), *message) for message in messages])

        self._database.write(add, single=len(messages) == 1)
        self._wakeups.wake()

    def receive(self, queue: str, *, limit: int, visibility_s: float) -> list[Delivery]:
        """Take up to `limit` visible messages, oldest first; nobody else gets them for `visibility_s`."""
        limits.check_receive(limit)
        found = self._receive(queue, limit, visibility_s)
        if not found and self.free_dead():
            found = self._receive(queue, limit, visibility_s)
        return found

    def _receive(self, queue: str, limit: int, visibility_s: float) -> list[Delivery]:
        holder = self._presence.number()
        receipt = next(self._numbers)
        now_us = self._now_us()
        until_us = now_us + _us(visibility_s)
        name = self._prefix + queue

        def take(cursor: sqlite3.Cursor) -> list[_Row]:
            found: list[_Row] = cursor.execute(_VISIBLE, (name, now_us, limit)).fetchall()
            moves = [(until_us, receipt, holder, name, visible_us, number) for number, _, _, visible_us, _ in found]
            cursor.executemany(_TAKE, moves)
            return found

        return [
            Delivery(
                id=str(number),
                body=body,
                dequeue_count=dequeue_count + 1,
                receipt=f"{until_us}:{receipt}",
                inserted_at=from_us(inserted_us),
                visible_at=from_us(until_us),
            )
            for number, inserted_us, dequeue_count, _, body in self._database.write(take)
        ]

    def extend(self, queue: str, delivery: Delivery, *, visibility_s: float) -> Delivery:
        """Hide a received message for `visibility_s` from now (0: visible at once); return it with its new receipt."""
        receipt = next(self._numbers)
        until_us = self._now_us() + _us(visibility_s)
        values = (until_us, receipt, self._presence.number(), *self._lease(queue, delivery))
        self._change(_EXTEND, values, queue, delivery)
        if visibility_s <= 0:
            self._wakeups.wake()
        return replace(delivery, receipt=f"{until_us}:{receipt}", visible_at=from_us(until_us))

    def delete(self, queue: str, delivery: Delivery) -> None:
        """Remove a received message."""
        self._change(_DELETE, self._lease(queue, delivery), queue, delivery, last=True)

    def peek(self, queue: str, *, limit: int) -> list[Delivery]:
        """Look at up to `limit` visible messages without taking them; their receipts are empty."""
        limits.check_receive(limit)
        values = (self._prefix + queue, self._now_us(), limit)
        found: list[_Row] = self._database.read(lambda cursor: cursor.execute(_VISIBLE, values).fetchall())
        return [
            Delivery(
                id=str(number),
                body=body,
                dequeue_count=dequeue_count,
                receipt="",
                inserted_at=from_us(inserted_us),
                visible_at=from_us(visible_us),
            )
            for number, inserted_us, dequeue_count, visible_us, body in found
        ]

    def hidden(self, queue: str, *, limit: int) -> list[Hidden]:
        """Look at up to `limit` hidden messages, those first that are visible first."""
        values = (self._prefix + queue, self._now_us(), limit)
        found: list[_HiddenRow] = self._database.read(lambda cursor: cursor.execute(_HIDDEN, values).fetchall())
        lives = {holder: self._presence.is_living(holder) for _, _, holder, _ in found if holder is not None}
        return [
            Hidden(
                body=body,
                dequeue_count=dequeue_count,
                visible_at=from_us(visible_us),
                holder_lives=None if holder is None else lives[holder],
            )
            for visible_us, dequeue_count, holder, body in found
        ]

    def length(self, queue: str) -> int:
        """Count the messages of a queue, hidden ones included; it is exact if nothing moves meanwhile."""
        counted = 0
        last = (-1, -1)
        while found := self._rows(_SLICE, (self._prefix + queue, *last, _SLICE_MESSAGES - 1)):
            counted += _SLICE_MESSAGES
            last = (found[0][0], found[0][1])
        [(rest,)] = self._rows(_REST, (self._prefix + queue, *last))
        return counted + int(rest)

    def first_visible_in_s(self, queues: Sequence[str]) -> float | None:
        """Return how long it takes until the first message is visible (0: it is); None if there are no messages."""
        first = [us for queue in queues for (us,) in self._rows(_FIRST, (self._prefix + queue,))]
        return max(0.0, (min(first) - self._now_us()) / 1e6) if first else None

    def free_dead(self) -> bool:
        """Make visible what dead processes held, if it is time to look for them; tell whether any was found."""
        found = self._presence.bury_dead(self.free)
        if found:
            self._wakeups.wake()
        return found

    def free(self, holder: int) -> None:
        """Make visible all messages that a dead holder still hides, in every hub."""
        self._make_visible(_FREE, holder)

    def give_back(self, holder: int) -> None:
        """Make visible all messages that a holder has not finished and will not: as if it had not received them.

        An interrupted run is no failed delivery; otherwise the fifth Ctrl-C would poison a long task.
        """
        self._make_visible(_GIVE_BACK, holder)

    def _make_visible(self, sql: str, holder: int) -> None:
        now_us = self._now_us()

        def free(cursor: sqlite3.Cursor) -> None:
            name = ""
            while (name := cursor.execute(_NEXT_QUEUE, (name,)).fetchall()[0][0]) is not None:
                cursor.execute(sql, (now_us, name, now_us, holder))

        self._database.write(free)

    def _now_us(self) -> int:
        return to_us(self._clock.now())

    def _lease(self, queue: str, delivery: Delivery) -> tuple[str, int, int, int]:
        """Return what finds the message if it is still hidden by this delivery."""
        visible, _, receipt = delivery.receipt.partition(":")
        return self._prefix + queue, number_of(visible), number_of(delivery.id), number_of(receipt)

    def _change(
        self, sql: str, values: Sequence[object], queue: str, delivery: Delivery, *, last: bool = False
    ) -> None:
        if self._database.write(lambda cursor: cursor.execute(sql, values).rowcount, single=True, last=last) == 1:
            return
        gone = not self._rows(_SEEK, (self._prefix + queue, number_of(delivery.id)))
        raise (EntityNotFound if gone else EntityChanged)(table=queue, partition="messages", row=delivery.id)

    def _rows(self, sql: str, values: Sequence[object]) -> list[tuple[int, ...]]:
        return self._database.read(lambda cursor: cursor.execute(sql, values).fetchall())


def _us(seconds: float) -> int:
    return round(seconds * 1_000_000)
