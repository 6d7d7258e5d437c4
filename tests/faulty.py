"""A store whose port calls are numbered, kept, and can go wrong: the process dies, the store fails, answers get lost."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

from driver import Crash
from invariants import Written
from jobkit.runtime.errors import EntityChanged, EntityExists, EntityNotFound, MessageRefused, StoreUnavailable
from jobkit.runtime.messages import POISON_SUFFIX, decode_message
from jobkit.runtime.storage.ports import Delete, Delivery, Insert, Mode, Operation, Store, Update
from jobkit.testing.ports import Call as PortCall
from jobkit.testing.ports import around_calls

T = TypeVar("T")

LATE_S = 3_000.0
_REFUSALS = {Insert: EntityExists, Delete: EntityNotFound}


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
        #: Those of `happened` that failed or died for whoever called.
        self.failed: list[Call] = []
        self.lease_lost: Callable[[], None] = lambda: None
        self.dead = False
        self.paused = False
        self.lock = threading.RLock()
        self.delivery = 0
        self._step = 0
        self._poison = False
        self._numbers: dict[str, int] = {}
        self._firsts: dict[str, str] = {}
        self.real = store
        self.store = around_calls(store, self._around)

    def revive(self) -> None:
        self.dead = False
        self.delivery = 0

    def begin_delivery(self, queue: str, delivery: Delivery) -> None:
        """Number what follows by the message: its first delivery, and every further one, has the same number.

        So have the turns of a message that is sent again as itself.
        """
        name = f"{queue} {delivery.id}"
        with contextlib.suppress(MessageRefused):
            message = decode_message(delivery.body)
            first = self._firsts.setdefault(f"{queue} {message.key}", name)
            name = first if message.turn else name
        self.delivery = self._numbers.setdefault(name, len(self._numbers) + 1)
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
        for fault in self.faults:
            if fault.hits(call) and call.can(fault.kind):
                kind = fault.kind
                break
        else:
            return self._apply(do, keep)
        self.happened.append(call)
        if kind is Kind.LEASE_LOST:
            self.paused = True
            self.lease_lost()
            self.paused = False
            return self._apply(do, keep)
        self.failed.append(call)
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

    def _around(self, call: PortCall, do: Callable[[], T]) -> T:
        """Say of a call of the store what may go wrong with it, what is to be kept of it, and how it is repeated."""
        match call.verb:
            case "receive" | "extend" | "peek" | "length":
                return do()  # the host's own: dying before or after them is dying around the handler
            case "send":

                def send(more_s: float = 0.0) -> None:
                    self.delays.append((call.place, call.delay_s))
                    self.real.queues.send(call.place, call.body, delay_s=call.delay_s + more_s)

                keep = [Written(call.place, body=call.body)]
                return self.call("send", call.place, send, keep=lambda: keep, again=send)  # type: ignore[return-value] - None
            case "get" | "query":
                return self.call(call.verb, call.place, do, reads=(call.partition, call.row))
            case "remove":
                return self.call("remove", call.place, do, refusal=EntityNotFound)
        return self.call(
            call.verb,
            call.place,
            do,
            keep=lambda: [self._written(call.place, operation) for operation in call.operations],
            refusal=_REFUSALS.get(type(call.operations[0]), EntityChanged),
        )

    def _written(self, table: str, operation: Operation) -> Written:
        if isinstance(operation, Delete):
            partition, row = operation.partition, operation.row
        else:
            partition, row = operation.entity.partition, operation.entity.row
        before: Mapping[str, Any] | None = None
        if not isinstance(operation, Insert):
            try:
                before = self.real.tables.get(table, partition, row).properties
            except EntityNotFound:
                before = None
        after: Mapping[str, Any] | None = None
        if not isinstance(operation, Delete):
            after = operation.entity.properties
            if before and isinstance(operation, Update) and operation.mode is Mode.MERGE:
                after = {**before, **after}
        return Written(table, partition, row, before, after)

    def _apply(self, do: Callable[[], T], keep: Callable[[], list[Written]] | None) -> T:
        if keep is None:
            return do()
        with self.lock:  # so that the history is in the order in which it happened
            steps = keep()
            result = do()
            self.history += steps
        return result
