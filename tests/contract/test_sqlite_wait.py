"""Waiting for messages on the local store: woken by what happens, not by the clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from contract.backend import until
from contract.processes import child
from jobkit.local import LocalStore
from jobkit.runtime.clock import SystemClock
from jobkit.runtime.errors import StoreUnavailable

LONG_S = 60.0
SOON_S = 10.0  # far from LONG_S, and long enough for a busy machine


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "local.db"


@pytest.fixture
def store(file: Path) -> Iterator[LocalStore]:
    with LocalStore.open(file, clock=SystemClock()) as opened:
        yield opened


@pytest.fixture
def waiting(store: LocalStore) -> Iterator[Callable[[int], list[Future[float]]]]:
    """Start threads that wait for a message of two queues; each tells how long that took."""
    with ThreadPoolExecutor(32) as pool:
        started = threading.Semaphore(0)

        def wait() -> float:
            start = time.monotonic()
            started.release()
            store.wait(["tasks", "jobs"], LONG_S)
            return time.monotonic() - start

        def start(count: int) -> list[Future[float]]:
            futures = [pool.submit(wait) for _ in range(count)]
            for _ in futures:
                assert started.acquire(timeout=SOON_S)
            return futures

        yield start
        store.close()


def all_soon(futures: list[Future[float]]) -> bool:
    return all(future.result(LONG_S) < SOON_S for future in futures)


def test_a_message_that_is_there_is_not_waited_for(store: LocalStore) -> None:
    store.queues.send("jobs", "hello")

    started = time.monotonic()
    store.wait(["tasks", "jobs"], LONG_S)

    assert time.monotonic() - started < SOON_S


def test_without_messages_the_time_runs_out(store: LocalStore) -> None:
    store.queues.send("others", "hello")

    started = time.monotonic()
    store.wait(["tasks", "jobs"], 0.1)

    assert 0.1 <= time.monotonic() - started < SOON_S


@pytest.mark.parametrize("threads", [1, 16])
def test_a_message_wakes_who_waits_in_this_process(
    store: LocalStore, waiting: Callable[[int], list[Future[float]]], threads: int
) -> None:
    futures = waiting(threads)

    store.queues.send("jobs", "hello")

    assert all_soon(futures)


@pytest.mark.parametrize("threads", [1, 16])
def test_a_message_of_another_process_wakes_who_waits(
    file: Path, waiting: Callable[[int], list[Future[float]]], threads: int
) -> None:
    with child(file, "send", "1") as sender:
        assert sender.says() == "ready"
        futures = waiting(threads)

        sender.go_on()

        assert all_soon(futures)


def test_a_message_given_back_wakes_who_waits(store: LocalStore, waiting: Callable[[int], list[Future[float]]]) -> None:
    store.queues.send("tasks", "hello")
    [held] = store.queues.receive("tasks", limit=1, visibility_s=3600)
    futures = waiting(2)

    store.queues.extend("tasks", held, visibility_s=0)

    assert all_soon(futures)


def test_messages_sent_together_wake_who_waits(
    store: LocalStore, waiting: Callable[[int], list[Future[float]]]
) -> None:
    futures = waiting(2)

    store.queues.each(range(250), lambda n: store.queues.send("tasks", str(n)))

    assert all_soon(futures)
    assert store.queues.length("tasks") == 250


def test_a_delayed_message_ends_the_wait_when_it_is_due(store: LocalStore) -> None:
    store.queues.send("tasks", "later", delay_s=0.2)

    started = time.monotonic()
    while not store.queues.receive("tasks", limit=1, visibility_s=60):
        store.wait(["tasks"], LONG_S)

    assert 0.15 < time.monotonic() - started < SOON_S


def test_a_lease_that_runs_out_ends_the_wait(store: LocalStore) -> None:
    store.queues.send("tasks", "hello")
    store.queues.receive("tasks", limit=1, visibility_s=0.2)

    started = time.monotonic()
    while not store.queues.receive("tasks", limit=1, visibility_s=60):
        store.wait(["tasks"], LONG_S)

    assert 0.15 < time.monotonic() - started < SOON_S


def test_wake_ends_all_waits(store: LocalStore, waiting: Callable[[int], list[Future[float]]]) -> None:
    futures = waiting(8)

    def all_done() -> bool:
        store.wake()  # one of them may not have begun to wait
        return all(future.done() for future in futures)

    assert until(all_done)
    assert all_soon(futures)


def test_closing_ends_all_waits(store: LocalStore, waiting: Callable[[int], list[Future[float]]]) -> None:
    futures = waiting(8)

    store.close()

    for future in futures:  # what had not begun to wait finds it closed
        assert isinstance(future.exception(SOON_S), StoreUnavailable | None)


def quickest(tries: int, measure: Callable[[], float]) -> float:
    """Return the best of some tries: a busy machine delays one, not all."""
    return min(measure() for _ in range(tries))


def test_a_message_of_another_store_is_noticed_quickly(file: Path, store: LocalStore) -> None:
    with LocalStore.open(file, clock=SystemClock()) as other, ThreadPoolExecutor(1) as pool:

        def latency() -> float:
            waiter = pool.submit(store.wait, ["tasks"], LONG_S)
            other.queues.send("tasks", "hello")
            sent = time.monotonic()
            waiter.result(LONG_S)
            latency = time.monotonic() - sent
            [delivery] = store.queues.receive("tasks", limit=1, visibility_s=60)
            store.queues.delete("tasks", delivery)
            return latency

        assert quickest(5, latency) < 0.2


def test_a_delayed_message_is_noticed_quickly(store: LocalStore) -> None:
    def lateness() -> float:
        store.queues.send("tasks", "later", delay_s=0.1)
        started = time.monotonic()
        while not (found := store.queues.receive("tasks", limit=1, visibility_s=60)):
            store.wait(["tasks"], LONG_S)
        store.queues.delete("tasks", found[0])
        return time.monotonic() - started - 0.1

    assert quickest(3, lateness) < 0.2


def test_who_goes_on_waiting_is_woken_quickly_when_the_first_one_gave_up(file: Path, store: LocalStore) -> None:
    """The thread that looks for other processes' messages leaves; another one has to look."""
    with LocalStore.open(file, clock=SystemClock()) as other, ThreadPoolExecutor(2) as pool:

        def latency() -> float:
            first = pool.submit(store.wait, ["others"], 0.05)
            second = pool.submit(store.wait, ["tasks"], LONG_S)
            first.result(LONG_S)
            other.queues.send("tasks", "hello")
            sent = time.monotonic()
            second.result(LONG_S)
            latency = time.monotonic() - sent
            [delivery] = store.queues.receive("tasks", limit=1, visibility_s=60)
            store.queues.delete("tasks", delivery)
            return latency

        assert quickest(5, latency) < 0.25
