"""A job in the order of time: a lane an instance, with its tasks as bars, or how many run where more than fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.text import Text

from jobkit.runtime.figures import busy_in_bins, most_at_once
from jobkit.runtime.timeline import Run, StageTime, Timeline

from .duration import duration_text
from .timeline_words import timeline_words

MOST_WIDTH: Final = 200  # in a pipe there is no end
LABEL_WIDTH: Final = 20
MOST_LANES: Final = 20
LEVELS: Final = "▁▂▃▄▅▆▇█"
BARS: Final = "█▓"
LIGHTS: Final = "◆"
FAILED: Final = "✗"


def timeline_view(timeline: Timeline) -> RenderableType:
    """Show when which instance ran tasks, and say what follows of that."""
    job = timeline.chain.job
    head = Text(f"{job.job_type} ", style="bold")
    head.append(f"{job.job_id[:12]} {job.status}, {duration_text(timeline.end_s)}")
    if not timeline.stages:
        return Group(head, Text("  no stage has begun", style="dim"))
    words = [Text(f"- {text}", style="") for text in timeline_words(timeline)]
    return Group(head, Text(), _Chart(timeline), Text(), *words)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scale:
    """The axis: from when on, how long, over how many cells."""

    begin_s: float
    took_s: float
    cells: int

    def cell(self, time_s: float) -> int:
        """Return the cell of a time."""
        return min(self.cells - 1, max(0, int((time_s - self.begin_s) / self.took_s * self.cells)))


class _Chart:
    """Lanes as wide as the screen."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        workers = self._timeline.workers
        label = min(LABEL_WIDTH, max([5, *map(len, workers)])) + 2
        cells = max(10, min(options.max_width, MOST_WIDTH) - label)
        scale = _Scale(begin_s=self._timeline.begin_s, took_s=self._timeline.took_s or 1.0, cells=cells)
        yield _line("", label, Text(_axis(scale), style="dim"))
        yield _line("stage", label, _stages(self._timeline.stages, self._timeline.end_s, scale))
        peak = max((most_at_once(_spans(_of(self._timeline.runs, worker))) for worker in workers), default=1) or 1
        for worker in workers[:MOST_LANES]:
            yield _line(worker, label, self._lane(worker, scale, peak))
        if len(workers) > MOST_LANES:
            yield Text(f"and {len(workers) - MOST_LANES:,} more instances", style="dim")
        yield Text(_legend(self._timeline, peak), style="dim")

    def _lane(self, worker: str, scale: _Scale, peak: int) -> Text:
        runs = sorted(_of(self._timeline.runs, worker), key=lambda run: run.begin_s)
        alone = most_at_once(_spans(runs)) <= 1 and len(runs) <= scale.cells // 2
        drawn = list(_bars(runs, scale) if alone else _levels(runs, scale, peak))
        styles = ["cyan"] * scale.cells
        for run in runs:
            if run.failed:
                drawn[scale.cell(run.end_s)] = FAILED
                styles[scale.cell(run.end_s)] = "bold red"
        for stage in self._timeline.stages:
            last = next(
                (run for run in runs if (run.stage, run.index) == (stage.stage.number, stage.stage.last_index)), None
            )
            if last is not None:
                drawn[scale.cell(last.end_s)] = LIGHTS
                styles[scale.cell(last.end_s)] = "bold yellow"
        text = Text()
        for style, run_of in groupby(zip(drawn, styles, strict=True), key=lambda pair: pair[1]):
            text.append("".join(char for char, _ in run_of), style=style)
        return text


def _bars(runs: Sequence[Run], scale: _Scale) -> Iterator[str]:
    """Draw tasks one after another, every other one lighter."""
    drawn = [" "] * scale.cells
    for number, run in enumerate(runs):
        first, last = scale.cell(run.begin_s), scale.cell(run.end_s)
        for cell in range(first, max(first, last) + 1):
            drawn[cell] = BARS[number % len(BARS)]
    yield from drawn


def _levels(runs: Sequence[Run], scale: _Scale, peak: int) -> Iterator[str]:
    """Draw how many tasks run in each cell, as a share of the most that ran at once anywhere."""
    for busy in busy_in_bins(_spans(runs), start=scale.begin_s, bin_s=scale.took_s / scale.cells, bins=scale.cells):
        level = min(len(LEVELS), -int(-busy * len(LEVELS) // peak))
        yield LEVELS[level - 1] if busy > 0 else " "


def _stages(stages: Sequence[StageTime], end_s: float, scale: _Scale) -> Text:
    """Draw from where to where each stage went, with its number and, where it fits, its name."""
    drawn = [" "] * scale.cells
    for time in stages:
        first = scale.cell(time.begin_s)
        last = scale.cell(end_s if time.end_s is None else time.end_s)
        room = last - first
        cells = [cell for char in f"{time.stage.number} {time.stage.name} " for cell in (char, "")[: cell_len(char)]]
        named = cells if len(cells) <= room else list(str(time.stage.number))
        drawn[first:last] = [*named, *("─" * room)][:room]
        drawn[last] = "┤"
    return Text("".join(drawn[: scale.cells]))


def _axis(scale: _Scale) -> str:
    """Write the times at the begin, in the middle and at the end, since the job was created."""
    begin, middle, end = (duration_text(scale.begin_s + share * scale.took_s) for share in (0, 0.5, 1))
    left = begin.ljust(scale.cells // 2) + middle
    if len(left) + len(end) >= scale.cells:
        left = begin
    return left.ljust(scale.cells - len(end)) + end


def _legend(timeline: Timeline, peak: int) -> str:
    scale = max((stage.scale for stage in timeline.stages), default=1.0)
    at_once = max(1, round(peak * scale))
    parts = [f"█ {at_once:,} {'task' if at_once == 1 else 'tasks'} at once", f"{LIGHTS} turned out the lights"]
    parts += [f"{FAILED} failed"] * any(run.failed for run in timeline.runs)
    parts += [f"some tasks, each for {scale:,.0f}"] * (scale > 1)
    return ", ".join(parts)


def _line(title: str, width: int, rest: Text) -> Text:
    shown = title if len(title) <= width - 2 else f"…{title[-(width - 3) :]}"
    text = Text(shown.ljust(width), no_wrap=True, overflow="crop")
    return text.append_text(rest)


def _of(runs: Sequence[Run], worker: str) -> list[Run]:
    return [run for run in runs if run.worker == worker]


def _spans(runs: Sequence[Run]) -> list[tuple[float, float]]:
    return [(run.begin_s, run.end_s) for run in runs]
