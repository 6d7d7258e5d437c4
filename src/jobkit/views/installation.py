"""An installation at a glance: what is to be worried about, then active and ended jobs, queues, instances, throughput."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from jobkit.runtime.figures import counted, span_text
from jobkit.runtime.model import StageState
from jobkit.runtime.overview import NEWEST, WINDOW_S, ActiveJob, Concern, Installation, took_s

from .duration import duration_text
from .inspection import ways
from .job import shown_text
from .jobs import ABOUT, WIDE, about, ago_text, job_cells, job_columns, status_cell
from .lines import Column, Lines, Row
from .queues import queue_table
from .sparkline import sparkline

SHOWN_WORKERS: Final = 8
_STATES: Final = {
    StageState.UNPLANNED: "not planned yet",
    StageState.PLANNING: "is being planned",
    StageState.REOPENING: "is being reopened",
    StageState.CLOSED: "has ended",
}


def installation_view(
    found: Installation, worries: Sequence[Concern], *, place: str, whole: bool = False
) -> RenderableType:
    """Show an installation; `place` says which. `whole` cuts nothing off."""
    parts: list[RenderableType] = [
        Text.assemble((_headline(found, worries), "bold"), f" at {found.at:%Y-%m-%d %H:%M:%S} UTC in {place}")
    ]
    if worries:
        parts += [Text(), Text("Warnings", style="bold red"), *(_worry(each, found) for each in worries)]
    parts += [Text(), Text(_active_title(found), style="bold")]
    if found.active:
        parts.append(_active(found, worries, whole=whole))
    parts += [Text(), Text(_ended_title(found), style="bold")]
    if found.ended:
        parts.append(_ended(found, whole=whole))
    parts += [Text(), queue_table(found.queues, now=found.at)]
    if found.kept_poison:
        parts.append(Text(f"{_many(found.kept_poison, 'message')} kept that could not be understood"))
    parts.append(Text())
    parts += [_instances(found, whole=whole), _throughput(found)]
    return Group(*parts)


def installation_line(found: Installation, worries: Sequence[Concern]) -> str:
    """Tell the same on one line."""
    messages = sum(queue.messages for queue in found.queues)
    return f"{_headline(found, worries)}, {counted(messages, 'message')}, {_pace(found.throughput.a_second)} tasks a second"


def _headline(found: Installation, worries: Sequence[Concern]) -> str:
    warnings = {0: "", 1: ", 1 warning"}.get(len(worries), f", {len(worries)} warnings")
    return f"{_many(found.active_count, 'active job', more=not found.counted_all)}{warnings}"


def _worry(worry: Concern, found: Installation) -> RenderableType:
    since = "" if worry.since is None else f" (for {span_text((found.at - worry.since).total_seconds())})"
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(Text(" !", style="red"), Text(shown_text(f"{worry.text}{since}")))
    grid.add_row("", Text(ways(worry.command), style="bold"))
    return grid


def _active_title(found: Installation) -> str:
    if not found.active:
        return "No active job that could be read" if found.active_count else "No active job"
    if len(found.active) == found.active_count:
        return "Active jobs"
    of = f"{found.active_count:,}{'' if found.counted_all else ' or more'}"
    return f"Active jobs, the newest {len(found.active)} of {of}"


def _active(found: Installation, worries: Sequence[Concern], *, whole: bool) -> Lines:
    columns = (
        *job_columns(),
        Column(title="stage", shrinks=True),
        Column(title="tasks", justify="right"),
        Column(title="failed", justify="right"),
        Column(title="left", justify="right"),
        Column(title="moved", from_width=WIDE),
    )
    rows = [
        Row(
            cells=(
                *job_cells(each.chain.job, whole=whole),
                Text(_stage(each)),
                Text(_tasks(each)),
                _failed(each),
                Text(_left(found.left_s(each, worries))),
                Text(ago_text(each.moved_at, found.at)),
            )
        )
        for each in found.active
    ]
    return Lines(columns=columns, rows=rows)


def _stage(active: ActiveJob) -> str:
    job, stage = active.chain.job, active.stage
    of = len(job.stage_numbers)
    if stage is None:
        return f"{of}/{of}"
    return f"{job.stage_numbers.index(stage.number) + 1}/{of} {shown_text(stage.name)}"


def _tasks(active: ActiveJob) -> str:
    stage, pulse = active.stage, active.pulse
    if stage is None:
        return "aggregating"
    if pulse is None or stage.task_count is None:
        return _STATES.get(stage.state, "")
    ended, tasks = pulse.count.summary.ended, stage.task_count
    least = "≥ " if pulse.count.unseen else ""
    return f"{least}{ended:,}/{tasks:,} {100 * ended // max(1, tasks):>3} %"


def _failed(active: ActiveJob) -> Text:
    if active.pulse is None:
        return Text()
    failed = active.pulse.count.summary.failed
    return Text(f"{failed:,}", style="red" if failed else "")


def _left(left_s: float | None) -> str:
    return "" if left_s is None else f"~{span_text(left_s)}"


def _ended_title(found: Installation) -> str:
    of = f", of the {NEWEST} newest" if found.looked_at >= NEWEST else ""
    return f"Ended last{of}" if found.ended else f"No job has ended{of}"


def _ended(found: Installation, *, whole: bool) -> Lines:
    columns = (
        *job_columns(),
        Column(title="status"),
        Column(title="ended"),
        Column(title="took", justify="right"),
        Column(title="tasks", justify="right"),
    )
    rows = [
        Row(
            cells=(
                *job_cells(chain.job, whole=whole),
                status_cell(chain.job),
                Text(ago_text(chain.job.updated_at, found.at)),
                Text(duration_text(took_s(chain.job, found.at))),
                Text(f"{sum(stage.summary.ended for stage in chain.stages):,}"),
            ),
            note=about(chain.job),
            must=chain.job.error is not None,
        )
        for chain in found.ended
    ]
    return Lines(columns=columns, rows=rows, note=ABOUT)


def _instances(found: Installation, *, whole: bool) -> Text:
    low = found.at - timedelta(seconds=WINDOW_S)
    seen = sorted(((at, worker) for worker, at in found.workers.items() if at >= low), reverse=True)
    shown = seen if whole else seen[:SHOWN_WORKERS]
    text = Text.assemble(("Instances", "bold"), "   ")
    if found.living is not None:
        works = "works" if found.living <= 1 else "work"
        text.append(f"{_many(found.living, 'process', 'es')} {works} on this store; ")
    elif not seen:
        text.append("not known: ")
    if not seen:
        text.append(f"no row that was read tells of one in {span_text(WINDOW_S)}")
        return text
    text.append(", ".join(f"{shown_text(worker)} {ago_text(at, found.at)}" for at, worker in shown))
    if len(seen) > len(shown):
        text.append(f" and {len(seen) - len(shown):,} more")
    return text


def _throughput(found: Installation) -> Text:
    through = found.throughput
    text = Text.assemble(("Throughput", "bold"), f"  {sparkline(through.counts)}  ")
    if through.ended:
        over = span_text(through.seconds)
        text.append(f"{_pace(through.a_second)} tasks/s in {over}, at best {_pace(through.peak_a_second)}")
    else:
        text.append("no task ended, by what was read")
    return text


def _pace(a_second: float) -> str:
    return f"{a_second:,.0f}" if a_second >= 100 else f"{a_second:.3g}"


def _many(count: int, what: str, plural: str = "s", *, more: bool = False) -> str:
    if not count:
        return f"no {what}"
    return f"1 {what}" if count == 1 and not more else f"{count:,}{' or more' if more else ''} {what}{plural}"
