"""Several instances of several threads at once, with leases that run out and messages that come twice."""

from __future__ import annotations

import contextlib
import random
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clocks import ManualClock
from driver import LEASE_S, Driver, new_store
from faulty import Faulty
from invariants import check_invariants, outcome
from jobkit.runtime.errors import EntityChanged, EntityNotFound, StoreUnavailable
from jobkit.runtime.events import Action
from jobkit.runtime.messages import TASKS_QUEUE
from jobkit.runtime.processing import QUEUES
from jobkit.runtime.storage.ports import Store
from samples import one_stage, two_stages

INSTANCES = 4
THREADS = 2


class Instance:
    """One process: a service of its own, and threads that receive for it."""

    def __init__(self, store: Store, clock: ManualClock, controller: Any, seed: int) -> None:
        self.driver = Driver(store, [controller], clock=clock, rng=random.Random(seed), worker=f"instance-{seed}")
        self.failures: list[BaseException] = []
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self.work, args=(1_000 * seed + n,)) for n in range(THREADS)]

    def work(self, seed: int) -> None:
        rng = random.Random(seed)
        try:
            while not self.stop.is_set():
                if not self.one(rng):
                    if not any(self.driver.store.queues.length(queue) for queue in QUEUES):
                        return
                    self.driver.clock.advance(0.1)
                    self.stop.wait(0.001)
        except BaseException as failure:
            self.failures.append(failure)
            raise

    def one(self, rng: random.Random) -> bool:
        """Receive one message and handle it, perhaps twice, perhaps without holding on to it."""
        queues = self.driver.store.queues
        for queue in rng.sample(QUEUES, len(QUEUES)):
            lease_s = 0.0 if rng.random() < 0.1 else LEASE_S  # 0: another thread may have it while this one works
            for delivery in queues.receive(queue, limit=1, visibility_s=lease_s):
                if rng.random() < 0.05:
                    queues.send(queue, delivery.body, delay_s=rng.choice([0, 1, 100]))
                self.driver.processing.handle(queue, delivery)
                with contextlib.suppress(EntityChanged, EntityNotFound):
                    queues.delete(queue, delivery)
                return True
        return False


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_four_instances_of_two_threads_record_each_of_300_tasks_once(tmp_path: Path, kind: str, seed: int) -> None:
    clock = ManualClock()
    with new_store(kind, clock=clock, folder=tmp_path) as store:
        faulty = Faulty(store)
        faulty.paused = True  # nothing is to go wrong in the store; its writes are to be kept
        instances = [Instance(faulty.store, clock, two_stages(), seed * 10 + n) for n in range(INSTANCES)]
        job_id = instances[0].driver.submit("two_stages", {"n": 300})

        threads = [thread for instance in instances for thread in instance.threads]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

        hanging = [thread for thread in threads if thread.is_alive()]
        for instance in instances:
            instance.stop.set()
        assert (hanging, [failure for instance in instances for failure in instance.failures]) == ([], [])
        check_invariants(store, job_id, faulty.history)
        found = outcome(store, job_id)
        assert (found["status"], found["stages"]) == (
            "completed",
            [(1, "closed", 300, 300, 0), (2, "closed", 300, 300, 0)],
        )
        assert [task[4] for task in found["tasks"]] == [
            *[f'{{"square":{i * i}}}' for i in range(300)],
            *[str(i * i + 300) for i in range(300)],
        ]
        closed = [event for instance in instances for event in instance.driver.told(Action.CLOSED)]
        assert sorted((event.stage, event.count) for event in closed) == [(1, 300), (2, 300)]


class Gate:
    """A store where a thread does something before its nth call of a kind."""

    def __init__(self, store: Store) -> None:
        self.store = Store(self, store.queues)  # type: ignore[arg-type]
        self._tables = store.tables
        self._hooks: dict[tuple[threading.Thread, str, int], Callable[[], Any]] = {}
        self._counts: Counter[tuple[threading.Thread, str]] = Counter()

    def before(self, thread: threading.Thread, verb: str, nth: int, do: Callable[[], Any]) -> None:
        self._hooks[thread, verb, self._counts[thread, verb] + nth] = do

    def __getattr__(self, verb: str) -> Any:
        thread = threading.current_thread()
        self._counts[thread, verb] += 1
        self._hooks.get((thread, verb, self._counts[thread, verb]), lambda: None)()
        return getattr(self._tables, verb)


def test_a_thread_that_finds_its_shard_done_does_not_rely_on_one_whose_message_is_gone(tmp_path: Path) -> None:
    clock = ManualClock()
    with new_store("memory", clock=clock, folder=tmp_path) as store:
        gate = Gate(store)
        controller = one_stage(lambda task: task.index)
        process = Driver(gate.store, [controller], clock=clock)
        other = Driver(store, [controller], clock=clock, rng=random.Random(2), worker="other")
        job_id = process.submit("one_stage", {"n": 2})
        process.run(deliveries=1)
        (first,) = store.queues.receive(TASKS_QUEUE, limit=1, visibility_s=LEASE_S)
        (second,) = store.queues.receive(TASKS_QUEUE, limit=1, visibility_s=10 * LEASE_S)
        early, late = threading.current_thread(), threading.Thread(target=process.process, args=(TASKS_QUEUE, second))
        recorded, at_the_switch = threading.Event(), threading.Event()

        def take_over() -> None:
            """The lease of task 0 runs out before it is recorded: another instance records it and deletes the message."""
            clock.advance(LEASE_S + 1)
            assert other.run(deliveries=1) == 1

        def record_the_other_task() -> None:
            """Task 1 is recorded before the first thread looks for open tasks, and its thread looks only afterwards."""
            late.start()
            assert recorded.wait(10)

        def fail_at_the_switch() -> None:
            """The first thread has found the shard done, the second one finds it too, and the store fails for the first."""
            at_the_switch.set()
            late.join(0.2)  # as far as it gets: to its end, where it relies on us
            raise StoreUnavailable(store="gate", reason="injected")

        gate.before(early, "update", 2, take_over)
        gate.before(early, "query", 1, record_the_other_task)
        gate.before(late, "query", 1, lambda: (recorded.set(), at_the_switch.wait(10)))
        gate.before(early, "query", 2, fail_at_the_switch)

        process.process(TASKS_QUEUE, first)
        late.join(10)

        assert [str(error) for error in process.errors] == ["store gate: injected"]
        assert store.queues.length(TASKS_QUEUE) == 0
        process.run()
        check_invariants(store, job_id)
