"""The queues port on Azure Storage Queues (and Azurite). Bodies are base64, as Functions' `messageEncoding` says."""

from __future__ import annotations

import base64
import binascii
import contextlib
import math
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from azure.core.exceptions import ResourceExistsError
from azure.storage.queue import QueueMessage, QueueServiceClient

from . import limits
from .azure_errors import ContainerMissing, mapped_errors, place_of
from .ports import Delivery

T = TypeVar("T")


class AzureQueues:
    """Queues of one hub: their names are the hub's, a hyphen and their own. Thread-safe.

    `once` is a client that tries no call twice: what is sent must not be in the queue twice under one key.
    """

    def __init__(self, service: QueueServiceClient, once: QueueServiceClient, *, hub: str) -> None:
        """Work on an account; queues are made when they are first found missing."""
        self._service: Any = service  # the SDK is typed in part
        self._once: Any = once
        self._hub = hub
        self._place = place_of(str(self._service.url))
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, bool], Any] = {}

    def send(self, queue: str, body: str, *, delay_s: float = 0.0) -> None:
        """Add a message that becomes visible after `delay_s`; tried once."""
        limits.check_message(body, delay_s)
        text = base64.b64encode(body.encode()).decode()
        delay = math.ceil(delay_s) or None
        self._on(queue, "", lambda c: c.send_message(text, visibility_timeout=delay, time_to_live=-1), once=True)

    def receive(self, queue: str, *, limit: int, visibility_s: float) -> list[Delivery]:
        """Take up to `limit` visible messages; nobody else gets them for `visibility_s`, rounded up to seconds."""
        limits.check_receive(limit)
        seconds = max(1, math.ceil(visibility_s))

        def fetch(client: Any) -> list[QueueMessage]:
            found = client.receive_messages(messages_per_page=limit, visibility_timeout=seconds)
            return list(next(found.by_page(), ()))

        return [_delivery(message) for message in self._on(queue, "", fetch, once=True)]

    def extend(self, queue: str, delivery: Delivery, *, visibility_s: float) -> Delivery:
        """Hide a received message for `visibility_s` from now; return it with its new receipt."""
        seconds = math.ceil(visibility_s)
        found = self._on(
            queue,
            delivery.id,
            lambda c: c.update_message(delivery.id, delivery.receipt, visibility_timeout=seconds),
        )
        return Delivery(
            id=delivery.id,
            body=delivery.body,
            dequeue_count=delivery.dequeue_count,
            receipt=str(found.pop_receipt),
            inserted_at=delivery.inserted_at,
            visible_at=_time(found.next_visible_on, delivery.visible_at),
        )

    def delete(self, queue: str, delivery: Delivery) -> None:
        """Remove a received message."""
        self._on(queue, delivery.id, lambda c: c.delete_message(delivery.id, delivery.receipt))

    def peek(self, queue: str, *, limit: int) -> list[Delivery]:
        """Look at up to `limit` visible messages without taking them."""
        limits.check_receive(limit)
        return [_delivery(message) for message in self._on(queue, "", lambda c: c.peek_messages(max_messages=limit))]

    def length(self, queue: str) -> int:
        """Count the messages of a queue, hidden ones included (the service's count, which it calls approximate)."""
        return int(self._on(queue, "", lambda c: c.get_queue_properties()).approximate_message_count or 0)

    # how a call is made

    def _on(self, queue: str, message: str, call: Callable[[Any], T], *, once: bool = False) -> T:
        """Make a call; a queue that is missing is made, and the call done again."""
        try:
            with mapped_errors(self._place, queue, queue, message):
                return call(self._client(queue, once=once))
        except ContainerMissing:
            self._create(queue)
        with mapped_errors(self._place, queue, queue, message):
            return call(self._client(queue, once=once))

    def _client(self, queue: str, *, once: bool) -> Any:
        client = self._clients.get((queue, once))
        if client is None:
            service = self._once if once else self._service
            with self._lock:
                made = service.get_queue_client(f"{self._hub}-{queue}")
                client = self._clients.setdefault((queue, once), made)
        return client

    def _create(self, queue: str) -> None:
        with mapped_errors(self._place, queue), contextlib.suppress(ResourceExistsError):
            self._service.create_queue(f"{self._hub}-{queue}")


def _delivery(message: QueueMessage) -> Delivery:
    return Delivery(
        id=str(message.id),
        body=_decode(str(message.content)),
        dequeue_count=int(message.dequeue_count or 0),
        receipt=str(message.pop_receipt or ""),
        inserted_at=_time(message.inserted_on, None),
        visible_at=_time(message.next_visible_on, message.inserted_on),
    )


def _decode(text: str) -> str:
    """Read a body; a foreign message that is no base64 of UTF-8 is handed on as it is, to be refused by name."""
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, ValueError):
        return text


def _time(value: Any, otherwise: Any) -> Any:
    return value if value is not None else otherwise
