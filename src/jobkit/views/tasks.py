"""Tasks: a page of them, and one of them whole."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from jobkit.runtime.figures import counted, took_s, waited_s
from jobkit.runtime.model import Chain, StageRecord, Status, TaskRecord
from jobkit.runtime.payload import stored_json

from .duration import duration_text
from .job import STYLES, indented, shown_text
from .verdict import first_line

MOST_NAMED = 20


def tasks_view(
    chain: Chain, stage: StageRecord, tasks: Sequence[TaskRecord], *, go_on: str = "", whole: bool = False
) -> RenderableType:
    """Show a page of a stage's tasks; `go_on` is the command for the next one, where there is one."""
    job = chain.job
    count = "no tasks yet" if stage.task_count is None else counted(stage.task_count, "task")
    head = Text(f"{job.job_type} {job.job_id[:12]}, stage {stage.number} {stage.name}: {count}, ")
    head.append(stage.status.value, style=STYLES[stage.status])
    if not tasks:
        return Group(head, Text("  none of those that were asked for", style="dim"))
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("task", justify="right", no_wrap=True)
    table.add_column("status", no_wrap=True)
    for title in ("attempt", "waited", "ran"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("what came of it", overflow="fold")
    for task in tasks:
        waited, took = waited_s(task), took_s(task)
        table.add_row(
            str(task.ref.index),
            Text(task.status.value, style=STYLES[task.status]),
            str(task.attempt),
            "" if waited is None else duration_text(waited),
            "" if took is None else duration_text(took),
            Text(_outcome(task, whole=whole)),
        )
    parts: list[RenderableType] = [head, table]
    if go_on:
        parts.append(Text(f"more: {go_on}", style="dim"))
    return Group(*parts)


def _outcome(task: TaskRecord, *, whole: bool) -> str:
    if task.error is not None and not task.result_json:
        text = f"{task.error.type}: {task.error.message}"
        return shown_text(text.replace("\n", " ") if whole else first_line(text, most=120), whole=whole)
    if task.result_json is not None:
        return shown_text(task.result_json if whole else first_line(task.result_json, most=120), whole=whole)
    return "" if task.worker is None else f"on {task.worker}"


def task_view(
    chain: Chain, stage: StageRecord, task: TaskRecord, *, now: datetime, whole: bool = False
) -> RenderableType:
    """Show all there is to see of a task."""
    head = Text(f"{chain.job.job_type} ", style="bold")
    head.append(f"task {task.ref.index} of stage {stage.number} {stage.name} ", style="bold")
    head.append(task.status.value, style=f"bold {STYLES[task.status]}")
    head.append(_headline_rest(task))
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row("id", Text(task.ref.task_id))
    grid.add_row("job", Text(chain.job.job_id))
    if task.params_json is not None:
        grid.add_row("parameters", Text(shown_text(task.params_json, whole=whole)))
    for title, text in (*_fed_by(chain, stage, task), *_times(stage, task, now)):
        grid.add_row(title, Text(text))
    parts: list[RenderableType] = [head, grid]
    if task.error is not None:
        title = "Error" if task.status.ended else "Error of the attempt before"
        text = f"{task.error.type}: {task.error.message}"
        parts += [Text(), Text(title, style="bold"), indented(Text(shown_text(text), style="red"))]
        if task.error.traceback:
            parts.append(indented(Text(shown_text(task.error.traceback), style="dim")))
    if task.result_json is not None:
        result = stored_json(task.result_json, job_id=task.ref.job_id, name="result")
        text = json.dumps(result, ensure_ascii=False, indent=2)
        parts += [Text(), Text("Result", style="bold"), indented(Text(shown_text(text, whole=whole)))]
    return Group(*parts)


def _headline_rest(task: TaskRecord) -> str:
    took = took_s(task)
    if took is not None and task.status.ended:
        return f" in {duration_text(took)}" + (f", attempt {task.attempt}" if task.attempt > 1 else "")
    if task.not_before is not None and task.attempt > 1 and not task.status.ended and task.started_at is not None:
        return f", attempt {task.attempt} not before {task.not_before:%H:%M:%S} UTC"
    return f", attempt {task.attempt}"


def _fed_by(chain: Chain, stage: StageRecord, task: TaskRecord) -> Iterator[tuple[str, str]]:
    """Tell where a task's input comes from, as far as rows tell it."""
    earlier = [each for each in chain.stages if each.number < stage.number]
    if earlier:
        source = earlier[-1]
        yield (
            "may read",
            f"stage {source.number} {source.name}: {counted(source.summary.completed, 'result')}"
            + (f", and {len(earlier) - 1} before it" if len(earlier) > 1 else ""),
        )
    elif chain.job.source is not None:
        yield "may read", chain.job.source.replace("job:", "results of job ").replace("list:", "a list, ")
    own = re.compile(rf"\b{task.ref.job_id[:16]}-(\d+)-(\d+)\b")
    named = list(dict.fromkeys(match[0] for match in own.finditer(task.params_json or "")))
    if named:
        more = f" and {len(named) - MOST_NAMED:,} more" if len(named) > MOST_NAMED else ""
        yield "fed by", ", ".join(named[:MOST_NAMED]) + more


def _times(stage: StageRecord, task: TaskRecord, now: datetime) -> Iterator[tuple[str, str]]:
    """Tell when what was; of a task that is queued again, when and where it ran before."""
    before = " before" if task.status is Status.QUEUED else ""
    attempt = f"{task.attempt}" + (f" (round {task.round})" if stage.round > 1 else "")
    yield "attempt", attempt
    waited = waited_s(task)
    for title, time in (
        ("queued", task.queued_at),
        ("not before", task.not_before),
        (f"started{before}", task.started_at),
        ("sign of life", task.progress_at),
        ("ended", task.ended_at),
    ):
        if time is not None:
            waits = f", after waiting {duration_text(waited)}" if title == "started" and waited is not None else ""
            yield title, f"{time:%Y-%m-%d %H:%M:%S.%f}"[:-3] + f" UTC{waits}"
    took = took_s(task)
    if took is not None:
        yield "ran", duration_text(took)
    elif task.status is Status.PROCESSING and task.started_at is not None:
        yield "has run", duration_text(max(0.0, (now - task.started_at).total_seconds()))
    if task.worker is not None:
        yield f"instance{before}", task.worker
