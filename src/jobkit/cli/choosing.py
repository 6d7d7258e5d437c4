"""Which jobs a command means: those that are named, or those that a filter finds."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field

import typer

from jobkit.runtime.errors import OptionsContradict
from jobkit.runtime.model import Status
from jobkit.runtime.selection import read_selection
from jobkit.runtime.service import Service

from .output import say
from .session import open_without_code


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the user has typed: ids, or the fields of a filter."""

    job_ids: list[str] = field(default_factory=list[str])
    statuses: list[str] = field(default_factory=list[str])
    job_types: list[str] = field(default_factory=list[str])
    since: str | None = None
    params: list[str] = field(default_factory=list[str])
    is_all: bool = False

    @property
    def is_filter(self) -> bool:
        """Whether a filter has been typed."""
        return self.is_all or self._has_fields

    @property
    def _has_fields(self) -> bool:
        return bool(self.statuses or self.job_types or self.since is not None or self.params)

    def check(self) -> None:
        """Raise OptionsContradict unless it is one of ids, a filter and all."""
        if self.is_filter and self.job_ids:
            raise OptionsContradict(option="a filter", reason="goes with no ids: give one of them")
        if self.is_all and self._has_fields:
            raise OptionsContradict(option="--all", reason="goes with no other filter")
        if not (self.is_filter or self.job_ids):
            raise OptionsContradict(option="ID", reason="is missing: name jobs, or give a filter (see --help)")


@contextlib.contextmanager
def open_chosen(wanted: Wanted, *, store: str, among: Iterable[Status]) -> Generator[tuple[Service, Iterator[str]]]:
    """Open a store without the project's code; yield a service on it and the whole ids of the jobs that are meant.

    A filter without a status finds jobs of the statuses `among`. Ids are looked up before anything is done.
    Raises OptionsContradict, InvalidFilter, UnknownJob, AmbiguousId.
    """
    wanted.check()
    with open_without_code(store) as session:
        service = session.service(lambda _: None)
        if wanted.job_ids:
            yield service, iter(service.repository.resolve_job_ids(wanted.job_ids))
        else:
            yield service, _find(service, wanted, among)


def _find(service: Service, wanted: Wanted, among: Iterable[Status]) -> Iterator[str]:
    if wanted.is_all:  # by their rows in the index alone: one that is damaged hides no other
        return iter(service.repository.index.active_ids())
    selection = read_selection(
        statuses=wanted.statuses or list(among),
        job_types=wanted.job_types,
        since=wanted.since,
        params=wanted.params,
        now=service.clock.now(),
    )
    return (job.job_id for job in selection.find(service.repository, service.outbox.each))


def conclude(*, done: int, refused: list[str], json: bool, hint: str = "") -> None:
    """Tell what a command over jobs came to; end with exit code 1 where a job was refused.

    `hint` says what follows, where something was `done`.
    """
    for text in refused:
        say(f"error: {text}")
    if done and hint:
        say(hint)
    if not (done or refused or json):
        say("No job matches.")
    if refused:
        raise typer.Exit(1)
