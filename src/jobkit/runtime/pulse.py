"""How fast the tasks of a stage end, and which instances run them, from a bounded number of rows however many there are.

When the tasks that were looked at ended is known. When the shards that have ended did is told by a task of some of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from .inspected import Count
from .model import StageRecord, TaskRecord
from .overview import Pulse
from .rates import Ends
from .repository import Repository
from .rows import SHARD


def read_pulse(repository: Repository, stage: StageRecord, count: Count, *, since: datetime) -> Pulse:
    """Read when the tasks of a sealed stage ended, from `since` on; the others are taken as spread evenly before."""
    ends = [
        Ends(start=task.ended_at, end=task.ended_at, count=1)
        for task in count.looked_at
        if task.status.ended and task.ended_at is not None
    ]
    ends += _ends_of_shards(repository, stage, count.shards, since)
    moved = [*(each.end for each in ends), *([] if count.moved_at is None else [count.moved_at])]
    return Pulse(count=count, ends=tuple(ends), workers=workers_of(count.looked_at), moved_at=max(moved, default=None))


def ends_of_closed(stage: StageRecord) -> Ends | None:
    """Return when the tasks of a closed stage ended: spread evenly over it. None where that is not known."""
    if stage.sealed_at is None or stage.ended_at is None or not stage.summary.ended or stage.round > 1:
        return None
    return Ends(start=min(stage.sealed_at, stage.ended_at), end=stage.ended_at, count=stage.summary.ended)


def workers_of(tasks: Iterable[TaskRecord]) -> dict[str, datetime]:
    """Return when each instance that some tasks name gave its last sign of life there."""
    seen: dict[str, datetime] = {}
    for task in tasks:
        signs = [at for at in (task.started_at, task.progress_at, task.ended_at) if at is not None]
        if task.worker is not None and signs:
            seen[task.worker] = max(*signs, seen.get(task.worker, signs[0]))
    return seen


def _ends_of_shards(
    repository: Repository, stage: StageRecord, shards: Sequence[int], since: datetime
) -> Iterator[Ends]:
    """Yield when the tasks of ended shards ended, the last ones first, until `since` is reached.

    Shards end in about the order of their numbers. A task is read of the last, and of those 2, 6, 14, … before it;
    in between they are taken as spread evenly. In a further round nothing is told: which of its tasks ran again is not
    known.
    """
    if stage.sealed_at is None or stage.round > 1:
        return
    later: datetime | None = None
    newer = len(shards)  # the position of the shard that was asked before
    step = 1
    while newer > 0:
        position = max(0, newer - step)
        at = _ended_at(repository, stage, shards[position])
        if at is None:
            return
        if later is not None:
            at = min(at, later)
            yield Ends(start=at, end=later, count=sum(_size(stage, each) for each in shards[position + 1 : newer + 1]))
        if at < since:
            return
        later, newer, step = at, position, 2 * step
    if later is not None:
        yield Ends(start=min(stage.sealed_at, later), end=later, count=_size(stage, shards[0]))


def _size(stage: StageRecord, shard: int) -> int:
    return min(SHARD, (stage.task_count or 0) - shard * SHARD)


def _ended_at(repository: Repository, stage: StageRecord, shard: int) -> datetime | None:
    last = shard * SHARD + _size(stage, shard) - 1
    return next((task.ended_at for task in repository.timed_tasks(stage, last, 1)), None)
