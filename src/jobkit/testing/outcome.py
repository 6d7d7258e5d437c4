"""What became of a job that ran in memory: the records as they are stored, and its results in their types."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, overload

from jobkit.runtime.context import TaskFailure
from jobkit.runtime.controller import BaseController
from jobkit.runtime.documents import job_document
from jobkit.runtime.events import Event
from jobkit.runtime.model import Chain, Failure, JobRecord, StageRecord, Status, TaskRecord
from jobkit.runtime.stage import Stage

from .faults import StageName, stage_number
from .host import JobStore

J = TypeVar("J")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class JobOutcome(Generic[J]):
    """A job that has ended, as it was then.

    Attributes:
        controller: Whose job it is.
        params: Its parameters, defaults filled in.
        job: The job's record: status, error, times and ids.
        stages: The records of its stages, in order.
        tasks: The records of all its tasks, by stage and index. A stage that was never planned has none.
        events: What happened, in order: claims, retries, takeovers, ends.
        errors: What the handling of messages raised, so that they came again: a failing `on_complete`, say.
        store: Where it ran.
    """

    controller: type[BaseController[J]]
    params: J
    job: JobRecord
    stages: tuple[StageRecord, ...]
    tasks: tuple[TaskRecord, ...]
    events: tuple[Event, ...]
    errors: tuple[BaseException, ...]
    store: JobStore

    @property
    def job_id(self) -> str:
        """The hash of its parameters: 32 hexadecimal digits."""
        return self.job.job_id

    @property
    def status(self) -> Status:
        """`completed` or `failed`."""
        return self.job.status

    @property
    def error(self) -> Failure | None:
        """Why it failed; None when it did not."""
        return self.job.error

    @property
    def result(self) -> Any:
        """What `aggregate` returned, as JSON data; None when the job failed."""
        return None if self.job.result_json is None else json.loads(self.job.result_json)

    @property
    def document(self) -> dict[str, Any]:
        """The job as `jobkit run --json` shows it."""
        return job_document(Chain(job=self.job, stages=self.stages))

    def tasks_of(self, stage: StageName) -> list[TaskRecord]:
        """Return the records of a stage's tasks, in index order. Raises InvalidSelection."""
        number = stage_number(self.controller, stage)
        return [task for task in self.tasks if task.ref.stage == number]

    @overload
    def results(self, stage: Stage[Any, Any, R]) -> Sequence[R]: ...
    @overload
    def results(self, stage: str) -> Sequence[Any]: ...
    def results(self, stage: StageName) -> Sequence[Any]:
        """Return what a stage's completed tasks returned, in index order and in their type. Raises InvalidSelection."""
        codec = self.controller.stages[stage_number(self.controller, stage) - 1].result_codec
        return [codec.decode(task.result_json or "null") for task in self._with(stage, Status.COMPLETED)]

    def failures(self, stage: StageName) -> list[TaskFailure]:
        """Return how a stage's failed tasks failed, in index order. Raises InvalidSelection."""
        return [
            TaskFailure(task_id=task.ref.task_id, index=task.ref.index, error=task.error)
            for task in self._with(stage, Status.FAILED)
            if task.error is not None
        ]

    def _with(self, stage: StageName, status: Status) -> list[TaskRecord]:
        return [task for task in self.tasks_of(stage) if task.status is status]

    def __repr__(self) -> str:
        why = "" if self.error is None else f": {self.error.type}: {self.error.message}"
        return f"<{self.job.job_type} {self.job_id[:12]} {self.status.value}, {len(self.tasks)} tasks{why}>"
