"""Which jobs are meant: a filter over the rows that list jobs, newest first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any, Final

from .errors import UNREADABLE, InvalidFilter, did_you_mean
from .model import JobRecord, Listed, Status
from .outbox import Each
from .payload import stored_json, to_json
from .repository import Repository
from .times import read_time

READ_AT_ONCE: Final = 100


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
        damaged: list[str] | None = None,
        at_once: int = READ_AT_ONCE,
    ) -> Iterator[JobRecord]:
        """Yield the jobs that are meant, newest first, read lazily and `at_once` at a time (by `each`).

        `on_gone` is told of each row that lists a job which is not there (any more, or yet). With `damaged`, a job whose
        row can't be read is told there and left out; without it that raises RowDamaged or StoreTooNew.
        When only jobs that have not ended are meant, the short list of active ones is read instead of all.
        """
        listed = iter(self._listed(repository))
        while page := list(islice(listed, at_once)):
            found: dict[tuple[str, str], JobRecord] = {}
            unread: set[tuple[str, str]] = set()

            def read(
                entry: Listed,
                found: dict[tuple[str, str], JobRecord] = found,
                unread: set[tuple[str, str]] = unread,
            ) -> None:
                try:
                    job = repository.find_job(entry.job_id)
                except UNREADABLE as exc:
                    if damaged is None:
                        raise
                    damaged.append(str(exc))
                    unread.add((entry.job_id, entry.epoch))
                    return
                if job is not None and job.epoch == entry.epoch:  # else the row has outlived its job
                    found[entry.job_id, entry.epoch] = job

            each(page, read)
            for entry in page:
                job = found.pop((entry.job_id, entry.epoch), None)
                if job is not None:
                    if self.allows(job):
                        yield job
                elif (entry.job_id, entry.epoch) not in unread:
                    on_gone(entry)

    @property
    def needs_rows(self) -> bool:
        """Whether the rows of jobs must be read to tell which are meant: the index alone does not."""
        return bool(self.params or self.statuses)

    def _listed(self, repository: Repository) -> Iterator[Listed]:
        if self.statuses and not any(status.ended for status in self.statuses):
            newest_first = sorted(repository.index.active(), key=lambda entry: entry.created_at, reverse=True)
            listed = iter({(entry.job_id, entry.epoch): entry for entry in newest_first}.values())  # a row a round
        else:
            listed = repository.index.recent(since=self.since, before=self.before)
        return (entry for entry in listed if self._may_mean(entry))

    def _may_mean(self, entry: Listed | JobRecord) -> bool:
        return (
            (not self.job_types or entry.job_type in self.job_types)
            and (self.since is None or entry.created_at >= self.since)
            and (self.before is None or entry.created_at <= self.before)
        )

    def allows(self, job: JobRecord) -> bool:
        """Whether a job is one of those that are meant."""
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
