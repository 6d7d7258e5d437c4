"""What the local stores promise beyond Azure, and that both do the same."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clocks import ManualClock
from contract.backend import Backend
from contract.backends import BACKENDS, LOCAL
from jobkit.local import LocalStore
from jobkit.local.memory import MemoryStore
from jobkit.runtime.errors import JobkitError
from jobkit.runtime.storage.ports import (
    Condition,
    Delete,
    Entity,
    Insert,
    Mode,
    Operation,
    Span,
    Tables,
    Update,
    Upsert,
    Value,
)


@pytest.fixture(params=LOCAL)
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    with BACKENDS[request.param](tmp_path) as opened:
        yield opened


def bodies(backend: Backend, *, limit: int = 32) -> list[str]:
    return [delivery.body for delivery in backend.queues.receive("tasks", limit=limit, visibility_s=30)]


def test_messages_are_ordered_by_when_they_are_visible_then_by_when_they_were_sent(backend: Backend) -> None:
    for body, delay_s in (("a", 2), ("b", 1), ("c", 0), ("d", 0), ("e", 1), ("f", 2)):
        backend.queues.send("tasks", body, delay_s=delay_s)
    backend.advance(2)
    backend.queues.send("tasks", "g")

    assert bodies(backend, limit=2) == ["c", "d"]
    backend.advance(30)
    assert bodies(backend) == ["b", "e", "a", "f", "g", "c", "d"]


def test_times_are_those_of_the_clock_to_the_microsecond(backend: Backend) -> None:
    backend.advance(0.123457)
    sent_at = backend.now()
    backend.queues.send("tasks", "hello", delay_s=0.000001)
    assert bodies(backend) == []

    backend.advance(0.000001)
    [delivery] = backend.queues.receive("tasks", limit=1, visibility_s=0.25)
    assert delivery.inserted_at == sent_at
    assert delivery.visible_at == sent_at + timedelta(microseconds=250_001)

    backend.advance(0.249999)
    assert bodies(backend) == []
    backend.advance(0.000001)
    assert bodies(backend) == ["hello"]


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, -0.0, 5e-324, 1.7976931348623157e308])
def test_floats_that_json_has_no_word_for(backend: Backend, value: float) -> None:
    etag = backend.tables.insert("tasks", Entity(partition="p", row="r", properties={"v": b"x", "n": 1}))
    backend.tables.update("tasks", Entity(partition="p", row="r", properties={"v": value}), etag=etag)

    stored = backend.tables.get("tasks", "p", "r").properties
    assert {name: repr(each) for name, each in stored.items()} == {"v": repr(value), "n": "1"}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (Condition("v", "eq", 1), "cd"),
        (Condition("v", "eq", 1.0), "cd"),
        (Condition("v", "eq", True), "b"),
        (Condition("v", "ne", "1"), "e"),
        (Condition("v", "ge", 0), "cd"),
        (Condition("status", "ne", "x"), "e"),
        (Condition("status", "lt", 5), "cd"),
    ],
)
def test_a_value_of_another_type_meets_no_condition(backend: Backend, condition: Condition, expected: str) -> None:
    for key, value in zip("abcde", ("1", True, 1, 1.0, "2"), strict=True):
        properties: dict[str, Value] = {"v": value, "status": "x" if key == "a" else value}
        backend.tables.insert("tasks", Entity(partition="p", row=key, properties=properties))

    assert "".join(entity.row for entity in backend.tables.query("tasks", "p", where=[condition])) == expected


KEYS = st.sampled_from(["a", "b", "c"])
SOME = st.dictionaries(
    st.sampled_from(["status", "n", "text"]),
    st.one_of(st.sampled_from(["queued", "completed", "failed", b"\x00", 1.5, True]), st.integers(0, 3)),
    max_size=3,
)
# The n-th last ETag that the row had, or one that none ever had.
ETAGS = st.sampled_from([0, 0, 0, 1, None])
CHANGES = st.one_of(
    st.tuples(st.just("insert"), KEYS, SOME, st.none(), st.none()),
    st.tuples(st.just("upsert"), KEYS, SOME, st.none(), st.none()),
    st.tuples(st.just("update"), KEYS, SOME, ETAGS, st.sampled_from(Mode)),
    st.tuples(st.just("delete"), KEYS, st.just({}), ETAGS, st.none()),
)
STEPS = st.lists(st.one_of(CHANGES, st.lists(CHANGES, min_size=1, max_size=3)), max_size=12)


class Player:
    """Plays steps on a store; what comes out names ETags by their place in the row's history, so it can be compared."""

    def __init__(self, tables: Tables, partition: str) -> None:
        self._tables = tables
        self._partition = partition
        self._etags: dict[str, list[str]] = {}

    def play(self, step: object) -> object:
        changes = step if isinstance(step, list) else [step]
        try:
            operations = [self._operation(*change) for change in changes]
            if isinstance(step, list):
                written = self._tables.transact("tasks", operations)
            else:
                written = [self._alone(operations[0])]
        except (JobkitError, ValueError) as refused:
            return type(refused).__name__, str(refused)
        for (_, key, *_), etag in zip(changes, written, strict=True):
            if etag:
                assert etag not in self._etags.setdefault(key, [])
                self._etags[key].append(etag)
        return [bool(etag) for etag in written]

    def _operation(self, verb: str, key: str, properties: dict[str, Value], back: int | None, mode: Mode) -> Operation:
        entity = Entity(partition=self._partition, row=key, properties=properties)
        known = self._etags.get(key, [])
        etag = known[-1 - back] if back is not None and back < len(known) else "0"
        if verb == "insert":
            return Insert(entity)
        if verb == "upsert":
            return Upsert(entity)
        return Update(entity, etag, mode) if verb == "update" else Delete(self._partition, key, etag)

    def _alone(self, operation: Operation) -> str:
        if isinstance(operation, Insert):
            return self._tables.insert("tasks", operation.entity)
        if isinstance(operation, Upsert):
            return self._tables.upsert("tasks", operation.entity)
        if isinstance(operation, Update):
            return self._tables.update("tasks", operation.entity, etag=operation.etag, mode=operation.mode)
        self._tables.delete("tasks", operation.partition, operation.row, etag=operation.etag)
        return ""

    def look(self) -> object:
        rows = [(each.row, {n: repr(v) for n, v in each.properties.items()}) for each in self._query()]
        is_open = [Condition("status", "ne", "completed"), Condition("status", "ne", "failed")]
        opened = [each.row for each in self._query(where=is_open, select=(), top=2)]
        ones = [each.row for each in self._query(where=[Condition("n", "ge", 1), Condition("status", "le", "d")])]
        for each in self._query():
            assert each.etag == self._etags[each.row][-1]
        return [(key, sorted(properties.items())) for key, properties in rows], opened, ones

    def _query(self, **options: object) -> list[Entity]:
        in_span = list(self._tables.query("tasks", Span(self._partition, self._partition + "~"), **options))  # type: ignore[arg-type]
        assert in_span == list(self._tables.query("tasks", self._partition, **options))  # type: ignore[arg-type]
        return in_span


@pytest.fixture(scope="module")
def players(tmp_path_factory: pytest.TempPathFactory) -> object:
    """Make a player on each local store, in a partition that is its own."""
    clock = ManualClock()
    memory = MemoryStore(clock=clock, rng=random.Random(1))
    partitions = (f"p{n}" for n in range(10**6))
    with LocalStore.open(tmp_path_factory.mktemp("players") / "local.db", clock=clock) as sqlite:

        def make() -> tuple[Player, Player]:
            partition = next(partitions)
            return Player(memory.tables, partition), Player(sqlite.tables, partition)

        yield make


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS)
def test_both_stores_do_the_same(players: Callable[[], tuple[Player, Player]], steps: list[object]) -> None:
    memory, sqlite = players()
    for step in steps:
        assert memory.play(step) == sqlite.play(step)
        assert memory.look() == sqlite.look()


def test_a_local_store_is_a_context_manager_and_closes_twice(tmp_path: Path) -> None:
    with LocalStore.open(str(tmp_path / "local.db"), clock=ManualClock()) as store:
        assert store.path == tmp_path / "local.db"
        store.queues.send("tasks", "hello")
        store.close()
