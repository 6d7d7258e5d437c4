"""What the changes of a task's row write, and how many of them go into one transaction. Only the repository uses it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from . import rows
from .model import Failure, Owner, Status, TaskRef
from .rows import Properties
from .storage.limits import TRANSACTION_BYTES, payload_bytes
from .storage.ports import Entity, Insert, Operation, Update


def claimed(owner: Owner, worker: str, now: datetime) -> Properties:
    """Return what marks a task as claimed by a delivery."""
    changes: Properties = {
        "status": Status.PROCESSING.value,
        "started_at": rows.write_time(now),
        "worker": worker,
    }
    rows.put_owner(changes, owner)
    return changes


def planned(params_json: str | None, round_: int, now: datetime) -> Properties:
    """Return all that a row has whose task is queued for the first attempt of a round."""
    properties: Properties = {
        "row_version": rows.ROW_VERSION,
        "status": Status.QUEUED.value,
        "attempt": 1,
        "round": round_,
        "queued_at": rows.write_time(now),
    }
    rows.put_text(properties, "params", params_json)
    return properties


def completed(result_json: str, now: datetime) -> Properties:
    """Return what records a task's result."""
    changes: Properties = {
        "status": Status.COMPLETED.value,
        "ended_at": rows.write_time(now),
        "error_type": "",
    }
    rows.put_text(changes, "result", result_json)
    return changes


def failed(failure: Failure, now: datetime) -> Properties:
    """Return what records that a task has failed for good."""
    changes: Properties = {"status": Status.FAILED.value, "ended_at": rows.write_time(now)}
    rows.put_failure(changes, failure)
    return changes


def requeued(attempt: int, not_before: datetime, failure: Failure, now: datetime) -> Properties:
    """Return what queues a task that failed for another attempt."""
    changes: Properties = {
        "status": Status.QUEUED.value,
        "attempt": attempt,
        "queued_at": rows.write_time(now),
        "not_before": rows.write_time(not_before),
    }
    rows.put_failure(changes, failure)
    return changes


def update_of(ref: TaskRef, etag: str, changes: Properties) -> Update:
    """Return the part of a transaction that changes a task's row."""
    return Update(Entity(partition=rows.ref_partition(ref), row=rows.task_row(ref.index), properties=changes), etag)


def cut(operations: Sequence[Insert | Update]) -> Iterator[list[Operation]]:
    """Cut the operations on one partition into transactions that are not too large."""
    part: list[Operation] = []
    size = 0
    for operation in operations:
        operation_size = payload_bytes(operation.entity)
        if part and size + operation_size > TRANSACTION_BYTES:
            yield part
            part, size = [], 0
        part.append(operation)
        size += operation_size
    if part:
        yield part
