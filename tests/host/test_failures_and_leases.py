"""What becomes of messages whose handler raises, of those that were delivered too often, and of leases."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from host_of import Host
from jobkit.local import host as settings
from jobkit.runtime.errors import StoreUnavailable
from jobkit.runtime.messages import JOBS_QUEUE, POISON_SUFFIX, TASKS_QUEUE
from waiting import wait_until

JOBS_POISON = JOBS_QUEUE + POISON_SUFFIX
TASKS_POISON = TASKS_QUEUE + POISON_SUFFIX


@pytest.fixture
def comes_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "RETRY_VISIBILITY_S", 0.01)


def test_a_message_whose_handler_raises_comes_again_and_the_error_is_told(host: Host, comes_again_soon: None):
    host.send(TASKS_QUEUE, "fail")

    host.start(concurrency=1)

    wait_until(lambda: len(host.errors) >= 2, "it comes a second time")
    assert host.errors[:2] == [
        (TASKS_QUEUE, "fail", "delivery 1 of fail"),
        (TASKS_QUEUE, "fail", "delivery 2 of fail"),
    ]


def test_each_time_a_message_fails_the_pause_is_twice_as_long(host: Host, comes_again_soon: None):
    host.send(TASKS_QUEUE, "fail")

    host.start(concurrency=1)

    host.wait_until_empty(TASKS_QUEUE)
    assert host.queues.extended_s[:4] == [0.01, 0.02, 0.04, 0.08]


@pytest.mark.parametrize("queue", [TASKS_QUEUE, JOBS_QUEUE])
def test_a_message_that_fails_at_its_last_delivery_goes_to_the_poison_queue_of_its_queue(
    host: Host, comes_again_soon: None, queue: str
):
    host.send(queue, "fail")

    host.start(concurrency=1, max_dequeue_count=3)

    host.wait_until_empty(queue)
    wait_until(lambda: bool(host.errors[3:]), "the poison queue's handler is called")
    assert host.errors[:3] == [(queue, "fail", f"delivery {delivery} of fail") for delivery in (1, 2, 3)]
    assert host.seen[:4] == [*[(queue, "fail")] * 3, (queue + POISON_SUFFIX, "fail")]


def test_a_message_whose_last_delivery_died_with_its_process_goes_to_the_poison_queue_unhandled(host: Host):
    host.send(TASKS_QUEUE, "killed its process")
    for _ in range(2):
        host.store.queues.receive(TASKS_QUEUE, limit=1, visibility_s=0)

    host.start(concurrency=1, max_dequeue_count=2)

    host.wait_until_empty(TASKS_QUEUE)
    host.wait_until_empty(TASKS_POISON)
    assert host.seen == [(TASKS_POISON, "killed its process")]


def test_a_poison_message_whose_handling_fails_comes_again_and_never_goes_further(
    host: Host, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(settings, "POISON_RETRY_S", 0.01)
    host.send(TASKS_POISON, "fail")

    host.start(concurrency=1, max_dequeue_count=2)

    wait_until(lambda: len(host.errors) >= 4, "it comes more often than other messages may")
    assert host.length(TASKS_POISON) == 1
    assert host.length(TASKS_POISON + POISON_SUFFIX) == 0


def test_a_lease_is_renewed_as_long_as_the_handler_runs(host: Host):
    host.send(TASKS_QUEUE, "hold")
    host.start(concurrency=2, lease_s=1.0, renew_every_s=0.05)
    host.wait_until_running(1, TASKS_QUEUE)

    leases = host.queues.leases
    wait_until(lambda: leases[-1] - leases[0] > timedelta(seconds=1.1), "it is held for longer than the first lease")

    host.release.release()
    host.wait_until_empty(TASKS_QUEUE)
    assert host.seen == [(TASKS_QUEUE, "hold")]
    assert leases == sorted(leases)


def test_a_message_whose_lease_was_lost_is_left_to_whoever_has_it_now(host: Host):
    host.send(TASKS_QUEUE, "hold")
    host.start(concurrency=1, lease_s=0.05, renew_every_s=3_600.0)
    host.wait_until_running(1, TASKS_QUEUE)
    taken = []
    wait_until(
        lambda: bool(taken.extend(host.store.queues.receive(TASKS_QUEUE, limit=1, visibility_s=60)) or taken),
        "another one receives it",
    )

    host.release.release()

    wait_until(lambda: host.running[TASKS_QUEUE] == 0, "the first handler has ended")
    assert host.instances[0].stop(10) == 0
    assert host.errors == []
    host.store.queues.delete(TASKS_QUEUE, taken[0])  # its receipt is still good
    assert host.length(TASKS_QUEUE) == 0


def test_stop_lets_what_runs_end_takes_nothing_more_and_keeps_leases_meanwhile(host: Host):
    host.send(TASKS_QUEUE, "hold 1", "hold 2")
    instance = host.start(concurrency=1, lease_s=1.0, renew_every_s=0.05)
    host.wait_until_running(1, TASKS_QUEUE)

    assert instance.stop(1.2) == 1  # longer than a lease
    assert host.visible(TASKS_QUEUE) == ["hold 2"]

    host.release.release()
    assert instance.stop(10) == 0
    assert (host.visible(TASKS_QUEUE), host.seen) == (["hold 2"], [(TASKS_QUEUE, "hold 1")])


def test_stop_returns_how_many_messages_are_still_held(host: Host):
    host.send(TASKS_QUEUE, "hold 1", "hold 2", "hold 3")
    instance = host.start(concurrency=3)
    host.wait_until_running(3, TASKS_QUEUE)

    assert instance.stop(0) == 3
    host.release.release()
    wait_until(lambda: instance.stop(0) == 2, "one has ended")


def test_what_goes_wrong_with_a_message_that_was_left_in_hand_is_not_told(host: Host):
    ended = threading.Event()

    def fails_when_the_store_is_closed(queue: str, delivery: object) -> None:
        host.release.acquire()
        ended.set()
        raise StoreUnavailable(store="memory", reason="it is closed")

    host._handle = fails_when_the_store_is_closed  # noqa: SLF001 - instead of the host's own
    host.send(TASKS_QUEUE, "a")
    instance = host.start(concurrency=1)
    wait_until(lambda: instance.stop(0) == 1 if host.queues.batches else False, "it is in hand")

    host.release.release()

    assert ended.wait(10)
    wait_until(lambda: not instance._held, "it is done with")  # noqa: SLF001 - to stop it again would begin its grace anew
    assert host.errors == []


def test_an_idle_instance_stops_at_once(host: Host):
    instance = host.start(concurrency=4)

    assert instance.stop(10) == 0


def test_a_store_that_fails_is_noted_and_forgotten_when_it_works_again(host: Host, comes_again_soon: None):
    down = StoreUnavailable(store="memory", reason="down")
    host.queues.failing = down
    instance = host.start(concurrency=1)
    wait_until(lambda: instance.broken is down, "it is noted")

    host.queues.failing = None
    host.send(TASKS_QUEUE, "task")

    host.wait_until_empty(TASKS_QUEUE)
    wait_until(lambda: instance.broken is None, "it is forgotten")
    assert host.seen == [(TASKS_QUEUE, "task")]
