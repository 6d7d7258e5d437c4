"""The simulated Functions host: one instance that receives, renews leases, deletes and poisons as Functions does.

Figures of the host that matter here come from host.json's `queues` section: batches of 16, `maxDequeueCount` 5, and a
new batch when half of the places are free.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from jobkit.runtime.errors import EntityChanged, EntityNotFound, StoreUnavailable
from jobkit.runtime.messages import JOBS_QUEUE, MAX_DEQUEUE_COUNT, POISON_SUFFIX, SUSPECT_COUNT, TASKS_QUEUE
from jobkit.runtime.storage.ports import Delivery, Queues

BATCH: Final = 16
LEASE_S: Final = 30.0
RENEW_EVERY_S: Final = 10.0
RETRY_VISIBILITY_S: Final = 1.0  # a failed message comes again after this, then after twice as long, and so on
POISON_RETRY_S: Final = 30.0  # a poison queue has no poison queue of its own
IDLE_WAIT_S: Final = 5.0
QUICK_S: Final = 0.05  # while messages take less than this, a whole batch is fetched, as the host does
SPREAD_S: Final = 0.002  # when nobody has taken a waiting message for so long, one more thread does
LONGEST_LOOK_S: Final = 0.016  # each look stops the thread that works; one that found all well comes later next time
TOP_UP_S: Final = 0.1  # places that stay free this long are filled although fewer than half are free
LINGER_S: Final = 0.003  # after a batch that came back short: more is on its way, and one receive can fetch it
CONTROL_THREADS: Final = 4  # for jobs and poison messages, so that long tasks never hold up planning
CONTROL_QUEUES: Final = (JOBS_QUEUE, TASKS_QUEUE + POISON_SUFFIX, JOBS_QUEUE + POISON_SUFFIX)

Handler = Callable[[str, Delivery], None]
OnError = Callable[[str, Delivery, BaseException], None]


class Waiter(Protocol):
    """Waits for work instead of polling by the clock."""

    def wait(self, queues: Sequence[str], timeout_s: float) -> None:
        """Return when a message of one of the queues may be visible, at `wake`, or after `timeout_s`."""
        ...

    def wake(self) -> None:
        """Let everything that waits return."""
        ...

    def flush(self) -> None:
        """Commit what this thread has done before it pauses; raises StoreUnavailable when that is lost."""
        ...


@dataclass(slots=True)
class _Held:
    """A message that this instance has received and not yet finished."""

    queue: str
    delivery: Delivery
    lock: threading.Lock = field(default_factory=threading.Lock)
    done: bool = False

    @property
    def is_suspect(self) -> bool:
        """Whether it may be what has killed the processes that worked on it."""
        return self.delivery.dequeue_count >= SUSPECT_COUNT


class Instance:
    """One worker process's threads. `concurrency` is how many task messages it works on at once."""

    def __init__(
        self,
        queues: Queues,
        handle: Handler,
        *,
        waiter: Waiter,
        concurrency: int,
        on_error: OnError,
        lease_s: float = LEASE_S,
        renew_every_s: float = RENEW_EVERY_S,
        max_dequeue_count: int = MAX_DEQUEUE_COUNT,
    ) -> None:
        """Take the port, what handles a message, and what waits for them."""
        self._queues = queues
        self._handle = handle
        self._waiter = waiter
        self._on_error = on_error
        self._lease_s = lease_s
        self._renew_every_s = renew_every_s
        self._max_dequeue_count = max_dequeue_count
        self._stopping = threading.Event()
        #: Whether it was stopped with messages in hand: the store may be closed under what works on them, and that is no news.
        self._is_left = False
        self._held: dict[int, _Held] = {}
        self._listeners = [
            _Listener(self, (TASKS_QUEUE,), concurrency),
            _Listener(self, CONTROL_QUEUES, CONTROL_THREADS),
        ]
        self._renewer = threading.Thread(target=self._renew, name="jobkit-leases", daemon=True)
        self._cannot_receive: StoreUnavailable | None = None
        self._cannot_handle: StoreUnavailable | None = None

    def start(self) -> None:
        """Start the threads; they are daemons and never keep the process alive."""
        self._renewer.start()
        for listener in self._listeners:
            listener.start()

    def stop(self, grace_s: float) -> int:
        """Receive nothing more and give what is held up to `grace_s`; return how many messages are still held then."""
        deadline = time.monotonic() + grace_s
        self._is_left = False  # stopped again, with more grace
        self._stopping.set()
        threads = [self._renewer, *(thread for listener in self._listeners for thread in listener.threads)]
        threads = [thread for thread in threads if thread.is_alive()]  # an interrupted start has not started all
        while threads and time.monotonic() < deadline:
            for listener in self._listeners:
                listener.wake()
            self._waiter.wake()  # each time: a thread may have been about to wait
            threads[0].join(0.02)
            threads = [thread for thread in threads if thread.is_alive()]
        self._is_left = bool(self._held)
        return len(self._held)

    @property
    def stopping(self) -> bool:
        """Whether the instance was told to stop."""
        return self._stopping.is_set()

    @property
    def broken(self) -> StoreUnavailable | None:
        """What the store, or the machine, refuses, until something has been received, or handled, again."""
        return self._cannot_receive or self._cannot_handle

    def receive(self, queues: Sequence[str], limit: int) -> list[_Held]:
        """Receive from the first of the queues that has something; it is held until `process` is done with it."""
        for queue in queues:
            deliveries = self._queues.receive(queue, limit=min(limit, BATCH), visibility_s=self._lease_s)
            self._cannot_receive = None
            if deliveries:
                held = [_Held(queue, delivery) for delivery in deliveries]
                self._held.update((id(one), one) for one in held)
                return held
        return []

    def process(self, held: _Held) -> None:
        """Handle a message, then delete it; one whose handler raises comes again or goes to the poison queue."""
        queue, delivery = held.queue, held.delivery
        poison_queue = None if queue.endswith(POISON_SUFFIX) else queue + POISON_SUFFIX
        try:
            if poison_queue is not None and delivery.dequeue_count > self._max_dequeue_count:
                self._queues.send(poison_queue, delivery.body)  # its last delivery died with its process
            else:
                self._handle(queue, delivery)
            self._finish(held, None)
            self._cannot_handle = None
        except BaseException as exc:  # noqa: BLE001 - whatever a handler raises, SystemExit too, the message comes again
            if not self._is_left:
                self._on_error(queue, delivery, exc)
            if isinstance(exc, StoreUnavailable):
                self._cannot_handle = exc
            self._fail(held, poison_queue)
        finally:
            self._held.pop(id(held), None)

    def flush(self) -> None:
        """Commit what this thread has done; what is lost comes again with its message."""
        try:
            self._waiter.flush()
        except StoreUnavailable as exc:
            self.note_broken(exc)

    def wait_for_work(self, queues: Sequence[str]) -> None:
        """Wait until a message may be there."""
        self._waiter.wait(queues, IDLE_WAIT_S)

    def note_broken(self, exc: Exception) -> None:
        """Note that the store, or the machine, refuses; `broken` says so from now on."""
        if not isinstance(exc, StoreUnavailable):
            exc = StoreUnavailable(store="local", reason=f"{type(exc).__name__}: {exc}")
        self._cannot_receive = exc

    def _fail(self, held: _Held, poison_queue: str | None) -> None:
        try:
            if poison_queue is None:
                self._finish(held, POISON_RETRY_S)
            elif held.delivery.dequeue_count < self._max_dequeue_count:
                self._finish(held, RETRY_VISIBILITY_S * 2.0 ** (held.delivery.dequeue_count - 1))
            else:
                self._queues.send(poison_queue, held.delivery.body)
                self._finish(held, None)
        except Exception as exc:  # noqa: BLE001 - its lease runs out and it comes again
            self.note_broken(exc)

    def _finish(self, held: _Held, visibility_s: float | None) -> None:
        """Delete the message, or make it visible again after `visibility_s`, unless somebody else has it by now."""
        with held.lock:
            held.done = True
            try:
                if visibility_s is None:
                    self._queues.delete(held.queue, held.delivery)
                else:
                    self._queues.extend(held.queue, held.delivery, visibility_s=visibility_s)
            except (EntityChanged, EntityNotFound):
                return  # a newer delivery does the rest

    def _renew(self) -> None:
        """Renew the leases of what is held, until the instance stops and nothing is held any more."""
        due = time.monotonic() + self._renew_every_s
        while not self._stopping.wait(max(0.0, due - time.monotonic())) or self._held:
            if time.monotonic() < due:
                time.sleep(0.005)  # stopping: whatever still runs keeps its lease until it ends
                continue
            due = time.monotonic() + self._renew_every_s
            for held in list(self._held.values()):
                self._renew_one(held)

    def _renew_one(self, held: _Held) -> None:
        with held.lock:
            if held.done:
                return
            try:
                held.delivery = self._queues.extend(held.queue, held.delivery, visibility_s=self._lease_s)
            except (EntityChanged, EntityNotFound):
                held.done = True  # lost; recording finds that out
            except Exception as exc:  # noqa: BLE001 - the next time may be better; this thread must live
                self.note_broken(exc)


class _Listener:
    """Threads that share the receiving from some queues: whoever finds too little in flight fetches for all.

    A thread that has just ended a message goes on with the next one; another one joins in only when nobody has taken a
    message for SPREAD_S, and leaves again when its messages take less than that. So tasks of no work stay on one thread
    and waste no time on handing over, and longer ones have all threads within some 30 ms.

    Careful at first, and after a message that has been delivered often: then messages are fetched one by one, and such a
    one is worked on alone, so that a task that kills its process takes no other one with it into the poison queue.
    """

    def __init__(self, instance: Instance, queues: Sequence[str], threads: int) -> None:
        self._instance = instance
        self._queues = queues
        self._size = threads
        self._threshold = threads // 2
        self._changed = threading.Condition()
        self._buffer: deque[_Held] = deque()
        self._busy = 0
        self._taken_at = 0.0
        self._look_s = SPREAD_S
        self._receiving = False
        self._watched = False
        self._topped_up = False
        self._short = False
        self._quick = False
        self._careful = True
        self._alone = False
        self.threads = [
            threading.Thread(target=self._work, name=f"jobkit-{queues[0]}-{n}", daemon=True) for n in range(threads)
        ]

    def start(self) -> None:
        for thread in self.threads:
            thread.start()

    def wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _work(self) -> None:
        eager = False
        while (held := self._next(eager=eager)) is not None:
            started = time.monotonic()
            try:
                self._instance.process(held)
            finally:
                seconds = time.monotonic() - started
                with self._changed:
                    self._busy -= 1
                    if self._alone:
                        self._alone = False
                        self._changed.notify_all()
                    self._quick = seconds < QUICK_S
                    eager = seconds >= SPREAD_S or self._busy == 0
        self._instance.flush()

    def _next(self, *, eager: bool) -> _Held | None:
        """Return a message to work on; None when the instance stops."""
        while True:
            with self._changed:
                while not self._is_due(eager=eager):
                    if self._instance.stopping and not self._buffer:
                        return None
                    self._idle()
                    eager = False
                if self._buffer:
                    self._busy += 1
                    self._taken_at = time.monotonic()
                    self._call_a_watcher()
                    self._alone = self._buffer[0].is_suspect
                    return self._buffer.popleft()
                self._receiving = True
                # Long tasks are fetched one for each free thread, so that none waits here while another instance is idle.
                wanted = max(BATCH, self._size - self._busy) if self._quick else self._size - self._busy
                if self._careful:
                    wanted = 1
            self._receive(wanted)
            eager = True

    def _is_due(self, *, eager: bool) -> bool:
        """Whether this thread should take a message or fetch some; an eager one need not wait for the others."""
        waited_s = time.monotonic() - self._taken_at
        if self._alone:
            return False
        if self._buffer and self._buffer[0].is_suspect:
            return self._busy == 0
        if self._buffer:
            return eager or waited_s >= SPREAD_S
        if self._receiving or self._instance.stopping:
            return False
        return waited_s >= TOP_UP_S or (self._busy <= self._threshold and (eager or waited_s >= SPREAD_S))

    def _idle(self) -> None:
        """Wait for a call; one thread at a time looks by itself whether the others are too slow.

        Another one may look for places that stay free: for a waiting message it would sleep too long.
        """
        self._instance.flush()
        soon = bool(self._buffer) or self._busy <= self._threshold
        if self._receiving or self._watched or (self._topped_up and not soon):
            self._changed.wait()
        elif soon:
            self._watched = True
            try:
                self._changed.wait(self._look_s)
            finally:
                self._watched = False
            late = time.monotonic() - self._taken_at >= SPREAD_S
            self._look_s = SPREAD_S if late else min(2 * self._look_s, LONGEST_LOOK_S)
        else:
            self._topped_up = True
            try:
                self._changed.wait(TOP_UP_S)
            finally:
                self._topped_up = False

    def _call_a_watcher(self) -> None:
        if not self._watched:
            self._changed.notify()

    def _receive(self, wanted: int) -> None:
        found: list[_Held] = []
        try:
            if self._short and self._busy:
                self._instance.flush()
                time.sleep(LINGER_S)
            found = self._instance.receive(self._queues, wanted)
            self._short = 0 < len(found) < min(wanted, BATCH)
            if found:
                self._careful = any(held.is_suspect for held in found)
            if not found and not self._instance.stopping:
                self._instance.wait_for_work(self._queues)
        except Exception as exc:  # noqa: BLE001 - whatever it is, it may pass, and this thread must live
            self._instance.note_broken(exc)
            time.sleep(RETRY_VISIBILITY_S)
        finally:
            with self._changed:
                self._receiving = False
                self._buffer.extend(found)
                self._call_a_watcher()
