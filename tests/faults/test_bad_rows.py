"""Whatever is done to rows by hand: a named error at most comes out of all that reads them, and no other job is touched."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from any_input import JSON, TIMES, quick
from jobkit.runtime.caretaking import Caretaker
from jobkit.runtime.documents import job_document
from jobkit.runtime.errors import JobkitError, RowDamaged
from jobkit.runtime.operator import Operator
from jobkit.runtime.purging import Purging
from jobkit.runtime.storage.ports import Entity, Mode
from neighbours import EveryRow
from poison_cases import drop, requeue

VALUES = (
    st.booleans()
    | st.integers(-(2**31), 2**31 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30)
    | st.binary(max_size=20)
    | st.sampled_from(
        ["queued", "processing", "completed", "failed", "sealed", "closed", "planning", "reopening", "unplanned"]
    )
    | st.sampled_from(["", "{", "[1]", "0", "1,2", "job:00", *TIMES])
)
KINDS = {
    *("job", "stage", "audit", "end-now", "chunk", "earlier"),
    *("task", "marker"),
    *("active", "recent", "kept poison"),
}


def operator(rows: EveryRow) -> Operator:
    return Operator(rows.driver.service, by="somebody")


def purge(rows: EveryRow, job_id: str) -> None:
    purging = Purging(rows.driver.service, by="somebody")
    purging.purge(purging.check(job_id))


def look_after(rows: EveryRow, job_id: str = "") -> None:
    rows.clock.advance(400)
    Caretaker(rows.driver.service, by="the timer").look_after(retention=timedelta(36_500), most=timedelta(minutes=3))


#: What is done while rows are damaged, to one of the jobs.
ACTS: dict[str, Callable[[EveryRow, str], object]] = {
    "run": lambda rows, job_id: rows.run(),
    "submit": lambda rows, job_id: rows.driver.submit("wide", {"n": 101}),
    "cancel": lambda rows, job_id: operator(rows).cancel(job_id),
    "cancel --now": lambda rows, job_id: operator(rows).cancel(job_id, now=True),
    "retry": lambda rows, job_id: operator(rows).retry(job_id),
    "retry --stage 1": lambda rows, job_id: operator(rows).retry(job_id, stage="1"),
    "repair": lambda rows, job_id: operator(rows).repair(job_id),
    "repair --force": lambda rows, job_id: operator(rows).repair(job_id, force=True),
    "purge": purge,
    "poison requeue": lambda rows, job_id: requeue(rows.driver),
    "poison drop": lambda rows, job_id: drop(rows.driver),
    "the timer": look_after,
}


@pytest.fixture(scope="module")
def rows() -> EveryRow:
    return EveryRow()


@pytest.fixture(autouse=True)
def _as_it_was(rows: EveryRow) -> None:
    rows.put_back()


def changed(value: object, data: st.DataObject) -> Any:
    """Return another value; where it is a JSON object, also one of which only a member has another value."""
    if isinstance(value, str) and value.startswith('{"') and data.draw(st.booleans()):
        document: dict[str, Any] = json.loads(value)
        document[data.draw(st.sampled_from(sorted(document)))] = data.draw(JSON)
        return json.dumps(document)
    return data.draw(VALUES)


def damage(rows: EveryRow, data: st.DataObject) -> None:
    """Change or delete a row, or leave it to another key; each kind of row as often as any other."""
    found = rows.rows()
    kind = data.draw(st.sampled_from(sorted(found)))
    table, entity = data.draw(st.sampled_from(found[kind]))
    tables = rows.store.tables
    how = data.draw(st.sampled_from(["change", "change", "change", "lose a column", "delete", "move"]))
    if how in ("delete", "move"):
        tables.delete(table, entity.partition, entity.row, etag=entity.etag)
        if how == "move":
            row = entity.row[: data.draw(st.integers(0, len(entity.row)))] + data.draw(st.sampled_from(["", "x", "-1"]))
            with contextlib.suppress(JobkitError):  # no row has an empty key, and there may be one of this key
                tables.insert(table, Entity(partition=entity.partition, row=row, properties=entity.properties))
        return
    properties = dict(entity.properties)
    # A newer row waits for a newer jobkit: its message comes again until there is one.
    name = data.draw(st.sampled_from(sorted(properties.keys() - {"row_version"}) or ["column"]))
    if how == "change":
        properties[name] = changed(properties.get(name), data)
    else:
        properties.pop(name, None)
    written = Entity(partition=entity.partition, row=entity.row, properties=properties)
    tables.update(table, written, etag=entity.etag, mode=Mode.REPLACE)


def test_the_store_has_rows_of_every_kind(rows: EveryRow) -> None:
    found = rows.rows()

    assert set(found) == KINDS
    jobs = {entity.partition: entity.properties for _, entity in found["job"]}
    assert {job_id: jobs[job_id]["status"] for job_id in rows.meddled} == {
        rows.long: "completed",
        rows.failed: "failed",
        rows.half_done: "processing",
        rows.listed: "queued",
    }
    assert jobs[rows.long]["result_chunks"] == len([entity for _, entity in found["chunk"]]) == 2
    assert [entity.partition for _, entity in found["earlier"]] == [rows.listed]
    assert [entity.partition for _, entity in found["end-now"]] == [rows.half_done]


def test_left_alone_all_jobs_end(rows: EveryRow) -> None:
    rows.run()

    rows.check()
    assert [rows.driver.job(job_id)["status"] for job_id in rows.meddled] == [
        "completed",
        "failed",
        "failed",
        "completed",
    ]


@quick(120)
@given(data=st.data())
def test_rows_changed_by_hand_never_do_worse_than_a_named_error(rows: EveryRow, data: st.DataObject) -> None:
    rows.put_back()
    for _ in range(data.draw(st.integers(1, 2))):
        damage(rows, data)

    for name in data.draw(st.lists(st.sampled_from(sorted(ACTS)), max_size=4)):
        with contextlib.suppress(JobkitError):
            ACTS[name](rows, data.draw(st.sampled_from(rows.meddled)))
    rows.look(*rows.meddled)
    rows.run()
    with contextlib.suppress(JobkitError):
        look_after(rows)

    rows.look(*rows.meddled)
    rows.check()


def change(rows: EveryRow, kind: str, column: str, value: Any, *, row: str | None = None) -> str:
    """Change the last row of a kind, or leave it to another key; return how an error is to name it."""
    tables = rows.store.tables
    table, entity = rows.rows()[kind][-1]
    key = entity.row if row is None else row
    tables.delete(table, entity.partition, entity.row, etag=entity.etag)
    tables.insert(table, Entity(partition=entity.partition, row=key, properties={**entity.properties, column: value}))
    return f"store row {entity.partition} / {key}: it is damaged: "


def read(rows: EveryRow, job_id: str) -> object:
    """Read all of a job that has a reader of its own."""
    chain = rows.driver.repository.get_chain(job_id)
    for stage in chain.stages:
        list(rows.driver.repository.all_tasks(stage))
        rows.driver.repository.marked_shards(stage)
    return job_document(chain)


@pytest.mark.parametrize(
    ("kind", "column", "value", "reason"),
    [
        ("job", "epoch", "a/b", "'a/b' is no name"),
        ("job", "params", "{", "its params is no JSON"),
        ("job", "job_result_data", "[" * 30_000, "its result is no JSON"),
        ("job", "created_at", "2024-03-01", "the time 2024-03-01 has no time zone"),
        ("stage", "plan", "a/b", "'a/b' is no name"),
        ("stage", "last_task", 3.5, "3.5 is no task's id"),
        ("stage", "sealed_at", "9999-12-31T23:59:59-23:59", "date value out of range"),
        ("task", "queued_at", "0001-01-01T00:00:00+23:59", "date value out of range"),
        ("marker", "summary", '{"completed": null}', "None is no count"),
        ("marker", "summary", '{"busy_s": [1]}', "[1] is no duration"),
        ("marker", "summary", '{"longest_s": NaN}', "nan is no duration"),
    ],
)
def test_a_value_that_can_not_be_is_refused_by_name(
    rows: EveryRow, kind: str, column: str, value: Any, reason: str
) -> None:
    where = change(rows, kind, column, value)

    refused = [each for job_id in rows.meddled if (each := refusal(lambda job_id=job_id: read(rows, job_id)))]

    assert refused == [where + reason]


def refusal(do: Callable[[], object]) -> str:
    try:
        do()
    except RowDamaged as exc:
        return str(exc)
    return ""


def test_a_marker_of_another_key_is_refused_by_name(rows: EveryRow) -> None:
    where = change(rows, "marker", "more", 1, row="00000x")

    assert refusal(lambda: read(rows, rows.half_done)) == f"{where}invalid literal for int() with base 10: '00000x'"


def test_a_long_result_of_which_a_part_is_no_text_is_refused_by_name(rows: EveryRow) -> None:
    change(rows, "chunk", "data_000", b"\xb5")
    token = rows.store.tables.get("jobs", rows.long, "job").properties["result_token"]

    refused = refusal(lambda: read(rows, rows.long))

    assert refused == f"store row {rows.long} / chunk-{token}-…: it is damaged: the parts are no text together"
