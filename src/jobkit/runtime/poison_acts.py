"""What an operator does with poison messages: has them tried again, or gives them up.

A message of ours is never just put back or thrown away: its rows may be claimed under its key, and a task without a
message would hang. It is tried again, or given up, as `poisoned` does that; a foreign one is sent as it is, or removed.
Every step is one that a delivery of the message could have done, and the message is removed last.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from .errors import (
    UNREADABLE,
    EntityChanged,
    EntityNotFound,
    JobIsBeingPurged,
    LimitExceeded,
    RowDamaged,
    StoreUnavailable,
    UnknownJob,
)
from .figures import counted
from .messages import POISON_SUFFIX, Incoming
from .operator import Operator
from .poison import ORIGINS, Done, PoisonMessage, poison_id
from .poison_search import TAKEN_S, PoisonSearch
from .poisoned import Poisoned
from .service import Service
from .settling import Settling
from .storage.limits import RECEIVE_MESSAGES
from .storage.ports import Delivery, Queues

_LEFT: Final = (LimitExceeded, *UNREADABLE)  # by these one message is left, the others go on


Act = Callable[[PoisonMessage, str], None]


class PoisonActs:
    """Does something with poison messages that have been found; each act leaves a row in the jobs that it is about."""

    def __init__(self, service: Service, queues: Queues, *, by: str) -> None:
        """Work on the same ports as the service; `by` names who does it."""
        self._service = service
        self._queues = queues
        self._by = by
        self._search = PoisonSearch(service, queues)
        self._poisoned = Poisoned(service, Settling(service))

    def requeue(self, found: Sequence[PoisonMessage], *, reason: str = "") -> list[Done]:
        """Have what the messages were for tried again: by new messages, whose deliveries are counted from one."""
        self._note(found, "poison requeue", reason)
        return self._each(found, self._requeue)

    def drop(self, found: Sequence[PoisonMessage], *, reason: str = "") -> list[Done]:
        """Remove messages; what those of ours were for is given up first: their tasks fail, or their jobs."""
        because = f"dropped by {self._by}" + (f": {reason}" if reason else "")

        def drop(message: PoisonMessage, message_id: str) -> None:
            if message.message is not None:
                with contextlib.suppress(RowDamaged):  # then there is nothing to be given up
                    self._poisoned.give_up(_incoming(message, message_id), because)

        self._note(found, "poison drop", reason)
        return self._each(found, drop)

    def _requeue(self, message: PoisonMessage, message_id: str) -> None:
        if message.message is None:
            self._queues.send(message.queue, message.body)
        else:
            self._poisoned.try_again(_incoming(message, message_id))

    def _note(self, found: Sequence[PoisonMessage], action: str, reason: str) -> None:
        jobs = [each.outlook.job for each in found if each.outlook and each.outlook.job]
        counts = Counter(job.job_id for job in jobs)
        for job_id, job in {job.job_id: job for job in jobs}.items():
            with contextlib.suppress(UnknownJob, JobIsBeingPurged, *UNREADABLE):  # then there is nothing to note it in
                Operator(self._service, by=self._by).note(
                    job, f"{action}: {counted(counts[job_id], 'message')}", reason
                )

    def _each(self, found: Sequence[PoisonMessage], act: Act) -> list[Done]:
        """Act on each message, then remove it."""
        came_to: dict[int, Done] = {}
        for message in found:
            if message.kept is not None:
                done = came_to[id(message)] = _do(message, message.kept.row, act)
                if done.is_done:
                    with contextlib.suppress(EntityChanged, EntityNotFound):  # somebody else has removed it
                        self._service.repository.drop_kept_poison(message.kept)
        for queue in ORIGINS:
            waiting = [message for message in found if message.queue == queue and message.kept is None]
            came_to |= self._each_waiting(queue, waiting, act)
        gone = "somebody else has it, or it is gone"
        return [came_to.get(id(message), Done(message=message, is_done=False, why_left=gone)) for message in found]

    def _each_waiting(self, queue: str, found: Sequence[PoisonMessage], act: Act) -> dict[int, Done]:
        """Take the messages of a poison queue until all that were found have been acted on; give back what is left."""
        came_to: dict[int, Done] = {}
        wanted: dict[str, list[PoisonMessage]] = {}
        for message in found:
            wanted.setdefault(message.id, []).append(message)
        held: dict[str, Delivery] = {}
        try:
            while wanted:
                page = self._queues.receive(queue + POISON_SUFFIX, limit=RECEIVE_MESSAGES, visibility_s=TAKEN_S)
                fresh = [delivery for delivery in page if delivery.id not in held]
                held.update((delivery.id, delivery) for delivery in page)
                if not fresh:
                    break  # there are none, or only those that came again
                self._act_on_page(queue, fresh, wanted, act, held, came_to)
        finally:
            with contextlib.suppress(StoreUnavailable):  # then they are visible again by themselves
                self._search.give_back(queue, held.values())
        return came_to

    def _act_on_page(
        self,
        queue: str,
        page: Sequence[Delivery],
        wanted: dict[str, list[PoisonMessage]],
        act: Act,
        held: dict[str, Delivery],
        came_to: dict[int, Done],
    ) -> None:
        """Act on what is wanted of a page, one by one, then remove that together, also when something goes wrong."""
        acted_on: list[Delivery] = []

        def remove(delivery: Delivery) -> None:
            with contextlib.suppress(EntityChanged, EntityNotFound):  # somebody else has removed it, or will
                self._queues.delete(queue + POISON_SUFFIX, delivery)
            held.pop(delivery.id, None)

        try:
            for delivery in page:
                same = wanted.get(poison_id(queue, delivery.body))
                if same is None:
                    continue
                message = same.pop()
                if not same:
                    del wanted[message.id]
                done = came_to[id(message)] = _do(message, delivery.id, act)
                acted_on += [delivery] * done.is_done
        finally:
            self._service.outbox.each(acted_on, remove)


def _do(message: PoisonMessage, message_id: str, act: Act) -> Done:
    try:
        act(message, message_id)
    except _LEFT as exc:
        return Done(message=message, is_done=False, why_left=str(exc))
    return Done(message=message, is_done=True)


def _incoming(message: PoisonMessage, message_id: str) -> Incoming:
    assert message.message is not None  # noqa: S101 - who calls has looked
    earlier = message.deliveries if message.kept is None else 0  # under this id, which for a kept one is its row's
    return Incoming.of(message.message, message_id, 1 + (earlier or 0))
