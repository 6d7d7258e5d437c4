"""Whatever is put into a queue or written into a row by hand: a named error at most, and no other job is touched."""

from __future__ import annotations

import contextlib
import json
import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clocks import ManualClock
from driver import TABLES, Driver, Span, new_store
from invariants import check_invariants, outcome
from jobkit.runtime.documents import job_document, poison_document
from jobkit.runtime.errors import JobkitError, RowDamaged
from jobkit.runtime.messages import JOBS_QUEUE, POISON_SUFFIX, TASKS_QUEUE
from jobkit.runtime.poison_choice import Wanted
from jobkit.runtime.poison_search import PoisonSearch
from jobkit.runtime.storage.ports import Entity, Mode
from poison_cases import drop, requeue
from samples import two_stages

EXAMPLES = int(os.environ.get("JOBKIT_TEST_EXAMPLES", "75"))
QUICK = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
VALUES = (
    st.booleans()
    | st.integers(-(2**31), 2**31 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30)
    | st.binary(max_size=20)
    | st.sampled_from(
        ["queued", "processing", "completed", "failed", "sealed", "closed", "planning", "", "{", "[1]", "0"]
    )
)
FIELDS = (
    "jobkit",
    "kind",
    "job",
    "epoch",
    "round",
    "key",
    "stage",
    "plan",
    "count",
    "first",
    "size",
    "attempt",
    "etag",
)


class Two:
    """A job that has ended and one that is half done, on one store, and the messages that have been seen."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self.clock = ManualClock()
        self.store = stack.enter_context(new_store("memory", clock=self.clock, folder=None))  # type: ignore[arg-type]
        self.driver = Driver(self.store, [two_stages()], clock=self.clock, batch=1)
        self.ended = self.driver.submit("two_stages", {"n": 2})
        self.driver.run()
        self.other = outcome(self.store, self.ended)
        self.half_done = self.driver.submit("two_stages", {"n": 3})
        self.driver.run(deliveries=3)
        self.seen = [
            (queue, delivery.body)
            for queue in (JOBS_QUEUE, TASKS_QUEUE)
            for delivery in self.store.queues.peek(queue, limit=32)
        ]

    def run(self) -> None:
        """Work on: nothing but jobkit's own errors may come out. What was made unworkable may stay in a poison queue."""
        self.driver.run(deliveries=300)

    def look(self) -> None:
        """Show both jobs, as `inspect` does."""
        for job_id in (self.ended, self.half_done):
            with contextlib.suppress(JobkitError):
                job_document(self.driver.repository.get_chain(job_id))
        with contextlib.suppress(JobkitError):
            poison_document(PoisonSearch(self.driver.service, self.store.queues).find(Wanted(), take=True))

    def check_ended(self) -> None:
        assert outcome(self.store, self.ended) == self.other
        check_invariants(self.store, self.ended)


@QUICK
@given(data=st.data())
def test_a_message_changed_by_hand_never_does_worse_than_a_named_error(data: st.DataObject) -> None:
    with contextlib.ExitStack() as stack:
        two = Two(stack)
        queue, body = data.draw(st.sampled_from(two.seen))
        message: dict[str, Any] = json.loads(body)
        for field in data.draw(st.lists(st.sampled_from(FIELDS), min_size=1, max_size=3, unique=True)):
            if data.draw(st.booleans()):
                message.pop(field, None)
            else:
                message[field] = data.draw(JSON | st.sampled_from([0, 1, 2, 99, "plan", "task", "stop", "settle"]))
        into = data.draw(st.sampled_from([queue, JOBS_QUEUE, TASKS_QUEUE])) + data.draw(
            st.sampled_from(["", POISON_SUFFIX])
        )
        two.store.queues.send(into, json.dumps(message))
        act = data.draw(st.sampled_from([None, requeue, drop]))

        if act is not None:
            with contextlib.suppress(JobkitError):
                act(two.driver)
        two.run()

        two.look()
        two.check_ended()


@QUICK
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=60) | JSON.map(json.dumps))
def test_any_text_in_any_queue_is_kept_as_poison_and_both_jobs_end_as_they_would(text: str) -> None:
    with contextlib.ExitStack() as stack:
        two = Two(stack)
        for queue in (JOBS_QUEUE, TASKS_QUEUE):
            two.store.queues.send(queue, text)
            two.store.queues.send(queue + POISON_SUFFIX, text)

        two.run()

        assert [(queue, body) for queue, _, body in two.driver.poison_rows()] == [
            (JOBS_QUEUE + POISON_SUFFIX, text),
            (JOBS_QUEUE + POISON_SUFFIX, text),
            (TASKS_QUEUE + POISON_SUFFIX, text),
            (TASKS_QUEUE + POISON_SUFFIX, text),
        ]
        check_invariants(two.store, two.half_done)
        two.check_ended()


@QUICK
@given(data=st.data())
def test_a_row_changed_by_hand_never_does_worse_than_a_named_error(data: st.DataObject) -> None:
    with contextlib.ExitStack() as stack:
        two = Two(stack)
        rows = [
            (table, entity)
            for table in TABLES
            for entity in two.store.tables.query(table, Span("", "\x7f"))
            if two.half_done in entity.partition + entity.row
        ]
        table, entity = data.draw(st.sampled_from(rows))
        properties = dict(entity.properties)
        # A newer row waits for a newer jobkit: its message comes again until there is one.
        name = data.draw(st.sampled_from(sorted(properties.keys() - {"row_version"})))
        if data.draw(st.booleans()):
            del properties[name]
        else:
            properties[name] = data.draw(VALUES)
        changed = Entity(partition=entity.partition, row=entity.row, properties=properties)
        two.store.tables.update(table, changed, etag=entity.etag, mode=Mode.REPLACE)

        with contextlib.suppress(JobkitError):
            two.driver.submit("two_stages", {"n": 3})
        two.run()

        two.look()
        two.check_ended()


@pytest.mark.parametrize(
    ("name", "column", "text"), [("params", "params", "{"), ("result", "job_result_data", "[" * 30_000)]
)
def test_a_job_whose_json_was_changed_by_hand_is_refused_by_name(name: str, column: str, text: str) -> None:
    with contextlib.ExitStack() as stack:
        two = Two(stack)
        two.run()
        row = two.store.tables.get("jobs", two.half_done, "job")
        changed = Entity(partition=row.partition, row=row.row, properties={**row.properties, column: text})
        two.store.tables.update("jobs", changed, etag=row.etag, mode=Mode.REPLACE)

        with pytest.raises(RowDamaged) as refused:
            two.driver.job(two.half_done)

    assert str(refused.value) == f"store row {two.half_done} / job: it is damaged: its {name} is no JSON"
