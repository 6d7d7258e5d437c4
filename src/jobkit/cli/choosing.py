"""Which jobs a command means: those that are named, or those that a filter finds."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import typer

from jobkit.runtime.documents import refused_document
from jobkit.runtime.errors import (
    InvalidRetry,
    JobHasEnded,
    JobkitError,
    NothingToRetry,
    OptionsContradict,
    UnknownJob,
    WasCancelled,
)
from jobkit.runtime.figures import counted
from jobkit.runtime.model import Status
from jobkit.runtime.selection import Selection, read_selection
from jobkit.runtime.service import Service
from jobkit.runtime.unread import REFUSALS, Refused, without_unread

from .output import INTERRUPTED, print_json, say
from .session import open_without_code
from .stores import store_option

#: What a job that a filter has found may have become when it is its turn.
_LEFT_OUT: Final[dict[type[JobkitError], str]] = {
    JobHasEnded: "ended already",
    NothingToRetry: "nothing to retry",
    WasCancelled: "cancelled (named, they are retried)",
    UnknownJob: "purged meanwhile",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """The fields of a filter over jobs, as they were typed."""

    statuses: list[str] = field(default_factory=list[str])
    job_types: list[str] = field(default_factory=list[str])
    since: str | None = None
    params: list[str] = field(default_factory=list[str])

    @property
    def has_fields(self) -> bool:
        """Whether any of them has been typed."""
        return bool(self.statuses or self.job_types or self.since is not None or self.params)

    @property
    def words(self) -> list[str]:
        """The options that say the same again."""
        words: list[str] = []
        for name, values in (("--status", self.statuses), ("--type", self.job_types), ("--param", self.params)):
            words += [word for value in values for word in (name, value)]
        return words if self.since is None else [*words, "--since", self.since]

    def selection(self, now: datetime, among: Iterable[Status] = ()) -> Selection:
        """Return the filter; without a status it means jobs of the statuses `among`. Raises InvalidFilter."""
        return read_selection(
            statuses=self.statuses or list(among),
            job_types=self.job_types,
            since=self.since,
            params=self.params,
            now=now,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted(JobFilter):
    """What the user has typed: ids, or the fields of a filter."""

    job_ids: list[str] = field(default_factory=list[str])
    is_all: bool = False

    @property
    def is_filter(self) -> bool:
        """Whether a filter has been typed."""
        return self.is_all or self.has_fields

    def check(self) -> None:
        """Raise OptionsContradict unless it is one of ids, a filter and all."""
        if self.is_filter and self.job_ids:
            raise OptionsContradict(option="a filter", reason="goes with no ids: give one of them")
        if self.is_all and self.has_fields:
            raise OptionsContradict(option="--all", reason="goes with no other filter")
        if not (self.is_filter or self.job_ids):
            raise OptionsContradict(option="ID", reason="is missing: name jobs, or give a filter (see --help)")


@dataclass(slots=True, kw_only=True)
class Chosen:
    """The jobs that are meant, by their whole ids, and how far a command has come with them.

    Attributes:
        refused: Those that refused what was to be done to them.
        left_out: How many a filter had found that were not as it is meant when it came to them, by why.
        is_interrupted: Whether Ctrl-C has left the rest as it was.
    """

    wanted: Wanted
    service: Service
    job_ids: Iterable[str]
    refused: list[Refused]
    left_out: Counter[str] = field(default_factory=Counter[str])
    is_interrupted: bool = False

    def each(self, act: Callable[[str], object], job_ids: Iterable[str] | None = None) -> None:
        """Do something to all jobs, or to some, until Ctrl-C; one that refuses it is no reason to leave the others."""
        try:
            for job_id in self.job_ids if job_ids is None else job_ids:
                try:
                    act(job_id)
                except REFUSALS as exc:
                    self._refuse(job_id, exc)
        except KeyboardInterrupt:
            self.is_interrupted = True

    def _refuse(self, job_id: str, exc: JobkitError) -> None:
        if isinstance(exc, InvalidRetry) and len(self.wanted.job_ids) == 1:
            raise exc  # the command is wrong
        if self.wanted.is_filter and isinstance(exc, tuple(_LEFT_OUT)):
            self.left_out[_LEFT_OUT[type(exc)]] += 1
        else:
            self.refused.append(Refused(job_id=job_id, error=exc))


@contextlib.contextmanager
def open_chosen(wanted: Wanted, *, store: str, among: Iterable[Status]) -> Generator[Chosen]:
    """Open a store without the project's code; yield the jobs that are meant, and a service to do something to them.

    A filter without a status finds jobs of the statuses `among`. Ids are looked up before anything is done.
    Raises OptionsContradict, InvalidFilter, UnknownJob, AmbiguousId.
    """
    wanted.check()
    with open_without_code(store) as session:
        service = session.service(lambda _: None)
        refused: list[Refused] = []
        yield Chosen(
            service=service,
            job_ids=(
                service.repository.resolve_job_ids(wanted.job_ids)
                if wanted.job_ids
                else _find(service, wanted, among, refused)
            ),
            wanted=wanted,
            refused=refused,
        )


def _find(service: Service, wanted: Wanted, among: Iterable[Status], refused: list[Refused]) -> Iterable[str]:
    if wanted.is_all:  # by their rows in the index alone
        return service.repository.index.active_ids()
    found = wanted.selection(service.clock.now(), among).find(service.repository, service.outbox.each)
    return (job.job_id for job in without_unread(found, refused))


def print_chosen(chosen: Chosen, documents: Sequence[Mapping[str, Any]]) -> None:
    """Print as JSON what was done to jobs, a document each, and which refused it."""
    print_json({"schema": 1, "jobs": list(documents), "refused": list(map(refused_document, chosen.refused))})


def conclude_chosen(chosen: Chosen, *, done: int, what: str, store: str, json: bool, hint: str = "") -> None:
    """Tell what a command came to that has done so many jobs, which are `what`: retried; see `conclude`."""
    interrupted = f"{counted(done, 'job')} {what}" if chosen.is_interrupted else ""
    for why, count in chosen.left_out.items():
        say(f"left out: {counted(count, 'job')}, {why}")
    json = json or bool(chosen.left_out)
    conclude(done=done, refused=chosen.refused, store=store, json=json, hint=hint, interrupted=interrupted)


def conclude(
    *, done: int, refused: Sequence[Refused], store: str, json: bool, hint: str = "", interrupted: str = ""
) -> None:
    """Tell what a command over jobs came to; end with exit code 1 where a job was refused.

    `hint` says what follows, where something was `done`; `interrupted` how far it came before Ctrl-C, exit code 130.
    """
    for each in refused:
        say(f"error: {each.text(store_option(store))}")
    if done and hint:
        say(hint)
    if interrupted:
        say(f"interrupted: {interrupted}; the same command goes on with what is left")
        raise typer.Exit(INTERRUPTED)
    if not (done or refused or json):
        say("No job matches.")
    if refused:
        raise typer.Exit(1)
