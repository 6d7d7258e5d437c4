"""The limits of Azure Storage hold on every backend; what passes one changes nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from contract.backend import Backend
from contract.backends import LOCAL
from jobkit.runtime.errors import LimitExceeded
from jobkit.runtime.storage.ports import Entity, Insert, Mode, Upsert, Value

KIB = 1024


def row(properties: dict[str, Value], *, key: str = "r") -> Entity:
    return Entity(partition="p", row=key, properties=properties)


def texts(count: int, kib: int) -> dict[str, Value]:
    """Make properties that take `kib` KiB each, two bytes a character."""
    return {f"t{n}": "x" * (kib * KIB // 2) for n in range(count)}


FITTING: dict[str, dict[str, Value]] = {
    "64 KiB of text": {"a": "x" * (32 * KIB)},
    "64 KiB of text beyond ASCII": {"a": "ä" * (32 * KIB)},
    "64 KiB of emoji": {"a": "🌍" * (16 * KIB)},
    "64 KiB of bytes": {"a": b"x" * (64 * KIB)},
    "252 properties": {f"p{n}": n for n in range(252)},
    "1 MiB": texts(15, 64) | {"last": "x" * (31 * KIB)},
    "64 bits": {"a": 2**63 - 1, "b": -(2**63)},
}
PASSING: dict[str, dict[str, Value]] = {
    "64 KiB of text": {"a": "x" * (32 * KIB + 1)},
    "64 KiB of text beyond ASCII": {"a": "ä" * (32 * KIB + 1)},
    "64 KiB of emoji": {"a": "🌍" * (16 * KIB + 1)},
    "64 KiB of bytes": {"a": b"x" * (64 * KIB + 1)},
    "252 properties": {f"p{n}": n for n in range(253)},
    "1 MiB": texts(16, 64) | {"last": "x"},
    "64 bits": {"a": 2**63},
}


@pytest.mark.parametrize("limit", FITTING)
def test_what_just_fits_is_stored(backend: Backend, limit: str) -> None:
    etag = backend.tables.insert("tasks", row(FITTING[limit]))

    assert backend.tables.get("tasks", "p", "r") == Entity(partition="p", row="r", properties=FITTING[limit], etag=etag)


WRITES: dict[str, Callable[[Backend, Entity, str], object]] = {
    "insert": lambda backend, entity, etag: backend.tables.insert("tasks", entity),
    "upsert": lambda backend, entity, etag: backend.tables.upsert("tasks", entity),
    "merge": lambda backend, entity, etag: backend.tables.update("tasks", entity, etag=etag),
    "replace": lambda backend, entity, etag: backend.tables.update("tasks", entity, etag=etag, mode=Mode.REPLACE),
    "transact": lambda backend, entity, etag: backend.tables.transact("tasks", [Upsert(entity)]),
}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("limit", PASSING)
def test_what_passes_a_limit_is_refused(backend: Backend, limit: str, write: str) -> None:
    etag = backend.tables.insert("tasks", row({"n": 1}))

    with pytest.raises(LimitExceeded):
        WRITES[write](backend, row(PASSING[limit], key="other" if write == "insert" else "r"), etag)

    assert list(backend.tables.query("tasks", "p")) == [Entity(partition="p", row="r", properties={"n": 1}, etag=etag)]


@pytest.mark.parametrize("backend", LOCAL, indirect=True)  # Azurite takes more than Azure
@pytest.mark.parametrize(
    ("before", "change"),
    [
        ({f"p{n}": n for n in range(200)}, {f"q{n}": n for n in range(53)}),
        ({f"{n:x}": n for n in range(252)}, {"more": 1}),
        (texts(15, 64), {"last": "x" * (32 * KIB), "laster": "x"}),
    ],
    ids=["number of properties", "number of short properties", "size"],
)
def test_a_merge_is_measured_by_what_it_makes(
    backend: Backend, before: dict[str, Value], change: dict[str, Value]
) -> None:
    before = {f"x{name}": value for name, value in before.items()}
    etag = backend.tables.insert("tasks", row(before))

    with pytest.raises(LimitExceeded):
        backend.tables.update("tasks", row(change), etag=etag)

    assert backend.tables.get("tasks", "p", "r") == Entity(partition="p", row="r", properties=before, etag=etag)


def test_a_merge_into_a_large_row(backend: Backend) -> None:
    before = texts(8, 64) | {"status": "queued", "n": 1, "raw": b"\x00"}
    etag = backend.tables.insert("tasks", row(before))

    new = backend.tables.update("tasks", row({"status": "completed", "t0": "short"}), etag=etag)

    assert backend.tables.get("tasks", "p", "r") == Entity(
        partition="p", row="r", properties=before | {"status": "completed", "t0": "short"}, etag=new
    )


def test_keys_take_512_characters(backend: Backend) -> None:
    longest = "k" * 512
    backend.tables.insert("tasks", Entity(partition=longest, row=longest, properties={}))

    for partition, key in ((longest + "k", "r"), ("p", longest + "k")):
        with pytest.raises(LimitExceeded):
            backend.tables.insert("tasks", Entity(partition=partition, row=key, properties={}))


@pytest.mark.parametrize("character", ["/", "\\", "#", "?", "\n", "\x00", "\x7f", "\x9f"])
def test_keys_without_characters_that_azure_refuses(backend: Backend, character: str) -> None:
    for partition, key in ((f"a{character}", "r"), ("p", f"a{character}b")):
        entity = Entity(partition=partition, row=key, properties={})
        with pytest.raises(ValueError, match="refuses"):
            backend.tables.insert("tasks", entity)
        with pytest.raises(ValueError, match="refuses"):
            backend.tables.transact("tasks", [Insert(entity)])


def test_a_message_takes_48_kib_of_utf8(backend: Backend) -> None:
    for body in ("x" * (48 * KIB), "ä" * (24 * KIB)):
        backend.queues.send("tasks", body)
        with pytest.raises(LimitExceeded):
            backend.queues.send("tasks", body + "x")

    assert [len(delivery.body) for delivery in backend.receive_soon("tasks")] == [48 * KIB, 24 * KIB]


@pytest.mark.parametrize("delay_s", [-1.0, 7 * 24 * 3600 + 1.0])
def test_a_message_can_be_delayed_for_seven_days(backend: Backend, delay_s: float) -> None:
    with pytest.raises(LimitExceeded):
        backend.queues.send("tasks", "late", delay_s=delay_s)
    backend.queues.send("tasks", "in time", delay_s=7 * 24 * 3600.0)

    assert backend.queues.length("tasks") == 1
    assert backend.queues.receive("tasks", limit=1, visibility_s=30) == []


@pytest.mark.parametrize("limit", [0, 33])
def test_a_receive_takes_1_to_32_messages(backend: Backend, limit: int) -> None:
    with pytest.raises(ValueError, match="1 to 32"):
        backend.queues.receive("tasks", limit=limit, visibility_s=30)
    with pytest.raises(ValueError, match="1 to 32"):
        backend.queues.peek("tasks", limit=limit)
