"""Jobs as an instance knows them: the row read once, with its controller, its context and its earlier results."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from .context import JobContext, StageResults, TaskFailure, TaskResult
from .controller import BaseController
from .definition import number_of, read_params
from .errors import CodeChanged
from .model import Failure, JobRecord, StageRecord, StageState
from .registry import Registry
from .repository import Repository
from .stage import Stage
from .submission import JOB_SOURCE, LIST_SOURCE

CACHED_JOBS: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedJob:
    """A job whose controller is known here. `names` are those of its stages when it was submitted."""

    record: JobRecord
    controller: BaseController[Any]
    context: JobContext[Any]
    names: dict[int, str] = field(default_factory=dict[int, str])
    _hosts: dict[type, Any] = field(default_factory=dict[type, Any])

    def stage(self, number: int) -> Stage[Any, Any, Any]:
        """Return the controller's stage. Raises CodeChanged when the job was submitted to one with another, or more."""
        stages = self.controller.stages
        now = stages[number - 1] if 1 <= number <= len(stages) else None
        name = self.names.get(number)
        if now is None or name not in (None, now.name):
            job_type = self.record.job_type
            raise CodeChanged(job_type=job_type, number=number, name=name, now=now.name if now else None)
        return now

    def host(self, stage: Stage[Any, Any, Any]) -> Any:
        """Return what a stage's functions get as `self`: the controller, or for a shared stage one of its own class."""
        owner = stage.owner
        if owner is None or isinstance(self.controller, owner):
            return self.controller
        if owner not in self._hosts:
            self._hosts[owner] = owner()
        return self._hosts[owner]


class Jobs:
    """Loads jobs; keeps the last ones, so that a job's row is read once for all its tasks of a round here."""

    def __init__(self, repository: Repository, registry: Registry) -> None:
        """Keep where rows and controllers come from."""
        self._repository = repository
        self._registry = registry
        self._lock = threading.Lock()
        self._loaded: OrderedDict[tuple[str, str, int], LoadedJob] = OrderedDict()

    def find(self, job_id: str, epoch: str, round_: int) -> LoadedJob | None:
        """Return a job in a round, None when it is gone or of another epoch. Raises UnknownJobType, InvalidParams.

        It knows the plans of the stages that have ended, and a further round may plan those anew.
        """
        key = (job_id, epoch, round_)
        loaded = self._loaded.get(key)
        if loaded is not None:
            return loaded
        with self._lock:
            loaded = self._loaded.get(key)
            if loaded is None:
                chain = self._repository.find_chain(job_id)
                if chain is None or chain.job.epoch != epoch:
                    return None
                loaded = self.load(chain.job, {stage.number: stage.name for stage in chain.stages})
                self._loaded[key] = loaded
                while len(self._loaded) > CACHED_JOBS:
                    self._loaded.popitem(last=False)
            return loaded

    def load(self, record: JobRecord, names: dict[int, str] | None = None) -> LoadedJob:
        """Make a job's controller and context. Raises UnknownJobType, InvalidParams."""
        controller = self._registry.get(record.job_type)
        params = read_params(controller, record.params_json)
        reader = EarlierResults(self._repository, record, controller)
        context: JobContext[Any] = JobContext(
            job_id=record.job_id, job_type=record.job_type, params=params, reader=reader
        )
        return LoadedJob(record=record, controller=controller(), context=context, names=names or {})


class EarlierResults:
    """Reads the results of a job's stages, or of the job or list that it takes earlier results from."""

    def __init__(self, repository: Repository, job: JobRecord, controller: type[BaseController[Any]]) -> None:
        """Keep whose results are read."""
        self._repository = repository
        self._job = job
        self._controller = controller
        self._closed: dict[int, StageRecord] = {}

    def results(self, stage: Stage[Any, Any, Any]) -> Iterator[TaskResult[Any]]:
        """Yield what the stage's completed tasks returned. Raises ValueError for a stage that is no earlier one."""
        number = number_of(self._controller, stage)
        if number not in self._job.stage_numbers and (self._job.source or "").startswith(LIST_SOURCE):
            yield from self._listed(stage, number)
            return
        for task in self._repository.completed_tasks(self._closed_stage(stage, number)):
            value = stage.read_result(task.result_json or "null", what=f"the result of task {task.ref.task_id}")
            yield TaskResult(task_id=task.ref.task_id, index=task.ref.index, value=value)

    def failures(self, stage: Stage[Any, Any, Any]) -> Iterator[TaskFailure]:
        """Yield how the stage's failed tasks failed."""
        number = number_of(self._controller, stage)
        for task in self._repository.failed_tasks(self._closed_stage(stage, number)):
            error = task.error or Failure(type="Unknown", message="no error was stored")
            yield TaskFailure(task_id=task.ref.task_id, index=task.ref.index, error=error)

    def stages(self) -> list[StageResults]:
        """Return the job's own stages."""
        chain = self._repository.find_chain(self._job.job_id)
        return [
            StageResults(
                number=stage.number,
                name=stage.name,
                summary=stage.summary,
                results=partial(self._raw_results, stage),
            )
            for stage in (chain.stages if chain else ())
        ]

    def _raw_results(self, stage: StageRecord) -> Iterator[tuple[str, str]]:
        for task in self._repository.completed_tasks(stage):
            yield task.ref.task_id, task.result_json or "null"

    def _closed_stage(self, stage: Stage[Any, Any, Any], number: int) -> StageRecord:
        known = self._closed.get(number)
        if known is not None:
            return known
        if number in self._job.stage_numbers:
            owner_id = self._job.job_id
        elif (self._job.source or "").startswith(JOB_SOURCE):
            owner_id = (self._job.source or "").removeprefix(JOB_SOURCE)
        else:
            raise ValueError(
                f"this job does not run stage {number} {stage.name!r}; name the job that has its results (--from)"
            )
        chain = self._repository.find_chain(owner_id)
        found = chain.find_stage(number) if chain is not None else None
        if found is None or found.state is not StageState.CLOSED:
            raise ValueError(
                f"stage {number} {stage.name!r} of job {owner_id} has not ended: only earlier stages have results"
            )
        self._closed[number] = found
        return found

    def _listed(self, stage: Stage[Any, Any, Any], number: int) -> Iterator[TaskResult[Any]]:
        if number != self._job.stage_numbers[0] - 1:
            raise ValueError(f"the list of earlier results is for stage {self._job.stage_numbers[0] - 1}, not {number}")
        for index, item in enumerate(json.loads(self._repository.read_source(self._job.job_id))):
            value = stage.read_result(json.dumps(item["value"]), what=f"value {index} of the list of earlier results")
            yield TaskResult(task_id=item["task_id"], index=index, value=value)
