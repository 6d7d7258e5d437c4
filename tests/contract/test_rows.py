"""One row at a time: insert, get, update, upsert, delete."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.backend import Backend, in_parallel
from jobkit.runtime.errors import EntityChanged, EntityExists, EntityNotFound
from jobkit.runtime.storage.ports import Entity, Mode, Value


def row(**properties: Value) -> Entity:
    return Entity(partition="p", row="r", properties=properties)


def test_a_row_is_read_as_it_was_inserted(backend: Backend) -> None:
    etag = backend.tables.insert("tasks", row(text="hello", count=3, share=0.5, done=False, digest=b"\x00\xff"))

    assert backend.tables.get("tasks", "p", "r") == Entity(
        partition="p",
        row="r",
        properties={"text": "hello", "count": 3, "share": 0.5, "done": False, "digest": b"\x00\xff"},
        etag=etag,
    )


def test_a_row_without_properties(backend: Backend) -> None:
    etag = backend.tables.insert("tasks", row())

    assert backend.tables.get("tasks", "p", "r") == Entity(partition="p", row="r", properties={}, etag=etag)


def test_select_limits_the_properties(backend: Backend) -> None:
    etag = backend.tables.insert("tasks", row(a=1, b=2, c=3))

    assert backend.tables.get("tasks", "p", "r", select=["a", "c", "missing"]) == Entity(
        partition="p", row="r", properties={"a": 1, "c": 3}, etag=etag
    )


def test_get_of_a_missing_row(backend: Backend) -> None:
    backend.tables.insert("tasks", row())

    for partition, key in (("p", "other"), ("other", "r")):
        with pytest.raises(EntityNotFound) as refused:
            backend.tables.get("tasks", partition, key)
        assert (refused.value.table, refused.value.partition, refused.value.row) == ("tasks", partition, key)


def test_a_second_insert_is_refused_and_changes_nothing(backend: Backend) -> None:
    etag = backend.tables.insert("tasks", row(n=1))

    with pytest.raises(EntityExists):
        backend.tables.insert("tasks", row(n=2))

    assert backend.tables.get("tasks", "p", "r") == Entity(partition="p", row="r", properties={"n": 1}, etag=etag)


def test_the_same_keys_in_another_table_or_partition_are_another_row(backend: Backend) -> None:
    first = backend.tables.insert("tasks", row(n=1))
    backend.tables.insert("jobs", row(n=2))
    backend.tables.insert("tasks", Entity(partition="p2", row="r", properties={"n": 3}))

    backend.tables.delete("tasks", "p", "r", etag=first)

    assert backend.tables.get("jobs", "p", "r").properties == {"n": 2}
    assert backend.tables.get("tasks", "p2", "r").properties == {"n": 3}


def test_merge_keeps_the_other_properties(backend: Backend) -> None:
    old = backend.tables.insert("tasks", row(a=1, b=b"two", c="three", status="queued"))

    new = backend.tables.update("tasks", row(b=b"2", d=4.0, status="completed"), etag=old)

    assert backend.tables.get("tasks", "p", "r") == Entity(
        partition="p",
        row="r",
        properties={"a": 1, "b": b"2", "c": "three", "d": 4.0, "status": "completed"},
        etag=new,
    )


def test_replace_drops_the_other_properties(backend: Backend) -> None:
    old = backend.tables.insert("tasks", row(a=1, status="queued"))

    new = backend.tables.update("tasks", row(b=2), etag=old, mode=Mode.REPLACE)

    assert backend.tables.get("tasks", "p", "r") == Entity(partition="p", row="r", properties={"b": 2}, etag=new)


def test_a_merge_may_change_a_property_s_type(backend: Backend) -> None:
    etag = backend.tables.insert("tasks", row(a=b"bytes", b=1, c="text", d=0.5, status="queued"))

    backend.tables.update("tasks", row(a=1.5, b=b"bytes", c=True, d="text", status=7), etag=etag)

    assert backend.tables.get("tasks", "p", "r").properties == {
        "a": 1.5,
        "b": b"bytes",
        "c": True,
        "d": "text",
        "status": 7,
    }


@pytest.mark.parametrize("mode", Mode)
def test_an_update_under_an_old_etag_is_refused_and_changes_nothing(backend: Backend, mode: Mode) -> None:
    old = backend.tables.insert("tasks", row(n=1))
    new = backend.tables.update("tasks", row(n=2), etag=old)

    with pytest.raises(EntityChanged):
        backend.tables.update("tasks", row(n=3), etag=old, mode=mode)

    assert backend.tables.get("tasks", "p", "r") == Entity(partition="p", row="r", properties={"n": 2}, etag=new)


@pytest.mark.parametrize("mode", Mode)
def test_an_update_of_a_missing_row_creates_none(backend: Backend, mode: Mode) -> None:
    etag = backend.tables.insert("tasks", row(n=1))
    backend.tables.delete("tasks", "p", "r", etag=etag)

    with pytest.raises(EntityNotFound):
        backend.tables.update("tasks", row(n=2), etag=etag, mode=mode)

    with pytest.raises(EntityNotFound):
        backend.tables.get("tasks", "p", "r")


def test_upsert_creates_and_then_replaces_whatever_is_there(backend: Backend) -> None:
    first = backend.tables.upsert("tasks", row(a=1, b=2))
    second = backend.tables.upsert("tasks", row(c=3))

    assert first != second
    assert backend.tables.get("tasks", "p", "r") == Entity(partition="p", row="r", properties={"c": 3}, etag=second)


def test_delete_takes_the_row_away(backend: Backend) -> None:
    etag = backend.tables.insert("tasks", row(n=1))

    backend.tables.delete("tasks", "p", "r", etag=etag)

    with pytest.raises(EntityNotFound):
        backend.tables.get("tasks", "p", "r")
    with pytest.raises(EntityNotFound):
        backend.tables.delete("tasks", "p", "r", etag=etag)


def test_a_delete_under_an_old_etag_is_refused(backend: Backend) -> None:
    old = backend.tables.insert("tasks", row(n=1))
    new = backend.tables.update("tasks", row(n=2), etag=old)

    with pytest.raises(EntityChanged):
        backend.tables.delete("tasks", "p", "r", etag=old)

    assert backend.tables.get("tasks", "p", "r") == Entity(partition="p", row="r", properties={"n": 2}, etag=new)


def test_an_etag_never_comes_back(backend: Backend) -> None:
    etags = [backend.tables.insert("tasks", row(n=1))]
    for _ in range(3):
        etags.append(backend.tables.update("tasks", row(n=1), etag=etags[-1]))
        etags.append(backend.tables.upsert("tasks", row(n=1)))
        backend.tables.delete("tasks", "p", "r", etag=etags[-1])
        etags.append(backend.tables.insert("tasks", row(n=1)))

    assert len(set(etags)) == len(etags)
    for old in etags[:-1]:
        with pytest.raises(EntityChanged):
            backend.tables.delete("tasks", "p", "r", etag=old)


def test_of_equal_inserts_exactly_one_wins(backend: Backend) -> None:
    outcomes = in_parallel(8, lambda number: backend.tables.insert("tasks", row(number=number)))

    [winner] = [number for number, outcome in enumerate(outcomes) if isinstance(outcome, str)]
    assert [type(outcome) for outcome in outcomes].count(EntityExists) == 7
    assert backend.tables.get("tasks", "p", "r") == Entity(
        partition="p", row="r", properties={"number": winner}, etag=str(outcomes[winner])
    )


def test_of_updates_under_one_etag_exactly_one_wins(backend: Backend) -> None:
    etag = backend.tables.insert("tasks", row(number=-1))

    outcomes = in_parallel(8, lambda number: backend.tables.update("tasks", row(number=number), etag=etag))

    [winner] = [number for number, outcome in enumerate(outcomes) if isinstance(outcome, str)]
    assert [type(outcome) for outcome in outcomes].count(EntityChanged) == 7
    assert backend.tables.get("tasks", "p", "r").properties == {"number": winner}


def test_no_update_is_lost(backend: Backend) -> None:
    backend.tables.insert("tasks", row(count=0))

    def add_ten(_: int) -> None:
        for _ in range(10):
            while True:
                stored = backend.tables.get("tasks", "p", "r")
                try:
                    backend.tables.update("tasks", row(count=int(stored.properties["count"]) + 1), etag=stored.etag)
                except EntityChanged:
                    continue
                break

    assert in_parallel(6, add_ten) == [None] * 6
    assert backend.tables.get("tasks", "p", "r").properties == {"count": 60}


# What JSON and XML carry; a lone surrogate is no text, and control characters do not survive every service.
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=80)
VALUES = st.one_of(
    TEXT,
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.binary(max_size=80),
)
NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,20}", fullmatch=True).map(lambda name: f"x{name}")
PROPERTIES = st.dictionaries(NAMES, VALUES, max_size=8)


def exactly(properties: Mapping[str, Value]) -> dict[str, tuple[type, Value]]:
    """Tell True from 1 and 1 from 1.0, which Python calls equal."""
    return {name: (type(value), value) for name, value in properties.items()}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=PROPERTIES, change=PROPERTIES)
def test_every_value_keeps_its_type(backend: Backend, before: dict[str, Value], change: dict[str, Value]) -> None:
    etag = backend.tables.upsert("tasks", row(**before))
    assert exactly(backend.tables.get("tasks", "p", "r").properties) == exactly(before)
    [queried] = backend.tables.query("tasks", "p")
    assert exactly(queried.properties) == exactly(before)

    backend.tables.update("tasks", row(**change), etag=etag)
    assert exactly(backend.tables.get("tasks", "p", "r").properties) == exactly(before | change)


@pytest.mark.parametrize("key", ["it's", "a b", "ä", "日本語", "🌍", "a:b,c;d=e&f", "~", ""])
def test_keys_may_be_any_text_that_azure_takes(backend: Backend, key: str) -> None:
    etag = backend.tables.insert("tasks", Entity(partition=key, row=key, properties={"n": 1}))
    etag = backend.tables.update("tasks", Entity(partition=key, row=key, properties={"n": 2}), etag=etag)

    assert backend.tables.get("tasks", key, key) == Entity(partition=key, row=key, properties={"n": 2}, etag=etag)
    assert [each.row for each in backend.tables.query("tasks", key)] == [key]
