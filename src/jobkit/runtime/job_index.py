"""The index rows that list jobs: those still active, and all of them, newest first. No whole table is ever read for that."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from . import rows
from .errors import EntityChanged, EntityExists, EntityNotFound
from .model import JobRecord, Listed, Owner
from .rows import Properties
from .storage.ports import Entity, Insert, Span, Tables

#: A row that lists a job may be there before the job is; after so long it has outlived it, or its submit has died.
LISTED_AHEAD: Final = timedelta(hours=1)


class JobIndex:
    """The part of the repository that lists jobs. A row may outlive its job, or be there before it: look for the job."""

    def __init__(self, tables: Tables) -> None:
        """Keep the port."""
        self._tables = tables

    def active(self) -> Iterator[Listed]:
        """Yield the jobs that may not have ended, in the order of their ids."""
        return self._listed(Span(rows.ACTIVE, rows.after(rows.ACTIVE)))

    def active_ids(self) -> list[str]:
        """Return the ids of the jobs that may not have ended: each once, though it has a row a round."""
        return list(dict.fromkeys(entry.job_id for entry in self.active()))

    def recent(self, *, since: datetime | None = None, before: datetime | None = None) -> Iterator[Listed]:
        """Yield the jobs created from `since` on and up to `before`, newest first."""
        low = rows.RECENT if before is None else rows.RECENT + rows.newest_first(before)
        high = rows.RECENT if since is None else rows.RECENT + rows.newest_first(since)
        return self._listed(Span(low, rows.after(high)))

    def add(self, job: JobRecord, *, recent: bool = True) -> None:
        """Write the rows that list a job: among those still active and, unless told, the recent ones (idempotent)."""
        properties: Properties = {
            "row_version": rows.ROW_VERSION,
            "job_id": job.job_id,
            "epoch": job.epoch,
            "job_type": job.job_type,
            "created_at": rows.write_time(job.created_at),
        }
        with contextlib.suppress(EntityExists):  # a doubtful write of ours: both keys have our epoch
            self._tables.transact(
                rows.INDEX,
                [
                    Insert(Entity(partition=rows.INDEX_JOBS, row=row, properties=properties))
                    for row in (rows.active_row(job), *([rows.recent_row(job)] if recent else []))
                ],
            )

    def drop(self, job: JobRecord) -> None:
        """Delete a job's row among the active ones, and those of earlier rounds whose end nobody tidied up after (idempotent)."""
        self._delete(Span(rows.active_rows(job).low, _after(rows.active_row(job))))

    def unlist(self, job: JobRecord) -> None:
        """Delete all rows that list a job, of every round (idempotent)."""
        self._delete(rows.active_rows(job))
        self._delete(_only(rows.recent_row(job)))

    def forget(self, entry: Listed, now: datetime) -> None:
        """Delete a row that lists a job which is not there, unless the job may still come (idempotent).

        One that does not say when it was written stays.
        """
        if entry.created_at is not None and now - entry.created_at > LISTED_AHEAD:
            self._delete(_only(entry.key))

    def forget_stale(self, entry: Listed, job: JobRecord, now: datetime) -> None:
        """Delete a row that lists an earlier job of the same id, or a round of a job that nobody has begun (idempotent).

        Who was to begin that has died, unless it is just about to: it has an hour from when this is first asked.
        """
        if entry.epoch != job.epoch:
            self.forget(entry, now)
        elif job.status.ended and entry.key > rows.active_row(job):
            if entry.visited_at is None:
                with contextlib.suppress(EntityNotFound, EntityChanged):
                    found = self._tables.get(rows.INDEX, rows.INDEX_JOBS, entry.key, select=())
                    self._change(found, {"visited_at": rows.write_time(now)})
            elif now - entry.visited_at > LISTED_AHEAD:
                self._delete(_only(entry.key))

    def is_active(self, job: JobRecord) -> bool:
        """Whether the job is listed among the active ones."""
        try:
            self._tables.get(rows.INDEX, rows.INDEX_JOBS, rows.active_row(job), select=())
        except EntityNotFound:
            return False
        return True

    def find_active(self, job: JobRecord) -> Listed | None:
        """Read how the job is listed among the active ones; None when it is not."""
        try:
            return rows.read_listed(self._tables.get(rows.INDEX, rows.INDEX_JOBS, rows.active_row(job)))
        except EntityNotFound:
            return None

    def note_look(self, job: JobRecord, seen: str, now: datetime, *, write: bool) -> datetime | None:
        """Tell since when looks at an active job have seen the same, None if this is the first; note it, if it is to `write`.

        Raises EntityNotFound when the job is not listed there, EntityChanged when somebody else has noted a first look.
        """
        found = self._tables.get(rows.INDEX, rows.INDEX_JOBS, rows.active_row(job))
        is_still = found.properties.get("seen") == seen
        changes: Properties = {"visited_at": rows.write_time(now)}
        if not is_still:
            changes |= {"seen": seen, "looked_at": rows.write_time(now)}
        if write:
            try:
                self._change(found, changes)
            except EntityChanged:
                if not is_still:
                    raise
        return rows.read_listed(found).looked_at if is_still else None

    def begin_looks(self, job: JobRecord) -> None:
        """Have the next look at an active job be a first one: what was mended is not mended again before two more."""
        with contextlib.suppress(EntityNotFound, EntityChanged):  # it is wound up, or somebody else looks
            found = self._tables.get(rows.INDEX, rows.INDEX_JOBS, rows.active_row(job), select=())
            self._change(found, {"seen": ""})

    def note_completing(self, job: JobRecord, owner: Owner) -> None:
        """Note which delivery completes an active job, and so runs what its controller says of that."""
        row = rows.active_row(job)
        changes: Properties = {}
        rows.put_owner(changes, owner)
        with contextlib.suppress(EntityNotFound):  # it has been completed
            while True:
                found = self._tables.get(rows.INDEX, rows.INDEX_JOBS, row, select=())
                with contextlib.suppress(EntityChanged):  # a look, or another completion
                    self._change(found, changes)
                    return

    def find_completing(self, job: JobRecord) -> Owner | None:
        """Return which delivery has noted that it completes an active job."""
        try:
            return rows.get_owner(self._tables.get(rows.INDEX, rows.INDEX_JOBS, rows.active_row(job)).properties)
        except EntityNotFound:
            return None

    def _change(self, found: Entity, changes: Properties) -> None:
        entity = Entity(partition=found.partition, row=found.row, properties=changes)
        self._tables.update(rows.INDEX, entity, etag=found.etag)

    def _delete(self, span: Span) -> None:
        is_left = True
        while is_left:
            is_left = False
            for found in self._tables.query(rows.INDEX, rows.INDEX_JOBS, rows=span, select=()):
                try:
                    self._tables.delete(rows.INDEX, rows.INDEX_JOBS, found.row, etag=found.etag)
                except EntityNotFound:
                    continue
                except EntityChanged:  # somebody has noted a look
                    is_left = True

    def _listed(self, span: Span) -> Iterator[Listed]:
        for entity in self._tables.query(rows.INDEX, rows.INDEX_JOBS, rows=span):
            yield rows.read_listed(entity)


def _after(row: str) -> str:
    """Return the end of a range of rows whose last one this is."""
    return row + " "


def _only(row: str) -> Span:
    return Span(row, _after(row))
