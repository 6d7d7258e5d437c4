"""From a delivered queue message to the function of the service that it asks for."""

from __future__ import annotations

from typing import Final

from .batches import Batches
from .errors import LimitExceeded, MessageRefused, RowDamaged
from .messages import JOBS_QUEUE, POISON_SUFFIX, TASKS_QUEUE, Incoming, Kind, decode_message_of
from .poisoned import Poisoned
from .reopening import Reopening
from .service import Service
from .settling import Settling
from .storage.ports import Delivery
from .turns import Gate, step_aside

#: Every queue of a hub, in the order in which an instance should look at them.
QUEUES: Final = (JOBS_QUEUE, TASKS_QUEUE, JOBS_QUEUE + POISON_SUFFIX, TASKS_QUEUE + POISON_SUFFIX)
#: What runs users' code, and may kill its process.
_GATED: Final = (Kind.TASK, Kind.PLAN, Kind.COMPLETE)


class Processing:
    """Handles the messages of all queues. A handler that returns has done all: the message can be deleted.

    One that raises has not: the message must come again, and after `maxDequeueCount` deliveries move to the poison
    queue.
    """

    def __init__(self, service: Service, *, gate: Gate | None = None) -> None:
        """Route to this service, through the gate of the process; without one nothing in it waits."""
        self.service = service
        self._gate = gate
        self._batches = Batches(service)
        self._settling = Settling(service)
        self._poisoned = Poisoned(service, self._settling)
        self._reopening = Reopening(service)

    def handle(self, queue: str, delivery: Delivery) -> None:
        """Do what a message asks for. Raises MessageRefused for one that is not ours, StoreUnavailable, HookFailed."""
        poisoned = queue.endswith(POISON_SUFFIX)
        try:
            message = decode_message_of(queue, delivery.body)
        except MessageRefused as exc:
            if not poisoned:
                raise
            return self._poisoned.refused(queue, delivery, exc)
        incoming = Incoming.of(message, delivery.id, delivery.dequeue_count)
        if poisoned:
            try:
                return self._poisoned.handle(queue.removesuffix(POISON_SUFFIX), incoming)
            except (LimitExceeded, RowDamaged) as exc:
                # No redelivery can help, and a poison queue has no poison queue of its own.
                return self._poisoned.refused(queue, delivery, exc)
        if self._gate is None or message.kind not in _GATED:
            return self._route(incoming)
        with self._gate.enter(incoming) as is_its_turn:
            if is_its_turn:
                return self._route(incoming)
        return step_aside(self.service.outbox, queue, incoming, delay_s=self._gate.patience_s)

    def _route(self, incoming: Incoming) -> None:
        match incoming.message.kind:
            case Kind.TASK if incoming.message.size > 1:
                self._batches.batch(incoming)
            case Kind.TASK:
                self.service.task(incoming)
            case Kind.PLAN:
                self.service.plan(incoming)
            case Kind.DISPATCH:
                self.service.dispatch_range(incoming)
            case Kind.COMPLETE:
                self.service.complete_job(incoming)
            case Kind.STOP:
                self._settling.stop(incoming)
            case Kind.CANCEL:
                self._settling.cancel(incoming)
            case Kind.REOPEN:
                self._reopening.reopen(incoming)
            case Kind.SETTLE:
                self._settling.settle_range(incoming)
