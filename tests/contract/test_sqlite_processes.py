"""Several processes on one local store, and what is left of those that died."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from clocks import ManualClock
from contract.backend import until
from contract.processes import child
from jobkit.local import LocalStore
from jobkit.runtime.clock import SystemClock
from jobkit.runtime.errors import StoreUnavailable
from jobkit.runtime.storage.ports import Delivery, Entity

LOOKS_S = 1.2  # two looks for dead processes take less
only_posix = pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "local.db"


@pytest.fixture
def store(file: Path) -> Iterator[LocalStore]:
    with LocalStore.open(file, clock=SystemClock()) as opened:
        yield opened


def receive(store: LocalStore) -> list[Delivery]:
    return store.queues.receive("tasks", limit=32, visibility_s=60)


def test_processes_share_rows_and_messages(store: LocalStore, file: Path) -> None:
    for n in range(150):
        store.queues.send("tasks", f"message{n}")

    with child(file, "share", "100") as first, child(file, "share", "100") as second:
        for each in (first, second):
            assert each.says() == "ready"
        for each in (first, second):
            each.go_on()
        won = [each.says().split() for each in (first, second)]
        pids = [each.process.pid for each in (first, second)]

    assert sorted(won[0] + won[1]) == sorted([f"row{n}" for n in range(100)] + [f"message{n}" for n in range(150)])
    for pid, names in zip(pids, won, strict=True):
        rows = [f"row{int(row.row)}" for row in store.tables.query("tasks", "p") if row.properties["by"] == pid]
        assert rows == [name for name in names if name.startswith("row")]
    assert store.queues.length("tasks") == 0


def test_what_a_killed_process_held_is_free_at_once(store: LocalStore, file: Path) -> None:
    for n in range(3):
        store.queues.send("tasks", str(n))
    with child(file, "hold", "2") as holder:
        assert holder.says() == "0 1"
        assert [each.body for each in receive(store)] == ["2"]
        store.queues.send("tasks", "later", delay_s=60)
        hidden = store.queues.hidden("tasks", limit=10)
        assert {(each.body, each.holder_lives) for each in hidden} == {
            ("0", True),
            ("1", True),
            ("2", True),
            ("later", None),
        }

        holder.kill()
        lives = until(
            lambda: {each.body: each.holder_lives for each in store.queues.hidden("tasks", limit=3)}["0"] is False
        )
        assert lives

        found = until(lambda: receive(store))
    assert sorted((each.body, each.dequeue_count) for each in found) == [("0", 2), ("1", 2)]


def test_who_waits_notices_a_death(store: LocalStore, file: Path) -> None:
    store.queues.send("tasks", "hello")
    with child(file, "hold", "1") as holder:
        assert holder.says() == "hello"
        holder.kill()

        started = time.monotonic()
        store.wait(["jobs", "tasks"], 30)

        assert time.monotonic() - started < 10
        assert [each.body for each in receive(store)] == ["hello"]


def test_a_living_process_keeps_what_it_holds(store: LocalStore, file: Path) -> None:
    store.queues.send("tasks", "hello")
    with child(file, "hold", "1") as holder:
        assert holder.says() == "hello"

        assert until(lambda: receive(store), LOOKS_S) == []


def test_what_a_dead_process_held_in_another_hub_is_freed_too(file: Path) -> None:
    clock = SystemClock()
    with LocalStore.open(file, clock=clock) as ours:
        ours.queues.send("tasks", "ours")
        with child(file, "hold", "1") as holder:
            assert holder.says() == "ours"
            holder.kill()
    with LocalStore.open(file, clock=clock, hub="other") as other:
        assert until(lambda: receive(other), LOOKS_S) == []
    with LocalStore.open(file, clock=clock) as ours:
        assert [each.body for each in receive(ours)] == ["ours"]


def test_closing_a_store_gives_back_what_it_holds(file: Path) -> None:
    clock = ManualClock()
    with LocalStore.open(file, clock=clock) as second:
        with LocalStore.open(file, clock=clock) as first:
            for n in range(3):
                first.queues.send("tasks", str(n))
            held = first.queues.receive("tasks", limit=2, visibility_s=60)
            first.queues.extend("tasks", held[1], visibility_s=90)
            assert [each.body for each in receive(second)] == ["2"]

        assert [(each.body, each.dequeue_count) for each in receive(second)] == [("0", 1), ("1", 1)]


def test_a_lease_taken_over_is_not_freed_by_its_former_holder(file: Path) -> None:
    clock = ManualClock()
    with LocalStore.open(file, clock=clock) as second:
        with LocalStore.open(file, clock=clock) as first:
            first.queues.send("tasks", "hello")
            first.queues.receive("tasks", limit=1, visibility_s=1)
            clock.advance(2)
            assert [each.body for each in receive(second)] == ["hello"]

        assert receive(second) == []


def test_delayed_messages_of_a_dead_process_stay_delayed(store: LocalStore, file: Path) -> None:
    store.queues.send("tasks", "held")
    store.queues.send("tasks", "late", delay_s=3600)
    with child(file, "hold", "1") as holder:
        assert holder.says() == "held"
        holder.kill()
        assert [each.body for each in until(lambda: receive(store))] == ["held"]

    assert until(lambda: receive(store), LOOKS_S) == []


@only_posix
def test_a_forked_process_does_not_keep_a_dead_parent_s_messages(store: LocalStore, file: Path) -> None:
    store.queues.send("tasks", "hello")
    with child(file, "hold-and-fork", "1") as holder:
        forked = int(holder.says())
        try:
            assert holder.says() == "hello"
            holder.kill()

            assert [each.body for each in until(lambda: receive(store))] == ["hello"]
        finally:
            os.kill(forked, signal.SIGKILL)


@only_posix
def test_a_forked_process_leaves_the_store_alone(file: Path) -> None:
    with child(file, "use-after-fork") as forking:
        assert forking.says() == f"store {file}: a forked process can't go on with it: open it there."
        assert forking.says() == "['after']"
        assert forking.process.wait() == 0


def test_what_holders_leave_behind_is_cleared_away(store: LocalStore, file: Path) -> None:
    holders = file.with_name("local.db.holders")
    store.queues.send("tasks", "hello")
    with child(file, "hold", "1") as holder:
        assert holder.says() == "hello"
        assert len(list(holders.iterdir())) == 1
        (holders / "README").write_text("somebody else's file")
        holder.kill()
    assert until(lambda: receive(store))

    store.close()

    assert [path.name for path in holders.iterdir()] == ["README"]


def test_one_process_kills_another_while_many_write(store: LocalStore, file: Path) -> None:
    """Whatever a kill interrupts, the file stays whole and the others go on."""
    for _ in range(3):
        with child(file, "send", "100000") as sender:
            assert sender.says() == "ready"
            sender.go_on()
            before = store.queues.length("tasks")
            assert until(lambda before=before: store.queues.length("tasks") > before + 20)
            sender.kill()
        store.tables.upsert("tasks", Entity(partition="p", row="r", properties={"n": 1}))

    found = [each for _ in range(3) for each in receive(store)]
    assert len({each.id for each in found}) == len(found) > 60


def test_another_process_s_lock_is_waited_for_and_then_reported(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sqlite3
    import threading

    monkeypatch.setattr("jobkit.local.database.BUSY_S", 0.5)
    with LocalStore.open(file, clock=SystemClock()) as store:
        locker = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        locker.execute("begin immediate")
        with pytest.raises(StoreUnavailable, match="another process has kept it locked"):
            store.queues.send("tasks", "refused")
        assert store.queues.length("tasks") == 0

        threading.Timer(0.1, locker.execute, ["rollback"]).start()
        store.queues.send("tasks", "sent")

        assert store.queues.length("tasks") == 1
        locker.close()
