"""The jobs of an instance with something around every run of a task's code: what fails it, or notes what it gave."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from jobkit.runtime.context import TaskContext
from jobkit.runtime.execution import call_task
from jobkit.runtime.jobs import Jobs, LoadedJob
from jobkit.runtime.model import JobRecord
from jobkit.runtime.registry import Registry
from jobkit.runtime.repository import Repository
from jobkit.runtime.stage import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of a task's code. `code` does it, once an `async def` is through, and returns what that returned."""

    job_id: str
    number: int
    stage: Stage[Any, Any, Any]
    task: TaskContext[Any, Any]
    code: Callable[[], Any]


Around = Callable[[Run], Any]


class WatchedJobs(Jobs):
    """Loads jobs whose tasks' code runs within `around`: what that returns, or raises, is what the task does."""

    def __init__(self, repository: Repository, registry: Registry, around: Around) -> None:
        """Keep what is to be around the code."""
        super().__init__(repository, registry)
        self._around = around

    def load(self, record: JobRecord, names: dict[int, str] | None = None) -> LoadedJob:
        """Make a job's controller and context. Raises UnknownJobType, InvalidParams."""
        found = super().load(record, names)
        facts = {field.name: getattr(found, field.name) for field in fields(found)}
        return _WatchedJob(**facts, around=self._around)


@dataclass(frozen=True, slots=True, kw_only=True)
class _WatchedJob(LoadedJob):
    around: Around

    def stage(self, number: int) -> Stage[Any, Any, Any]:
        stage = LoadedJob.stage(self, number)

        def run(host: Any, task: TaskContext[Any, Any]) -> Any:
            return self.around(
                Run(
                    job_id=self.record.job_id,
                    number=number,
                    stage=stage,
                    task=task,
                    code=lambda: call_task(stage, host, task),
                )
            )

        watched = copy.copy(stage)
        watched.task_function = run
        return watched
