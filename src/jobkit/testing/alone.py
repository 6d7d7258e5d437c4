"""One task, or one fan-out, alone: the function between the JSON that goes in and the JSON that comes out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar, overload

from jobkit.runtime.context import JobContext, Reader, StageResults, TaskFailure, TaskResult
from jobkit.runtime.controller import BaseController
from jobkit.runtime.definition import number_of, read_params
from jobkit.runtime.errors import InvalidSelection, InvalidSetting, InvalidSource, WrongUsage
from jobkit.runtime.execution import attempt_task
from jobkit.runtime.jobs import EarlierResults, LoadedJob
from jobkit.runtime.model import TaskRef, task_id
from jobkit.runtime.payload import check_size
from jobkit.runtime.repository import Repository
from jobkit.runtime.stage import Stage
from jobkit.runtime.submission import Submission, prepare

from .errors import NeverEnds
from .host import START
from .looping import outside_of_a_loop
from .outcome import JobOutcome
from .running import MAX_STEPS

J = TypeVar("J")
T = TypeVar("T")
R = TypeVar("R")

#: Where results of earlier stages come from: another run, or what each stage's tasks returned, in index order.
Earlier = JobOutcome[Any] | Mapping[Stage[Any, Any, Any], Sequence[Any]]


class Progress(NamedTuple):
    """One report of `task.progress(done, total, text)`."""

    done: int
    total: int
    text: str


@overload
def run_task(
    stage: Stage[J, None, R],
    item: None = None,
    *,
    params: J | Mapping[str, Any] | None = None,
    index: int = 0,
    attempt: int = 1,
    earlier: Earlier | None = None,
    progress: list[Progress] | None = None,
    cancelled: bool = False,
    controller: type[BaseController[Any]] | None = None,
) -> R: ...
@overload
def run_task(
    stage: Stage[J, T, R],
    item: T,
    *,
    params: J | Mapping[str, Any] | None = None,
    index: int = 0,
    attempt: int = 1,
    earlier: Earlier | None = None,
    progress: list[Progress] | None = None,
    cancelled: bool = False,
    controller: type[BaseController[Any]] | None = None,
) -> R: ...
def run_task(
    stage: Stage[Any, Any, Any],
    item: Any = None,
    *,
    params: Any = None,
    index: int = 0,
    attempt: int = 1,
    earlier: Earlier | None = None,
    progress: list[Progress] | None = None,
    cancelled: bool = False,
    controller: type[BaseController[Any]] | None = None,
) -> Any:
    """Run one task's code once and return what it returned, read back from JSON as a real run would.

    Its item and the job's parameters go through JSON too, its ids are those of a real run, and its workdir is removed.
    What the code raises is raised unchanged.

    Args:
        stage: The stage, as an attribute of its controller: `HelloWorlds.hello`.
        item: The task's item; nothing for a stage without a fan-out.
        params: The job's parameters: the model, or a mapping.
        index: Which task of the stage it is, from 0.
        attempt: Which attempt, from 1.
        earlier: What `task.job.results(stage)` yields.
        progress: A list to which every report of `task.progress` is added (a real run writes one every 15 s).
        cancelled: What `task.cancelled` says.
        controller: Whose stage it is, where several controllers share it.

    Raises:
        InvalidParams, NotHashable, PayloadTooLarge: As `jobkit run` would refuse the parameters.
        NotJson, PayloadTooLarge: The item, or what the task returned, can't be stored.
        WrongUsage: The stage is no controller's, several have it, or it takes no item.
    """
    _check_number("index", index, least=0)
    _check_number("attempt", attempt, least=1)
    job = _load(stage, params, earlier, controller)
    if stage.fan_out_function is None and item is not None:
        raise WrongUsage(f"stage {stage.name!r} has no fan-out: its one task gets no item")
    params_json: str | None = None
    if stage.fan_out_function is not None:
        what = f"the item of task {index}"
        params_json = check_size(stage.item_codec.encode(item, what=what), what=what)

    def report(done: int, total: int, text: str) -> None:
        if progress is not None:
            progress.append(Progress(done, total, text))

    number = number_of(type(job.controller), stage)
    ref = TaskRef(job_id=job.record.job_id, stage=number, plan="alone", index=index)
    text = outside_of_a_loop(
        lambda: attempt_task(
            job,
            stage,
            ref,
            attempt=attempt,
            params_json=params_json,
            report=report,
            is_cancelled=lambda: cancelled,
        )
    )
    return stage.result_codec.decode(text)


def run_fan_out(
    stage: Stage[J, T, Any],
    params: J | Mapping[str, Any] | None = None,
    *,
    earlier: Earlier | None = None,
    controller: type[BaseController[Any]] | None = None,
    max_items: int = MAX_STEPS,
) -> list[T]:
    """Run a stage's fan-out and return its items, read back from JSON as its tasks would get them.

    `earlier` is what `job.results(stage)` yields, see `run_task`. What the fan-out raises is raised unchanged.
    Raises NeverEnds after `max_items`, and what `run_task` raises.
    """
    job = _load(stage, params, earlier, controller)
    if stage.fan_out_function is None:
        raise WrongUsage(f"stage {stage.name!r} has no fan-out: it has one task, without an item")
    items: list[T] = []
    for item in stage.items(job.host(stage), job.context):
        if len(items) >= max_items:
            reason = f"the fan-out of {stage.name!r} has yielded more than {max_items:,} items (max_items)"
            raise NeverEnds(job_type=job.record.job_type, reason=reason)
        what = f"the item of task {len(items)}"
        items.append(stage.item_codec.decode(check_size(stage.item_codec.encode(item, what=what), what=what)))
    return items


def _load(
    stage: Stage[Any, Any, Any],
    params: Any,
    earlier: Earlier | None,
    controller: type[BaseController[Any]] | None,
) -> LoadedJob:
    """Make the job of a stage that is run alone, as a worker would from the job's row."""
    owner = _owner(stage) if controller is None else controller
    if stage not in owner.stages:
        raise InvalidSelection(job_type=owner.job_type, reason=f"{stage.name!r} is no stage of {owner.__name__}")
    wanted = prepare(
        owner,
        {} if params is None else params,
        chosen=(),
        source_job=None,
        source_list=None,
        find_chain=lambda _: None,
    )
    record = wanted.job(1, epoch="", now=START)
    return LoadedJob(
        record=record,
        controller=owner(),
        context=JobContext(
            job_id=record.job_id,
            job_type=record.job_type,
            params=read_params(owner, record.params_json),
            reader=_reader(wanted, owner, earlier),
        ),
    )


def _owner(stage: object) -> type[BaseController[Any]]:
    """Find the controller that has a stage: of several the one that defines it. Raises WrongUsage."""
    if not isinstance(stage, Stage):
        raise WrongUsage(f"{stage!r} is no stage: give the attribute of the controller, such as HelloWorlds.hello")
    owners = [found for found in _controllers(BaseController) if any(own is stage for own in found.stages)]
    if len(owners) > 1:
        owners = [found for found in owners if any(own is stage for own in vars(found).values())] or owners
    if len(owners) == 1:
        return owners[0]
    names = ", ".join(sorted(f"{found.__module__}.{found.__qualname__}" for found in owners))
    reason = f"is a stage of {names}: say which, with controller=" if owners else "is no stage of any controller"
    raise WrongUsage(f"{stage.name!r} {reason}")


def _controllers(base: type[BaseController[Any]]) -> Iterator[type[BaseController[Any]]]:
    for found in base.__subclasses__():
        if hasattr(found, "job_type"):
            yield found
        yield from _controllers(found)


def _reader(wanted: Submission, controller: type[BaseController[Any]], earlier: Earlier | None) -> Reader:
    if not isinstance(earlier, JobOutcome):
        return _Given(wanted.job_id(1), controller, earlier or {})
    if earlier.controller is not controller:
        reason = f"it is a job of {earlier.job.job_type}, not of {controller.job_type}"
        raise InvalidSource(source=earlier.job_id, reason=reason)
    return EarlierResults(Repository(earlier.store.ports.tables), earlier.job, controller)


class _Given:
    """Reads earlier results from what a test gives."""

    def __init__(
        self,
        job_id: str,
        controller: type[BaseController[Any]],
        values: Mapping[Stage[Any, Any, Any], Sequence[Any]],
    ) -> None:
        self._job_id = job_id
        self._controller = controller
        self._results: dict[Stage[Any, Any, Any], list[str]] = {}
        for stage, given in values.items():
            if stage not in controller.stages:
                raise InvalidSelection(
                    job_type=controller.job_type, reason=f"earlier has results of {stage.name!r}, no stage of it"
                )
            self._results[stage] = [
                stage.result_codec.encode(value, what=f"result {index} of {stage.name!r} in earlier")
                for index, value in enumerate(given)
            ]

    def results(self, stage: Stage[Any, Any, Any]) -> Iterator[TaskResult[Any]]:
        number = number_of(self._controller, stage)
        if stage not in self._results:
            raise ValueError(
                f"stage {number} {stage.name!r} has no results here: give them as earlier={{stage: [...]}}"
            )
        for index, text in enumerate(self._results[stage]):
            name = task_id(self._job_id, number, index)
            yield TaskResult(task_id=name, index=index, value=stage.result_codec.decode(text))

    def failures(self, stage: Stage[Any, Any, Any]) -> Iterator[TaskFailure]:
        _ = number_of(self._controller, stage)
        return iter(())

    def stages(self) -> list[StageResults]:
        return []


def _check_number(name: str, value: object, *, least: int) -> None:
    if type(value) is not int or value < least:
        raise InvalidSetting(setting=name, value=repr(value), reason=f"must be a whole number from {least}")
