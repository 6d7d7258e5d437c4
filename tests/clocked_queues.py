"""Queues of a storage account whose time is the test's own: a lease ends, and a delay is over, when its clock says so."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from clocks import ManualClock
from jobkit.runtime.errors import EntityChanged, EntityNotFound
from jobkit.runtime.storage.ports import Delivery, Queues

FOR_GOOD_S = 24 * 3600.0  # longer than any test takes


@dataclass
class Held:
    """A message that is hidden: what the account knows it by, what its holder has, and until when."""

    real: Delivery
    shown: Delivery
    until: datetime
    due: bool = False


@dataclass(frozen=True)
class Delayed:
    """A message that is sent when its delay is over."""

    queue: str
    body: str
    at: datetime


class ClockedQueues:
    """The port on real queues, where nothing becomes visible by itself."""

    def __init__(self, real: Queues, clock: ManualClock) -> None:
        self._real = real
        self._clock = clock
        self._held: dict[tuple[str, str], Held] = {}
        self._delayed: list[Delayed] = []
        self._sent_at: dict[str, datetime] = {}

    def send(self, queue: str, body: str, *, delay_s: float = 0.0) -> None:
        self._sent_at[body] = self._clock.now()
        if delay_s > 0:
            self._delayed.append(Delayed(queue, body, self._clock.now() + timedelta(seconds=delay_s)))
        else:
            self._real.send(queue, body)

    def receive(self, queue: str, *, limit: int, visibility_s: float) -> list[Delivery]:
        self._show_what_is_due()
        until = self._clock.now() + timedelta(seconds=visibility_s)
        found: list[Delivery] = []
        for real in self._real.receive(queue, limit=limit, visibility_s=FOR_GOOD_S):
            shown = replace(real, visible_at=until)
            self._held[queue, real.id] = Held(real=real, shown=shown, until=until)
            found.append(shown)
        return found

    def extend(self, queue: str, delivery: Delivery, *, visibility_s: float) -> Delivery:
        held = self._find(queue, delivery)
        until = self._clock.now() + timedelta(seconds=visibility_s)
        real = self._real.extend(queue, held.real, visibility_s=FOR_GOOD_S)
        shown = replace(real, visible_at=until)
        self._held[queue, real.id] = Held(real=real, shown=shown, until=until)
        return shown

    def delete(self, queue: str, delivery: Delivery) -> None:
        held = self._find(queue, delivery)
        self._real.delete(queue, held.real)
        del self._held[queue, delivery.id]

    def peek(self, queue: str, *, limit: int) -> list[Delivery]:
        self._show_what_is_due()
        found = self._real.peek(queue, limit=limit)
        return [replace(each, inserted_at=self._sent_at.get(each.body, each.inserted_at)) for each in found]

    def length(self, queue: str) -> int:
        return self._real.length(queue) + sum(each.queue == queue for each in self._delayed)

    def _find(self, queue: str, delivery: Delivery) -> Held:
        """Return what the account knows a delivery by; its receipt is good until the next one."""
        held = self._held.get((queue, delivery.id))
        if held is None:
            raise EntityNotFound(table=queue, partition=queue, row=delivery.id)
        if held.shown.receipt != delivery.receipt:
            raise EntityChanged(table=queue, partition=queue, row=delivery.id)
        return held

    def _show_what_is_due(self) -> None:
        now = self._clock.now()
        for each in [each for each in self._delayed if each.at <= now]:
            self._delayed.remove(each)
            self._real.send(each.queue, each.body)
        for (queue, _), held in self._held.items():
            if not held.due and held.until <= now:
                held.real = self._real.extend(queue, held.real, visibility_s=0)
                held.due = True
