"""What can be told of a queue without taking anything: how many messages, how many of them wait, what the first ones ask for."""

from __future__ import annotations

from datetime import datetime

from .errors import MessageRefused
from .messages import Message, decode_message
from .overview import Peeked, QueueLook
from .storage.limits import RECEIVE_MESSAGES
from .storage.ports import Queues


def look_at_queue(queues: Queues, name: str) -> QueueLook:
    """Count a queue's messages and look at its first visible ones. Raises StoreUnavailable."""
    peeked = tuple(
        _peeked(each.id, each.body, each.dequeue_count, each.inserted_at)
        for each in queues.peek(name, limit=RECEIVE_MESSAGES)
    )
    return QueueLook(
        name=name,
        messages=max(queues.length(name), len(peeked)),
        peeked=peeked,
        visible_is_exact=len(peeked) < RECEIVE_MESSAGES,
    )


def _peeked(id_: str, body: str, deliveries: int, inserted_at: datetime) -> Peeked:
    message: Message | None = None
    refusal = ""
    try:
        message = decode_message(body)
    except MessageRefused as exc:
        refusal = exc.reason
    return Peeked(id=id_, body=body, message=message, refusal=refusal, deliveries=deliveries, inserted_at=inserted_at)
