"""The tasks of a stage that are worth a look: the slowest ones, those that failed, those that were tried again.

Of a small stage all rows are read. In a large one the markers lead to them: each tells how many tasks of its shard, or
group of shards, failed and how long the longest one took, so that only some shards are read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from .figures import took_s
from .inspected import Outliers
from .model import StageRecord, Status, Summary, TaskRecord
from .repository import Repository
from .rows import GROUP, SHARD

READ_WHOLE: Final = 1_000  # tasks
SLOWEST: Final = 5
MOST_FAILED_SHARDS: Final = 10


def find_outliers(repository: Repository, stage: StageRecord, failed: int) -> Outliers:
    """Look for a stage's outliers; `failed` is how many tasks of it are known to have failed."""
    count = stage.task_count or 0
    if count <= READ_WHOLE:
        tasks = list(repository.looked_at_tasks(stage, 0, count))
        return Outliers(
            slowest=_slowest(tasks),
            failed=tuple(task for task in tasks if task.status is Status.FAILED),
            retried=tuple(task for task in tasks if task.attempt > 1),
            is_whole=True,
        )
    groups = _groups(repository, stage)
    slow = _largest(_shards(repository, stage, _largest(groups, _longest_s)), _longest_s)
    failing = _first(_shards(repository, stage, _first(groups, _failed)), _failed) if failed else []
    return Outliers(
        slowest=_slowest(_rows(repository, stage, slow)),
        failed=tuple(task for task in _rows(repository, stage, failing) if task.status is Status.FAILED),
    )


def _groups(repository: Repository, stage: StageRecord) -> Mapping[int, Summary | None]:
    """Return what is known of each group of shards; None of one that has not ended."""
    members = -(-(stage.task_count or 0) // (SHARD * GROUP))
    known = repository.marked_groups(stage) if members > 1 else {}
    return {group: known.get(group) for group in range(members)}


def _shards(repository: Repository, stage: StageRecord, groups: Iterable[int]) -> dict[int, Summary | None]:
    found: dict[int, Summary | None] = {}
    for group in groups:
        found |= repository.marked_shards_of_groups(stage, group, group)
    return found


def _rows(repository: Repository, stage: StageRecord, shards: Iterable[int]) -> Iterator[TaskRecord]:
    for shard in sorted(shards):
        yield from repository.looked_at_tasks(stage, shard * SHARD, SHARD)


def _longest_s(summary: Summary) -> float:
    return summary.longest_s


def _failed(summary: Summary) -> float:
    return summary.failed


def _largest(found: Mapping[int, Summary | None], figure: Callable[[Summary], float]) -> list[int]:
    """Return the members with the largest figures, and some of which nothing is known."""
    known = [(figure(summary), -member) for member, summary in found.items() if summary is not None]
    unknown = [member for member, summary in found.items() if summary is None]
    return [-member for _, member in sorted(known, reverse=True)[:SLOWEST]] + unknown[:SLOWEST]


def _first(found: Mapping[int, Summary | None], figure: Callable[[Summary], float]) -> list[int]:
    """Return the first members that have some of it, or of which nothing is known."""
    some = [member for member, summary in sorted(found.items()) if summary is None or figure(summary)]
    return some[:MOST_FAILED_SHARDS]


def _slowest(tasks: Iterable[TaskRecord]) -> tuple[TaskRecord, ...]:
    timed = [task for task in tasks if task.status.ended and took_s(task) is not None]
    return tuple(sorted(timed, key=lambda task: (-(took_s(task) or 0.0), task.ref.index))[:SLOWEST])
