"""`jobkit purge`: delete what ended long ago."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Iterator
from typing import Any, Final

from rich.status import Status as StatusLine

from jobkit.runtime.documents import ended_document, refused_document
from jobkit.runtime.errors import OptionsContradict
from jobkit.runtime.figures import counted
from jobkit.runtime.model import JobRecord
from jobkit.runtime.purging import Purging
from jobkit.runtime.service import Service
from jobkit.runtime.times import read_time
from jobkit.runtime.unread import REFUSALS, Refused

from .asking import confirm, who
from .choosing import Wanted, conclude
from .output import err, print_json, say, write_out
from .session import open_without_code

REPORT_S: Final = 10.0

#: Finds the jobs to purge, or in a dry run those that would be; it tells of those that refuse it.
_Find = Callable[[list[Refused], bool], Iterator[JobRecord]]


class _Tally:
    """What has been deleted so far; told on stderr while it goes on: in one line on a terminal, else now and then."""

    def __init__(self) -> None:
        self.jobs = 0
        self.rows = 0
        self.is_interrupted = False
        self.listed: list[dict[str, Any]] = []  # in a dry run that is told as JSON
        self._line: StatusLine | None = None
        self._told_at = time.monotonic()

    def __str__(self) -> str:
        return f"{counted(self.jobs, 'job')} deleted, {counted(self.rows, 'row')}"

    def add(self, rows: int) -> None:
        """Count rows."""
        self.rows += rows
        if self._line is not None:
            self._line.update(str(self))
        elif time.monotonic() - self._told_at >= REPORT_S:
            self._told_at = time.monotonic()
            say(str(self))

    @contextlib.contextmanager
    def shown(self) -> Generator[None]:
        """Tell while it goes on."""
        console = err()
        if not console.is_terminal:
            yield
            return
        with console.status(str(self)) as self._line:
            yield


def main(
    wanted: Wanted, *, older_than: str | None, reason: str, dry_run: bool, yes: bool, json: bool, store: str
) -> None:
    """Run `jobkit purge`; exit code 1 when a job that was named is kept or one can't be read, 130 after Ctrl-C."""
    if wanted.job_ids:
        _check_alone(wanted, older_than)
    elif older_than is None:
        raise OptionsContradict(
            option="--older-than", reason="is missing: how long ago jobs must have ended, such as 30d"
        )
    refused: list[Refused] = []
    with open_without_code(store) as session:
        service = session.service(lambda _: None)
        purging = Purging(service, by=who())
        find = _find(service, purging, wanted, older_than)
        tally = _tell(find, refused, json=json) if dry_run else _purge(purging, find, refused, reason=reason, yes=yes)
        if json:
            rows = None if dry_run else tally.rows
            kept = list(map(refused_document, refused))
            more = {"jobs": tally.listed} if dry_run else {}
            document = {"schema": 1, "purged": tally.jobs, "rows": rows, "refused": kept, "dry_run": dry_run, **more}
            print_json(document)
        elif tally.jobs and not dry_run and not tally.is_interrupted:
            write_out(f"{tally}\n")
    interrupted = str(tally) if tally.is_interrupted else ""
    conclude(done=tally.jobs, refused=refused, store=store, json=json, interrupted=interrupted)


def _check_alone(wanted: Wanted, older_than: str | None) -> None:
    wanted.check()
    if older_than is not None:
        raise OptionsContradict(option="--older-than", reason="goes with no ids: give one of them")


def _find(service: Service, purging: Purging, wanted: Wanted, older_than: str | None) -> _Find:
    """Return what finds the jobs."""
    if older_than is not None:
        now = service.clock.now()
        ended_before = read_time(older_than, "--older-than", now=now)
        selection = wanted.selection(now)
        return lambda refused, dry_run: purging.find(selection, ended_before, refused, dry_run=dry_run)
    job_ids = service.repository.resolve_job_ids(wanted.job_ids)

    def named(refused: list[Refused], _: bool) -> Iterator[JobRecord]:
        for job_id in job_ids:
            try:
                yield purging.check(job_id)
            except REFUSALS as exc:
                refused.append(Refused(job_id=job_id, error=exc))

    return named


def _tell(find: _Find, refused: list[Refused], *, json: bool) -> _Tally:
    """Say which jobs would be deleted, and count them."""
    tally = _Tally()
    for job in find(refused, True):
        tally.jobs += 1
        if json:
            tally.listed.append(ended_document(job))
        else:
            write_out(
                f"job {job.job_id[:12]} {job.job_type}, {job.status}, ended {job.updated_at:%Y-%m-%d %H:%M} UTC\n"
            )
    if tally.jobs and not json:
        say(f"{counted(tally.jobs, 'job')} would be deleted")
    return tally


def _purge(purging: Purging, find: _Find, refused: list[Refused], *, reason: str, yes: bool) -> _Tally:
    tally = _Tally()
    if not yes:
        count = sum(1 for _ in find([], True))
        if count:
            confirm(f"Delete {counted(count, 'job')}, with all tasks and results?", yes=False)
    try:
        with tally.shown():
            for job in find(refused, False):
                if purging.purge(job, tally.add, reason=reason):
                    tally.jobs += 1
    except KeyboardInterrupt:
        tally.is_interrupted = True
    return tally
