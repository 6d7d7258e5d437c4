"""Jobs that could not be read, and jobs that something was not done to: each is named, and the others are done."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from .errors import (
    UNREADABLE,
    InvalidRetry,
    JobHasEnded,
    JobIsBeingPurged,
    JobkitError,
    NothingToRetry,
    NotToBePurged,
    UnknownJob,
    WasCancelled,
)
from .model import JobRecord, Listed

#: What one job may refuse, and is no reason to leave the others.
REFUSALS: Final = (
    JobHasEnded,
    NothingToRetry,
    WasCancelled,
    InvalidRetry,
    NotToBePurged,
    JobIsBeingPurged,
    UnknownJob,
    *UNREADABLE,
)
_SHOWN: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A job that something was not done to, and why."""

    job_id: str
    error: JobkitError

    def text(self, options: str) -> str:
        """Say so, and what tells more; `options` are what a command needs to use the same store."""
        if isinstance(self.error, UNREADABLE):
            return unread_text(self.job_id, self.error) + f"\n  What is broken: {look_command(self.job_id, options)}"
        return str(self.error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """A job that is listed and can't be read; type and time are those of the row that lists it, where that has them."""

    job_id: str
    job_type: str | None
    created_at: datetime | None
    error: JobkitError

    @classmethod
    def of(cls, listed: Listed | JobRecord, error: JobkitError) -> Unread:
        """Make it of what lists the job."""
        return cls(job_id=listed.job_id, job_type=listed.job_type, created_at=listed.created_at, error=error)


def without_unread(found: Iterable[JobRecord | Unread], refused: list[Refused]) -> Iterator[JobRecord]:
    """Yield the jobs that could be read; the others are `refused`."""
    for each in found:
        if isinstance(each, Unread):
            refused.append(Refused(job_id=each.job_id, error=each.error))
        else:
            yield each


def unread_text(job_id: str, error: JobkitError, job_type: str | None = None) -> str:
    """Say which job can't be read, and why."""
    return f"job {job_id[:_SHOWN]}{f' {job_type}' if job_type else ''} can't be read: {error}"


def look_command(job_id: str, options: str) -> str:
    """Return the command that says what is broken about a job."""
    return f"jobkit doctor --job {job_id[:_SHOWN]}{options}"
