"""A job in the order of time: which instance ran what when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .figures import makespan_s, most_at_once
from .model import Chain, StageRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A task's last attempt: from when to when, in seconds since the job was created; to now, if it `is_open`."""

    stage: int
    index: int
    worker: str
    begin_s: float
    end_s: float
    waited_s: float
    failed: bool = False
    is_open: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StageTime:
    """A stage that has begun: its times in seconds since the job was created, and the attempts that were read.

    Attributes:
        end_s: When it was closed; None while it is open.
        last_index: The task that turned out the lights.
        scale: How many tasks each one that was read stands for.
    """

    stage: StageRecord
    begin_s: float
    end_s: float | None
    runs: tuple[Run, ...]
    scale: float = 1.0

    @property
    def workers(self) -> list[str]:
        """The instances that ran its tasks."""
        return sorted({run.worker for run in self.runs})


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """The stages that have begun, up to `end_s` seconds after the job was created: its end, or now."""

    chain: Chain
    end_s: float
    stages: tuple[StageTime, ...]

    @property
    def begin_s(self) -> float:
        """When its first stage began: before that the job waited."""
        return min((stage.begin_s for stage in self.stages), default=0.0)

    @property
    def took_s(self) -> float:
        """How long its stages took together."""
        return max(0.0, self.end_s - self.begin_s)

    @property
    def runs(self) -> list[Run]:
        """The attempts of all stages."""
        return [run for stage in self.stages for run in stage.runs]

    @property
    def workers(self) -> list[str]:
        """The instances that ran its tasks, in the order in which they began."""
        first: dict[str, float] = {}
        for run in sorted(self.runs, key=lambda run: run.begin_s):
            first.setdefault(run.worker, run.begin_s)
        return list(first)


def places(stage: StageTime) -> float:
    """Return how many tasks of a stage ran at once at most."""
    return most_at_once((run.begin_s, run.end_s) for run in stage.runs) * stage.scale


def estimate_s(time: StageTime, at_once: int) -> float:
    """Estimate how long a stage's tasks take, so many at once."""
    durations = [run.end_s - run.begin_s for run in sorted(time.runs, key=lambda run: run.begin_s)]
    if time.scale == 1:
        return makespan_s(durations, at_once)
    return max(*durations, sum(durations) * time.scale / at_once)


def timeline_document(timeline: Timeline, words: Sequence[str]) -> dict[str, object]:
    """Write a timeline as JSON data; times are in seconds since the job was created."""
    return {
        "end_s": timeline.end_s,
        "words": list(words),
        "stages": [
            {
                "number": time.stage.number,
                "name": time.stage.name,
                "begin_s": time.begin_s,
                "end_s": time.end_s,
                "lights_out_by": time.stage.last_index,
                "each_stands_for": time.scale,
            }
            for time in timeline.stages
        ],
        "instances": [_instance(worker, timeline.runs) for worker in timeline.workers],
    }


def _instance(worker: str, runs: Sequence[Run]) -> dict[str, object]:
    own = [run for run in runs if run.worker == worker]
    return {
        "instance": worker,
        "busy_s": round(sum(run.end_s - run.begin_s for run in own), 6),
        "tasks": [
            {"stage": run.stage, "index": run.index, "begin_s": run.begin_s, "end_s": run.end_s, "failed": run.failed}
            for run in own
        ],
    }
