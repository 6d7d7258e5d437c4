"""What must hold of every job that was left alone until its queues were empty, whatever happened to it before."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pydantic_core

from jobkit.runtime.invariants import broken_invariants
from jobkit.runtime.messages import decode_message
from jobkit.runtime.model import TURN, Chain, JobRecord, StageState, Status
from jobkit.runtime.processing import QUEUES
from jobkit.runtime.repository import Repository
from jobkit.runtime.rows import get_text
from jobkit.runtime.storage.ports import Span, Store


@dataclass(frozen=True, slots=True)
class Written:
    """One row as it was right after a write (None: deleted), or one message that was sent, in the order it happened."""

    place: str
    partition: str = ""
    row: str = ""
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    body: str = ""


def check_invariants(store: Store, job_id: str, history: Sequence[Written] = (), *, dead_submits: int = 0) -> None:
    """Raise AssertionError that names everything broken in a job whose queues have run empty.

    `history` is every write and send since the store was empty, where a wrapper has kept it (see `faulty`).
    `dead_submits` is how many clients died before their job row was written: each may have left an index row behind.
    """
    chain = Repository(store.tables).get_chain(job_id)
    broken = [
        *_hanging(store, chain),
        *broken_invariants(Repository(store.tables), chain),
        *_left_behind(store, chain.job, dead_submits),
        *broken_history(job_id, history),
        *(_other_than_written(store, job_id, history) if history else ()),
    ]
    assert not broken, f"job {job_id}: " + "; ".join(broken)


def outcome(store: Store, job_id: str) -> dict[str, Any]:
    """What a job came to, without times: equal for equal runs."""
    repository = Repository(store.tables)
    chain = repository.get_chain(job_id)
    return {
        "status": chain.job.status.value,
        "error": chain.job.error,
        "result": chain.job.result_json,
        "stages": [
            (stage.number, stage.state.value, stage.task_count, stage.summary.completed, stage.summary.failed)
            for stage in chain.stages
        ],
        "tasks": [
            (task.ref.task_id, task.status.value, task.attempt, task.params_json, task.result_json, task.error)
            for stage in chain.stages
            for task in repository.all_tasks(stage)
        ],
    }


def _hanging(store: Store, chain: Chain) -> list[str]:
    """Say what has not ended, though no message is left that could end it."""
    broken = [] if chain.job.status.ended else [f"the job is {chain.job.status} at stage {chain.job.stage}"]
    states = [stage.state for stage in chain.stages]
    if not chain.job.status.ended and not {StageState.CLOSED, StageState.UNPLANNED}.issuperset(states):
        broken.append(f"the stages are {[state.value for state in states]}")
    for stage in chain.stages:
        tasks = [task for task in Repository(store.tables).all_tasks(stage) if not task.status.ended]
        given_up = stage.round > 1 and any(task.status is Status.QUEUED for task in tasks)  # while it was reopened
        broken += [
            f"task {task.ref.task_id} is {task.status} for ever"
            for task in tasks
            if not (given_up and task.status is Status.QUEUED)
        ]
    return broken


def _left_behind(store: Store, job: JobRecord, dead_submits: int) -> list[str]:
    broken = [f"{left} messages left in {queue}" for queue in QUEUES if (left := store.queues.length(queue))]
    start = f"active-{job.job_id}-"
    active = [e.row for e in store.tables.query("index", "jobs", rows=Span(start, start + "~"))]
    if any(row.startswith(f"{start}{job.epoch}-") for row in active):
        broken.append("the job is still listed among the active ones")
    elif len(active) > dead_submits:
        broken.append(f"{active} are listed among the active jobs")
    recent = list(store.tables.query("index", "jobs", rows=Span("recent-", "recent-~")))
    recent = [e for e in recent if job.job_id in e.row]
    if not 1 <= len(recent) <= 1 + dead_submits:
        broken.append(f"the job is listed {len(recent)} times among the recent ones")
    return broken


def _other_than_written(store: Store, job_id: str, history: Iterable[Written]) -> list[str]:
    """Say which of a job's rows (its result and those of its tasks among them) are not as they were last written."""
    last: dict[tuple[str, str, str], Mapping[str, Any]] = {}
    for step in history:
        if (step.place == "jobs" and step.partition == job_id) or step.partition.startswith(f"{job_id}."):
            key = (step.place, step.partition, step.row)
            if step.after is None:
                last.pop(key, None)
            else:
                last[key] = step.after
    partitions: dict[str, str | Span] = {"jobs": job_id, "tasks": Span(f"{job_id}.", f"{job_id}/")}
    found = {
        (table, entity.partition, entity.row): dict(entity.properties)
        for table, partition in partitions.items()
        for entity in store.tables.query(table, partition)
    }
    keys = sorted(found.keys() | last.keys())
    return [f"row {key} {_unlike(found.get(key), last.get(key))}" for key in keys if found.get(key) != last.get(key)]


def _unlike(found: Mapping[str, Any] | None, written: Mapping[str, Any] | None) -> str:
    if found is None or written is None:
        return "is gone" if found is None else "is there, and was deleted or never written"
    names = sorted(found.keys() | written.keys())
    parts = [(name, found.get(name), written.get(name)) for name in names if found.get(name) != written.get(name)]
    return "has " + ", ".join(f"{name} {is_!r:.200} instead of {was!r:.200}" for name, is_, was in parts)


@dataclass(slots=True)
class _Seen:
    """What a history has come to: of each stage, and of the job."""

    sealed: dict[int, str] = field(default_factory=dict)
    closed: list[int] = field(default_factory=list)
    given_up: set[int] = field(default_factory=set)
    lanes: dict[int, int] = field(default_factory=dict)
    running: dict[int, set[int]] = field(default_factory=dict)
    states: dict[int, str] = field(default_factory=dict)
    has_ended: bool = False


def broken_history(job_id: str, history: Iterable[Written]) -> list[str]:
    """Say what was done to a job that may not be: every write and send since the store was empty, or the first of them."""
    broken: list[str] = []
    seen = _Seen()
    for step in history:
        if step.body:
            broken += _broken_message(job_id, step.body, seen.sealed)
        elif step.place == "jobs" and step.partition == job_id and step.row == "job":
            broken += _broken_job_write(step, seen)
        elif step.place == "jobs" and step.partition == job_id and step.row.startswith("stage-"):
            broken += _broken_stage_write(step, seen)
        elif step.place == "tasks" and step.partition.startswith(f"{job_id}."):
            broken += _broken_task_write(step, seen)
    if seen.closed != sorted(set(seen.closed)):
        broken.append(f"the stages were closed in the order {seen.closed}")
    return broken


def _broken_job_write(step: Written, seen: _Seen) -> list[str]:
    before, status = (step.before or {}).get("status"), (step.after or {}).get("status")
    was_ended = seen.has_ended and not _is_retried(step)
    seen.has_ended = status in ("completed", "failed")
    return [f"the ended job became {status}"] if was_ended and (step.after is None or status != before) else []


def _broken_stage_write(step: Written, seen: _Seen) -> list[str]:
    number = int(step.row.removeprefix("stage-"))
    broken = _broken_step(number, step, seen.sealed, seen.closed)
    before, after = step.before or {}, step.after or {}
    seen.lanes[number] = after.get("max_parallel", 0)
    seen.states[number] = state = after.get("state", "")
    if state in ("planning", "sealed"):
        broken += _begun_early(number, state, seen.states)
    if state == "closed":  # while it was reopened: who was at its tasks may still be
        seen.given_up |= {number} if before.get("state") == "reopening" else set()
    else:
        seen.given_up.discard(number)
    return broken


def _begun_early(number: int, what: str, states: Mapping[int, str]) -> list[str]:
    """Say when something is done at a stage while the one before it is not closed."""
    before = max((each for each in states if each < number), default=number)
    if before == number or states[before] == "closed":
        return []
    return [f"stage {number} was {what} while stage {before} was {states[before]}"]


def _is_retried(step: Written) -> bool:
    before, after = step.before or {}, step.after or {}
    rounds = before.get("round"), after.get("round")
    has_ended = before.get("status") in ("completed", "failed")
    return has_ended and after.get("status") == "queued" and rounds[1] == (rounds[0] or 0) + 1


_STEPS = {
    (None, "unplanned"),
    ("unplanned", "planning"),
    ("planning", "planning"),
    ("planning", "unplanned"),  # a repair gives it back
    ("planning", "sealed"),
    ("sealed", "sealed"),  # the stop flag
    ("sealed", "closed"),
    ("unplanned", "closed"),  # given up
    ("planning", "closed"),
}
#: Those that only a further round may take.
_ROUND_STEPS = {("closed", "reopening"), ("closed", "unplanned"), ("unplanned", "unplanned")}
_STEPS |= {("reopening", "sealed"), ("reopening", "closed")}


def _broken_step(number: int, step: Written, sealed: dict[int, str], closed: list[int]) -> list[str]:
    before, after = step.before or {}, step.after or {}
    state = after.get("state")
    broken: list[str] = []
    # A stage need not have been in every round: a retry reopens one, and those after it.
    if (before.get("state"), state) in _ROUND_STEPS and after.get("round", 0) > before.get("round", 0):
        closed[:] = [each for each in closed if each != number]
        if state == "unplanned":
            sealed.pop(number, None)
    elif (before.get("state"), state) not in _STEPS:
        broken.append(f"stage {number} went from {before.get('state')} to {state}")
    if state == "sealed":
        if number in sealed and sealed[number] != after["plan"]:
            broken.append(f"stage {number} was sealed twice")
        sealed[number] = str(after["plan"])
    if state == "closed":
        closed.append(number)
    return broken


def _broken_lanes(step: Written, seen: _Seen) -> list[str]:
    """Say when more tasks of a stage run than its `max_parallel`; keeps which do."""
    number = int(step.partition.split(".")[1])
    at_work = seen.running.setdefault(number, set())
    at_work.discard(int(step.row))
    if (step.after or {}).get("status") == "processing":
        at_work.add(int(step.row))
    most = seen.lanes.get(number, 0)
    return [f"tasks {sorted(at_work)} of stage {number} run, and {most} may"] if most and len(at_work) > most else []


def _broken_task_write(step: Written, seen: _Seen) -> list[str]:
    _, stage, plan, kind, *_ = step.partition.split(".")
    number = int(stage)
    if kind != "t":
        return [] if seen.sealed.get(number) == plan else [f"stage {number} was marked before it was sealed"]
    broken = _broken_lanes(step, seen)
    if (step.after or {}).get("status") == "processing":
        broken += _begun_early(number, f"at task {int(step.row)}", seen.states)
    if text := _broken_task_step(number, plan, step, seen):
        broken.append(text)
    return broken


def _broken_task_step(number: int, plan: str, step: Written, seen: _Seen) -> str:
    before, after = step.before or {}, step.after or {}
    where = f"task {number}-{int(step.row)}"
    if before.get("status") == "failed" and _is_reset(before, after):
        is_late = number in seen.closed and number not in seen.given_up
        return f"{where} was reset after stage {number} was closed" if is_late else ""
    if before.get("status") == "failed" and after == {**before, "round": after.get("round")}:
        return ""  # it was not chosen for this round
    if before.get("status") in ("completed", "failed"):
        return f"{where} was {before['status']} and became {after.get('status')}"
    if text := _broken_owner(before, after):
        return f"{where} {text}"
    if step.before is None:
        return f"{where} was planned after the seal" if seen.sealed.get(number) == plan else ""
    if seen.sealed.get(number) != plan:
        return f"{where} was touched before its plan was sealed"
    return f"{where} was touched after stage {number} was closed" if number in seen.closed else ""


def _is_reset(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    names = ("status", "attempt", "owner_key", "error_type")
    return [after.get(name) for name in names] == ["queued", 1, None, None] and after["round"] > before["round"]


def _broken_owner(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Say what is wrong with whose a task became; empty when nothing is."""
    key, message, delivery = (before.get(f"owner_{name}") for name in ("key", "message", "delivery"))
    if before.get("status") == "processing":
        if after.get("status") == "completed" and (text := _others_result(after)):
            return text
        if after.get("owner_key") != key:
            return "was running, and another message took it"
        is_next_turn = after.get("owner_delivery", 0) // TURN > (delivery or 0) // TURN
        if after["status"] == "processing" and after.get("owner_message") != message and not is_next_turn:
            return "was running, and a copy of its message took it"
        if after["status"] == "processing" and after.get("owner_delivery", 0) < (delivery or 0):
            return "was running, and an older delivery took it back"
    if before.get("status") == "queued" and after.get("status") == "processing" and key == after.get("owner_key"):
        return "was queued again, and the message of its last attempt took it"
    return ""


def _others_result(after: Mapping[str, Any]) -> str:
    """Say when a result names another attempt or delivery than the one that has claimed the task (see `fault_cases`)."""
    result = pydantic_core.from_json(get_text(after, "result") or "null")
    if not isinstance(result, dict) or "delivered" not in result:
        return ""
    claimed = {
        "attempt": after["attempt"],
        "message": after["owner_message"],
        "delivered": after["owner_delivery"] % TURN,
    }
    return "" if result == claimed else f"was completed with what {result} gave, and {claimed} had claimed it"


def _broken_message(job_id: str, body: str, sealed: dict[int, str]) -> list[str]:
    if _is_of_plan(body, sealed):
        return []
    try:
        message = decode_message(body)
    except Exception:  # noqa: BLE001 - a foreign message, on purpose
        return []
    if message.job_id != job_id or not message.plan or sealed.get(message.stage) == message.plan:
        return []
    return [f"a message of the unsealed plan {message.plan} of stage {message.stage} was sent: {json.loads(body)}"]


def _is_of_plan(body: str, sealed: dict[int, str]) -> bool:
    """Whether a message names no plan, or the one that its stage was sealed with: what nearly all do, told quickly."""
    try:
        found = pydantic_core.from_json(body)
        return not found.get("plan") or sealed.get(found.get("stage")) == found["plan"]
    except (ValueError, TypeError, AttributeError):  # a foreign message
        return False
