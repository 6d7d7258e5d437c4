"""Calls of many threads share transactions, and nobody notices."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from clocks import ManualClock
from contract.backend import in_parallel
from jobkit.local import LocalStore
from jobkit.local.database import Database
from jobkit.runtime.errors import EntityChanged, EntityExists, LimitExceeded, StoreUnavailable
from jobkit.runtime.storage.ports import Entity, Insert, Upsert


def row(key: str, n: int) -> Entity:
    return Entity(partition="p", row=key, properties={"n": n})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LocalStore]:
    with LocalStore.open(tmp_path / "local.db", clock=ManualClock()) as opened:
        yield opened


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "local.db")
    database.write(lambda cursor: cursor.execute("create table done (by integer primary key)"))
    yield database
    database.close()


def done(database: Database) -> list[int]:
    """Return what another connection sees: what is committed."""
    other = sqlite3.connect(database.path)
    try:
        return [by for (by,) in other.execute("select by from done order by by").fetchall()]
    finally:
        other.close()


def test_what_is_refused_undoes_nobody_else_s_work(store: LocalStore) -> None:
    """Sixteen threads, each with good calls and refused ones in turn."""
    store.tables.insert("tasks", row("there", 0))

    def work(number: int) -> list[type[Exception]]:
        refused: list[type[Exception]] = []
        for n in range(12):
            key = f"{number:02}-{n:02}"
            etag = store.tables.insert("tasks", row(key, n))
            for attempt in (
                lambda: store.tables.insert("tasks", row("there", 1)),
                lambda key=key: store.tables.update("tasks", row(key, 99), etag="1"),
                lambda key=key: store.tables.transact("tasks", [Upsert(row(key, 99)), Insert(row("there", 1))]),
                lambda key=key: store.tables.upsert("tasks", row(key, 2**70)),
            ):
                try:
                    attempt()
                except (EntityExists, EntityChanged, LimitExceeded) as exc:
                    refused.append(type(exc))
            store.tables.update("tasks", row(key, n + 100), etag=etag)
            store.queues.send("tasks", key)
        return refused

    outcomes = in_parallel(16, work)

    assert outcomes == [[EntityExists, EntityChanged, EntityExists, LimitExceeded] * 12] * 16
    expected = {f"{number:02}-{n:02}": n + 100 for number in range(16) for n in range(12)}
    assert {each.row: each.properties["n"] for each in store.tables.query("tasks", "p")} == expected | {"there": 0}
    assert store.queues.length("tasks") == len(expected)


def test_a_call_returns_only_after_its_commit(database: Database) -> None:
    def work(number: int) -> bool:
        for n in range(20):
            by = 100 * number + n
            database.write(lambda cursor, by=by: cursor.execute("insert into done values (?)", (by,)))
            if by not in done(database):
                return False
        return True

    assert in_parallel(8, work) == [True] * 8


def test_work_that_breaks_down_is_undone_alone(database: Database) -> None:
    def write_and_break(cursor: sqlite3.Cursor, by: int) -> None:
        cursor.execute("insert into done values (?)", (by,))
        if by % 3 == 0:
            raise KeyError(by)

    def work(number: int) -> list[int]:
        broken = []
        for n in range(12):
            by = 12 * number + n
            try:
                database.write(lambda cursor, by=by: write_and_break(cursor, by))
            except KeyError:
                broken.append(by)
        return broken

    outcomes = in_parallel(8, work)

    assert outcomes == [[12 * number + n for n in range(0, 12, 3)] for number in range(8)]
    assert done(database) == [by for by in range(96) if by % 3]


def test_a_transaction_that_can_t_begin_fails_all_its_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobkit.local.database.BUSY_S", 0.05)
    with LocalStore.open(tmp_path / "local.db", clock=ManualClock()) as store:
        locker = sqlite3.connect(tmp_path / "local.db", isolation_level=None)
        locker.execute("begin immediate")

        outcomes = in_parallel(8, lambda number: store.queues.send("tasks", str(number)))
        locker.execute("rollback")
        locker.close()

        assert [type(outcome) for outcome in outcomes] == [StoreUnavailable] * 8
        assert store.queues.length("tasks") == 0
        store.queues.send("tasks", "again")
        assert store.queues.length("tasks") == 1


class Interrupt(BaseException):
    """What Ctrl-C raises, in a thread of our choice."""


def test_an_interrupt_ends_one_call_and_hangs_nobody(database: Database) -> None:
    """Whoever leads is interrupted in the middle of it: the others fail clearly or succeed, and all go on."""
    first_is_at_work = threading.Event()
    go_on = threading.Event()

    def interrupted(cursor: sqlite3.Cursor) -> None:
        cursor.execute("insert into done values (1000)")
        first_is_at_work.set()
        assert go_on.wait(10)
        raise Interrupt

    def lead() -> None:
        with pytest.raises(Interrupt):
            database.write(interrupted)

    def follow(number: int) -> str:
        assert first_is_at_work.wait(10)
        if number == 3:
            go_on.set()
        try:
            database.write(lambda cursor: cursor.execute("insert into done values (?)", (number,)))
        except StoreUnavailable:
            return "refused"
        return "done"

    leader = threading.Thread(target=lead)
    leader.start()
    outcomes = in_parallel(4, follow)
    leader.join(10)

    assert not leader.is_alive()
    assert done(database) == [number for number, outcome in enumerate(outcomes) if outcome == "done"]
    database.write(lambda cursor: cursor.execute("insert into done values (2000)"))
    assert 2000 in done(database)


def test_what_one_thread_sends_together_arrives_even_if_it_breaks_down(store: LocalStore) -> None:
    def send(n: int) -> None:
        if n == 150:
            raise KeyError(n)
        store.queues.send("tasks", str(n))

    with pytest.raises(KeyError):
        store.queues.each(range(200), send)

    found = []
    while received := store.queues.receive("tasks", limit=32, visibility_s=60):
        found += [int(delivery.body) for delivery in received]
    assert found == list(range(150))
