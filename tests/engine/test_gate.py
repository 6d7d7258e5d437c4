"""Who works beside whom in a process, and what becomes of a message that can't have its turn there."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from clocks import ManualClock
from driver import Driver, new_store
from invariants import check_invariants
from jobkit.runtime import TaskContext
from jobkit.runtime.messages import Incoming, Kind, Message, decode_message
from jobkit.runtime.processing import Processing
from jobkit.runtime.turns import Gate
from samples import Count, one_stage
from waiting import wait_until

Enter = Callable[[str, int], "Future[bool]"]


class Inside:
    """Threads that enter a gate and stay until they are let go."""

    def __init__(self, gate: Gate, pool: ThreadPoolExecutor) -> None:
        self.gate = gate
        self.entered: list[str] = []
        self._pool = pool
        self._leave: dict[str, threading.Event] = {}

    def enter(self, name: str, delivery: int, *, spent: int = 0) -> Future[bool]:
        self._leave[name] = threading.Event()
        return self._pool.submit(self._stay, name, incoming(name, delivery, spent))

    def _stay(self, name: str, message: Incoming) -> bool:
        with self.gate.enter(message) as is_its_turn:
            if is_its_turn:
                self.entered.append(name)
                self._leave[name].wait(10)
            return is_its_turn

    def let_go(self, *names: str) -> None:
        for name in names or self._leave:
            self._leave[name].set()


def incoming(name: str, delivery: int, spent: int = 0) -> Incoming:
    message = Message(kind=Kind.TASK, job_id="job", epoch="e", round=1, key=name, spent=spent)
    return Incoming(message=message, message_id=name, delivery=delivery)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as made:
        yield made


@pytest.fixture
def waiting() -> list[str]:
    """A word for each thread that has begun to wait."""
    return []


@pytest.fixture
def inside(pool: ThreadPoolExecutor, waiting: list[str]) -> Iterator[Inside]:
    made = Inside(Gate(patience_s=10, pause=lambda: waiting.append("waits")), pool)
    yield made
    made.let_go()


def test_a_suspect_runs_alone_and_holds_back_what_comes_after_it(inside: Inside, waiting: list[str]):
    inside.enter("a", 1)
    inside.enter("b", 2)
    wait_until(lambda: sorted(inside.entered) == ["a", "b"], "both are in")
    inside.enter("suspect", 3)
    wait_until(lambda: len(waiting) == 1, "it waits")
    inside.enter("late", 1)
    wait_until(lambda: len(waiting) == 2, "what comes later waits for it")

    inside.let_go("a")
    assert "suspect" not in inside.entered
    inside.let_go("b")
    wait_until(lambda: inside.entered[2:] == ["suspect"], "it is alone")
    inside.let_go("suspect")

    wait_until(lambda: inside.entered[2:] == ["suspect", "late"], "the others go on")


def test_suspects_go_one_by_one_and_first_what_was_delivered_most(inside: Inside, waiting: list[str]):
    inside.enter("first", 1)
    wait_until(lambda: inside.entered == ["first"], "it is in")
    for number, (name, delivery, spent) in enumerate((("third", 3, 0), ("fifth", 5, 0), ("again", 1, 5)), 1):
        inside.enter(name, delivery, spent=spent)
        wait_until(lambda number=number: len(waiting) == number, "it waits")

    inside.let_go()

    wait_until(lambda: inside.entered == ["first", "again", "fifth", "third"], "all have had their turn")


def test_who_has_waited_long_enough_gives_up_and_stands_in_nobodys_way(pool: ThreadPoolExecutor):
    inside = Inside(Gate(patience_s=0.01), pool)
    inside.enter("first", 1)
    wait_until(lambda: inside.entered == ["first"], "it is in")

    assert inside.enter("suspect", 3).result(10) is False
    inside.enter("other", 1)
    wait_until(lambda: inside.entered == ["first", "other"], "the others are not held back any more")
    inside.let_go()


@pytest.mark.parametrize("store", ["memory", "sqlite"])
@pytest.mark.parametrize(
    ("beside", "deliveries", "spent", "delay_s"), [(3, 1, 0, 0.0), (3, 2, 1, 0.0), (1, 3, 2, 0.01), (1, 5, 4, 0.01)]
)
def test_a_message_that_has_no_turn_here_is_sent_again_and_its_task_taken_over(
    tmp_path: Path, pool: ThreadPoolExecutor, store: str, beside: int, deliveries: int, spent: int, delay_s: float
):
    """A suspect waits for what runs, all else for a suspect; its earlier deliveries have died after the claim."""

    def run(task: TaskContext[Count, int]) -> int:
        return task.index

    clock = ManualClock()
    with new_store(store, clock=clock, folder=tmp_path) as opened:
        driver = Driver(opened, [one_stage(run)], clock=clock)
        job_id = driver.submit("one_stage", {"n": 1})
        driver.run(deliveries=1)
        for _ in range(deliveries):
            ((queue, delivery),) = driver.receive(1)
            if delivery.dequeue_count < deliveries:
                opened.queues.extend(queue, delivery, visibility_s=0)
                message = decode_message(delivery.body)
                died = Incoming(message=message, message_id=delivery.id, delivery=delivery.dequeue_count)
                (task,) = driver.repository.all_tasks(driver.repository.get_chain(job_id).stages[0])
                driver.repository.claim(task.ref, task.etag, died.owner, "dead", clock.now())
        inside = Inside(Gate(patience_s=0.01), pool)
        inside.enter("other", beside)
        wait_until(lambda: inside.entered == ["other"], "it is in")

        Processing(driver.service, gate=inside.gate).handle(queue, delivery)
        inside.let_go()
        opened.queues.delete(queue, delivery)

        assert len(opened.queues.peek("tasks", limit=1)) == (delay_s == 0)
        clock.advance(delay_s)
        ours, again = (decode_message(one.body) for one in (delivery, *opened.queues.peek("tasks", limit=1)))
        assert (again.key, again.turn, again.spent) == (ours.key, 1, spent)
        driver.run()
        assert [(task["status"], task["attempt"]) for task in driver.tasks(job_id)] == [("completed", 1)]
        check_invariants(opened, job_id)
