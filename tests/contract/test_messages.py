"""Queues: sending, receiving, leases and receipts."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.backend import Backend, in_parallel
from jobkit.runtime.errors import EntityChanged, EntityNotFound
from jobkit.runtime.storage.ports import Delivery

CLOSE = timedelta(seconds=3)


def bodies(found: list[Delivery]) -> list[str]:
    return [delivery.body for delivery in found]


def receive_one(backend: Backend, *, visibility_s: float = 30.0) -> Delivery:
    [delivery] = backend.receive_soon("tasks", limit=1, visibility_s=visibility_s)
    return delivery


def test_a_message_is_received_as_it_was_sent(backend: Backend) -> None:
    sent_at = backend.now()
    backend.queues.send("tasks", "hello")

    delivery = receive_one(backend, visibility_s=30)

    assert (delivery.body, delivery.dequeue_count) == ("hello", 1)
    assert delivery.id
    assert delivery.receipt
    assert abs(delivery.inserted_at - sent_at) < CLOSE
    assert abs(delivery.visible_at - (backend.now() + timedelta(seconds=30))) < CLOSE


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_any_text_is_a_message(backend: Backend, body: str) -> None:
    backend.queues.send("tasks", body)

    delivery = receive_one(backend)

    assert delivery.body == body
    backend.queues.delete("tasks", delivery)


def test_an_empty_queue(backend: Backend) -> None:
    assert backend.queues.receive("tasks", limit=32, visibility_s=30) == []
    assert backend.queues.peek("tasks", limit=32) == []
    assert backend.queues.length("tasks") == 0


def test_messages_come_in_the_order_of_sending_up_to_the_limit(backend: Backend) -> None:
    for n in range(5):
        backend.queues.send("tasks", str(n))

    assert bodies(backend.receive_soon("tasks", limit=3)) == ["0", "1", "2"]
    assert bodies(backend.receive_soon("tasks", limit=3)) == ["3", "4"]


def test_queues_keep_apart(backend: Backend) -> None:
    backend.queues.send("tasks", "a task")
    backend.queues.send("jobs", "a job")

    delivery = receive_one(backend)

    assert delivery.body == "a task"
    with pytest.raises(EntityNotFound):
        backend.queues.delete("jobs", delivery)
    assert bodies(backend.receive_soon("jobs")) == ["a job"]


def test_what_is_held_is_hidden_until_its_time_is_up(backend: Backend) -> None:
    backend.queues.send("tasks", "hello")
    first = receive_one(backend, visibility_s=2)

    assert backend.queues.receive("tasks", limit=1, visibility_s=2) == []
    assert backend.queues.peek("tasks", limit=1) == []
    backend.advance(2.5)
    second = receive_one(backend)

    assert (second.id, second.body, second.dequeue_count) == (first.id, "hello", 2)
    assert second.inserted_at == first.inserted_at
    assert second.receipt != first.receipt


def test_an_old_receipt_is_refused(backend: Backend) -> None:
    backend.queues.send("tasks", "hello")
    first = receive_one(backend, visibility_s=1)
    backend.advance(1.5)
    second = receive_one(backend)

    with pytest.raises(EntityChanged):
        backend.queues.delete("tasks", first)
    with pytest.raises(EntityChanged):
        backend.queues.extend("tasks", first, visibility_s=30)

    backend.queues.delete("tasks", second)
    assert backend.queues.length("tasks") == 0


def test_a_receipt_is_good_until_the_message_is_received_again(backend: Backend) -> None:
    backend.queues.send("tasks", "hello")
    delivery = receive_one(backend, visibility_s=1)
    backend.advance(1.5)

    backend.queues.delete("tasks", delivery)

    assert backend.queues.receive("tasks", limit=1, visibility_s=1) == []
    assert backend.queues.length("tasks") == 0


def test_a_deleted_message_is_gone(backend: Backend) -> None:
    backend.queues.send("tasks", "hello")
    backend.queues.send("tasks", "world")
    delivery = receive_one(backend)

    backend.queues.delete("tasks", delivery)

    with pytest.raises(EntityNotFound) as refused:
        backend.queues.delete("tasks", delivery)
    assert (refused.value.table, refused.value.row) == ("tasks", delivery.id)
    with pytest.raises(EntityNotFound):
        backend.queues.extend("tasks", delivery, visibility_s=30)
    assert backend.queues.length("tasks") == 1


def test_a_lease_is_extended_under_a_new_receipt(backend: Backend) -> None:
    backend.queues.send("tasks", "hello")
    first = receive_one(backend, visibility_s=2)

    second = backend.queues.extend("tasks", first, visibility_s=30)
    backend.advance(2.5)

    assert backend.queues.receive("tasks", limit=1, visibility_s=30) == []
    assert (second.id, second.body, second.dequeue_count) == (first.id, "hello", 1)
    assert second.receipt != first.receipt
    assert second.visible_at > first.visible_at
    with pytest.raises(EntityChanged):
        backend.queues.delete("tasks", first)
    backend.queues.delete("tasks", second)
    assert backend.queues.length("tasks") == 0


def test_a_lease_is_given_back(backend: Backend) -> None:
    backend.queues.send("tasks", "hello")
    first = receive_one(backend, visibility_s=3600)

    backend.queues.extend("tasks", first, visibility_s=0)

    assert receive_one(backend).dequeue_count == 2


def test_a_lease_that_ran_out_can_be_extended_until_somebody_else_has_it(backend: Backend) -> None:
    backend.queues.send("tasks", "hello")
    first = receive_one(backend, visibility_s=1)
    backend.advance(1.5)

    second = backend.queues.extend("tasks", first, visibility_s=30)

    assert backend.queues.receive("tasks", limit=1, visibility_s=30) == []
    backend.queues.delete("tasks", second)


def test_a_delayed_message_comes_when_it_is_due(backend: Backend) -> None:
    backend.queues.send("tasks", "late", delay_s=2)
    backend.queues.send("tasks", "now")

    assert bodies(backend.receive_soon("tasks")) == ["now"]
    assert backend.queues.peek("tasks", limit=32) == []
    backend.advance(2.5)

    late = receive_one(backend)
    assert (late.body, late.dequeue_count) == ("late", 1)


def test_peek_takes_nothing(backend: Backend) -> None:
    for n in range(3):
        backend.queues.send("tasks", str(n))
    held = receive_one(backend)

    peeked = backend.queues.peek("tasks", limit=1)

    assert [(each.body, each.dequeue_count, each.receipt) for each in peeked] == [("1", 0, "")]
    assert bodies(backend.queues.peek("tasks", limit=32)) == ["1", "2"]
    assert [(each.id, each.dequeue_count) for each in backend.receive_soon("tasks", limit=1)] == [(peeked[0].id, 1)]
    assert held.body == "0"


def test_length_counts_what_is_hidden_too(backend: Backend) -> None:
    for n in range(40):
        backend.queues.send("tasks", str(n), delay_s=60.0 * (n % 2))
    backend.queues.send("jobs", "another queue's")
    held = receive_one(backend)

    assert backend.queues.length("tasks") == 40
    backend.queues.delete("tasks", held)
    assert backend.queues.length("tasks") == 39


def test_many_receivers_get_each_message_once(backend: Backend) -> None:
    for n in range(150):
        backend.queues.send("tasks", str(n))

    def work(_: int) -> list[str]:
        done: list[str] = []
        while found := backend.queues.receive("tasks", limit=8, visibility_s=3600):
            for delivery in found:
                assert delivery.dequeue_count == 1
                backend.queues.delete("tasks", delivery)
                done.append(delivery.body)
        return done

    outcomes = in_parallel(8, work)

    done = [body for outcome in outcomes if isinstance(outcome, list) for body in outcome]
    assert sorted(map(int, done)) == list(range(150))
    assert backend.queues.length("tasks") == 0


def test_messages_sent_by_many_all_arrive(backend: Backend) -> None:
    in_parallel(8, lambda number: [backend.queues.send("tasks", f"{number}-{n}") for n in range(10)])

    found: list[str] = []
    while len(found) < 80 and (received := backend.receive_soon("tasks", visibility_s=3600)):
        found += bodies(received)
    assert sorted(found) == sorted(f"{number}-{n}" for number in range(8) for n in range(10))
