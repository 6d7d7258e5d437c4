"""Rows: where each record is kept and how it is written as properties. Only the repository uses it.

Table `jobs`, one partition a job: `job`, `stage-NN`, `audit-…`, `end-now-…`, `chunk-TOKEN-NNNN` (parts of a long result),
`earlier-NNNN` (parts of an explicit list of earlier results).
Table `tasks`: a partition for each shard, `JOB.SS.PLAN.t.NNNNNNNN`, and for each group of markers,
`JOB.SS.PLAN.mL.RRRR.NNNNNNNN`. Table `index`: the partition `jobs` with `active` and `recent` rows, `poison` with
messages that could not be understood.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

import pydantic_core

from .errors import RowDamaged, StoreTooNew
from .model import (
    MAX_MESSAGE_CHARS,
    MAX_TRACEBACK_CHARS,
    MAX_TYPE_CHARS,
    Audit,
    ErrorGroup,
    Failure,
    JobRecord,
    KeptMessage,
    Listed,
    OnFailure,
    Owner,
    Policy,
    StageRecord,
    StageState,
    Status,
    Summary,
    TaskRecord,
    TaskRef,
    is_name,
)
from .payload import to_json
from .storage.limits import PROPERTY_BYTES, utf16_units
from .storage.ports import Entity, Span, Value

T = TypeVar("T")

ROW_VERSION: Final = 1
SHARD: Final = 100  # tasks a partition: the most that one transaction takes
GROUP: Final = 100  # markers a partition

JOBS: Final = "jobs"
TASKS: Final = "tasks"
INDEX: Final = "index"
INDEX_JOBS: Final = "jobs"
INDEX_POISON: Final = "poison"
ACTIVE: Final = "active-"
RECENT: Final = "recent-"
JOB_ROW: Final = "job"
AUDIT_ROWS: Final = Span("audit-", "audit.")  # before the job row, in the order of their times
CHAIN_ROWS: Final = Span("job", "stage.")  # the job row and its stage rows, and no other: '.' follows '-'

PREFIX_CHARS: Final = 500  # what may be put before an exception's own text

_ACTIVE_KEY: Final = re.compile(rf"{ACTIVE}(?P<job_id>[^-]+)-(?P<epoch>.+)-\d+")
_TASK_ID: Final = re.compile(r".+-[0-9]{1,10}")
_RECENT_KEY: Final = re.compile(rf"{RECENT}(?P<newest_first>\d{{16}})-(?P<job_id>[^-]+)-(?P<epoch>.+)")

Properties = dict[str, Value]

_NO_POLICY: Final = Policy()


def stage_row(number: int) -> str:
    """Return a stage's row key."""
    return f"stage-{number:02}"


def job_partitions(job_id: str) -> Span:
    """Return the range of all partitions of a job's tasks and markers: '/' follows '.'."""
    return Span(f"{job_id}.", f"{job_id}/")


def shard_partition(job_id: str, stage: int, plan: str, shard: int) -> str:
    """Return the partition of one shard's tasks."""
    return f"{job_id}.{stage:02}.{plan}.t.{shard:08}"


def shard_span(job_id: str, stage: int, plan: str, first: int, last: int) -> Span:
    """Return the range of partitions of the shards `first` to `last`, both included."""
    return Span(shard_partition(job_id, stage, plan, first), shard_partition(job_id, stage, plan, last) + "~")


def unsealed_spans(job_id: str, stage: int, sealed_plan: str | None) -> list[Span]:
    """Return the ranges of a stage's partitions that are not of its sealed plan."""
    start = f"{job_id}.{stage:02}."
    if sealed_plan is None:
        return [Span(start, start + "~")]
    plan = f"{start}{sealed_plan}."
    return [Span(start, plan), Span(plan + "~", start + "~")]


def is_shard(partition: str) -> bool:
    """Whether a partition holds tasks; the others hold markers."""
    return partition.split(".")[3] == "t"


def marker_partition(job_id: str, stage: int, plan: str, round_: int, level: int, group: int) -> str:
    """Return the partition of one group's markers; level 1 is above the shards."""
    return f"{job_id}.{stage:02}.{plan}.m{level}.{round_:04}.{group:08}"


def marker_span(job_id: str, stage: int, plan: str, round_: int, level: int) -> Span:
    """Return the range of partitions of all groups of a level."""
    start = f"{job_id}.{stage:02}.{plan}.m{level}.{round_:04}."
    return Span(start, start + "~")


def task_row(index: int) -> str:
    """Return a task's row key."""
    return f"{index:010}"


def ref_partition(ref: TaskRef) -> str:
    """Return the partition of a task's row."""
    return shard_partition(ref.job_id, ref.stage, ref.plan, ref.index // SHARD)


def audit_row(audit: Audit, token: str) -> str:
    """Return the key of a row of what an operator did; it is before the job row."""
    return f"audit-{int(audit.at.timestamp() * 1_000_000):016}-{token}"


def end_now_row(epoch: str, round_: int) -> str:
    """Return the key of the row which says that running tasks of a job's round are to end; it is before the job row."""
    return f"end-now-{epoch}-{round_:04}"


def active_row(job: JobRecord) -> str:
    """Return the key of a job's row among the active ones, of this round."""
    return f"{ACTIVE}{job.job_id}-{job.epoch}-{job.round:04}"


def active_rows(job: JobRecord) -> Span:
    """Return the range of a job's rows among the active ones, of all its rounds."""
    start = f"{ACTIVE}{job.job_id}-{job.epoch}-"
    return Span(start, after(start))


def recent_row(job: JobRecord) -> str:
    """Return the key of a job's row among the recent ones."""
    return f"{RECENT}{newest_first(job.created_at)}-{job.job_id}-{job.epoch}"


def newest_first(time: datetime) -> str:
    """Write a time so that text order is from the newest to the oldest."""
    return f"{10**16 - int(time.timestamp() * 1_000_000):016}"


def _time_of_key(text: str) -> datetime:
    """Read what `newest_first` has written."""
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=10**16 - int(text))


def after(prefix: str) -> str:
    """Return the end of the range of keys that begin with `prefix`."""
    return prefix + "~"


def write_time(time: datetime) -> str:
    """Write a time as RFC 3339 in UTC with microseconds, so that text order is time order."""
    in_utc = time if time.tzinfo is UTC else time.astimezone(UTC)
    return in_utc.isoformat(timespec="microseconds")[: -len("+00:00")] + "Z"


def _time(value: object) -> datetime | None:
    """Read a time as one in UTC; None where there is none."""
    if not isinstance(value, str):
        return None
    found = datetime.fromisoformat(value)
    if found.tzinfo is UTC:
        return found
    if found.tzinfo is None:
        raise ValueError(f"the time {value} has no time zone")
    return found.astimezone(UTC)


def _time_or_none(value: object) -> datetime | None:
    """Read a time in UTC; None for what is none."""
    try:
        return _time(value)
    except (ValueError, OverflowError):
        return None


def _moment(value: object) -> datetime:
    """Read a time that must be there."""
    found = _time(value)
    if found is None:
        raise ValueError("it has no time")
    return found


def put_text(properties: Properties, name: str, text: str | None) -> None:
    """Store a text under `name`, cut into binary properties of 64 KiB when one string property can't hold it."""
    if text is None:
        return
    if 2 * utf16_units(text) <= PROPERTY_BYTES:
        properties[name] = text
        return
    data = text.encode()
    for number, start in enumerate(range(0, len(data), PROPERTY_BYTES)):
        properties[f"{name}_{number:03}"] = data[start : start + PROPERTY_BYTES]


def get_text(properties: Mapping[str, Value], name: str) -> str | None:
    """Read what `put_text` stored."""
    whole = properties.get(name)
    if isinstance(whole, str):
        return whole
    if f"{name}_000" not in properties:
        return None
    parts = sorted((key, value) for key, value in properties.items() if key.startswith(f"{name}_"))
    return b"".join(value for _, value in parts if isinstance(value, bytes)).decode()


def text_properties(name: str, most: int) -> tuple[str, ...]:
    """Return the property names that `put_text` may have used for up to `most` parts, for a `select`."""
    return (name, *(f"{name}_{number:03}" for number in range(most)))


def put_failure(properties: Properties, failure: Failure | None) -> None:
    """Store an error."""
    if failure is not None:
        properties |= {
            "error_type": failure.type[:MAX_TYPE_CHARS],
            "error_message": failure.message[: MAX_MESSAGE_CHARS + PREFIX_CHARS],
            "error_traceback": failure.traceback[-MAX_TRACEBACK_CHARS:],
        }


def get_failure(properties: Mapping[str, Value]) -> Failure | None:
    """Read an error; None when the type is missing or empty."""
    if not properties.get("error_type"):
        return None
    return Failure(
        type=str(properties["error_type"]),
        message=str(properties.get("error_message", "")),
        traceback=str(properties.get("error_traceback", "")),
    )


def put_policy(properties: Properties, policy: Policy) -> None:
    """Store what holds for a stage's tasks together; defaults are left out."""
    if policy != _NO_POLICY:
        properties |= {
            "on_failure": policy.on_failure.value,
            "tolerated": policy.tolerated,
            "max_parallel": policy.max_parallel,
            "batch": policy.batch,
            "timeout_s": policy.timeout_s,
        }


def get_policy(properties: Mapping[str, Value]) -> Policy:
    """Read what holds for a stage's tasks together."""
    if "on_failure" not in properties:
        return _NO_POLICY
    return Policy(
        on_failure=OnFailure(str(properties["on_failure"])),
        tolerated=_int(properties["tolerated"]),
        max_parallel=_int(properties["max_parallel"]),
        batch=_int(properties["batch"]),
        timeout_s=_float(properties.get("timeout_s", 0.0)),
    )


def put_owner(properties: Properties, owner: Owner) -> None:
    """Store whose a row is."""
    properties |= {"owner_key": owner.key, "owner_message": owner.message_id, "owner_delivery": owner.delivery}


def get_owner(properties: Mapping[str, Value]) -> Owner | None:
    """Read whose a row is; None for nobody's."""
    key = properties.get("owner_key")
    if not key:
        return None
    return Owner(
        key=str(key),
        message_id=str(properties.get("owner_message", "")),
        delivery=_int(properties.get("owner_delivery", 0)),
    )


def check_version(entity: Entity) -> None:
    """Raise StoreTooNew for a row that a newer jobkit has written."""
    found = _int(entity.properties.get("row_version", ROW_VERSION))
    if found > ROW_VERSION:
        raise StoreTooNew(store=f"row {entity.partition} {entity.row}", found=found, known=ROW_VERSION)


def _int(value: object) -> int:
    return int(value) if isinstance(value, (int, float, str)) else 0


def _float(value: object) -> float:
    return float(value) if isinstance(value, (int, float, str)) else 0.0


def _name(value: object) -> str:
    if not (isinstance(value, str) and value and is_name(value)):
        raise ValueError(f"{value!r:.40} is no name")
    return value


def _task_id(value: object) -> str:
    if not (isinstance(value, str) and _TASK_ID.fullmatch(value)):
        raise ValueError(f"{value!r:.40} is no task's id")
    return value


def _named(read: Callable[[Entity], T]) -> Callable[[Entity], T]:
    """Have a function that reads rows raise RowDamaged for whatever a row changed by hand makes it stumble over."""

    @functools.wraps(read)
    def named(entity: Entity) -> T:
        try:
            check_version(entity)
            return read(entity)
        except KeyError as exc:
            raise RowDamaged(partition=entity.partition, row=entity.row, reason=f"it has no {exc}") from exc
        except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as exc:
            raise RowDamaged(partition=entity.partition, row=entity.row, reason=str(exc)[:200]) from exc

    return named


def write_job(job: JobRecord) -> Entity:
    """Write a job row whole."""
    properties: Properties = {
        "row_version": ROW_VERSION,
        "epoch": job.epoch,
        "job_type": job.job_type,
        "version": job.version,
        "run": job.run,
        "runs": job.runs,
        "status": job.status.value,
        "stage": job.stage or 0,
        "stage_numbers": ",".join(map(str, job.stage_numbers)),
        "round": job.round,
        "source": job.source or "",
        "created_at": write_time(job.created_at),
        "updated_at": write_time(job.updated_at),
    }
    put_text(properties, "params", job.params_json)
    return Entity(partition=job.job_id, row=JOB_ROW, properties=properties)


@_named
def read_job(entity: Entity) -> JobRecord:
    """Read a job row (a result kept in chunks comes separately)."""
    p = entity.properties
    created = _time(p.get("created_at"))
    updated = _time(p.get("updated_at"))
    if created is None or updated is None:
        raise ValueError("it has no times")
    numbers = tuple(int(n) for n in str(p["stage_numbers"]).split(","))
    stage = _int(p["stage"])
    if numbers != tuple(range(numbers[0], numbers[0] + len(numbers))) or (stage and stage not in numbers):
        raise ValueError(f"it is at stage {stage} of {numbers}")
    return JobRecord(
        job_id=entity.partition,
        epoch=_name(p["epoch"]),
        job_type=str(p["job_type"]),
        version=_int(p["version"]),
        run=_int(p["run"]),
        runs=_int(p["runs"]),
        status=Status(str(p["status"])),
        stage=stage or None,
        stage_numbers=numbers,
        round=_int(p["round"]),
        params_json=get_text(p, "params") or "{}",
        source=str(p.get("source") or "") or None,
        created_at=created,
        updated_at=updated,
        result_json=get_text(p, "job_result_data"),
        result_token=str(p.get("result_token") or ""),
        result_chunks=_int(p.get("result_chunks", 0)),
        error=get_failure(p),
        is_purging=bool(p.get("purging", False)),
        etag=entity.etag,
    )


def write_stage(stage: StageRecord) -> Entity:
    """Write a stage row whole."""
    properties: Properties = {
        "row_version": ROW_VERSION,
        "name": stage.name,
        "state": stage.state.value,
        "round": stage.round,
        "plan": stage.plan or "",
        "task_count": -1 if stage.task_count is None else stage.task_count,
        "skipped": stage.skipped,
        "stop": stage.stop,
        "summary": write_summary(stage.summary),
        "last_task": stage.last_task or "",
    }
    if stage.chosen is not None:
        properties["chosen"] = ",".join(map(str, stage.chosen))
    put_policy(properties, stage.policy)
    if stage.owner is not None:
        put_owner(properties, stage.owner)
    put_failure(properties, stage.error)
    for name, time in (("started_at", stage.started_at), ("sealed_at", stage.sealed_at), ("ended_at", stage.ended_at)):
        if time is not None:
            properties[name] = write_time(time)
    return Entity(partition=stage.job_id, row=stage_row(stage.number), properties=properties)


@_named
def read_stage(entity: Entity) -> StageRecord:
    """Read a stage row."""
    p = entity.properties
    count = _int(p.get("task_count", -1))
    return StageRecord(
        job_id=entity.partition,
        number=int(entity.row.removeprefix("stage-")),
        name=str(p["name"]),
        state=StageState(str(p["state"])),
        round=_int(p["round"]),
        plan=_name(p["plan"]) if p.get("plan") else None,
        owner=get_owner(p),
        task_count=None if count < 0 else count,
        policy=get_policy(p),
        skipped=bool(p.get("skipped", False)),
        chosen=tuple(map(int, str(p["chosen"]).split(","))) if p.get("chosen") else None,
        stop=bool(p.get("stop", False)),
        error=get_failure(p),
        summary=read_summary(str(p.get("summary") or "{}")),
        last_task=_task_id(p["last_task"]) if p.get("last_task") else None,
        started_at=_time(p.get("started_at")),
        sealed_at=_time(p.get("sealed_at")),
        ended_at=_time(p.get("ended_at")),
        etag=entity.etag,
    )


@_named
def read_task(entity: Entity) -> TaskRecord:
    """Read a task row, or what a `select` left of it (the status must be among that)."""
    p = entity.properties
    job_id, stage, plan, _, _ = entity.partition.split(".")
    return TaskRecord(
        ref=TaskRef(job_id=job_id, stage=int(stage), plan=plan, index=int(entity.row)),
        status=Status(str(p["status"])),
        attempt=_int(p.get("attempt", 1)),
        round=_int(p.get("round", 1)),
        owner=get_owner(p),
        params_json=get_text(p, "params"),
        result_json=get_text(p, "result"),
        error=get_failure(p),
        queued_at=_time(p.get("queued_at")),
        not_before=_time(p.get("not_before")),
        started_at=_time(p.get("started_at")),
        progress_at=_time(p.get("progress_at")),
        ended_at=_time(p.get("ended_at")),
        worker=str(p.get("worker") or "") or None,
        etag=entity.etag,
    )


def write_summary(summary: Summary) -> str:
    """Write a summary as JSON."""
    return to_json(
        {
            "completed": summary.completed,
            "failed": summary.failed,
            "busy_s": round(summary.busy_s, 6),
            "longest_s": round(summary.longest_s, 6),
            "longest": summary.longest_index,
            "errors": [
                {
                    "count": group.count,
                    "index": group.index,
                    "type": group.failure.type,
                    "message": group.failure.message,
                    "traceback": group.failure.traceback,
                }
                for group in summary.errors
            ],
        }
    )


@_named
def read_audit(entity: Entity) -> Audit:
    """Read a row of what an operator did."""
    p = entity.properties
    return Audit(action=str(p["action"]), by=str(p["by"]), reason=str(p["reason"]), at=_moment(p["at"]))


def read_listed(entity: Entity) -> Listed:
    """Read a row that lists a job. Which one its key says, so that a row which is damaged or newer hides no job.

    Raises RowDamaged for a key that is none of ours.
    """
    p = entity.properties
    recent, active = _RECENT_KEY.fullmatch(entity.row), _ACTIVE_KEY.fullmatch(entity.row)
    key = recent or active
    if key is None:
        raise RowDamaged(
            partition=entity.partition, row=entity.row, reason="its key is that of no row which lists a job"
        )
    job_type = p.get("job_type")
    created_at = _time_or_none(p.get("created_at"))
    return Listed(
        key=entity.row,
        job_id=key["job_id"],
        epoch=key["epoch"],
        job_type=job_type if isinstance(job_type, str) else None,
        created_at=_time_of_key(recent["newest_first"]) if created_at is None and recent else created_at,
        looked_at=_time_or_none(p.get("looked_at")),
        visited_at=_time_or_none(p.get("visited_at")),
    )


@_named
def read_kept(entity: Entity) -> KeptMessage:
    """Read a row of a message that could not be understood."""
    p = entity.properties
    deliveries = p.get("deliveries")
    return KeptMessage(
        row=entity.row,
        queue=str(p["queue"]),
        reason=str(p["reason"]),
        body=get_text(p, "body") or "",
        at=_moment(p["at"]),
        deliveries=None if deliveries is None else _int(deliveries),
        etag=entity.etag,
    )


@_named
def read_marker(entity: Entity) -> tuple[int, Summary]:
    """Read a marker row: the number of the shard or group that has ended, and its summary."""
    return int(entity.row), read_summary(str(entity.properties["summary"]))


@_named
def read_chunk(entity: Entity) -> bytes:
    """Read a row of a part of a text."""
    return b"".join(value for _, value in sorted(entity.properties.items()) if isinstance(value, bytes))


def read_summary(text: str) -> Summary:
    """Read a summary."""
    found: dict[str, Any] = pydantic_core.from_json(text)
    longest = found.get("longest")
    return Summary(
        completed=_count(found.get("completed", 0)),
        failed=_count(found.get("failed", 0)),
        busy_s=_seconds(found.get("busy_s", 0.0)),
        longest_s=_seconds(found.get("longest_s", 0.0)),
        longest_index=None if longest is None else _count(longest),
        errors=tuple(
            ErrorGroup(
                count=_count(group["count"]),
                index=_count(group["index"]),
                failure=Failure(
                    type=str(group["type"]), message=str(group["message"]), traceback=str(group["traceback"])
                ),
            )
            for group in found.get("errors", ())
        ),
    )


def _count(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r:.40} is no count")
    return value


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r:.40} is no duration")
    return value
