"""Arithmetic of how fast tasks end: how many in each bin of time, how many a second, how long the rest takes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """Tasks that ended between two moments, taken as spread evenly over them; at one moment, if both are the same."""

    start: datetime
    end: datetime
    count: int

    def between(self, low: datetime, high: datetime) -> float:
        """Return how many of them ended after `low` and up to `high`."""
        length_s = (self.end - self.start).total_seconds()
        if length_s <= 0:
            return float(self.count) if low < self.end <= high else 0.0
        inside_s = (min(self.end, high) - max(self.start, low)).total_seconds()
        return self.count * max(0.0, inside_s) / length_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """How many tasks ended in each of some bins of the same length, the oldest first; the last one ends at `until`."""

    until: datetime
    bin_s: float
    counts: tuple[float, ...]

    @property
    def seconds(self) -> float:
        """How long all bins are together."""
        return self.bin_s * len(self.counts)

    @property
    def ended(self) -> float:
        """How many tasks ended in all bins."""
        return sum(self.counts)

    @property
    def a_second(self) -> float:
        """How many tasks ended a second, on the average of all bins."""
        return self.ended / self.seconds

    @property
    def peak_a_second(self) -> float:
        """How many tasks ended a second in the best bin."""
        return max(self.counts) / self.bin_s


def throughput(ends: Iterable[Ends], *, until: datetime, bin_s: float, bins: int) -> Throughput:
    """Count what ended in each bin. What a clock that is fast says of the future counts as now."""
    counts = [0.0] * bins
    start = until - timedelta(seconds=bin_s * bins)
    edges = [start + timedelta(seconds=bin_s * number) for number in range(bins)] + [until]
    for each in ends:
        known = Ends(start=min(each.start, until), end=min(each.end, until), count=each.count)
        if known.end <= start:
            continue
        for number in range(bins):
            counts[number] += known.between(edges[number], edges[number + 1])
    return Throughput(until=until, bin_s=bin_s, counts=tuple(counts))


def rate_a_second(ends: Iterable[Ends], *, since: datetime, until: datetime, window_s: float) -> float | None:
    """Return how many tasks ended a second in the last `window_s` before `until`, or since `since` if that is later.

    None when none did, or when there was less than a second to tell by.
    """
    low = max(since, until - timedelta(seconds=window_s))
    seconds = (until - low).total_seconds()
    if seconds < 1.0:
        return None
    [count] = throughput(ends, until=until, bin_s=seconds, bins=1).counts
    return count / seconds if count > 0 else None


def left_at_rate_s(remaining: int, a_second: float | None) -> float | None:
    """Return how long the remaining tasks take at a rate; None where there is none."""
    if remaining <= 0:
        return 0.0
    return None if a_second is None else remaining / a_second
