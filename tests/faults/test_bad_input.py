"""Whatever is put into a queue by hand: a named error at most, and no other job is touched."""

from __future__ import annotations

import contextlib
import json
from dataclasses import fields
from datetime import datetime
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from any_input import JSON, TIMES, quick
from driver import START
from invariants import check_invariants
from jobkit.runtime.errors import JobkitError
from jobkit.runtime.messages import JOBS_QUEUE, POISON_SUFFIX, TASKS_QUEUE, Kind, Message, encode_message
from neighbours import Neighbours
from poison_cases import drop, requeue

#: A value for each type of a message's fields that is no field's default.
VALUES: dict[object, object] = {Kind: Kind.TASK, str: "x", int: 7, str | None: "{}", datetime | None: START}
#: Whatever may stand in a message: what one has whose fields all have a value.
FIELDS = sorted(
    json.loads(
        encode_message(
            Message(**{field.name: VALUES[get_type_hints(Message)[field.name]] for field in fields(Message)}), key="x"
        )
    )
)
TIMELY = [0, 1, 2, 99, 2**31 - 1, "", "1", *(kind.value for kind in Kind), *TIMES]


class Queued(Neighbours):
    """Neighbours of a job that is half done, and the messages of it that wait."""

    def __init__(self) -> None:
        super().__init__()
        self.half_done = self.driver.submit("two_stages", {"n": 3})
        self.driver.run(deliveries=3)
        self.seen = [
            (queue, delivery.body)
            for queue in (JOBS_QUEUE, TASKS_QUEUE)
            for delivery in self.store.queues.peek(queue, limit=32)
        ]
        self.keep()


@pytest.fixture(scope="module")
def queued() -> Queued:
    return Queued()


def test_every_field_of_a_message_is_changed() -> None:
    assert [
        *("attempt", "count", "epoch", "etag", "first", "job", "jobkit", "key", "kind", "lanes", "not_before"),
        *("params", "plan", "reason", "round", "size", "spent", "stage", "stop_at", "turn"),
    ] == FIELDS
    assert len(FIELDS) == len(fields(Message)) + 1  # its version


@quick(75)
@given(data=st.data())
def test_a_message_changed_by_hand_never_does_worse_than_a_named_error(queued: Queued, data: st.DataObject) -> None:
    queued.put_back()
    queue, body = data.draw(st.sampled_from(queued.seen))
    message: dict[str, Any] = json.loads(body)
    for field in data.draw(st.lists(st.sampled_from(FIELDS), min_size=1, max_size=3, unique=True)):
        if data.draw(st.integers(0, 3)) == 0:
            message.pop(field, None)
        else:
            message[field] = data.draw(JSON | st.sampled_from(TIMELY))
    into = data.draw(st.sampled_from([queue, queue, JOBS_QUEUE, TASKS_QUEUE])) + data.draw(
        st.sampled_from(["", POISON_SUFFIX])
    )
    queued.store.queues.send(into, json.dumps(message))
    act = data.draw(st.sampled_from([None, requeue, drop]))

    if act is not None:
        with contextlib.suppress(JobkitError):
            act(queued.driver)
    queued.run()

    queued.look(queued.half_done)
    queued.check()


@quick(75)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=60) | JSON.map(json.dumps))
def test_any_text_in_any_queue_is_kept_as_poison_and_all_jobs_end_as_they_would(queued: Queued, text: str) -> None:
    queued.put_back()
    for queue in (JOBS_QUEUE, TASKS_QUEUE):
        queued.store.queues.send(queue, text)
        queued.store.queues.send(queue + POISON_SUFFIX, text)

    queued.run()

    assert [(queue, body) for queue, _, body in queued.driver.poison_rows()] == [
        (JOBS_QUEUE + POISON_SUFFIX, text),
        (JOBS_QUEUE + POISON_SUFFIX, text),
        (TASKS_QUEUE + POISON_SUFFIX, text),
        (TASKS_QUEUE + POISON_SUFFIX, text),
    ]
    check_invariants(queued.store, queued.half_done)
    queued.check()
