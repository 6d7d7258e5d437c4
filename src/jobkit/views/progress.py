"""The progress of a running job: a bar for each stage, or a line for each thing worth telling."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from jobkit.runtime.figures import counted
from jobkit.runtime.model import Status

from .duration import duration_text


@dataclass(frozen=True, slots=True, kw_only=True)
class StageProgress:
    """How far a stage is. `total` is None until its plan is sealed; `seconds` since it was planned, or in all."""

    number: int
    name: str
    status: Status
    skipped: bool = False
    total: int | None = None
    completed: int = 0
    failed: int = 0
    in_flight: int = 0
    retries: int = 0
    seconds: float | None = None
    last_task: int | None = None

    @property
    def ended(self) -> int:
        """How many tasks have ended."""
        return self.completed + self.failed


def progress_view(stages: list[StageProgress], note: str = "") -> RenderableType:
    """Draw a bar for each stage, what is in flight, and who turned out the lights."""
    table = Table.grid(padding=(0, 1))
    table.add_column(justify="right")
    table.add_column(no_wrap=True, overflow="ellipsis", max_width=26)
    table.add_column(width=16)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold", ratio=1)
    for stage in stages:
        total = max(stage.total or 0, 1)
        style = "red" if stage.failed or stage.status is Status.FAILED else "green"
        bar = ProgressBar(
            total=total,
            completed=total if stage.status is Status.COMPLETED else stage.ended,
            width=16,
            complete_style=style,
            finished_style=style,
        )
        table.add_row(str(stage.number), Text(stage.name), bar, _counts(stage), _details(stage))
    return Group(table, Text(note, style="dim")) if note else table


def stage_line(stage: StageProgress) -> str:
    """Write a stage's progress as one line."""
    if stage.total is not None and not stage.ended and not stage.status.ended:
        return f"stage {stage.number} {stage.name}: {counted(stage.total, 'task')}"
    parts = ", ".join(part for part in (_counts(stage), _details(stage)) if part)
    return f"stage {stage.number} {stage.name}: {parts}"


def _counts(stage: StageProgress) -> str:
    if stage.skipped:
        return "skipped"
    if stage.total is None:
        return {Status.QUEUED: "", Status.PROCESSING: "planning"}.get(stage.status, "not planned")
    return f"{stage.ended:,}/{stage.total:,}"


def _details(stage: StageProgress) -> str:
    parts: list[str] = []
    if stage.failed:
        parts.append(f"{stage.failed:,} failed")
    if stage.retries:
        parts.append(f"{stage.retries:,} retried")
    if stage.status is Status.PROCESSING and stage.total is not None:
        parts.append(f"{stage.in_flight} in flight")
    if stage.status is Status.QUEUED:
        return "waits"
    if stage.seconds is not None:
        parts.append(duration_text(stage.seconds))
    if stage.status.ended and stage.last_task is not None:
        parts.append(f"lights out by task {stage.last_task:,}")
    return ", ".join(parts)
