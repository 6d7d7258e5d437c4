"""Which of a job's tasks a retry means: all of the stage at which it failed, or a stage, or single tasks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from .errors import InvalidRetry, JobIsBeingPurged, NothingToRetry, did_you_mean
from .model import Chain, StageRecord, StageState, Status, TaskRef
from .repository import Repository

MOST_TASKS: Final = 1_000  # that can be named one by one: the stage row keeps them
_TASK_ID: Final = re.compile(r"([0-9a-f]{16})-(\d{1,2})-(\d{1,10})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A stage of a job, and the indexes of the tasks in it that are to run again; None for all that have not completed.

    `stage` is None when the job's completion alone is to be done again.
    """

    stage: int | None
    tasks: tuple[int, ...] | None = None

    def count(self, chain: Chain) -> int | None:
        """Return how many tasks run again at that stage; None where it is planned again."""
        stage = None if self.stage is None else chain.find_stage(self.stage)
        if stage is None or not stage.task_count:
            return None
        return stage.task_count - stage.summary.completed if self.tasks is None else len(self.tasks)


def choose(repository: Repository, chain: Chain, *, stage: str | None, tasks: Sequence[str]) -> Choice:
    """Decide what of a job a retry means. `stage` is a number, a name or a slug; a task its id, or its index in `stage`.

    Raises NothingToRetry, InvalidRetry, JobIsBeingPurged.
    """
    job = chain.job
    if stage is None and not tasks:
        _check(chain, can_be_completed=False)
        return Choice(stage=job.stage)
    _check(chain, can_be_completed=True)
    at, indexes = _named(chain, stage, tasks)
    if not job.status.ended:
        if at.round == job.round and at.state is not StageState.CLOSED and at.chosen == indexes:
            return Choice(stage=at.number, tasks=indexes)  # the same again
        raise NothingToRetry(job_id=job.job_id, what=f"is in another retry, round {job.round}")
    if at.state is not StageState.CLOSED:
        raise NothingToRetry(job_id=job.job_id, what=f"has not come to stage {at.number} {at.name!r}")
    if indexes is None:
        if at.task_count and not at.summary.failed:
            raise NothingToRetry(job_id=job.job_id, what=f"has no failed task at stage {at.number} {at.name!r}")
        return Choice(stage=at.number)
    for index in indexes:
        found = repository.find_task(TaskRef(job_id=job.job_id, stage=at.number, plan=at.plan or "", index=index))
        if found is None:
            raise InvalidRetry(job_id=job.job_id, reason=f"stage {at.number} {at.name!r} has no task {index}")
        if found.status is Status.COMPLETED:
            raise NothingToRetry(job_id=job.job_id, what=f"has completed task {index} of stage {at.number} {at.name!r}")
    return Choice(stage=at.number, tasks=indexes)


def _check(chain: Chain, *, can_be_completed: bool) -> None:
    """Raise NothingToRetry or JobIsBeingPurged for a job of which nothing can be retried."""
    job = chain.job
    if job.is_purging:
        raise JobIsBeingPurged(job_id=job.job_id)
    if not job.status.ended and job.round == 1:
        raise NothingToRetry(job_id=job.job_id, what=f"has not ended ({job.status.value})")
    if job.status is Status.COMPLETED and not can_be_completed:
        raise NothingToRetry(job_id=job.job_id, what="has ended (completed)")


def _named(chain: Chain, name: str | None, tasks: Sequence[str]) -> tuple[StageRecord, tuple[int, ...] | None]:
    """Return the stage that is meant, by its name or by the tasks, and these tasks' indexes."""
    job_id = chain.job.job_id
    if len(tasks) > MOST_TASKS:
        raise InvalidRetry(job_id=job_id, reason=f"{len(tasks):,} tasks are named, at most {MOST_TASKS:,} can be")
    stages = {_find_stage(chain, name).number} if name is not None else set[int]()
    indexes = set[int]()
    for task in tasks:
        found = _TASK_ID.fullmatch(task)
        if found is None and not (name is not None and task.isascii() and task.isdigit() and len(task) <= 10):
            raise InvalidRetry(job_id=job_id, reason=f"{task!r} is no task's id, nor with a stage an index")
        if found is not None:
            if found[1] != job_id[:16]:
                raise InvalidRetry(job_id=job_id, reason=f"task {task} is another job's")
            stages.add(int(found[2]))
        indexes.add(int(task if found is None else found[3]))
    if len(stages) > 1:
        raise InvalidRetry(
            job_id=job_id, reason="tasks of one stage can be named, since those after it run again anyway"
        )
    return _find_stage(chain, str(next(iter(stages)))), tuple(sorted(indexes)) or None


def _find_stage(chain: Chain, name: str) -> StageRecord:
    stage = chain.find_stage_named(name)
    if stage is not None:
        return stage
    names = [stage.name for stage in chain.stages]
    reason = f"it has no stage {name!r}.{did_you_mean(name, names)} There are: {chain.known_stages}"
    raise InvalidRetry(job_id=chain.job.job_id, reason=reason)
