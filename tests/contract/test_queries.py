"""Queries: spans, order, conditions, selection, and results of many pages."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest

from contract.backend import Backend
from jobkit.runtime.storage.ports import Condition, Delete, Entity, Insert, Span, Value


def fill(backend: Backend, partition: str, rows: Sequence[tuple[str, dict[str, Value]]]) -> None:
    for start in range(0, len(rows), 100):
        backend.tables.transact(
            "tasks",
            [
                Insert(Entity(partition=partition, row=row, properties=properties))
                for row, properties in rows[start : start + 100]
            ],
        )


def keys(found: Sequence[Entity]) -> list[str]:
    return [f"{entity.partition}/{entity.row}" for entity in found]


@pytest.fixture
def grid(backend: Backend) -> Backend:
    """Three partitions of three rows."""
    for partition in ("a", "b", "c"):
        fill(backend, partition, [(row, {"n": int(row), "at": partition + row}) for row in ("1", "2", "3")])
    return backend


def test_a_partition_in_the_order_of_its_rows(grid: Backend) -> None:
    etag = grid.tables.get("tasks", "b", "1").etag

    found = list(grid.tables.query("tasks", "b"))

    assert found[0] == Entity(partition="b", row="1", properties={"n": 1, "at": "b1"}, etag=etag)
    assert keys(found) == ["b/1", "b/2", "b/3"]


@pytest.mark.parametrize(
    ("partition", "rows", "expected"),
    [
        ("b", Span("1", "3"), ["b/1", "b/2"]),
        ("b", Span("2", "~"), ["b/2", "b/3"]),
        ("b", Span("4", "~"), []),
        ("missing", None, []),
        (Span("a", "c"), None, ["a/1", "a/2", "a/3", "b/1", "b/2", "b/3"]),
        (Span("aa", "z"), None, ["b/1", "b/2", "b/3", "c/1", "c/2", "c/3"]),
        (Span("", "b"), None, ["a/1", "a/2", "a/3"]),
        (Span("a", "z"), Span("2", "3"), ["a/2", "b/2", "c/2"]),
        (Span("c", "a"), None, []),
    ],
)
def test_spans_are_half_open(grid: Backend, partition: str | Span, rows: Span | None, expected: list[str]) -> None:
    assert keys(list(grid.tables.query("tasks", partition, rows=rows))) == expected


def test_keys_are_ordered_by_their_characters(backend: Backend) -> None:
    for key in ("b", "a", "B", "A", "10", "9", "a-", "aa", "~", "é", "_"):
        backend.tables.insert("tasks", Entity(partition=key, row="x", properties={}))
        backend.tables.insert("tasks", Entity(partition="rows", row=key, properties={}))
    expected = ["10", "9", "A", "B", "_", "a", "a-", "aa", "b", "~", "é"]

    assert [entity.row for entity in backend.tables.query("tasks", "rows")] == expected
    found = [entity.partition for entity in backend.tables.query("tasks", Span("", "\uffff")) if entity.row == "x"]
    assert found == expected


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ([("status", "eq", "failed")], "d"),
        ([("status", "ne", "failed")], "abc"),
        ([("status", "ne", "completed"), ("status", "ne", "failed")], "ab"),
        ([("status", "gt", "failed")], "ab"),
        ([("status", "ge", "failed"), ("status", "lt", "queued")], "bd"),
        ([("status", "le", "completed")], "c"),
        ([("n", "eq", 2)], "b"),
        ([("n", "ne", 2)], "acd"),
        ([("n", "lt", 2)], "a"),
        ([("n", "le", 2)], "ab"),
        ([("n", "gt", 2)], "cd"),
        ([("n", "ge", 2)], "bcd"),
        ([("share", "gt", 0.25)], "bc"),
        ([("share", "le", 0.25)], "a"),
        ([("done", "eq", True)], "c"),
        ([("done", "ne", True)], "ab"),
        ([("text", "eq", "it's ä")], "a"),
        ([("n", "gt", 1), ("status", "ne", "completed"), ("n", "lt", 4)], "b"),
        ([("missing", "eq", "x")], ""),
        ([("missing", "ne", "x")], ""),
        ([("n", "eq", 1), ("missing", "ne", 1)], ""),
        ([("share", "ne", 7.0)], "abc"),
    ],
)
@pytest.mark.parametrize("partition", ["p", Span("p", "q")], ids=["partition", "span"])
def test_a_row_meets_all_conditions(
    backend: Backend, partition: str | Span, conditions: list[tuple[str, str, Value]], expected: str
) -> None:
    fill(
        backend,
        "p",
        [
            ("a", {"status": "queued", "n": 1, "share": 0.25, "done": False, "text": "it's ä"}),
            ("b", {"status": "processing", "n": 2, "share": 0.5, "done": False}),
            ("c", {"status": "completed", "n": 3, "share": 1.0, "done": True}),
            ("d", {"status": "failed", "n": 4}),
            ("e", {}),
        ],
    )
    where = [Condition(*condition) for condition in conditions]  # type: ignore[arg-type]

    assert "".join(entity.row for entity in backend.tables.query("tasks", partition, where=where)) == expected
    bare = list(backend.tables.query("tasks", partition, where=where, select=()))
    assert [(entity.row, dict(entity.properties)) for entity in bare] == [(row, {}) for row in expected]


def test_conditions_follow_what_was_written_last(backend: Backend) -> None:
    fill(backend, "p", [("1", {"status": "queued"}), ("2", {"status": "queued"})])
    is_open = [Condition("status", "ne", "completed"), Condition("status", "ne", "failed")]

    etag = backend.tables.get("tasks", "p", "1").etag
    etag = backend.tables.update("tasks", Entity(partition="p", row="1", properties={"worker": "w"}), etag=etag)
    assert keys(list(backend.tables.query("tasks", "p", where=is_open, select=(), top=1))) == ["p/1"]

    backend.tables.update("tasks", Entity(partition="p", row="1", properties={"status": "failed"}), etag=etag)
    assert keys(list(backend.tables.query("tasks", "p", where=is_open, select=(), top=1))) == ["p/2"]

    backend.tables.upsert("tasks", Entity(partition="p", row="2", properties={"n": 1}))
    assert list(backend.tables.query("tasks", "p", where=is_open, select=(), top=1)) == []


def test_select_names_properties_that_conditions_need_not(grid: Backend) -> None:
    etag = grid.tables.get("tasks", "a", "3").etag

    found = list(grid.tables.query("tasks", "a", where=[Condition("n", "gt", 2)], select=["at", "missing"]))

    assert found == [Entity(partition="a", row="3", properties={"at": "a3"}, etag=etag)]


def test_an_empty_select_gives_keys_and_etags(grid: Backend) -> None:
    etags = [grid.tables.get("tasks", "a", row).etag for row in "123"]

    assert list(grid.tables.query("tasks", "a", select=())) == [
        Entity(partition="a", row=row, properties={}, etag=etag) for row, etag in zip("123", etags, strict=True)
    ]


def test_top_counts_rows_that_meet_the_conditions(grid: Backend) -> None:
    span = Span("a", "z")

    assert keys(list(grid.tables.query("tasks", span, top=4))) == ["a/1", "a/2", "a/3", "b/1"]
    assert keys(list(grid.tables.query("tasks", span, top=2, where=[Condition("n", "eq", 3)]))) == ["a/3", "b/3"]
    assert keys(list(grid.tables.query("tasks", span, top=99))) == keys(list(grid.tables.query("tasks", span)))


@pytest.fixture
def many(backend: Backend) -> Backend:
    """2,150 rows in two partitions: more than two pages of a thousand."""
    fill(backend, "p1", [(f"{n:04}", {"n": n, "last": n == 1_999}) for n in range(2_000)])
    fill(backend, "p2", [(f"{n:04}", {"n": n, "last": n == 149}) for n in range(150)])
    return backend


def test_a_query_reads_all_pages(many: Backend) -> None:
    everything = [f"p1/{n:04}" for n in range(2_000)] + [f"p2/{n:04}" for n in range(150)]

    assert keys(list(many.tables.query("tasks", "p1"))) == everything[:2_000]
    assert keys(list(many.tables.query("tasks", "p1", select=(), rows=Span("0500", "1750")))) == everything[500:1_750]
    assert keys(list(many.tables.query("tasks", Span("p1", "p3"), select=()))) == everything
    assert keys(list(many.tables.query("tasks", Span("p1", "p3"), top=1_001))) == everything[:1_001]
    assert keys(list(many.tables.query("tasks", Span("p1", "p3"), rows=Span("0149", "0151"), top=9))) == [
        "p1/0149",
        "p1/0150",
        "p2/0149",
    ]


def test_a_page_without_a_match_is_not_the_end(many: Backend) -> None:
    is_last = [Condition("last", "eq", True)]

    assert keys(list(many.tables.query("tasks", "p1", where=is_last))) == ["p1/1999"]
    assert keys(list(many.tables.query("tasks", Span("p1", "p3"), where=is_last, select=["n"]))) == [
        "p1/1999",
        "p2/0149",
    ]


def test_rows_may_be_deleted_while_they_are_read(many: Backend) -> None:
    seen = []
    found = many.tables.query("tasks", Span("p1", "p3"), select=())
    for partition, rows in itertools.groupby(found, lambda entity: entity.partition):
        while part := list(itertools.islice(rows, 50)):
            many.tables.transact("tasks", [Delete(partition, entity.row, entity.etag) for entity in part])
            seen += [entity.row for entity in part]

    assert len(seen) == len(set(seen)) + 150 == 2_150
    assert list(many.tables.query("tasks", Span("p1", "p3"))) == []


def test_large_rows_come_in_smaller_pages(backend: Backend) -> None:
    """12 MB of rows: whole, in order, each once."""
    text = "x" * 32_000
    for n in range(24):
        backend.tables.insert(
            "tasks", Entity(partition="p", row=f"{n:02}", properties={f"text{i}": text for i in range(16)} | {"n": n})
        )

    assert [entity.properties["n"] for entity in backend.tables.query("tasks", "p", select=["n"])] == list(range(24))
    assert [len(entity.properties) for entity in backend.tables.query("tasks", Span("", "~"))] == [17] * 24


def test_a_query_that_nobody_reads_on_keeps_nobody_from_writing(many: Backend) -> None:
    reading = many.tables.query("tasks", "p1")
    first = next(reading)

    many.tables.delete("tasks", first.partition, first.row, etag=first.etag)

    assert next(reading).row == "0001"
