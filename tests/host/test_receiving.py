"""How an instance receives: in batches, again at a threshold, and no long task before a thread is free for it."""

from __future__ import annotations

import pytest

from host_of import Host
from jobkit.local import host as settings
from jobkit.runtime.messages import JOBS_QUEUE, POISON_SUFFIX, TASKS_QUEUE
from waiting import wait_until

JOBS_POISON = JOBS_QUEUE + POISON_SUFFIX
TASKS_POISON = TASKS_QUEUE + POISON_SUFFIX


@pytest.fixture
def always_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "QUICK_S", 3_600.0)


@pytest.fixture
def never_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "QUICK_S", 0.0)
    monkeypatch.setattr(settings, "TOP_UP_S", 3_600.0)


def test_every_message_is_handled_once_and_deleted(host: Host):
    bodies = [f"task {number}" for number in range(200)]
    host.send(TASKS_QUEUE, *bodies)

    host.start(concurrency=8)

    host.wait_until_empty(TASKS_QUEUE)
    assert sorted(host.seen) == sorted((TASKS_QUEUE, body) for body in bodies)
    assert host.errors == []


def test_quick_messages_come_sixteen_at_a_time(host: Host, always_quick: None):
    host.send(TASKS_QUEUE, *(f"task {number}" for number in range(40)))

    host.start(concurrency=4)

    host.wait_until_empty(TASKS_QUEUE)
    assert host.queues.batches == {TASKS_QUEUE: [1, 16, 16, 7]}  # the first: it may be what kills processes


def test_long_messages_come_one_for_each_free_thread_and_the_rest_stays_for_others(host: Host, never_quick: None):
    host.send(TASKS_QUEUE, *(f"hold {number}" for number in range(7)))

    host.start(concurrency=4)

    host.wait_until_running(4, TASKS_QUEUE)
    assert host.visible(TASKS_QUEUE) == ["hold 4", "hold 5", "hold 6"]


def test_the_next_batch_comes_when_half_of_the_threads_are_free_not_message_by_message(host: Host, never_quick: None):
    host.send(TASKS_QUEUE, *(f"hold {number}" for number in range(8)))
    host.start(concurrency=4)
    host.wait_until_running(4, TASKS_QUEUE)

    host.release.release()
    wait_until(lambda: host.length(TASKS_QUEUE) == 7, "one message is deleted")
    host.release.release()
    host.wait_until_running(4, TASKS_QUEUE)

    assert host.queues.batches == {TASKS_QUEUE: [1, 3, 2]}


def test_a_place_that_stays_free_is_filled_although_it_is_less_than_half(host: Host):
    host.send(TASKS_QUEUE, *(f"hold {number}" for number in range(5)))
    host.start(concurrency=4)
    host.wait_until_running(4, TASKS_QUEUE)

    host.release.release()

    wait_until(lambda: host.length(TASKS_QUEUE) == 4 and host.running[TASKS_QUEUE] == 4, "the fifth runs")


def test_no_more_task_messages_run_at_once_than_the_concurrency_says(host: Host):
    host.send(TASKS_QUEUE, *(f"hold {number}" for number in range(12)))

    host.start(concurrency=3)
    most = 0
    for done in range(12):
        host.wait_until_running(min(3, 12 - done), TASKS_QUEUE)
        most = max(most, host.running[TASKS_QUEUE])
        host.release.release()
        wait_until(lambda left=11 - done: host.length(TASKS_QUEUE) == left, "one more is done")

    assert most == 3


def test_long_tasks_do_not_hold_up_planning_nor_poison_messages(host: Host):
    host.send(TASKS_QUEUE, "hold 1", "hold 2", "hold 3")
    host.start(concurrency=2)
    host.wait_until_running(2, TASKS_QUEUE)

    for queue in (JOBS_QUEUE, JOBS_POISON, TASKS_POISON):
        host.send(queue, "plan")
        host.wait_until_empty(queue)

    assert (host.running[TASKS_QUEUE], host.visible(TASKS_QUEUE)) == (2, ["hold 3"])


def test_two_instances_share_the_work(host: Host, never_quick: None):
    host.send(TASKS_QUEUE, *(f"hold {number}" for number in range(6)))

    host.start(concurrency=3)
    host.start(concurrency=3)

    host.wait_until_running(6, TASKS_QUEUE)
    assert host.visible(TASKS_QUEUE) == []
    assert sorted(host.queues.batches[TASKS_QUEUE]) == [1, 1, 2, 2]


def test_a_message_that_was_delivered_often_is_worked_on_alone(host: Host):
    host.send(TASKS_QUEUE, "hold suspect", *(f"task {number}" for number in range(3)))
    for _ in range(2):
        suspect = host.store.queues.receive(TASKS_QUEUE, limit=1, visibility_s=30)[0]
        host.store.queues.extend(TASKS_QUEUE, suspect, visibility_s=0)
        for _ in range(3):  # so that it comes first again
            other = host.store.queues.receive(TASKS_QUEUE, limit=1, visibility_s=30)[0]
            host.store.queues.extend(TASKS_QUEUE, other, visibility_s=0)

    host.start(concurrency=4)
    wait_until(lambda: host.running[TASKS_QUEUE] == 1 or host.length(TASKS_QUEUE) == 1, "the suspect runs")
    host.wait_until_running(1, TASKS_QUEUE)
    seen_meanwhile = list(host.seen)
    host.release.release()
    host.wait_until_empty(TASKS_QUEUE)

    assert seen_meanwhile[-1] == (TASKS_QUEUE, "hold suspect")
    assert host.errors == []
