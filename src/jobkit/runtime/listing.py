"""Pages: of the jobs that a filter finds, in some order, after the last one of the page before; and of a stage's tasks."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import Any, Final

from .errors import UNREADABLE, InvalidFilter, UnknownJob, did_you_mean
from .model import JobRecord, StageRecord, Status
from .outbox import Each
from .overview import Order, Page, TaskPage, took_s
from .payload import stored_json
from .repository import Repository
from .selection import READ_AT_ONCE, UNKNOWN_TIME, Selection
from .unread import Unread

_Key = Callable[[JobRecord | Unread, datetime], tuple[Any, ...]]


def list_jobs(
    repository: Repository,
    selection: Selection,
    *,
    each: Each[Any],
    now: datetime,
    limit: int,
    order: Order = Order.CREATED,
    reverse: bool = False,
    after: JobRecord | Unread | None = None,
) -> Page:
    """Return up to `limit` jobs that are meant, those that follow `after` in this order where it is given.

    Newest first, no more is read than what is shown and what the filter passes over. Any other order has to look at
    every job that is meant, and keeps no more than a page of them; those that can't be read come after all others.
    """
    key = _KEYS[order]
    streams = order is Order.CREATED and not reverse
    if streams and after is not None and after.created_at is not None:
        before = after.created_at if selection.before is None else min(after.created_at, selection.before)
        selection = replace(selection, before=before)
    found = selection.find(
        repository, each, at_once=limit + 1 if streams and not selection.needs_rows else READ_AT_ONCE
    )
    if after is not None:
        last = key(after, now)
        found = (job for job in found if (key(job, now) < last if reverse else key(job, now) > last))
    if streams:
        page = list(islice(found, limit + 1))
    else:
        page = (heapq.nlargest if reverse else heapq.nsmallest)(limit + 1, found, key=lambda job: key(job, now))
    return Page(
        lines=tuple(map(_checked, page[:limit])),
        after=page[limit - 1].job_id if len(page) > limit else None,
    )


def find_line(repository: Repository, job_id: str) -> JobRecord | Unread:
    """Find a job as `list_jobs` lists it, to go on after it. Raises UnknownJob."""
    try:
        job = repository.find_job(job_id)
    except UNREADABLE as exc:
        for entry in repository.index.recent():
            if entry.job_id == job_id:
                return Unread.of(entry, exc)
        raise
    if job is None:
        raise UnknownJob(job_id=job_id)
    return job


def _checked(line: JobRecord | Unread) -> JobRecord | Unread:
    """Return a job that can be shown whole."""
    if isinstance(line, JobRecord):
        try:
            stored_json(line.params_json, job_id=line.job_id, name="params")
        except UNREADABLE as exc:
            return Unread.of(line, exc)
    return line


def list_tasks(
    repository: Repository, stage: StageRecord, *, first: int, limit: int, status: Status | None
) -> TaskPage:
    """Return up to `limit` tasks of a stage from an index on and, where told, of one status alone."""
    found = list(islice(repository.listed_tasks(stage, first, status=status), limit + 1))
    following = found[limit].ref.index if len(found) > limit else None
    return TaskPage(stage=stage, tasks=tuple(found[:limit]), following=following)


def _newest_first(line: JobRecord | Unread) -> tuple[float, str]:
    return -(line.created_at or UNKNOWN_TIME).timestamp(), line.job_id


def _by(key: Callable[[JobRecord, datetime], tuple[Any, ...]]) -> _Key:
    """Order by what a job's row alone says."""

    def order(line: JobRecord | Unread, now: datetime) -> tuple[Any, ...]:
        if isinstance(line, Unread):
            return 1, *_newest_first(line)
        return 0, *key(line, now)

    return order


_KEYS: Final[dict[Order, _Key]] = {
    Order.CREATED: lambda line, _: _newest_first(line),
    Order.UPDATED: _by(lambda job, _: (-job.updated_at.timestamp(), job.job_id)),
    Order.TOOK: _by(lambda job, now: (-took_s(job, now), job.job_id)),
    Order.TYPE: _by(lambda job, _: (job.job_type, -job.created_at.timestamp(), job.job_id)),
}


def read_order(name: str) -> Order:
    """Read an order as users write it. Raises InvalidFilter."""
    try:
        return Order(name)
    except ValueError:
        reason = f"must be one of {', '.join(Order)}.{did_you_mean(name, map(str, Order))}"
        raise InvalidFilter(name="sort", value=name, reason=reason) from None
