"""What can be told of a queue without taking anything: how many messages, how many of them wait, what the first ones ask for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from .errors import MessageRefused
from .messages import Message, decode_message
from .storage.ports import Queues

MOST_PEEKED: Final = 32  # what one call may look at


@dataclass(frozen=True, slots=True, kw_only=True)
class Peeked:
    """One visible message. `message` is None for a foreign one, whose `refusal` says why it was not understood."""

    id: str
    body: str
    message: Message | None
    refusal: str
    deliveries: int
    inserted_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLook:
    """A queue at one moment. `messages` is the store's count, hidden ones included; Azure calls its own approximate."""

    name: str
    messages: int
    peeked: tuple[Peeked, ...]

    @property
    def visible_is_exact(self) -> bool:
        """Whether all visible messages have been seen; else there may be more of them."""
        return len(self.peeked) < MOST_PEEKED

    @property
    def visible(self) -> int:
        """How many messages wait for somebody to take them: so many at least."""
        return len(self.peeked)

    @property
    def hidden(self) -> int:
        """How many messages are in flight, or delayed: about so many, and at most, if more are visible than were seen."""
        return max(0, self.messages - self.visible)

    @property
    def oldest_at(self) -> datetime | None:
        """When the oldest of the visible messages that were seen was sent."""
        return min((each.inserted_at for each in self.peeked), default=None)


def look_at_queue(queues: Queues, name: str) -> QueueLook:
    """Count a queue's messages and look at its first visible ones. Raises StoreUnavailable."""
    peeked = tuple(
        _peeked(each.id, each.body, each.dequeue_count, each.inserted_at)
        for each in queues.peek(name, limit=MOST_PEEKED)
    )
    return QueueLook(name=name, messages=max(queues.length(name), len(peeked)), peeked=peeked)


def _peeked(id_: str, body: str, deliveries: int, inserted_at: datetime) -> Peeked:
    message: Message | None = None
    refusal = ""
    try:
        message = decode_message(body)
    except MessageRefused as exc:
        refusal = exc.reason
    return Peeked(id=id_, body=body, message=message, refusal=refusal, deliveries=deliveries, inserted_at=inserted_at)
