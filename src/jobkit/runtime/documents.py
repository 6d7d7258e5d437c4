"""The JSON documents that every door shows: a job, its stages, an error (`"schema": 1`)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from .messages import Kind
from .model import Audit, Chain, Failure, JobRecord, StageRecord, Summary, TaskRecord
from .overview import TaskPage
from .payload import stored_json
from .poison import Done, Found, PoisonMessage
from .repair import Look
from .retry_choice import Choice
from .rows import write_time
from .unread import Refused

SCHEMA: Final = 1


def job_document(
    chain: Chain, progress: dict[int, Summary] | None = None, *, audits: Sequence[Audit] = ()
) -> dict[str, Any]:
    """Write a job as JSON data; `progress` has the counts, by number, of stages that are not closed.

    `audits`, what operators did to it, is part of the document where there is some.
    """
    job = chain.job
    done = [{"action": each.action, "by": each.by, "reason": each.reason, "at": write_time(each.at)} for each in audits]
    return {
        "schema": SCHEMA,
        "job_id": job.job_id,
        "job_type": job.job_type,
        "version": job.version,
        "run": job.run,
        "status": job.status.value,
        "stage": None if job.status.ended else job.stage,
        "params": stored_json(job.params_json, job_id=job.job_id, name="params"),
        "stages": [_stage_document(stage, (progress or {}).get(stage.number, stage.summary)) for stage in chain.stages],
        "result": _result(job),
        "error": error_document(job.error),
        "created_at": write_time(job.created_at),
        "updated_at": write_time(job.updated_at),
        **({"audit": done} if done else {}),
    }


def task_document(task: TaskRecord) -> dict[str, Any]:
    """Write a task as JSON data."""
    job_id = task.ref.job_id

    def stored(text: str | None, name: str) -> Any:
        return None if text is None else stored_json(text, job_id=job_id, name=name)

    return {
        "task_id": task.ref.task_id,
        "job_id": job_id,
        "stage": task.ref.stage,
        "index": task.ref.index,
        "status": task.status.value,
        "attempt": task.attempt,
        "params": stored(task.params_json, "params"),
        "result": stored(task.result_json, "result"),
        "error": error_document(task.error),
        "queued_at": time_or_none(task.queued_at),
        "started_at": time_or_none(task.started_at),
        "ended_at": time_or_none(task.ended_at),
        "worker": task.worker,
    }


def _result(job: JobRecord) -> Any:
    return None if job.result_json is None else stored_json(job.result_json, job_id=job.job_id, name="result")


def tasks_document(page: TaskPage) -> dict[str, Any]:
    """Write a page of a stage's tasks as JSON data."""
    return {
        "schema": SCHEMA,
        "job_id": page.stage.job_id,
        "stage": page.stage.number,
        "tasks": [task_document(task) for task in page.tasks],
        "next": page.following,
    }


def error_document(failure: Failure | None) -> dict[str, Any] | None:
    """Write an error as JSON data."""
    if failure is None:
        return None
    return {"type": failure.type, "message": failure.message, "traceback": failure.traceback}


def _stage_document(stage: StageRecord, summary: Summary) -> dict[str, Any]:
    return {
        "number": stage.number,
        "name": stage.name,
        "status": stage.status.value,
        "skipped": stage.skipped,
        "task_count": stage.task_count,
        "completed": summary.completed,
        "failed": summary.failed,
        "started_at": time_or_none(stage.started_at),
        "ended_at": time_or_none(stage.ended_at),
    }


def look_document(look: Look, *, mended: bool) -> dict[str, Any]:
    """Write what a look at a job has found as JSON data; `mended` says whether it has been mended too."""
    return {
        "job_id": look.chain.job.job_id,
        "status": look.chain.job.status.value,
        "settled": look.is_settled,
        "findings": [
            {
                "name": finding.name,
                "stage": finding.stage,
                "evidence": finding.evidence,
                "mend": finding.mend,
                "done": mended,
            }
            for finding in look.findings
        ],
    }


def ended_document(job: JobRecord) -> dict[str, Any]:
    """Make the document of an ended job that would be purged."""
    ended_at = write_time(job.updated_at)
    return {"job_id": job.job_id, "job_type": job.job_type, "status": job.status.value, "ended_at": ended_at}


def cancel_document(chain: Chain, *, cancelled: bool) -> dict[str, Any]:
    """Write as JSON data that a job is, or would be, cancelled."""
    return {"job_id": chain.job.job_id, "status": chain.job.status.value, "cancelled": cancelled}


def retry_document(chain: Chain, choice: Choice, *, retried: bool) -> dict[str, Any]:
    """Write as JSON data that another round of a job begins, or goes on, or would; `chain` is the job as it was.

    `tasks` is how many run again at the stage, null where it is planned again or a round that goes on is only woken.
    """
    return {
        "job_id": chain.job.job_id,
        "round": coming_round(chain),
        "stage": choice.stage,
        "tasks": choice.count(chain) if chain.job.status.ended else None,
        "retried": retried,
    }


def refused_document(refused: Refused) -> dict[str, Any]:
    """Write a job that something was not done to, and why."""
    return {"job_id": refused.job_id, "error": type(refused.error).__name__, "detail": str(refused.error)}


def poison_document(found: Found, *, limit: int | None = None) -> dict[str, Any]:
    """Write the poison messages that a look has found as JSON data, or only the first of them."""
    shown = found.messages if limit is None else found.messages[:limit]
    return {
        "schema": SCHEMA,
        "messages": [poison_message_document(message) for message in shown],
        "left_out": len(found.messages) - len(shown),
        **_look_document(found),
    }


def _look_document(found: Found) -> dict[str, Any]:
    return {
        "seen": found.seen,
        "unseen": dict(found.unseen),
        "cut": sorted(found.is_cut),
        "jobless": {"foreign": found.foreign, "gone": found.gone},
        "damaged": list(found.damaged),
    }


def poison_message_document(found: PoisonMessage) -> dict[str, Any]:
    """Write a poison message as JSON data."""
    message, outlook = found.message, found.outlook
    job = outlook.job if outlook is not None else None
    is_task = message is not None and message.kind is Kind.TASK
    return {
        "id": found.id,
        "queue": found.queue,
        "kept": found.kept is not None,
        "at": write_time(found.at),
        "deliveries": found.deliveries,
        "kind": None if message is None else message.kind.value,
        "job_id": None if message is None else message.job_id,
        "job_type": None if job is None else job.job_type,
        "stage": None if message is None else message.stage or None,
        "index": message.first if message is not None and is_task else None,
        "size": max(message.size, 1) if message is not None and is_task else None,
        "state": None if outlook is None else outlook.state,
        "helps": None if outlook is None else outlook.helps,
        "error": error_document(outlook.error) if outlook is not None else None,
        "reason": found.reason or None,
        "body": found.body,
    }


def poison_act_document(found: Found, done: Sequence[Done], *, verb: str) -> dict[str, Any]:
    """Write what came of the poison messages of a look as JSON data; `verb` names what was done with them."""
    return {
        "schema": SCHEMA,
        "messages": [
            {**poison_message_document(each.message), verb: each.is_done, "left": each.why_left or None}
            for each in done
        ],
        **_look_document(found),
    }


def coming_round(chain: Chain) -> int:
    """Return which round a retry of a job begins, or goes on with."""
    return chain.job.round + chain.job.status.ended


def time_or_none(time: datetime | None) -> str | None:
    """Write a time that there may be as JSON data."""
    return None if time is None else write_time(time)
