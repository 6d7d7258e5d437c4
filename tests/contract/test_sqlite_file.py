"""The local store's file: made, reopened, damaged, foreign, newer, older, read-only, deleted, full."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from clocks import ManualClock
from contract.backend import until
from contract.processes import child
from jobkit.local import LocalStore, schema
from jobkit.local.database import Database
from jobkit.runtime.errors import StoreDamaged, StoreTooNew, StoreUnavailable
from jobkit.runtime.storage.ports import Delivery, Entity, Insert, Mode, Queues, Span, Store, Tables

START = datetime(2024, 2, 29, tzinfo=UTC)
ROW = Entity(partition="p", row="r", properties={"n": 1, "raw": b"\x00"})


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "local.db"


@pytest.fixture
def filled(file: Path, clock: ManualClock) -> Path:
    """A closed store with a row and a message."""
    with LocalStore.open(file, clock=clock) as store:
        store.tables.insert("tasks", ROW)
        store.queues.send("tasks", "hello")
    return file


def test_the_folder_is_made(tmp_path: Path, clock: ManualClock) -> None:
    with LocalStore.open(tmp_path / "project" / ".jobkit" / "local.db", clock=clock):
        pass

    assert [path.name for path in (tmp_path / "project" / ".jobkit").iterdir()] == ["local.db"]


def test_a_store_is_found_again_after_it_was_closed(filled: Path, clock: ManualClock) -> None:
    with LocalStore.open(filled, clock=clock) as store:
        assert store.tables.get("tasks", "p", "r").properties == ROW.properties
        [delivery] = store.queues.receive("tasks", limit=32, visibility_s=30)
        assert (delivery.body, delivery.dequeue_count) == ("hello", 1)


def test_an_etag_is_good_in_the_next_process_and_none_comes_back(filled: Path, clock: ManualClock) -> None:
    seen = set()
    for n in range(3):
        with LocalStore.open(filled, clock=clock) as store:
            etag = store.tables.get("tasks", "p", "r").etag
            seen.add(etag)
            store.tables.update("tasks", Entity(partition="p", row="r", properties={"n": n}), etag=etag)
    assert len(seen) == 3


def test_hubs_in_one_file_do_not_see_each_other(file: Path, clock: ManualClock) -> None:
    with (
        LocalStore.open(file, clock=clock) as first,
        LocalStore.open(file, clock=clock, hub="jobkit2") as second,
    ):
        etag = first.tables.insert("tasks", ROW)
        first.queues.send("tasks", "first")
        second.tables.insert("tasks", Entity(partition="p", row="r", properties={"n": 2}))

        assert [each.properties["n"] for each in second.tables.query("tasks", Span("", "~"))] == [2]
        assert second.queues.length("tasks") == 0
        assert second.queues.receive("tasks", limit=1, visibility_s=30) == []
        first.tables.delete("tasks", "p", "r", etag=etag)
        assert second.tables.get("tasks", "p", "r").properties == {"n": 2}
        assert [each.body for each in first.queues.receive("tasks", limit=32, visibility_s=30)] == ["first"]


def test_a_file_that_is_no_database_is_left_alone(file: Path, clock: ManualClock) -> None:
    file.write_text("# Notes\n" + "never lose these\n" * 100)

    with pytest.raises(StoreDamaged, match="is no store of jobkit") as refused:
        LocalStore.open(file, clock=clock)

    assert str(file) in str(refused.value)
    assert file.read_text() == "# Notes\n" + "never lose these\n" * 100
    assert list(file.parent.iterdir()) == [file]


def test_another_program_s_database_is_left_alone(file: Path, clock: ManualClock) -> None:
    with sqlite3.connect(file) as other:
        other.execute("create table notes (text)")
    other.close()
    before = file.read_bytes()

    with pytest.raises(StoreDamaged, match="is no store of jobkit"):
        LocalStore.open(file, clock=clock)

    assert file.read_bytes() == before


def test_an_empty_file_becomes_a_store(file: Path, clock: ManualClock) -> None:
    file.touch()

    with LocalStore.open(file, clock=clock) as store:
        store.tables.insert("tasks", ROW)


def test_a_damaged_file(filled: Path, clock: ManualClock) -> None:
    content = bytearray(filled.read_bytes())
    content[4096:] = b"\xde\xad\xbe\xef" * ((len(content) - 4096) // 4)  # all but the page of the schema
    filled.write_bytes(content)

    with pytest.raises(StoreDamaged, match="damaged"), LocalStore.open(filled, clock=clock) as store:
        store.tables.get("tasks", "p", "r")


def test_a_truncated_file(filled: Path, clock: ManualClock) -> None:
    os.truncate(filled, 4096)

    with pytest.raises(StoreDamaged, match="damaged"), LocalStore.open(filled, clock=clock) as store:
        store.tables.get("tasks", "p", "r")


def test_a_newer_store_is_refused_and_left_alone(filled: Path, clock: ManualClock) -> None:
    newer = len(schema.MIGRATIONS) + 1
    with sqlite3.connect(filled) as other:
        other.execute("update meta set value = ? where name = 'schema_version'", (newer,))
    other.close()

    with pytest.raises(StoreTooNew) as refused:
        LocalStore.open(filled, clock=clock)

    assert (refused.value.store, refused.value.found, refused.value.known) == (str(filled), newer, newer - 1)
    with sqlite3.connect(filled) as other:
        assert other.execute("select value from meta").fetchall() == [(newer,)]
    other.close()


def test_an_older_store_is_migrated(filled: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, ("alter table message add column note text",)))

    for _ in range(2):
        with LocalStore.open(filled, clock=clock) as store:
            assert store.tables.get("tasks", "p", "r").properties == ROW.properties

    with sqlite3.connect(filled) as other:
        assert other.execute("select value from meta").fetchall() == [(len(schema.MIGRATIONS),)]
        assert other.execute("select note from message").fetchall() == [(None,)]
    other.close()


@pytest.mark.parametrize("place", ["folder", "below a file"])
def test_a_path_that_can_t_be_a_file(tmp_path: Path, clock: ManualClock, place: str) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path if place == "folder" else tmp_path / "file" / "local.db"

    with pytest.raises(StoreUnavailable) as refused:
        LocalStore.open(path, clock=clock)

    assert str(path) in str(refused.value)


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that every user reaches; those of pytest are closed to others."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


@pytest.mark.skipif(sys.platform == "win32", reason="permissions work otherwise there")
class TestReadOnly:
    """As a user who may not write; root may everything, so a child gives that up."""

    @pytest.fixture
    def file(self, public_folder: Path, clock: ManualClock) -> Path:
        file = public_folder / "local.db"
        with LocalStore.open(file, clock=clock) as store:
            store.tables.insert("tasks", ROW)
        file.chmod(0o444)
        return file

    def test_a_file_in_a_folder_that_can_t_be_written_to(self, file: Path) -> None:
        file.parent.chmod(0o555)
        with child(file, "as-nobody", "write") as nobody:
            assert nobody.says() in {
                f"store {file}: it can't be opened. Check that its folder exists and may be written to.",
                f"store {file}: it can't be written to. Check who owns the file and its folder, and their permissions.",
            }

    def test_a_file_that_can_t_be_written_to(self, file: Path) -> None:
        file.parent.chmod(0o777)
        with child(file, "as-nobody", "write") as nobody:
            assert nobody.says() == (
                f"store {file}: it can't be written to. Check who owns the file and its folder, and their permissions."
            )

    @pytest.mark.parametrize("mode", [0o777, 0o555])
    def test_reading_needs_no_more_than_reading(self, file: Path, mode: int) -> None:
        file.parent.chmod(mode)
        with child(file, "as-nobody", "read") as nobody:
            assert nobody.says() == "['r']"

    def test_a_folder_that_can_t_be_made(self, public_folder: Path) -> None:
        public_folder.chmod(0o555)
        with child(public_folder / ".jobkit" / "local.db", "as-nobody", "write") as nobody:
            said = nobody.says()
        assert said.startswith(f"store {public_folder / '.jobkit' / 'local.db'}: Permission denied: ")


def test_a_store_where_nothing_can_be_written_is_looked_at_by_the_machines_clock(
    filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda _path, mode: mode != os.W_OK)

    with LocalStore.open(filled) as store:
        assert [each.body for each in store.queues.peek("tasks", limit=32)] == ["hello"]
        with pytest.raises(StoreUnavailable, match="it can't be written to"):
            store.queues.send("tasks", "more")

    assert [path.name for path in filled.parent.iterdir()] == ["local.db"]


def test_a_file_that_is_deleted_while_in_use(filled: Path, clock: ManualClock) -> None:
    with LocalStore.open(filled, clock=clock) as store:
        store.queues.receive("tasks", limit=1, visibility_s=30)
        for path in filled.parent.glob("local.db*"):
            if path.is_file():
                path.unlink()

        def refusal() -> str:
            try:
                store.queues.send("tasks", "lost")
            except StoreUnavailable as refused:
                return str(refused)
            return ""

        assert until(refusal) == f"store {filled}: the file was deleted or replaced while it was in use."
        with pytest.raises(StoreUnavailable):
            store.tables.get("tasks", "p", "r")
    assert not filled.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit there")
def test_a_full_disk(file: Path) -> None:
    with child(file, "write-until-refused", "1000000") as writer:
        assert writer.says().startswith(f"store {file}: ")
        assert writer.says() == "intact"
        assert writer.process.wait() == 0


HELD = Delivery(id="1", body="", dequeue_count=1, receipt="1:1", inserted_at=START, visible_at=START)

# Every verb of both ports, and what else a local store can be asked for.
VERBS: dict[str, Callable[[Store], object]] = {
    "Tables.insert": lambda store: store.tables.insert("tasks", ROW),
    "Tables.get": lambda store: store.tables.get("tasks", "p", "r"),
    "Tables.update": lambda store: store.tables.update("tasks", ROW, etag="1", mode=Mode.REPLACE),
    "Tables.upsert": lambda store: store.tables.upsert("tasks", ROW),
    "Tables.delete": lambda store: store.tables.delete("tasks", "p", "r", etag="1"),
    "Tables.query": lambda store: list(store.tables.query("tasks", "p")),
    "Tables.transact": lambda store: store.tables.transact("tasks", [Insert(ROW)]),
    "Queues.send": lambda store: store.queues.send("tasks", "hello"),
    "Queues.receive": lambda store: store.queues.receive("tasks", limit=1, visibility_s=30),
    "Queues.extend": lambda store: store.queues.extend("tasks", HELD, visibility_s=30),
    "Queues.delete": lambda store: store.queues.delete("tasks", HELD),
    "Queues.peek": lambda store: store.queues.peek("tasks", limit=1),
    "Queues.length": lambda store: store.queues.length("tasks"),
}


def test_every_verb_is_tried_below() -> None:
    verbs = [f"{port.__name__}.{name}" for port in (Tables, Queues) for name in vars(port) if not name.startswith("_")]

    assert list(VERBS) == verbs


@pytest.mark.parametrize("verb", VERBS)
def test_every_error_of_sqlite_is_one_of_ours(filled: Path, clock: ManualClock, verb: str) -> None:
    """Somebody drops the tables: SQLite refuses each statement."""
    with LocalStore.open(filled, clock=clock) as store:
        with sqlite3.connect(filled) as other:
            other.execute("drop table entity")
            other.execute("drop table message")
        other.close()

        with pytest.raises(StoreUnavailable, match="no such table") as refused:
            VERBS[verb](store.store)
        assert isinstance(refused.value.__cause__, sqlite3.OperationalError)


@pytest.mark.parametrize("verb", VERBS)
def test_a_closed_store_says_so(filled: Path, clock: ManualClock, verb: str) -> None:
    store = LocalStore.open(filled, clock=clock)
    store.close()

    with pytest.raises(StoreUnavailable, match="it is closed"):
        VERBS[verb](store.store)


@pytest.mark.parametrize(
    ("code", "kind", "says"),
    [
        (sqlite3.SQLITE_FULL, StoreUnavailable, "the disk is full"),
        (sqlite3.SQLITE_BUSY, StoreUnavailable, "locked"),
        (sqlite3.SQLITE_READONLY, StoreUnavailable, "can't be written to"),
        (sqlite3.SQLITE_READONLY_DBMOVED, StoreUnavailable, "can't be written to"),
        (sqlite3.SQLITE_CANTOPEN, StoreUnavailable, "can't be opened"),
        (sqlite3.SQLITE_IOERR_FSYNC, StoreUnavailable, "Check the disk"),
        (sqlite3.SQLITE_NOTADB, StoreDamaged, "no store of jobkit"),
        (sqlite3.SQLITE_CORRUPT, StoreDamaged, "damaged"),
        (sqlite3.SQLITE_CORRUPT_VTAB, StoreDamaged, "damaged"),
    ],
)
def test_what_sqlite_says_is_told_with_what_to_do(
    file: Path, monkeypatch: pytest.MonkeyPatch, code: int, kind: type[Exception], says: str
) -> None:
    monkeypatch.setattr("jobkit.local.database.BUSY_S", 0.0)
    database = Database(file)

    def fail(cursor: sqlite3.Cursor) -> None:
        error = sqlite3.OperationalError("text of SQLite")
        error.sqlite_errorcode = code
        error.sqlite_errorname = "SQLITE_NAME"
        raise error

    for run in (database.read, database.write):
        with pytest.raises(StoreUnavailable, match=says) as refused:
            run(fail)
        assert type(refused.value) is kind
        assert refused.value.store == str(file)
    database.close()
