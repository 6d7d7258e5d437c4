"""A queue trigger's listener, with the semantics of the extension `Microsoft.Azure.WebJobs.Extensions.Storage.Queues`.

From its `QueueListener` and `QueueProcessor`: a batch is received for ten minutes and each message handled on its own;
a new batch comes when no more than `newBatchThreshold` are in progress. What was handled is deleted; what failed is
visible again after `visibilityTimeout`, or moved to `<queue>-poison` after `maxDequeueCount` deliveries. A poison queue
has no poison queue: there a failed message stays hidden for the ten minutes, and one that was delivered more than
`maxDequeueCount` times reaches no function any more. Text that is no base64 is moved at once, and in a poison queue never
reaches a function. A listener waits twice as long after each look that found nothing.

Left out: no test lasts so long that a lease of ten minutes must be renewed.
"""

from __future__ import annotations

import base64
import binascii
import json
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError
from azure.storage.queue import QueueMessage, QueueServiceClient

from functions_host.worker_process import InvocationFailed, Value

LEASE_S = 600
FIRST_WAIT_S = 0.1
POISON = "-poison"

Invoke = Callable[[str, dict[str, Value]], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueOptions:
    """`extensions.queues` of host.json, with its defaults."""

    batch_size: int = 16
    new_batch_threshold: int = 8
    longest_wait_s: float = 60.0
    visibility_s: float = 0.0
    max_dequeue_count: int = 5
    base64: bool = True

    @staticmethod
    def read(host: Mapping[str, Any]) -> QueueOptions:
        """Read them from the document."""
        found = host.get("extensions", {}).get("queues", {})
        batch_size = found.get("batchSize", 16)
        return QueueOptions(
            batch_size=batch_size,
            new_batch_threshold=found.get("newBatchThreshold", batch_size // 2),
            longest_wait_s=_seconds(found.get("maxPollingInterval", "00:01:00")),
            visibility_s=_seconds(found.get("visibilityTimeout", "00:00:00")),
            max_dequeue_count=found.get("maxDequeueCount", 5),
            base64=found.get("messageEncoding", "base64").lower() == "base64",
        )


class QueueListener:
    """Feeds one function from one queue, in threads of its own."""

    def __init__(
        self,
        service: QueueServiceClient,
        queue: str,
        options: QueueOptions,
        invoke: Invoke,
        *,
        on_poison: Callable[[str], None],
        warn: Callable[[str], None],
    ) -> None:
        self._service: Any = service
        self._client: Any = service.get_queue_client(queue)
        self.queue = queue
        self._options = options
        self._invoke = invoke
        self._on_poison = on_poison
        self._warn = warn
        self._has_poison = not queue.endswith(POISON) and len(queue + POISON) <= 63
        self._changed = threading.Condition()
        self._stopping = False
        self._notified = False
        self._running = 0
        self._pool = ThreadPoolExecutor(options.batch_size + options.new_batch_threshold, thread_name_prefix=queue)
        self._thread = threading.Thread(target=self._listen, name=queue, daemon=True)

    def start(self) -> None:
        """Start to listen."""
        self._thread.start()

    def notify(self) -> None:
        """Look at once: something was sent."""
        with self._changed:
            self._notified = True
            self._changed.notify_all()

    def stop(self) -> None:
        """Receive nothing more, and wait for what is in progress."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join()
        self._pool.shutdown()

    def _listen(self) -> None:
        wait_s = FIRST_WAIT_S
        while not self._stopping:
            messages = self._receive()
            if not messages:
                with self._changed:
                    self._changed.wait_for(lambda: self._stopping or self._notified, wait_s)
                    self._notified = False
                wait_s = min(2 * wait_s, self._options.longest_wait_s)
                continue
            wait_s = FIRST_WAIT_S
            with self._changed:
                self._running += len(messages)
            for message in messages:
                self._pool.submit(self._process, message)
            with self._changed:
                self._changed.wait_for(lambda: self._running <= self._options.new_batch_threshold)

    def _receive(self) -> list[QueueMessage]:
        try:
            found = self._client.receive_messages(
                messages_per_page=self._options.batch_size, visibility_timeout=LEASE_S
            )
            return list(next(found.by_page(), ()))
        except ResourceNotFoundError:  # it is made by whoever sends first
            return []
        except AzureError as exc:
            if not self._stopping:
                self._warn(f"{self.queue}: {exc}")
            return []

    def _process(self, message: QueueMessage) -> None:
        try:
            self._handle(message)
        except Exception as exc:  # noqa: BLE001 - the listener lives on, as the host does
            self._warn(f"{self.queue}: {type(exc).__name__}: {exc}")
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    def _handle(self, message: QueueMessage) -> None:
        content = str(message.content)
        try:
            body = base64.b64decode(content, validate=True) if self._options.base64 else content.encode()
        except (binascii.Error, ValueError):
            self._warn(f"{self.queue}: Message decoding has failed! Check MessageEncoding settings. {message.id}")
            self._poison(message)
            return
        if message.dequeue_count > self._options.max_dequeue_count:
            self._poison(message)  # its last delivery ended with the machine; in a poison queue it is left there
            return
        try:
            text = body.decode()  # what is no text can't be bound
            self._invoke(text, trigger_metadata(message, text))
        except (InvocationFailed, UnicodeDecodeError):
            if not self._has_poison:
                return
            if message.dequeue_count >= self._options.max_dequeue_count:
                self._poison(message)
            else:
                self._settle(message, lambda: self._release(message))
        else:
            self._settle(message, lambda: self._client.delete_message(message.id, message.pop_receipt))

    def _release(self, message: QueueMessage) -> None:
        self._client.update_message(message.id, message.pop_receipt, visibility_timeout=int(self._options.visibility_s))

    def _poison(self, message: QueueMessage) -> None:
        if not self._has_poison:
            return
        poison = self.queue + POISON
        self._warn(
            f"Message has reached MaxDequeueCount of {self._options.max_dequeue_count}. Moving message to queue '{poison}'."
        )
        client = self._service.get_queue_client(poison)
        try:
            client.send_message(message.content)
        except ResourceNotFoundError:
            client.create_queue()
            client.send_message(message.content)
        self._on_poison(poison)
        self._settle(message, lambda: self._client.delete_message(message.id, message.pop_receipt))

    def _settle(self, message: QueueMessage, do: Callable[[], object]) -> None:
        try:
            do()
        except HttpResponseError as exc:
            if exc.status_code not in (400, 404):
                raise
            self._warn(f"{self.queue}: {message.id} is somebody else's by now")


def trigger_metadata(message: QueueMessage, text: str) -> dict[str, Value]:
    """Return the binding data: those of the trigger and, over them, the fields of a message that is a JSON object."""
    found: dict[str, Value] = {
        "QueueTrigger": ("string", text),
        "DequeueCount": ("json", json.dumps(message.dequeue_count)),
        "ExpirationTime": ("json", json.dumps(_time(message.expires_on))),
        "Id": ("string", message.id),
        "InsertionTime": ("json", json.dumps(_time(message.inserted_on))),
        "NextVisibleTime": ("json", json.dumps(_time(message.next_visible_on))),
        "PopReceipt": ("string", message.pop_receipt),
    }
    names = {name.lower(): name for name in found}
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return found
    for name, value in document.items() if isinstance(document, dict) else ():
        if value is None or isinstance(value, list):
            continue
        kept = names.setdefault(name.lower(), name)  # whatever the case
        found[kept] = ("json", json.dumps(value)) if isinstance(value, dict) else ("string", _text(value))
    return found


def _text(value: object) -> str:
    return value if isinstance(value, str) else str(value)


def _time(value: Any) -> str:
    return value.isoformat() if value is not None else "9999-12-31T23:59:59.9999999+00:00"


def _seconds(text: str) -> float:
    """Read a time span of .NET."""
    hours, minutes, seconds = text.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
