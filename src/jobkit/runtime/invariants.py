"""What must hold of one job, read from its rows: of one that has ended everything, of one that has not what is final.

They hold at every moment. Rows alone are read, lazily: a job of any size takes little memory. What keeps a job from
moving, or from being tidied up, is `repair`'s business.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final

from .model import CANCELLED, Chain, StageRecord, StageState, Status, TaskRecord
from .repository import Repository

#: Of one kind in one stage: a million broken tasks are told by the first ones.
MOST_TOLD: Final = 20
_OPEN: Final = (StageState.PLANNING, StageState.SEALED, StageState.REOPENING)
#: The errors with which a stage may be closed while a retry was still giving its tasks another round.
_GIVEN_UP: Final = (CANCELLED, "PoisonMessage")


def broken_invariants(repository: Repository, chain: Chain) -> list[str]:
    """Return a sentence for each invariant that a job breaks, the first ones of a kind; nothing for a sound one."""
    broken = [*_of_job(chain), *_of_stages(chain)]
    for stage in chain.stages:
        broken += _of_tasks(repository, stage)
    return broken


def _of_job(chain: Chain) -> Iterator[str]:
    job = chain.job
    if job.status is Status.COMPLETED and (job.error is not None or job.result_json is None or job.stage is not None):
        has = "a result" if job.result_json is not None else "no result"
        yield f"the completed job has {has}, error {_type(job.error)}, stage {job.stage}"
    if job.status is Status.FAILED and (job.error is None or job.result_json is not None):
        has = "a result" if job.result_json is not None else "no result"
        yield f"the failed job has {has}, error {_type(job.error)}"
    if not job.status.ended and (job.error is not None or job.result_json is not None):
        yield f"the {job.status} job has a result or an error already"


def _of_stages(chain: Chain) -> Iterator[str]:
    job = chain.job
    states = [stage.state for stage in chain.stages]
    closed = states.count(StageState.CLOSED)
    is_open = not job.status.ended and closed < len(states) and states[closed] in _OPEN
    rest = len(states) - closed - is_open
    wanted = [StageState.CLOSED] * closed + states[closed : closed + is_open] + [StageState.UNPLANNED] * rest
    if states != wanted:
        yield f"the stages are {[state.value for state in states]}"
    if job.status is Status.COMPLETED and closed < len(states):
        yield f"the job completed with {closed} of {len(states)} stages closed"
    if not job.status.ended:
        current = chain.stages[closed].number if closed < len(states) else None
        if job.stage != current:
            yield f"the job is at stage {job.stage}, and {closed} of {len(states)} stages are closed"
        return
    failed = [stage.number for stage in chain.stages if stage.error is not None]
    if failed and (job.status is not Status.FAILED or failed != [chain.stages[closed - 1].number]):
        yield f"stages {failed} have errors, {closed} are closed and the job is {job.status}"
    if closed < len(states) and job.status is Status.FAILED and not failed:
        yield "the job failed before its last stage, and no stage has an error"


def _of_tasks(repository: Repository, stage: StageRecord) -> Iterator[str]:
    where = f"stage {stage.number}"
    yield from islice(
        (
            f"{where}: task {task.ref.index} of plan {task.ref.plan}, which was not sealed, was touched ({task.status})"
            for task in repository.tasks_of_unsealed_plans(stage)
            if (task.status is not Status.QUEUED or task.owner is not None) and not _is_earlier(task, stage)
        ),
        MOST_TOLD,
    )
    if stage.state not in (StageState.SEALED, StageState.CLOSED):
        return  # its tasks are being written, or given another round
    count = stage.task_count or 0
    counts = dict.fromkeys(Status, 0)
    broken: list[str] = []
    found = 0
    for task in repository.all_tasks(stage):
        if task.ref.index != found and len(broken) < MOST_TOLD:
            broken.append(f"{where} has a row of task {task.ref.index} where that of task {found} belongs")
        found += 1
        counts[task.status] += 1
        if len(broken) < MOST_TOLD and (text := _of_task(task)):
            broken.append(text)
    yield from broken
    if found != count:
        yield f"{where} has {found} task rows for {count} tasks"
    if stage.state is StageState.CLOSED:
        yield from _of_closed(stage, counts)


def _is_earlier(task: TaskRecord, stage: StageRecord) -> bool:
    """Whether a task ended under the plan that its stage had before it was planned again for another round."""
    return task.status.ended and task.round < stage.round


def _of_task(task: TaskRecord) -> str:
    has_result, has_error = task.result_json is not None, task.error is not None
    if task.status.ended and (task.status is Status.COMPLETED) is (has_error or not has_result):
        has = "a result" if has_result else "no result"
        return f"task {task.ref.task_id} is {task.status} with {has} and error {_type(task.error)}"
    return ""


def _of_closed(stage: StageRecord, counts: dict[Status, int]) -> Iterator[str]:
    where = f"stage {stage.number}"
    given_up = stage.round > 1 and counts[Status.QUEUED] > 0  # while it was being reopened
    if given_up and (stage.error is None or stage.error.type not in _GIVEN_UP):
        yield f"{where} was reopened, and closed with {_type(stage.error)}"
    if counts[Status.PROCESSING] or (counts[Status.QUEUED] and not given_up):
        yield f"{where} is closed, and {counts[Status.QUEUED]} of its tasks are queued, {counts[Status.PROCESSING]} run"
    rows = counts[Status.COMPLETED], counts[Status.FAILED]
    if rows != (stage.summary.completed, stage.summary.failed) and not given_up:
        yield (
            f"{where} counts {stage.summary.completed} completed and {stage.summary.failed} failed tasks, "
            f"its rows {rows[0]} and {rows[1]}"
        )


def _type(error: object) -> str:
    return str(getattr(error, "type", None))
