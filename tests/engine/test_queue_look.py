"""A look at a queue: what is counted, what is seen, and what can only be estimated."""

from __future__ import annotations

from datetime import timedelta

from driver import ManualClock
from jobkit.runtime.messages import Kind, Message, encode_message
from jobkit.runtime.queue_look import look_at_queue
from jobkit.runtime.storage.ports import Store

MESSAGE = Message(kind=Kind.TASK, job_id="0123", epoch="e", round=1, stage=2, plan="p", task_count=9, first=3, size=2)


def test_an_empty_queue(store: Store):
    look = look_at_queue(store.queues, "tasks")

    assert (look.messages, look.visible, look.visible_is_exact, look.hidden, look.oldest_at) == (0, 0, True, 0, None)


def test_visible_messages_are_decoded_and_foreign_ones_are_shown_as_what_they_are(store: Store, clock: ManualClock):
    sent_at = clock.now()
    store.queues.send("tasks", encode_message(MESSAGE, key="k"))
    clock.advance(5)
    store.queues.send("tasks", "hello")

    look = look_at_queue(store.queues, "tasks")

    assert (look.messages, look.visible, look.visible_is_exact, look.hidden) == (2, 2, True, 0)
    assert look.oldest_at == sent_at
    ours, foreign = look.peeked
    assert ours.message is not None
    assert (ours.message.job_id, ours.message.stage, ours.message.first, ours.message.size) == ("0123", 2, 3, 2)
    assert (ours.refusal, ours.deliveries, ours.inserted_at) == ("", 0, sent_at)
    assert (foreign.message, foreign.refusal, foreign.body) == (None, "it is no JSON", "hello")
    assert foreign.inserted_at - sent_at == timedelta(seconds=5)


def test_what_is_taken_or_delayed_is_counted_and_not_seen(store: Store):
    for number in range(4):
        store.queues.send("tasks", encode_message(MESSAGE, key=f"k{number}"))
    store.queues.send("tasks", encode_message(MESSAGE, key="later"), delay_s=60)
    store.queues.receive("tasks", limit=3, visibility_s=30)

    look = look_at_queue(store.queues, "tasks")

    assert (look.messages, look.visible, look.visible_is_exact, look.hidden) == (5, 1, True, 4)


def test_of_more_than_32_visible_messages_no_more_are_seen_and_the_estimate_is_a_bound(store: Store):
    for number in range(40):
        store.queues.send("tasks", encode_message(MESSAGE, key=f"k{number}"))
    store.queues.receive("tasks", limit=3, visibility_s=30)

    look = look_at_queue(store.queues, "tasks")

    assert (look.messages, look.visible, look.visible_is_exact, look.hidden) == (40, 32, False, 8)
