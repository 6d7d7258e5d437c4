"""The leases of messages that a host holds, so that somebody else can give them up."""

from __future__ import annotations

import threading
import time
from typing import Final

from jobkit.runtime.errors import EntityChanged, EntityNotFound
from jobkit.runtime.storage.ports import Delivery, Queues

TRIES: Final = 50
PAUSE_S: Final = 0.01


class Leases:
    """Follows the receipts of some deliveries while their host renews them. Thread-safe."""

    def __init__(self, queues: Queues) -> None:
        """Give leases up on this port."""
        self._queues = queues
        self._lock = threading.Lock()
        self._held: dict[tuple[str, int], Delivery] = {}

    def hold(self, delivery: Delivery) -> None:
        """Follow this delivery."""
        with self._lock:
            self._held[_key(delivery)] = delivery

    def renewed(self, delivery: Delivery) -> None:
        """Note its new receipt; one that is not followed is left alone."""
        with self._lock:
            if _key(delivery) in self._held:
                self._held[_key(delivery)] = delivery

    def forget(self, delivery: Delivery) -> None:
        """Follow it no more."""
        with self._lock:
            self._held.pop(_key(delivery), None)

    def release(self, queue: str, delivery: Delivery) -> bool:
        """Make the message visible to others at once, as the local store does when a process is found dead.

        False when that can't be done: somebody else has it by now, or it is gone. Raises StoreUnavailable.
        """
        for _ in range(TRIES):
            with self._lock:
                held = self._held[_key(delivery)]
            try:
                self._queues.extend(queue, held, visibility_s=0)
            except EntityNotFound:
                return False
            except EntityChanged:  # perhaps it has just been renewed, and that is still to be noted
                time.sleep(PAUSE_S)
            else:
                return True
        return False


def _key(delivery: Delivery) -> tuple[str, int]:
    return delivery.id, delivery.dequeue_count
