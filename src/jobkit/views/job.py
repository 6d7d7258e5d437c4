"""One job: the verdict first, then stages, errors and the result."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, cast

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from jobkit.runtime.figures import counted
from jobkit.runtime.model import Audit, Chain, ErrorGroup, Failure, JobRecord, StageRecord, StageState, Status, Summary
from jobkit.runtime.payload import stored_json

from .duration import duration_text
from .verdict import why

SHOWN_RESULTS: Final = 10
SHOWN_CHARS: Final = 400  # of one value, where not all is shown
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # a screen obeys them
STYLES: Final = {
    Status.QUEUED: "yellow",
    Status.PROCESSING: "cyan",
    Status.COMPLETED: "green",
    Status.FAILED: "red",
}


def job_view(
    chain: Chain,
    progress: Mapping[int, Summary] | None = None,
    *,
    audits: Sequence[Audit] = (),
    whole: bool = False,
) -> RenderableType:
    """Show a job and what operators did to it; `progress` has the counts of stages that are not closed.

    `whole` shows every result.
    """
    counts = progress or {}
    parts: list[RenderableType] = [
        _verdict(chain, counts),
        facts_view(chain.job, audits, whole=whole),
        Text(),
        stages_view(chain, counts),
    ]
    groups = [(stage, group) for stage in chain.stages for group in counts.get(stage.number, stage.summary).errors]
    if groups:
        parts += [Text(), Text("Errors", style="bold"), *[error_group_view(stage, group) for stage, group in groups]]
    if chain.job.error is not None and not groups:
        parts += [Text(), Text("Error", style="bold"), indented(failure_view(chain.job.error))]
    if chain.job.result_json is not None:
        parts += [Text(), result_view(chain.job, whole=whole)]
    return Group(*parts)


def result_view(job: JobRecord, *, whole: bool = False) -> RenderableType:
    """Show a job's result: the default one as a list by stage, any other as JSON."""
    title = Text("Result", style="bold")
    result: Any = stored_json(job.result_json or "null", job_id=job.job_id, name="result")
    listed = _listed_results(result)
    if listed is None:
        return Group(title, indented(_json(result, whole=whole)))
    parts: list[RenderableType] = [title]
    for stage in listed:
        results: list[Any] = stage["results"]
        shown = results if whole else results[:SHOWN_RESULTS]
        grid = Table.grid(padding=(0, 2))
        grid.add_column(no_wrap=True)
        grid.add_column(overflow="fold")
        for entry in shown:
            grid.add_row(Text(f"{entry['task_id']}"), Text(shown_text(_value(entry["value"]), whole=whole)))
        parts.append(Text(f"  {stage['number']} {stage['name']}"))
        parts.append(indented(grid, 4))
        more = int(stage["completed"]) - len(shown)
        if more > 0:
            parts.append(Text(f"    and {more:,} more", style="dim"))
    return Group(*parts)


def _verdict(chain: Chain, counts: Mapping[int, Summary]) -> Text:
    job = chain.job
    text = Text()
    text.append(f"{job.job_type} ", style="bold")
    text.append(job.status.value, style=f"bold {STYLES[job.status]}")
    stage = chain.current_stage
    if job.status.ended:
        text.append(f" in {duration_text((job.updated_at - job.created_at).total_seconds())}")
    elif stage is None:
        text.append(": its stages have ended, the result is being aggregated")
    elif stage.task_count is None:
        text.append(
            f": stage {stage.number} {stage.name} {'is being planned' if stage.state is StageState.PLANNING else 'is not planned yet'}"
        )
    else:
        summary = counts.get(stage.number, stage.summary)
        ended = f"{summary.ended:,} of {stage.task_count:,} tasks have ended"
        failed = f", {summary.failed:,} failed" if summary.failed else ""
        text.append(f": stage {stage.number} {stage.name}, {ended}{failed}")
    if job.error is not None:
        text.append(f": {why(job.error, most=len(job.error.message))}")
    return text


def facts_view(job: JobRecord, audits: Sequence[Audit], *, whole: bool) -> RenderableType:
    """Show what a job is, and what operators did to it."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row("id", Text(job.job_id))
    grid.add_row("parameters", Text(shown_text(job.params_json, whole=whole)))
    if job.run > 1:
        grid.add_row("run", str(job.run))
    if job.source is not None:
        grid.add_row("results from", Text(job.source))
    grid.add_row("created", f"{job.created_at:%Y-%m-%d %H:%M:%S} UTC")
    for audit in audits:
        action, _, what = audit.action.partition(": ")  # a repair names all that it has mended
        words = [f"{audit.at:%Y-%m-%d %H:%M:%S} UTC by {audit.by}", *(each for each in (what, audit.reason) if each)]
        grid.add_row(action, Text(shown_text(": ".join(words), whole=whole)))
    return grid


def stages_view(
    chain: Chain, counts: Mapping[int, Summary], *, now: datetime | None = None, at_least: Collection[int] = ()
) -> Table:
    """Show a job's stages; with `now`, how long an open one has taken. The counts of those `at_least` are lower bounds."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("", justify="right")
    table.add_column("stage", overflow="fold")
    table.add_column("status")
    for title in ("tasks", "done", "failed", "time"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("lights out by", no_wrap=True)
    for stage in chain.stages:
        summary = counts.get(stage.number, stage.summary)
        more = "+" if stage.number in at_least else ""
        table.add_row(
            str(stage.number),
            Text(stage.name),
            Text("skipped" if stage.skipped else stage.status.value, style=STYLES[stage.status]),
            "" if stage.task_count is None else f"{stage.task_count:,}",
            f"{summary.completed:,}{more}",
            Text(f"{summary.failed:,}{more}", style="red" if summary.failed else ""),
            _stage_time(stage, now),
            "" if stage.last_index is None else f"task {stage.last_index:,}",
        )
    return table


def _stage_time(stage: StageRecord, now: datetime | None) -> str:
    end = stage.ended_at or now
    if stage.started_at is None or end is None:
        return ""
    return duration_text(max(0.0, (end - stage.started_at).total_seconds()))


def error_group_view(stage: StageRecord, group: ErrorGroup) -> RenderableType:
    """Show how many tasks of a stage failed in one way, with the first of them as the example."""
    tasks = counted(group.count, "task")
    text = f"  stage {stage.number} {stage.name}: {tasks} failed with {group.failure.type}, first task {group.index}"
    head = Text(shown_text(text))
    return Group(head, indented(failure_view(group.failure), 4))


def indented(part: RenderableType, by: int = 2) -> RenderableType:
    """Set a part of a screen off from its title."""
    return Padding(part, (0, 0, 0, by), expand=False)


def failure_view(failure: Failure) -> RenderableType:
    """Show an error with the last lines of its traceback."""
    text = Text(shown_text(f"{failure.type}: {failure.message}"), style="red")
    tail = "\n".join(failure.traceback.splitlines()[-8:])
    return Group(text, Text(shown_text(tail), style="dim")) if tail else text


def _listed_results(result: Any) -> list[dict[str, Any]] | None:
    """Return the stages of a default result; None for any other."""
    found = cast("dict[str, Any]", result) if isinstance(result, dict) else {}
    if set(found) != {"stages", "truncated"} or not isinstance(found["stages"], list):
        return None
    stages = cast("list[dict[str, Any]]", found["stages"])
    names = {"number", "name", "completed", "failed", "results"}
    return stages if all(set(stage) == names for stage in stages) else None


def _value(value: Any) -> str:
    """Write a task's value on a line: the text itself where there is but one."""
    if isinstance(value, dict) and len(cast("dict[str, Any]", value)) == 1:
        only: Any = next(iter(cast("dict[str, Any]", value).values()))
        if isinstance(only, str):
            return only
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def shown_text(text: str, *, whole: bool = True) -> str:
    """Return a text as a screen may have it, and no more than a part of a long one unless `whole`."""
    text = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)
    if whole or len(text) <= SHOWN_CHARS:
        return text
    return f"{text[:SHOWN_CHARS]}… and {len(text) - SHOWN_CHARS:,} more characters"


def _json(value: Any, *, whole: bool) -> Text:
    lines = [shown_text(line, whole=whole) for line in json.dumps(value, ensure_ascii=False, indent=2).split("\n")]
    if whole or len(lines) <= 4 * SHOWN_RESULTS:
        return Text("\n".join(lines))
    shown = lines[: 4 * SHOWN_RESULTS]
    return Text("\n".join([*shown, f"… and {len(lines) - len(shown):,} more lines"]))
