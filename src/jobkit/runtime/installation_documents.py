"""The JSON documents of an installation: at a glance, its jobs in pages, its queues (`"schema": 1`)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Any

from .documents import SCHEMA, job_document, refused_document, time_or_none
from .messages import Kind
from .model import Chain, JobRecord, task_id
from .overview import ActiveJob, Concern, Installation, Page, Peeked, QueueLook
from .rates import Throughput
from .rows import write_time
from .unread import Refused, Unread


def jobs_document(page: Page) -> dict[str, Any]:
    """Write a page of jobs as JSON data: each without its stages and its result, which `inspect job` has."""
    return {
        "schema": SCHEMA,
        "jobs": [listed_document(line) for line in page.lines if isinstance(line, JobRecord)],
        "next": page.after,
        "unread": [_unread_document(line) for line in page.lines if isinstance(line, Unread)],
    }


def _unread_document(unread: Unread) -> dict[str, Any]:
    """Write a job that could not be read as JSON data: what the index says of it, and why."""
    return {
        **refused_document(Refused(job_id=unread.job_id, error=unread.error)),
        "job_type": unread.job_type,
        "created_at": time_or_none(unread.created_at),
    }


def listed_document(job: JobRecord) -> dict[str, Any]:
    """Write one of many jobs as JSON data: all but its stages and its result."""
    whole = job_document(Chain(job=replace(job, result_json=None), stages=()))
    return {name: value for name, value in whole.items() if name not in ("schema", "stages", "result")}


def queues_document(looks: Iterable[QueueLook], *, peek: int) -> dict[str, Any]:
    """Write queues as JSON data, each with its first `peek` visible messages."""
    return {"schema": SCHEMA, "queues": [queue_document(look, peek=peek) for look in looks]}


def queue_document(look: QueueLook, *, peek: int) -> dict[str, Any]:
    """Write a queue as JSON data. `in_flight` is an estimate: of hidden messages, some may only be delayed."""
    return {
        "name": look.name,
        "messages": look.messages,
        "visible": look.visible,
        "visible_is_exact": look.visible_is_exact,
        "in_flight": look.hidden,
        "oldest_at": time_or_none(look.oldest_at),
        "peeked": [_peeked_document(each) for each in look.peeked[:peek]],
    }


def _peeked_document(each: Peeked) -> dict[str, Any]:
    message = each.message
    document: dict[str, Any] = {
        "message_id": each.id,
        "inserted_at": write_time(each.inserted_at),
        "deliveries": each.deliveries,
        "kind": None if message is None else message.kind.value,
        "job_id": None if message is None else message.job_id,
        "stage": None if message is None else message.stage or None,
        "tasks": None,
        "refusal": each.refusal or None,
    }
    if message is not None and message.kind is Kind.TASK:
        indexes = range(message.first, message.first + max(1, message.size))
        document["tasks"] = [task_id(message.job_id, message.stage, index) for index in indexes[:100]]
    return document


def installation_document(found: Installation, worries: Collection[Concern]) -> dict[str, Any]:
    """Write an installation at a glance as JSON data."""
    return {
        "schema": SCHEMA,
        "at": write_time(found.at),
        "warnings": [
            {"name": each.name, "text": each.text, "since": time_or_none(each.since), "command": each.command}
            for each in worries
        ],
        "active": {
            "count": found.active_count,
            "count_is_exact": found.counted_all,
            "jobs": [_active_document(job, found.left_s(job, worries)) for job in found.active],
        },
        "ended": [_ended_document(chain) for chain in found.ended],
        "unread": list(map(_unread_document, found.unread)),
        "looked_at": found.looked_at,
        "queues": [queue_document(look, peek=0) for look in found.queues],
        "kept_poison": found.kept_poison,
        "instances": {
            "processes": found.living,
            "seen": [
                {"worker": worker, "seen_at": write_time(at)}
                for worker, at in sorted(found.workers.items(), key=lambda pair: pair[1], reverse=True)
            ],
        },
        "throughput": _throughput_document(found.throughput),
    }


def _active_document(active: ActiveJob, left_s: float | None) -> dict[str, Any]:
    stage, pulse = active.stage, active.pulse
    return {
        **listed_document(active.chain.job),
        "stage_name": None if stage is None else stage.name,
        "task_count": None if stage is None else stage.task_count,
        "completed": None if pulse is None else pulse.count.summary.completed,
        "failed": None if pulse is None else pulse.count.summary.failed,
        "running": None if pulse is None else pulse.count.in_flight,
        "counts_are_exact": pulse is None or not pulse.count.unseen,
        "stage_left_s": left_s,
        "moved_at": write_time(active.moved_at),
    }


def _ended_document(chain: Chain) -> dict[str, Any]:
    return {
        **listed_document(chain.job),
        "completed": sum(stage.summary.completed for stage in chain.stages),
        "failed": sum(stage.summary.failed for stage in chain.stages),
    }


def _throughput_document(through: Throughput) -> dict[str, Any]:
    return {
        "until": write_time(through.until),
        "bin_s": through.bin_s,
        "tasks": [round(count, 3) for count in through.counts],
        "tasks_a_second": round(through.a_second, 6),
    }
