"""Transactions: all or none, and what refuses them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from contract.backend import Backend, in_parallel
from jobkit.runtime.errors import EntityChanged, EntityExists, EntityNotFound, LimitExceeded
from jobkit.runtime.storage.ports import Delete, Entity, Insert, Mode, Operation, Update, Upsert, Value


def row(key: str, /, **properties: Value) -> Entity:
    return Entity(partition="p", row=key, properties=properties)


def contents(backend: Backend) -> dict[str, dict[str, Value]]:
    return {entity.row: dict(entity.properties) for entity in backend.tables.query("tasks", "p")}


def test_all_operations_are_done_and_their_etags_returned(backend: Backend) -> None:
    merged = backend.tables.insert("tasks", row("merged", a=1, b=2))
    replaced = backend.tables.insert("tasks", row("replaced", a=1, b=2))
    deleted = backend.tables.insert("tasks", row("deleted"))
    backend.tables.insert("tasks", row("upserted", a=1))

    etags = backend.tables.transact(
        "tasks",
        [
            Insert(row("inserted", n=1)),
            Update(row("merged", b=3, c=4), merged),
            Update(row("replaced", c=5), replaced, Mode.REPLACE),
            Delete("p", "deleted", deleted),
            Upsert(row("upserted", n=6)),
            Upsert(row("new", n=7)),
        ],
    )

    found = {entity.row: (entity.properties, entity.etag) for entity in backend.tables.query("tasks", "p")}
    assert found == {
        "inserted": ({"n": 1}, etags[0]),
        "merged": ({"a": 1, "b": 3, "c": 4}, etags[1]),
        "replaced": ({"c": 5}, etags[2]),
        "upserted": ({"n": 6}, etags[4]),
        "new": ({"n": 7}, etags[5]),
    }
    assert [not etag for etag in etags] == [False, False, False, True, False, False]
    assert not {merged, replaced} & set(etags)  # no row has one again; two rows may have the same (Azurite's are times)


@pytest.mark.parametrize(
    ("operation", "error"),
    [
        (lambda old: Insert(row("there", n=9)), EntityExists),
        (lambda old: Update(row("there", n=9), old), EntityChanged),
        (lambda old: Update(row("there", n=9), old, Mode.REPLACE), EntityChanged),
        (lambda old: Delete("p", "there", old), EntityChanged),
        (lambda old: Update(row("missing", n=9), old), EntityNotFound),
        (lambda old: Delete("p", "missing", old), EntityNotFound),
    ],
    ids=["insert", "merge", "replace", "delete", "merge missing", "delete missing"],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_refused_operation_undoes_all(
    backend: Backend, operation: Callable[[str], Operation], error: type[Exception], place: int
) -> None:
    old = backend.tables.insert("tasks", row("there", n=1))
    backend.tables.update("tasks", row("there", n=2), etag=old)
    operations: list[Operation] = [Insert(row("new", n=3)), Upsert(row("newer", n=4))]
    operations.insert(place, operation(old))

    with pytest.raises(error):
        backend.tables.transact("tasks", operations)

    assert contents(backend) == {"there": {"n": 2}}


def test_the_first_refused_operation_tells(backend: Backend) -> None:
    old = backend.tables.insert("tasks", row("there", n=1))
    backend.tables.update("tasks", row("there", n=2), etag=old)

    with pytest.raises(EntityChanged) as refused:
        backend.tables.transact("tasks", [Insert(row("new")), Delete("p", "there", old), Delete("p", "missing", old)])
    assert refused.value.row == "there"

    with pytest.raises(EntityNotFound) as missing:
        backend.tables.transact("tasks", [Delete("p", "missing", old), Delete("p", "there", old)])
    assert missing.value.row == "missing"


def test_a_transaction_takes_100_operations(backend: Backend) -> None:
    rows = [Insert(row(f"{n:03}", n=n)) for n in range(101)]

    for wrong in ([], rows):
        with pytest.raises(LimitExceeded):
            backend.tables.transact("tasks", wrong)
    assert contents(backend) == {}

    etags = backend.tables.transact("tasks", rows[:100])

    assert contents(backend) == {f"{n:03}": {"n": n} for n in range(100)}
    backend.tables.transact("tasks", [Delete("p", f"{n:03}", etag) for n, etag in enumerate(etags)])
    assert contents(backend) == {}


def test_a_transaction_takes_one_partition_and_each_row_once(backend: Backend) -> None:
    with pytest.raises(ValueError, match="partitions"):
        backend.tables.transact("tasks", [Insert(row("1")), Insert(Entity(partition="other", row="2", properties={}))])
    with pytest.raises(ValueError, match="twice"):
        backend.tables.transact("tasks", [Insert(row("1")), Upsert(row("1"))])
    assert contents(backend) == {}


def test_a_transaction_takes_4_mib(backend: Backend) -> None:
    text = {f"t{n}": "x" * 32_000 for n in range(15)}  # 480,000 bytes of JSON each
    rows = [Insert(row(str(n), **text)) for n in range(9)]

    with pytest.raises(LimitExceeded):
        backend.tables.transact("tasks", rows)
    assert contents(backend) == {}

    backend.tables.transact("tasks", rows[:8])
    assert contents(backend) == {str(n): text for n in range(8)}


def test_of_equal_transactions_exactly_one_wins(backend: Backend) -> None:
    def plan(number: int) -> list[str]:
        return backend.tables.transact("tasks", [Insert(row(str(n), by=number)) for n in range(20)])

    outcomes = in_parallel(6, plan)

    [winner] = [number for number, outcome in enumerate(outcomes) if isinstance(outcome, list)]
    assert [type(outcome) for outcome in outcomes].count(EntityExists) == 5
    assert contents(backend) == {str(n): {"by": winner} for n in range(20)}


def test_transactions_of_many_threads_keep_apart(backend: Backend) -> None:
    """Each moves one from a row to another; whatever they meet, the sum stays."""
    for n in range(4):
        backend.tables.insert("tasks", row(str(n), coins=100))

    def move(number: int) -> int:
        moved = 0
        while moved < 15:
            giver = backend.tables.get("tasks", "p", str(number % 4))
            taker = backend.tables.get("tasks", "p", str((number + 1 + number // 4) % 4))
            try:
                backend.tables.transact(
                    "tasks",
                    [
                        Update(row(giver.row, coins=int(giver.properties["coins"]) - 1), giver.etag),
                        Update(row(taker.row, coins=int(taker.properties["coins"]) + 1), taker.etag),
                    ],
                )
            except EntityChanged:
                continue
            moved += 1
        return moved

    assert in_parallel(6, move) == [15] * 6
    assert sum(int(properties["coins"]) for properties in contents(backend).values()) == 400
