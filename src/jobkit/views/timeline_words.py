"""What there is to say of a timeline: how busy the instances were, what the stages waited for, what more would bring."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from jobkit.runtime.figures import counted, percentile
from jobkit.runtime.timeline import StageTime, Timeline, estimate_s, places

from .duration import duration_text

MORE_INSTANCES: Final = 8
WORTH: Final = 0.1  # of a stage's time, to be spoken of


def timeline_words(timeline: Timeline) -> list[str]:
    """Say what there is to say."""
    critical = (text for stage in timeline.stages for text in _critical(stage))
    return [*_beginning(timeline), *_utilisation(timeline), *_open(timeline), *critical, *_waits(timeline)]


def _beginning(timeline: Timeline) -> Iterator[str]:
    if timeline.begin_s > WORTH * timeline.end_s:
        yield f"it waited {duration_text(timeline.begin_s)} before its first stage began"


def _utilisation(timeline: Timeline) -> Iterator[str]:
    runs = timeline.runs
    peak = round(max((places(stage) for stage in timeline.stages), default=0))
    if not runs or not peak or timeline.took_s <= 0:
        return
    busy_s = sum((run.end_s - run.begin_s) * stage.scale for stage in timeline.stages for run in stage.runs)
    instances = counted(len(timeline.workers), "instance")
    average = busy_s / timeline.took_s
    about = "about " if any(stage.scale > 1 for stage in timeline.stages) else ""
    yield (
        f"{instances}, {about}{_number(average)} tasks at once on average and {peak:,} at most: "
        f"{min(1.0, average / peak):.0%} utilised over {duration_text(timeline.took_s)}"
    )


def _open(timeline: Timeline) -> Iterator[str]:
    open_runs = [run for run in timeline.runs if run.is_open]
    if open_runs:
        have = "has" if len(open_runs) == 1 else "have"
        whose = "its instance lives" if len(open_runs) == 1 else "their instances live"
        yield f"{counted(len(open_runs), 'task')} {have} not ended, by the rows: whether {whose} is not checked here"


def _critical(time: StageTime) -> Iterator[str]:
    """Say what a closed stage waited for, and whether more instances would have helped."""
    if time.end_s is None or len(time.runs) < 2:
        return
    number, took_s = time.stage.number, time.end_s - time.begin_s
    ends = sorted(time.runs, key=lambda run: run.end_s)
    tail_s = ends[-1].end_s - ends[-2].end_s
    if time.scale == 1 and places(time) > 1 and tail_s > WORTH * took_s:
        last = ends[-1]
        is_slowest = last.end_s - last.begin_s >= max(run.end_s - run.begin_s for run in time.runs)
        which = "slowest" if is_slowest else "last"
        yield f"stage {number} waited {duration_text(tail_s)} for its {which} task, {last.index}, which ran {duration_text(last.end_s - last.begin_s)}"
    yield f"stage {number} took {duration_text(took_s)}; {_with_more(time)}"


def _with_more(time: StageTime) -> str:
    """Say what more instances would have made of a stage."""
    instances = len(time.workers)
    now = max(1, round(places(time)))
    more = max(now, now * (instances + MORE_INSTANCES) // instances)
    limit = time.stage.policy.max_parallel
    if limit:
        more = min(more, limit)
    before, after = estimate_s(time, now), estimate_s(time, more)
    if limit and now >= limit:
        return f"no more than {limit} run at once (max_parallel)"
    if after > (1 - WORTH) * before:
        longest = max(time.runs, key=lambda run: run.end_s - run.begin_s)
        took = duration_text(longest.end_s - longest.begin_s)
        return f"more instances would not make it faster: task {longest.index} alone runs {took}"
    return f"with {MORE_INSTANCES} more instances its tasks would take about {duration_text(after)} instead of {duration_text(before)}"


def _waits(timeline: Timeline) -> Iterator[str]:
    waited = [run.waited_s for run in timeline.runs]
    if len(waited) > 1:
        half, most = (duration_text(percentile(waited, share)) for share in (0.5, 0.95))
        yield f"half of the tasks waited up to {half} for an instance, 95% of them up to {most}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"
