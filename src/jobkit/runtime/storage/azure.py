"""The azure store: both ports on one storage account, with what an instance outside Functions needs around them."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from .azure_account import Account
from .azure_queues import AzureQueues
from .azure_tables import AzureTables
from .ports import Delivery, Store

Item = TypeVar("Item")

SHORTEST_POLL_S: Final = 0.1
LONGEST_POLL_S: Final = 2.0  # as `maxPollingInterval` of host.json
SENDERS: Final = 16


class AzureStore:
    """An open azure store. Queues tell nobody that they have something: who waits polls, more and more seldom.

    Attributes:
        tables: The port for rows.
        queues: The port for messages.
        store: Both.
        together: Nothing is held back here: a context that does nothing.
    """

    def __init__(self, account: Account, *, hub: str) -> None:
        """Make the clients; nothing is asked of the account yet."""
        self.tables = AzureTables(account.table_service(), hub=hub)
        self.queues = _PolledQueues(account.queue_service(), account.queue_service(retries=False), hub=hub)
        self.store = Store(self.tables, self.queues)
        self.together: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext
        self._pool = ThreadPoolExecutor(SENDERS, thread_name_prefix="jobkit-send")
        self._interrupted = threading.Event()

    def each(self, items: Iterable[Item], do: Callable[[Item], None]) -> None:
        """Do all items, up to 16 at a time, each taken when one before it is done.

        Raises what the first that failed raised, once none is being done any more; those after it are not begun.
        """
        begun: deque[Future[None]] = deque()
        try:
            for item in items:
                if len(begun) == SENDERS:
                    begun.popleft().result()
                begun.append(self._pool.submit(do, item))
            while begun:
                begun.popleft().result()
        finally:
            for future in begun:
                future.cancel()
            wait(begun)

    def wait(self, queues: Sequence[str], timeout_s: float) -> None:  # noqa: ARG002 - all are polled alike
        """Return when it is time to ask again, at `wake`, or after `timeout_s`."""
        self._interrupted.wait(min(timeout_s, self.queues.next_pause_s()))

    def wake(self) -> None:
        """Let all who wait return."""
        self._interrupted.set()

    def flush(self) -> None:
        """Do nothing: every call was carried out when it returned."""

    def close(self) -> None:
        """Let all who wait return, and end the threads that send."""
        self.wake()
        self._pool.shutdown(wait=False)

    def __enter__(self) -> Self:
        """Return the store itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the store."""
        self.close()


class _PolledQueues(AzureQueues):
    """Queues that know how long nothing was received."""

    def __init__(self, *services: Any, hub: str) -> None:
        super().__init__(*services, hub=hub)
        self._pause_s = SHORTEST_POLL_S

    def receive(self, queue: str, *, limit: int, visibility_s: float) -> list[Delivery]:
        found = super().receive(queue, limit=limit, visibility_s=visibility_s)
        if found:
            self._pause_s = SHORTEST_POLL_S
        return found

    def next_pause_s(self) -> float:
        """Return how long to wait before the next receive: twice as long as before, if that found nothing."""
        pause_s = self._pause_s
        self._pause_s = min(2 * pause_s, LONGEST_POLL_S)
        return pause_s
