"""Faults in a real run: workers that die or lose their leases over a task, messages that come twice, a store that fails.

All of it happens through the ports, to the messages of one job, and only at the first deliveries of a message: so a
job ends as it would have without, if its tasks may run twice.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from jobkit.runtime.errors import MessageRefused, StoreUnavailable
from jobkit.runtime.execution import describe_exception
from jobkit.runtime.messages import POISON_SUFFIX, TASKS_QUEUE, Kind, Message, decode_message
from jobkit.runtime.registry import Registry
from jobkit.runtime.repository import Repository
from jobkit.runtime.service import Service, ref_of
from jobkit.runtime.storage.ports import Delivery, Store

from .chaos_log import Came, ChaosLog
from .leases import Leases
from .ports import Call, around_calls
from .shares import Disturbance, Shares
from .watched import Run, WatchedJobs

T = TypeVar("T")

DISTURBED_DELIVERIES: Final = 2  # of one message: three more are left before it is poison
WAIT_FOR_OTHER_S: Final = 30.0  # how long one that has lost its lease lets another one begin
WAITING: Final = 512  # so many may wait for that at a time
LOOK_S: Final = 0.25  # how often one that waits looks whether another process has taken the task over

Handler = Callable[[str, Delivery], None]


class InjectedError(StoreUnavailable):
    """Raised where chaos lets a call fail."""

    def __init__(self, *, done: bool) -> None:
        """Tell whether the call was done all the same."""
        super().__init__(store="chaos", reason=f"injected, the call was {'done' if done else 'not done'}")


class _Died(BaseException):
    """Ends the handling of a message as the death of its process would: nothing more reaches the ports."""


@dataclass(slots=True)
class _Handling:
    """A delivery that a thread works on."""

    queue: str
    delivery: Delivery
    message: Message
    kill: bool
    late: bool
    calls: int = 0
    dead: bool = False
    disturbed: bool = False
    came: list[tuple[Run, Came]] = field(default_factory=list[tuple[Run, Came]])
    raised: BaseException | None = None
    #: Set when its lease is lost, or everything is done.
    decided: threading.Event = field(default_factory=threading.Event)
    lost: bool = False

    @property
    def key(self) -> tuple[str, int]:
        return self.delivery.id, self.delivery.dequeue_count


class Chaos:
    """Disturbs one job in one process. `store` has the ports to work on."""

    def __init__(self, shares: Shares, *, job_id: str, store: Store, log: ChaosLog, flush: Callable[[], None]) -> None:
        """Disturb what is done for this job on this store; `flush` commits what a thread has left open."""
        self.store = around_calls(store, self._around_call)
        self._shares = shares
        self._job_id = job_id
        self._repository = Repository(store.tables)
        self._log = log
        self._flush = flush
        self._thread = threading.local()
        self._lock = threading.Lock()
        self._leases = Leases(store.queues)
        self._taken_over: dict[tuple[str, int], threading.Event] = {}  # by a message's id and delivery
        self._waiting = threading.Semaphore(WAITING)
        self._late: set[threading.Thread] = set()
        self._closing = threading.Event()

    def watch(self, service: Service, registry: Registry) -> None:
        """Let the service's tasks run under observation."""
        service.jobs = WatchedJobs(service.repository, registry, self._around_code)

    def handler(self, handle: Handler) -> Handler:
        """Return a handler that disturbs what `handle` does."""

        def disturbed(queue: str, delivery: Delivery) -> None:
            message = self._own(queue, delivery)
            if message is None:
                return handle(queue, delivery)
            handling = self._begin(queue, delivery, message)
            if handling.late and self._waiting.acquire(blocking=False):
                return self._handle_apart(handle, handling)
            return self._handle(handle, handling)

        return disturbed

    def finish(self, grace_s: float) -> int:
        """Wait for those that have lost their leases; return how many still run after `grace_s`."""
        deadline = time.monotonic() + grace_s
        for thread in self._running():
            thread.join(max(0.0, deadline - time.monotonic()))
        self._closing.set()
        return len(self._running())

    def _running(self) -> list[threading.Thread]:
        with self._lock:
            return list(self._late)

    # A message

    def _own(self, queue: str, delivery: Delivery) -> Message | None:
        """Return the job's message that may be disturbed; None for any other."""
        if queue.endswith(POISON_SUFFIX):
            return None
        try:
            message = decode_message(delivery.body)
        except MessageRefused:
            return None
        return message if message.job_id == self._job_id else None

    def _begin(self, queue: str, delivery: Delivery, message: Message) -> _Handling:
        facts = (message.stage, message.first, message.attempt, delivery.dequeue_count)
        may = message.kind is Kind.TASK and delivery.dequeue_count <= DISTURBED_DELIVERIES
        kill = may and self._shares.choose(Disturbance.KILL, *facts)
        late = may and not kill and self._shares.choose(Disturbance.LATE, *facts)
        handling = _Handling(queue=queue, delivery=delivery, message=message, kill=kill, late=late)
        if kill or late:
            self._leases.hold(delivery)
        return handling

    def _handle(self, handle: Handler, handling: _Handling) -> None:
        self._thread.handling = handling
        try:
            handle(handling.queue, handling.delivery)
        except _Died:
            if handling.kill and not self._leases.release(handling.queue, handling.delivery):
                raise InjectedError(done=False) from None  # or its message would be deleted
        finally:
            self._thread.handling = None
            self._leases.forget(handling.delivery)
            with self._lock:
                self._taken_over.pop(handling.key, None)
            if handling.disturbed or handling.delivery.dequeue_count > 1:
                for run, came in handling.came:
                    self._log.run(run.number, run.task.index, run.task.attempt, came)

    def _handle_apart(self, handle: Handler, handling: _Handling) -> None:
        """Let a thread of its own handle the message, and give its lease away once it has claimed the task."""

        def work() -> None:
            try:
                self._handle(handle, handling)
                self._flush()
            except BaseException as exc:  # noqa: BLE001 - told below, or lost: its lease is another one's by then
                handling.raised = exc
            finally:
                handling.decided.set()
                self._waiting.release()
                with self._lock:
                    self._late.discard(thread)

        thread = threading.Thread(target=work, name="jobkit-late", daemon=True)
        with self._lock:
            self._late.add(thread)
        thread.start()
        handling.decided.wait()
        if handling.lost:
            return
        thread.join()
        if handling.raised is not None:
            raise handling.raised

    # A task's code

    def _around_code(self, run: Run) -> Any:
        handling: _Handling | None = getattr(self._thread, "handling", None)
        if handling is None or run.job_id != self._job_id:
            return run.code()
        message_id, number = handling.key
        with self._lock:
            earlier = [self._taken_over.get((message_id, before)) for before in range(1, number)]
        for waiting in earlier:
            if waiting is not None:
                waiting.set()
        if handling.late and not handling.lost:
            self._lose_lease(handling)
        try:
            value = run.code()
            came = Came.of(run.stage.result_codec.encode(value, what="what the task returned"))
            handling.came.append((run, came))
        except StoreUnavailable:  # the task has come to nothing
            raise
        except BaseException as exc:
            failure = describe_exception(exc)
            handling.came.append((run, Came.of(f"raised {failure.type}: {failure.message}")))
            if not handling.kill:
                raise
            value = None
        if handling.kill:
            if not handling.dead:
                self._note(handling, Disturbance.KILL)
            raise self._die(handling)
        return value

    def _lose_lease(self, handling: _Handling) -> None:
        """Give the message away; go on when another one has taken the task over, or nobody does so in time."""
        taken_over = threading.Event()
        with self._lock:
            self._taken_over[handling.key] = taken_over
        if not self._leases.release(handling.queue, handling.delivery):
            return
        self._note(handling, Disturbance.LATE)
        handling.lost = True
        handling.decided.set()
        if threading.current_thread() not in self._running():
            return  # too many wait already
        deadline = time.monotonic() + WAIT_FOR_OTHER_S
        while not taken_over.wait(LOOK_S) and time.monotonic() < deadline:
            task = self._repository.find_task(ref_of(handling.message))
            if task is None or task.owner is None or task.status.ended or task.owner.delivery > handling.key[1]:
                return
            if self._closing.is_set():
                raise self._die(handling)

    def _die(self, handling: _Handling) -> BaseException:
        handling.dead = True
        return _Died()

    def _note(self, handling: _Handling, kind: Disturbance) -> None:
        handling.disturbed = True
        self._log.fault(kind)

    # A call of a port

    def _around_call(self, call: Call, do: Callable[[], T]) -> T:
        handling: _Handling | None = getattr(self._thread, "handling", None)
        if handling is None:
            return self._keep_receipt(do)
        if handling.dead:
            raise _Died
        if handling.delivery.dequeue_count <= DISTURBED_DELIVERIES:
            self._maybe_fail(handling, call, do)
        result = do()
        if call.verb == "send" and call.place == TASKS_QUEUE:
            self._maybe_send_again(call, do)
        return result

    def _maybe_fail(self, handling: _Handling, call: Call, do: Callable[[], object]) -> None:
        """Raise in place of the call, or after it, where the seed says so."""
        handling.calls += 1
        message = handling.message
        where = (message.kind, message.stage, message.first, message.size, message.attempt)
        facts = (*where, handling.delivery.dequeue_count, handling.calls)
        if not self._shares.choose(Disturbance.ERROR, *facts):
            return
        self._note(handling, Disturbance.ERROR)
        done = not call.reads and self._shares.random("done", *facts) < 0.5
        if done:
            do()
        raise InjectedError(done=done)

    def _maybe_send_again(self, call: Call, do: Callable[[], object]) -> None:
        message = decode_message(call.body)
        if message.job_id == self._job_id and self._shares.choose(
            Disturbance.DUPLICATE, message.stage, message.first, message.attempt
        ):
            self._log.fault(Disturbance.DUPLICATE)
            do()

    def _keep_receipt(self, do: Callable[[], T]) -> T:
        """Do a call of the host's own, and keep the receipt that a renewed lease has got."""
        result = do()
        if isinstance(result, Delivery):
            self._leases.renewed(result)
        return result
