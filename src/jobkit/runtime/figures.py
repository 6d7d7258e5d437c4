"""Arithmetic of what is shown: time left, percentiles, how long a stage takes with more instances, spans in words."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from datetime import timedelta

from .model import Status, TaskRecord


def left_s(done: int, total: int, elapsed_s: float) -> float | None:
    """Return how long the rest takes at the pace so far; None when nothing is done yet, or nothing is left."""
    if done <= 0 or done >= total or elapsed_s <= 0:
        return None
    return elapsed_s * (total - done) / done


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` of the values (at least one) do not pass: the nearest rank."""
    ordered = sorted(values)
    rank = -(-share * len(ordered) // 1)
    return ordered[min(len(ordered), max(1, int(rank))) - 1]


def makespan_s(durations: Iterable[float], places: int) -> float:
    """Return how long tasks take that are begun in order, each as soon as one of some places is free."""
    busy_until: list[float] = []
    for duration in durations:
        begin = heapq.heappop(busy_until) if len(busy_until) >= places else 0.0
        heapq.heappush(busy_until, begin + duration)
    return max(busy_until, default=0.0)


def most_at_once(spans: Iterable[tuple[float, float]]) -> int:
    """Return how many of some spans of time overlap at most; one that begins where another ends does not overlap it."""
    changes = sorted((time, step) for begin, end in spans if end > begin for time, step in ((begin, 1), (end, -1)))
    now = most = 0
    for _, step in changes:
        now += step
        most = max(most, now)
    return most


def busy_in_bins(spans: Iterable[tuple[float, float]], *, start: float, bin_s: float, bins: int) -> list[float]:
    """Return how many spans cover each bin of time on average."""
    covered = [0.0] * bins
    for begin, end in spans:
        low, high = (begin - start) / bin_s, (end - start) / bin_s
        for number in range(max(0, int(low)), min(bins, int(high) + 1)):
            covered[number] += max(0.0, min(high, number + 1) - max(low, number))
    return covered


def span_text(seconds: float) -> str:
    """Write a span of time roughly: `40 s`, `14 min`, `3 h`, `2 days`."""
    whole = max(0, round(seconds))
    for size, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if whole >= 2 * size:
            return f"{timedelta(seconds=whole) // timedelta(seconds=size)} {unit}"
    return f"{whole} s"


def counted(number: int, what: str) -> str:
    """Write a number of things."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def all_of(number: int, what: str) -> str:
    """Write all of a number of things, with what they have done."""
    return f"the only {what} has" if number == 1 else f"all {number:,} {what}s have"


def took_s(task: TaskRecord) -> float | None:
    """Return how long a task's last attempt took; None when it has not begun or not ended."""
    if task.started_at is None or task.ended_at is None:
        return None
    return max(0.0, (task.ended_at - task.started_at).total_seconds())


def waited_s(task: TaskRecord) -> float | None:
    """Return how long a task's last attempt waited for an instance; None when it has not begun."""
    if task.queued_at is None or task.started_at is None or task.status is Status.QUEUED:
        return None
    due = max(task.queued_at, task.not_before or task.queued_at)
    return max(0.0, (task.started_at - due).total_seconds())
