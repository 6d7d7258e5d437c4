"""Counts how far sealed stages are: by the markers of what has ended, and by the rows of some of the rest.

A stage of a million tasks has ten thousand markers, and a group of a hundred of them has one that stands for all. So
counting reads a marker for each group that has ended, those of the shards in other groups, and the rows of a few shards
that have no marker yet. What it has not looked at it says: then the counts are lower bounds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from .inspected import Count
from .model import Chain, StageRecord, StageState, Summary, TaskRecord
from .repository import Repository
from .rows import GROUP, SHARD
from .summary import merge, summarise

LOOKED_AT_SHARDS: Final = 15


class Counting:
    """Counts stages again and again; what has ended is not read twice.

    With `begun_only` the tasks that are queued are not read: they are missing among those that are open.
    """

    def __init__(self, repository: Repository, *, begun_only: bool = False) -> None:
        """Have counted nothing."""
        self._repository = repository
        self._begun_only = begun_only
        self._read = repository.begun_tasks if begun_only else repository.looked_at_tasks
        self._ended: dict[tuple[str, int, str, int], dict[int, Summary]] = {}

    def open_stages(self, chain: Chain) -> dict[int, Count]:
        """Count a job's sealed stages, by their numbers."""
        return {stage.number: self.count(stage) for stage in chain.stages if stage.state is StageState.SEALED}

    def open_summaries(self, chain: Chain) -> dict[int, Summary]:
        """Return the counts alone: lower bounds, where a stage is large."""
        return {number: count.summary for number, count in self.open_stages(chain).items()}

    def count(self, stage: StageRecord) -> Count:
        """Count a sealed stage."""
        tasks = stage.task_count or 0
        groups, marked = self._markers(stage, -(-tasks // SHARD))
        unmarked = [
            shard for shard in range(-(-tasks // SHARD)) if shard not in marked and shard // GROUP not in groups
        ]
        looked_at = unmarked[:LOOKED_AT_SHARDS]
        found = [task for first, size in _runs(looked_at) for task in self._read(stage, first, size)]
        known = [*groups.values(), *(summary for shard, summary in marked.items() if shard // GROUP not in groups)]
        summary = merge([*known, summarise(task for task in found if task.status.ended)])
        open_ = tuple(task for task in found if not task.status.ended)
        unlooked = sum(min(SHARD, tasks - shard * SHARD) for shard in unmarked[LOOKED_AT_SHARDS:])
        times = [time for task in found for time in (task.queued_at, task.started_at, task.progress_at, task.ended_at)]
        return Count(
            summary=summary,
            open=open_,
            unseen=unlooked if self._begun_only else tasks - summary.ended - len(open_),
            moved_at=max((time for time in times if time is not None), default=None),
            looked_at=tuple(found),
            shards=sorted(set(range(-(-tasks // SHARD))).difference(unmarked)),
        )

    def open_again(self, stage: StageRecord, count: Count) -> Iterator[TaskRecord]:
        """Read again the rows where open tasks were seen; yield those that are open."""
        shards = sorted({task.ref.index // SHARD for task in count.open})
        found = (task for first, size in _runs(shards) for task in self._read(stage, first, size))
        return (task for task in found if not task.status.ended)

    def _markers(self, stage: StageRecord, shards: int) -> tuple[dict[int, Summary], dict[int, Summary]]:
        """Read the markers of the groups that have ended, and those of the shards of the others."""
        if shards <= 1:
            return {}, {}  # the stage's own row has the summary of its only shard
        ended = self._ended.setdefault((stage.job_id, stage.number, stage.plan or "", stage.round), {})
        members = -(-shards // GROUP)
        if members > 1 and len(ended) < members:
            ended |= self._repository.marked_groups(stage)
        marked: dict[int, Summary] = {}
        for first, size in _runs([group for group in range(members) if group not in ended], unit=1):
            marked |= self._repository.marked_shards_of_groups(stage, first, first + size - 1)
        return ended, marked


def _runs(numbers: list[int], *, unit: int = SHARD) -> Iterator[tuple[int, int]]:
    """Put numbers that follow one another together: first and size of each run, both times `unit`."""
    first = size = 0
    for number in numbers:
        if size and number == first + size:
            size += 1
            continue
        if size:
            yield first * unit, size * unit
        first, size = number, 1
    if size:
        yield first * unit, size * unit
