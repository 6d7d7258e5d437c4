"""Looks after all jobs while nobody watches: sets going again what does not move, and deletes what ended long ago."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from .errors import UNREADABLE, JobIsBeingPurged, SourcesUnknown, UnknownJob
from .model import JobRecord, Listed
from .operator import Operator
from .purging import Purging, TimeIsUp
from .selection import Selection
from .service import Service
from .unread import Refused, unread_text

_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class Care:
    """What was done: jobs looked at, what was mended, jobs and rows deleted, jobs whose rows could not be read.

    `is_complete` is False when the time was up before all had been looked after.
    """

    looked_at: int = 0
    mended: list[tuple[JobRecord, str]] = field(default_factory=list[tuple[JobRecord, str]])
    purged: int = 0
    purged_rows: int = 0
    damaged: list[str] = field(default_factory=list[str])
    is_complete: bool = True


class Caretaker:
    """What a timer does, now and then; several at once do no harm."""

    def __init__(self, service: Service, *, by: str) -> None:
        """Work on the same ports as the service; `by` stands in the rows that tell what was mended or purged."""
        self._service = service
        self._operator = Operator(service, by=by)
        self._purging = Purging(service, by=by)

    def look_after(self, *, retention: timedelta | None, most: timedelta) -> Care:
        """Repair every active job that does not move, those not looked at for longest first; then purge what is older.

        What lost its message is mended by the second look that finds nothing moved. Takes little longer than `most`.
        Raises StoreUnavailable.
        """
        care = Care()
        until = self._service.clock.now() + most
        listed: dict[str, list[Listed]] = {}
        for entry in sorted(self._service.repository.index.active(), key=lambda each: each.visited_at or _LONG_AGO):
            listed.setdefault(entry.job_id, []).append(entry)
        for job_id, entries in listed.items():
            if self._service.clock.now() >= until:
                care.is_complete = False
                return care
            self._repair(job_id, entries, care)
        if retention is not None:
            self._purge(retention, until, care)
        return care

    def _repair(self, job_id: str, entries: list[Listed], care: Care) -> None:
        """Look at a job, once however often it is listed: a second look at once would take what waits for lost."""
        index, now = self._service.repository.index, self._service.clock.now()
        try:
            look = self._operator.repair(job_id, reason="it did not move")
        except UnknownJob:
            for entry in entries:
                index.forget(entry, now)
            return
        except JobIsBeingPurged:  # it has ended, and goes
            return
        except UNREADABLE as exc:  # no reason to leave the others
            care.damaged.append(unread_text(job_id, exc))
            return
        care.looked_at += 1
        care.mended += [(look.chain.job, finding.name) for finding in look.findings]
        for entry in entries:
            index.forget_stale(entry, look.chain.job, now)

    def _purge(self, retention: timedelta, until: datetime, care: Care) -> None:
        def count(rows: int) -> None:
            care.purged_rows += rows
            if self._service.clock.now() >= until:
                raise TimeIsUp

        refused: list[Refused] = []
        try:
            for job in self._purging.find(Selection(), self._service.clock.now() - retention, refused):
                care.purged += self._purging.purge(job, count, reason="it ended long ago")
        except TimeIsUp:
            care.is_complete = False
        except SourcesUnknown as exc:
            care.damaged.append(str(exc))
        care.damaged += [unread_text(each.job_id, each.error) for each in refused]
