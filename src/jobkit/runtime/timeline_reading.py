"""Reads when a job's tasks ran.

Of a large stage some shards are read, spread evenly over it; each task that was read then stands for several.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from .figures import waited_s
from .model import Chain, StageRecord, StageState, Status, TaskRecord
from .repository import Repository
from .rows import SHARD
from .timeline import Run, StageTime, Timeline

READ_SHARDS: Final = 50  # of a stage


class TimelineReading:
    """Reads timelines of one job, again and again; of a closed stage once."""

    def __init__(self, repository: Repository) -> None:
        """Have read nothing."""
        self._repository = repository
        self._closed: dict[tuple[int, str], StageTime] = {}

    def read(self, chain: Chain, now: datetime) -> Timeline:
        """Read when a job's tasks ran."""
        start = chain.job.created_at
        stages = tuple(self._stage(stage, start, now) for stage in chain.stages if stage.started_at is not None)
        end = chain.job.updated_at if chain.job.status.ended else now
        return Timeline(chain=chain, end_s=_since(start, end), stages=stages)

    def _stage(self, stage: StageRecord, start: datetime, now: datetime) -> StageTime:
        known = self._closed.get((stage.number, stage.etag))
        if known is not None:
            return known
        tasks, scale = _read(self._repository, stage)
        time = StageTime(
            stage=stage,
            begin_s=_since(start, stage.started_at or start),
            end_s=None if stage.ended_at is None else _since(start, stage.ended_at),
            runs=tuple(_run(task, start, now) for task in tasks),
            scale=scale,
        )
        if stage.state is StageState.CLOSED:
            self._closed[stage.number, stage.etag] = time
        return time


def _since(start: datetime, time: datetime) -> float:
    return max(0.0, (time - start).total_seconds())


def _read(repository: Repository, stage: StageRecord) -> tuple[list[TaskRecord], float]:
    """Read a stage's tasks that have begun, or those of some shards; and how many each stands for."""
    count = stage.task_count or 0
    shards = -(-count // SHARD)
    if shards <= 2 * READ_SHARDS:
        found = list(repository.timed_tasks(stage, 0, count))
        scale = 1.0
    else:
        chosen = [number * (shards - 1) // (READ_SHARDS - 1) for number in range(READ_SHARDS)]
        found = [task for shard in chosen for task in repository.timed_tasks(stage, shard * SHARD, SHARD)]
        scale = shards / READ_SHARDS
    return [task for task in found if task.status is not Status.QUEUED], scale


def _run(task: TaskRecord, start: datetime, now: datetime) -> Run:
    begin_s = _since(start, task.started_at or now)
    return Run(
        stage=task.ref.stage,
        index=task.ref.index,
        worker=task.worker or "",
        begin_s=begin_s,
        end_s=max(begin_s, _since(start, task.ended_at or now)),
        waited_s=waited_s(task) or 0.0,
        failed=task.status is Status.FAILED,
        is_open=not task.status.ended,
    )
