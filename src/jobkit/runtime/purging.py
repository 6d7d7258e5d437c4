"""Purging: what has ended long ago is deleted, row by row, and can be submitted anew.

A job that has not ended is never purged, nor one whose end has not been tidied up after, nor one whose results an
active job reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Final

from .errors import (
    UNREADABLE,
    EntityChanged,
    EntityExists,
    EntityNotFound,
    InvalidFilter,
    NotToBePurged,
    SourcesUnknown,
)
from .model import Audit, JobRecord, Listed, Status
from .operator import MAX_REASON_CHARS
from .selection import Selection
from .service import Service
from .submission import JOB_SOURCE
from .unread import Refused, without_unread

_ENDED: Final = frozenset({Status.COMPLETED, Status.FAILED})


class TimeIsUp(Exception):
    """Raised by whoever hears how many rows have been deleted, to break a purge off; the next one goes on."""


class Purging:
    """The part of the service that deletes jobs."""

    def __init__(self, service: Service, *, by: str) -> None:
        """Work on the same ports as the service; `by` stands in the row that tells who purges a job."""
        self._service = service
        self._by = by
        self._repository = service.repository

    def find(
        self, selection: Selection, ended_before: datetime, refused: list[Refused], *, dry_run: bool = False
    ) -> Iterator[JobRecord]:
        """Yield the jobs to purge, newest first: those of the selection that ended before then and that nobody needs.

        Rows that list jobs which are gone are deleted on the way, unless it is a `dry_run`; a job that can't be read is
        `refused`. Raises InvalidFilter for statuses of open jobs, SourcesUnknown when an active job can't be read.
        """
        for status in selection.statuses - _ENDED:
            raise InvalidFilter(name="status", value=status.value, reason="only jobs that have ended are deleted")
        sources = self._sources_in_use()
        wanted = replace(selection, statuses=selection.statuses or _ENDED, before=ended_before)
        found = wanted.find(self._repository, self._service.outbox.each, on_gone=_leave if dry_run else self._forget)
        for job in without_unread(found, refused):
            if job.updated_at <= ended_before and self._why_not(job, sources) is None:
                yield job

    def check(self, job_id: str) -> JobRecord:
        """Return a job that may be purged. Raises UnknownJob, NotToBePurged, SourcesUnknown."""
        job = self._repository.get_chain(job_id).job
        reason = self._why_not(job, self._sources_in_use())
        if reason is not None:
            raise NotToBePurged(job_id=job_id, reason=reason)
        return job

    def purge(self, job: JobRecord, tell: Callable[[int], None] = lambda _: None, *, reason: str = "") -> bool:
        """Delete all rows of a job that may be purged; `tell` hears how many, now and then.

        What is left when it is broken off, the next purge of the job deletes; the job tells till then who began it,
        when and why. False for a job that has changed since it was read: it was retried, or somebody else purges it.
        """
        if not job.is_purging and not self._begin(job, reason):
            return False
        for rows in self._repository.removal.remove(job, self._service.outbox.each):
            tell(rows)
        self._repository.index.unlist(job)
        return True

    def _begin(self, job: JobRecord, reason: str) -> bool:
        """Mark a job, so that nothing but this is done with it any more, and keep who does it; False if it has changed."""
        now, token = self._service.clock.now(), self._service.outbox.token()
        audit = Audit(action="purge", by=self._by, reason=reason[:MAX_REASON_CHARS], at=now)
        try:
            self._repository.add_audit(job, audit, token=token, purges=True)
        except (EntityChanged, EntityExists, EntityNotFound):
            return self._repository.has_audit(job.job_id, audit, token=token)  # perhaps the answer was lost
        return True

    def _why_not(self, job: JobRecord, sources: set[str]) -> str | None:
        if not job.status.ended:
            return f"it has not ended ({job.status.value})"
        if self._repository.index.is_active(job):
            return f"its end has not been tidied up after: jobkit repair {job.job_id[:12]}"
        return "an active job reads its results" if job.job_id in sources else None

    def _sources_in_use(self) -> set[str]:
        """Return the ids of jobs whose results a job reads that has not ended. Raises SourcesUnknown."""
        found: set[str] = set()
        for job_id in self._repository.index.active_ids():
            try:
                job = self._repository.find_job(job_id)
            except UNREADABLE as exc:
                raise SourcesUnknown(job_id=job_id, reason=str(exc)) from exc
            if job is not None and job.source is not None and job.source.startswith(JOB_SOURCE):
                found.add(job.source.removeprefix(JOB_SOURCE))
        return found

    def _forget(self, entry: Listed) -> None:
        self._repository.index.forget(entry, self._service.clock.now())


def _leave(_: Listed) -> None:
    """Leave a row that lists a job which is gone."""
