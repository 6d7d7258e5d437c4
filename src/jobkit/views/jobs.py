"""A page of a list of jobs, and the cells that each list of jobs has."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from jobkit.runtime.figures import span_text
from jobkit.runtime.model import JobRecord
from jobkit.runtime.overview import Page, took_s
from jobkit.runtime.unread import Unread

from .duration import duration_text
from .job import STYLES, shown_text
from .lines import Column, Lines, Row
from .verdict import why

ID_CHARS: Final = 12  # of an id, where not all is shown: any unique beginning is the id
TYPE_CHARS: Final = 24  # of a job type, where not all is shown
WIDE: Final = 100
ABOUT: Final = "error, or parameters"


def jobs_view(
    page: Page, *, now: datetime, next_command: str | None, options: str = "", whole: bool = False
) -> RenderableType:
    """Show a page of jobs; `next_command` is what shows the next one, `options` what a command needs to use the store.

    `whole` cuts nothing off.
    """
    if not page.lines:
        return Text("No job matches.")
    columns = (
        *job_columns(),
        Column(title="status"),
        Column(title="stage", justify="right", from_width=WIDE),
        Column(title="created"),
        Column(title="took", justify="right"),
    )
    rows = [
        _unread(line, now, whole=whole) if isinstance(line, Unread) else _job(line, now, whole=whole)
        for line in page.lines
    ]
    parts: list[RenderableType] = [Lines(columns=columns, rows=rows, note=ABOUT)]
    if any(isinstance(line, Unread) for line in page.lines):
        command = f"jobkit doctor --job ID{options}"
        parts += [Text(), Text(f"What is broken about a job that can't be read: {command}", overflow="fold")]
    if next_command is not None:
        parts += [Text(), Text(f"Next page: {next_command}", overflow="fold")]
    return Group(*parts)


def _job(job: JobRecord, now: datetime, *, whole: bool) -> Row:
    return Row(
        cells=(
            *job_cells(job, whole=whole),
            status_cell(job),
            Text(_stage(job)),
            Text(ago_text(job.created_at, now)),
            Text(duration_text(took_s(job, now))),
        ),
        note=about(job),
        must=job.error is not None,
    )


def _unread(line: Unread, now: datetime, *, whole: bool) -> Row:
    """Show a job by what the index says of it, and why no more is known."""
    return Row(
        cells=(
            *job_cells(line, whole=whole),
            Text("can't be read", style="red"),
            Text(),
            Text("?" if line.created_at is None else ago_text(line.created_at, now)),
            Text(),
        ),
        note=Text(shown_text(str(line.error)), style="red"),
        must=True,
    )


def job_columns() -> tuple[Column, Column]:
    """Return the columns that each list of jobs begins with."""
    return Column(title="id"), Column(title="type", shrinks=True)


def job_cells(job: JobRecord | Unread, *, whole: bool) -> tuple[Text, Text]:
    """Return a job's cells in those columns."""
    job_type = "?" if job.job_type is None else shown_text(job.job_type)
    if not whole and len(job_type) > TYPE_CHARS:
        job_type = f"{job_type[: TYPE_CHARS - 1]}…"
    return Text(job.job_id if whole else job.job_id[:ID_CHARS]), Text(job_type)


def status_cell(job: JobRecord) -> Text:
    """Return a job's status in its colour."""
    return Text(job.status.value, style=STYLES[job.status])


def about(job: JobRecord) -> Text:
    """Return why a job failed, or else what its parameters are, on one line."""
    if job.error is not None:
        return Text(shown_text(why(job.error)), style="red")
    return Text(shown_text(job.params_json))


def ago_text(time: datetime, now: datetime) -> str:
    """Write how long ago something was: `12 s ago`, `3 h ago`."""
    return f"{span_text((now - time).total_seconds())} ago"


def _stage(job: JobRecord) -> str:
    of = len(job.stage_numbers)
    if job.status.ended:
        return str(of)
    return f"{of}/{of}" if job.stage is None else f"{job.stage_numbers.index(job.stage) + 1}/{of}"
