"""Which jobs are meant: a filter over the rows that list jobs, newest first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final

from .errors import UNREADABLE, InvalidFilter, did_you_mean
from .model import JobRecord, Listed, Status
from .outbox import Each
from .payload import stored_json, to_json
from .repository import Repository
from .times import read_time
from .unread import Unread

READ_AT_ONCE: Final = 100
#: Stands for when a job was created, where nothing says it: after all others, newest first.
UNKNOWN_TIME: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """A filter over jobs; what is empty or None allows all.

    `since` and `before` bound the time of creation. `params` are names of parameters with their values as text or JSON.
    """

    statuses: frozenset[Status] = frozenset()
    job_types: frozenset[str] = frozenset()
    since: datetime | None = None
    before: datetime | None = None
    params: Mapping[str, str] = field(default_factory=dict[str, str])

    def find(
        self,
        repository: Repository,
        each: Each[Any],
        *,
        on_gone: Callable[[Listed], None] = lambda _: None,
        at_once: int = READ_AT_ONCE,
    ) -> Iterator[JobRecord | Unread]:
        """Yield the jobs that are meant, newest first, read lazily and `at_once` at a time (by `each`).

        A job that can't be read, and may be meant by what the index says of it, is yielded as that. `on_gone` is told of
        each row that lists a job which is not there (any more, or yet). When only jobs that have not ended are meant,
        the short list of active ones is read instead of all.
        """
        listed = iter(self._listed(repository))
        while page := list(islice(listed, at_once)):
            found: dict[str, JobRecord | Unread | None] = {}

            def read(entry: Listed, found: dict[str, JobRecord | Unread | None] = found) -> None:
                try:
                    job = repository.find_job(entry.job_id)
                    if job is not None and job.epoch == entry.epoch:  # else the row has outlived its job
                        found[entry.key] = job if self.allows(job) else None
                except UNREADABLE as exc:
                    found[entry.key] = Unread.of(entry, exc)

            each(page, read)
            for entry in page:
                if entry.key not in found:
                    on_gone(entry)
                elif (job := found[entry.key]) is not None:
                    yield job

    @property
    def needs_rows(self) -> bool:
        """Whether the rows of jobs must be read to tell which are meant: the index alone does not."""
        return bool(self.params or self.statuses)

    def _listed(self, repository: Repository) -> Iterator[Listed]:
        if self.statuses and not any(status.ended for status in self.statuses):
            newest_first = sorted(
                repository.index.active(), key=lambda entry: entry.created_at or UNKNOWN_TIME, reverse=True
            )
            listed = iter({(entry.job_id, entry.epoch): entry for entry in newest_first}.values())  # a row a round
        else:
            listed = repository.index.recent(since=self.since, before=self.before)
        return (entry for entry in listed if self._may_mean(entry))

    def _may_mean(self, entry: Listed | JobRecord) -> bool:
        """Whether the type and the time are meant; what of a row of the index is not known may be."""
        job_type, created_at = entry.job_type, entry.created_at
        return (not self.job_types or job_type is None or job_type in self.job_types) and (
            created_at is None
            or ((self.since is None or created_at >= self.since) and (self.before is None or created_at <= self.before))
        )

    def allows(self, job: JobRecord) -> bool:
        """Whether a job is one of those that are meant. Raises RowDamaged when its parameters can't be read."""
        if not self._may_mean(job) or (self.statuses and job.status not in self.statuses):
            return False
        if not self.params:
            return True
        params: Any = stored_json(job.params_json, job_id=job.job_id, name="params")
        return isinstance(params, dict) and all(
            name in params and text in (params[name], to_json(params[name])) for name, text in self.params.items()
        )


def read_selection(
    *,
    statuses: list[str],
    job_types: list[str],
    since: str | None,
    params: list[str],
    now: datetime,
) -> Selection:
    """Read a filter as users write it: `since` as `read_time` does, a parameter as NAME=VALUE. Raises InvalidFilter."""
    return Selection(
        statuses=frozenset(map(_status, statuses)),
        job_types=frozenset(job_types),
        since=None if since is None else read_time(since, "since", now=now),
        params=dict(_param(text) for text in params),
    )


def _status(text: str) -> Status:
    try:
        return Status(text)
    except ValueError:
        reason = f"must be one of {', '.join(Status)}.{did_you_mean(text, map(str, Status))}"
        raise InvalidFilter(name="status", value=text, reason=reason) from None


def _param(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise InvalidFilter(name="param", value=text, reason="give NAME=VALUE")
    return name.replace("-", "_"), value
