"""A thread may leave a call's commit to its next one; what is undone then, it hears of with its next call."""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clocks import ManualClock
from contract.backend import in_parallel
from jobkit.local import LocalStore
from jobkit.local.database import Database
from jobkit.local.host import Instance
from jobkit.runtime.clock import SystemClock
from jobkit.runtime.errors import EntityExists, StoreUnavailable
from jobkit.runtime.processing import Processing
from jobkit.runtime.registry import Registry
from jobkit.runtime.service import Service
from jobkit.runtime.storage.ports import Entity
from samples import two_stages
from waiting import wait_until


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.setattr("jobkit.local.database.QUICK_S", 60.0)
    database = Database(tmp_path / "local.db")
    database.write(lambda cursor: cursor.execute("create table done (by integer primary key)"))
    yield database
    database.close()


def insert(database: Database, by: int) -> None:
    database.write(lambda cursor: cursor.execute("insert into done values (?)", (by,)), single=True)


def insert_together(database: Database, by: int) -> None:
    with database.together():
        insert(database, by)


def seen_by_others(database: Database) -> list[int]:
    other = sqlite3.connect(database.path)
    try:
        return [by for (by,) in other.execute("select by from done order by by").fetchall()]
    finally:
        other.close()


def seen_here(database: Database) -> list[int]:
    found = database.read(lambda cursor: cursor.execute("select by from done order by by").fetchall())
    return [by for (by,) in found]


def break_the_commit(database: Database) -> None:
    """Have the open transaction fail at its commit: a deferred foreign key without its parent."""

    def break_it(cursor: sqlite3.Cursor) -> None:
        cursor.execute("insert into child values (7)")

    with database.together():
        database.write(break_it, single=True)


@pytest.fixture
def breakable(database: Database) -> Database:
    database.read(lambda cursor: cursor.execute("pragma foreign_keys = on"))
    database.write(lambda cursor: cursor.execute("create table parent (id integer primary key)"))
    database.write(
        lambda cursor: cursor.execute(
            "create table child (id integer primary key references parent deferrable initially deferred)"
        )
    )
    return database


def test_a_call_outside_is_committed_at_once(database: Database) -> None:
    insert(database, 1)

    assert seen_by_others(database) == [1]


def test_what_happens_together_is_committed_with_the_next_call(database: Database) -> None:
    with database.together():
        insert(database, 1)
        here = seen_here(database)
        insert(database, 2)
    before = seen_by_others(database)
    insert(database, 3)

    assert (here, before, seen_by_others(database)) == ([1], [], [1, 2, 3])


@pytest.mark.parametrize("other_thread", [False, True])
def test_a_read_of_any_thread_commits_what_it_sees(database: Database, other_thread: bool) -> None:
    with database.together():
        insert(database, 1)
    found = in_parallel(1, lambda _: seen_here(database)) if other_thread else [seen_here(database)]

    assert (found, seen_by_others(database)) == ([[1]], [1])


def test_what_a_thread_does_last_joins_in(database: Database) -> None:
    with database.together():
        insert(database, 1)
    database.write(lambda cursor: cursor.execute("insert into done values (2)"), single=True, last=True)
    before = seen_by_others(database)
    database.flush()

    assert (before, seen_by_others(database)) == ([], [1, 2])


def test_a_last_call_alone_is_committed_at_once(database: Database) -> None:
    database.write(lambda cursor: cursor.execute("insert into done values (2)"), single=True, last=True)

    assert seen_by_others(database) == [2]


def test_a_thread_that_paused_leaves_nothing_open(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobkit.local.database.QUICK_S", 0.0)
    with database.together():
        insert(database, 1)

    assert seen_by_others(database) == [1]


def test_closing_commits_what_is_open(database: Database) -> None:
    with database.together():
        insert(database, 1)
    database.close()

    assert seen_by_others(database) == [1]


@pytest.mark.parametrize("heard_by", ["a write", "a read", "a flush", "a last call", "a call together"])
def test_a_lost_transaction_is_heard_of_with_the_next_call_and_only_once(breakable: Database, heard_by: str) -> None:
    calls = {
        "a write": lambda: insert(breakable, 2),
        "a read": lambda: seen_here(breakable),
        "a flush": breakable.flush,
        "a last call": lambda: breakable.write(lambda cursor: cursor.execute("select 1"), single=True, last=True),
        "a call together": lambda: insert_together(breakable, 2),
    }
    with breakable.together():
        insert(breakable, 1)
    break_the_commit(breakable)
    lost = in_parallel(1, lambda _: insert(breakable, 9))  # another thread's call commits, and is refused for it

    with pytest.raises(StoreUnavailable):
        calls[heard_by]()

    assert [type(each) for each in lost] == [StoreUnavailable]
    assert seen_here(breakable) == []
    insert(breakable, 3)
    assert seen_by_others(breakable) == [3]


def test_a_flush_that_fails_says_so_and_the_next_call_goes_on(breakable: Database) -> None:
    break_the_commit(breakable)

    with pytest.raises(StoreUnavailable):
        breakable.flush()
    insert(breakable, 3)

    assert seen_by_others(breakable) == [3]


def test_a_group_of_threads_stands_when_the_open_transaction_before_it_is_lost(breakable: Database) -> None:
    """Their work is done again without it; the one that left it open hears of that."""
    break_the_commit(breakable)
    outcomes = in_parallel(
        8, lambda n: breakable.write(lambda cursor: cursor.execute("insert into done values (?)", (n,)).rowcount)
    )

    lost = [n for n, outcome in enumerate(outcomes) if outcome != 1]
    assert len(lost) <= 8
    assert seen_by_others(breakable) == [n for n in range(8) if n not in lost]
    with pytest.raises(StoreUnavailable):
        breakable.flush()


def test_what_another_thread_s_breakdown_undoes_is_not_gone_on_from(database: Database) -> None:
    """A call that waits while its thread's open transaction is undone is not done again without what it came after."""
    begun, waits = threading.Event(), threading.Event()

    def break_down(cursor: sqlite3.Cursor) -> None:
        begun.set()
        waits.wait(10)
        time.sleep(0.05)  # so that the call below is in the queue; were it not, it would be refused all the same
        raise KeyError("broken")

    def leave_open_and_go_on(_: int) -> None:
        seen_here(database)  # a thread's first call is always committed
        with database.together():
            insert(database, 1)
        breaking.start()
        begun.wait(10)
        waits.set()
        database.write(lambda cursor: cursor.execute("insert into done values (2)"))

    breaking = threading.Thread(target=lambda: in_parallel(1, lambda _: database.write(break_down)))
    outcomes = in_parallel(1, leave_open_and_go_on)
    breaking.join(10)

    assert [type(each) for each in outcomes] == [StoreUnavailable]
    assert seen_by_others(database) == []


def test_what_is_undone_just_before_a_call_is_noticed_by_that_call(breakable: Database) -> None:
    """However close: eight threads leave transactions open that break, and delete only what is there."""

    def work(number: int) -> list[int]:
        """Leave a row, then its mark, open again and again; return the marks that were believed."""
        believed: list[int] = []
        for n in range(40):
            by = 100 * number + n
            try:
                with breakable.together():
                    insert(breakable, by)
                if n % 5 == 0:
                    break_the_commit(breakable)
                with breakable.together():
                    breakable.write(
                        lambda cursor, by=by: cursor.execute("insert into mark values (?)", (by,)), single=True
                    )
                breakable.flush()
                believed.append(by)
            except StoreUnavailable:
                continue
        return believed

    breakable.write(lambda cursor: cursor.execute("create table mark (by integer primary key)"))
    believed = [by for found in in_parallel(8, work) for by in found]  # type: ignore[union-attr] - none raises

    marks = breakable.read(lambda cursor: cursor.execute("select by from mark order by by").fetchall())
    rows = seen_by_others(breakable)
    assert {by for (by,) in marks} - set(rows) == set()  # no mark without the row that came before it
    assert set(believed) - set(rows) == set()


def test_a_refusal_together_leaves_the_rest_and_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobkit.local.database.QUICK_S", 60.0)
    with LocalStore.open(tmp_path / "local.db", clock=ManualClock()) as store:
        store.tables.insert("tasks", Entity(partition="p", row="there", properties={}))
        with store.together():
            store.tables.insert("tasks", Entity(partition="p", row="new", properties={}))
            with pytest.raises(EntityExists):
                store.tables.insert("tasks", Entity(partition="p", row="there", properties={}))
        store.flush()

        with LocalStore.open(tmp_path / "local.db", clock=ManualClock()) as other:
            assert [each.row for each in other.tables.query("tasks", "p")] == ["new", "there"]


def test_threads_that_leave_open_and_threads_that_do_not_lose_nothing(database: Database) -> None:
    def work(number: int) -> None:
        for n in range(50):
            if (number + n) % 2:
                with database.together():
                    insert(database, 100 * number + n)
            else:
                insert(database, 100 * number + n)
        database.flush()

    assert in_parallel(8, work) == [None] * 8
    assert seen_by_others(database) == [100 * number + n for number in range(8) for n in range(50)]


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_job_ends_right_when_transactions_that_were_left_open_are_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, concurrency: int
) -> None:
    """One in ten commits fails, as on a full disk."""
    rng = random.Random(concurrency)
    lost: list[int] = []
    started: list[int] = []

    class Losing(sqlite3.Cursor):
        def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
            if sql == "commit" and started and len(lost) < 20 and rng.random() < 0.1:
                lost.append(1)
                raise sqlite3.OperationalError("database or disk is full")
            return super().execute(sql, parameters)

    class Connection(sqlite3.Connection):
        def cursor(self) -> sqlite3.Cursor:
            return super().cursor(Losing)

    def connect(database: Database) -> sqlite3.Connection:
        return sqlite3.connect(database.path, isolation_level=None, check_same_thread=False, factory=Connection)

    monkeypatch.setattr(Database, "connect", connect)
    ended: list[str] = []
    with LocalStore.open(tmp_path / "local.db") as store:
        service = Service(
            store.store,
            Registry([two_stages(ended.append)]),
            clock=SystemClock(),
            rng=rng,
            worker="test",
            observe=lambda event: None,
            each=store.queues.each,
            together=store.together,
        )
        instance = Instance(
            store.queues,
            Processing(service).handle,
            waiter=store,
            concurrency=concurrency,
            on_error=lambda *args: None,
            lease_s=0.3,
            renew_every_s=0.1,
            max_dequeue_count=50,
        )
        job_id = service.submit("two_stages", {"n": 150}).chain.job.job_id
        started.append(1)
        instance.start()
        wait_until(lambda: ended, "the job ends")
        instance.stop(10)
        started.clear()
        chain = service.repository.get_chain(job_id)

        assert (ended[0], lost[:3], [stage.task_count for stage in chain.stages]) == (
            "completed",
            [1, 1, 1],
            [150, 150],
        )
        results = [[task.result_json for task in service.repository.all_tasks(stage)] for stage in chain.stages]
        assert results == [[f'{{"square":{n * n}}}' for n in range(150)], [str(n * n + 150) for n in range(150)]]
