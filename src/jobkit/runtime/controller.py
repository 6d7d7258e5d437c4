"""`BaseController`: a job type, the model of its parameters and its stages, checked when the class is made."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import is_dataclass
from typing import Any, ClassVar, Generic, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict

from .aliases import alias_problem
from .context import JobContext
from .errors import InvalidController
from .signatures import method_problems
from .stage import Stage, stage

J = TypeVar("J")

MAX_STAGES = 99  # the job row and its stage rows are one transaction of at most 100
SUMMARY_TASKS = 1_000
SUMMARY_FIRST = 100
SUMMARY_BYTES = 4 * 1024 * 1024

_OWN_NAMES = ("aggregate", "job_type", "on_complete", "params_type", "stages", "version")
_JOB_TYPE = re.compile(r"[a-z][a-z0-9_]{0,62}")


class Params(BaseModel):
    """The base of a controller's parameters: a pydantic model that refuses unknown names."""

    model_config = ConfigDict(extra="forbid")


class BaseController(Generic[J]):
    """What runs as a job. A subclass names its `job_type`, its parameters (`BaseController[MyParams]`) and its stages.

    `version` is part of every job's id: raise it when the code's meaning changes, so that old results are not taken
    for new ones. Stages run in the order of their definition, or as `stages = (first, second)` says; that may name
    stages of other classes too (`stages = (Validate.check, load)`), whose functions get an instance of their own class.
    A base class without a job type says `class Base(BaseController[P], abstract=True)`.
    """

    job_type: ClassVar[str]
    version: ClassVar[int] = 1
    stages: ClassVar[tuple[Stage[Any, Any, Any], ...]] = ()
    params_type: ClassVar[Any] = dict[str, Any]

    def __init_subclass__(cls, *, abstract: bool = False) -> None:
        """Check the class. Raises InvalidController."""
        super().__init_subclass__()
        for name in _OWN_NAMES:
            if isinstance(cls.__dict__.get(name), Stage):
                reason = f"a stage can't be called {name!r}, which is a name of the controller's own"
                raise InvalidController(controller=cls.__qualname__, reason=reason)
        for name, value in cls.__dict__.items():
            if isinstance(value, stage):
                reason = f'{name!r} is decorated with @stage alone: write @stage("name")'
                raise InvalidController(controller=cls.__qualname__, reason=reason)
        for base in getattr(cls, "__orig_bases__", ()):
            origin, arguments = get_origin(base), get_args(base)
            if (
                isinstance(origin, type)
                and issubclass(origin, BaseController)
                and not isinstance(arguments[0], TypeVar)
            ):
                cls.params_type = arguments[0]
        if "stages" not in cls.__dict__:
            own: list[Stage[Any, Any, Any]] = [value for value in cls.__dict__.values() if isinstance(value, Stage)]
            inherited = (s for s in cls.stages if s.owner not in cls.__mro__ or getattr(cls, s.attribute, None) is s)
            cls.stages = (*inherited, *own)
        if not abstract:
            _check(cls)

    def aggregate(self, job: JobContext[J]) -> Any:
        """Make the job's result when its last stage has ended. By default it consolidates.

        Counts by stage, and every result by stage for up to 1,000 tasks in all (and 4 MiB); above that the first 100
        of each stage and `"truncated": true`.
        """
        return consolidate(job)

    def on_complete(self, job: JobContext[J], *, status: str) -> None:
        """Do something once the job has ended (`completed` or `failed`). Called at least once; does nothing by default."""


def consolidate(job: JobContext[Any]) -> dict[str, Any]:
    """Make the default result of a job: counts by stage and, up to a limit, the results."""
    import json

    stages = job.stages()
    truncated = sum(stage.summary.ended for stage in stages) > SUMMARY_TASKS
    size = 0
    out: list[dict[str, Any]] = []
    for found in stages:
        results: list[dict[str, Any]] = []
        for task_id, text in found.results():
            size += len(text) + 64
            if size > SUMMARY_BYTES or (truncated and len(results) >= SUMMARY_FIRST):
                truncated = True
                break
            results.append({"task_id": task_id, "value": json.loads(text)})
        out.append(
            {
                "number": found.number,
                "name": found.name,
                "completed": found.summary.completed,
                "failed": found.summary.failed,
                "results": results,
            }
        )
    return {"stages": out, "truncated": truncated}


def _check(cls: type[BaseController[Any]]) -> None:
    def wrong(reason: str, name: str | None = None, option: str | None = None) -> InvalidController:
        return InvalidController(controller=cls.__qualname__, reason=reason, stage=name, option=option)

    job_type = getattr(cls, "job_type", None)
    if not isinstance(job_type, str):
        raise wrong('it has no job_type, a text such as job_type = "tile_city" (or say abstract=True)')
    if not _JOB_TYPE.fullmatch(job_type):
        raise wrong(f"job_type {job_type!r} must be lower-case letters, digits and underscores, a letter first")
    if type(cls.version) is not int or cls.version < 1:
        raise wrong(f"version is {cls.version!r}, must be a whole number from 1")
    if problem := _params_problem(cls.params_type):
        raise wrong(problem)
    if not cls.stages:
        raise wrong('it has no stage: decorate a method with @stage("name")')
    if len(cls.stages) > MAX_STAGES:
        raise wrong(f"it has {len(cls.stages)} stages, {MAX_STAGES} is the most")
    for found in cls.stages:
        if not isinstance(found, Stage):  # pyright: ignore[reportUnnecessaryIsInstance] - users need not type
            raise wrong(f"stages holds {found!r}, which was not made by @stage")
    for name, option, reason in _function_problems(cls):
        raise wrong(reason, name, option)


def _params_problem(annotation: Any) -> str:
    found: Any = get_origin(annotation) or annotation
    is_class = isinstance(found, type)
    if found is Any or (is_class and (issubclass(found, (BaseModel, dict)) or is_dataclass(annotation))):
        return alias_problem(annotation)
    name = getattr(annotation, "__name__", str(annotation))
    return f"its parameters are {name}, must be a pydantic model or dict[str, Any]"


def _function_problems(cls: type[BaseController[Any]]) -> Iterator[tuple[str | None, str | None, str]]:
    """Yield what is wrong with the methods and with each stage: its name, the option and the reason."""
    for reason in method_problems(cls):
        yield None, None, reason
    slugs: dict[str, str] = {}
    for own in cls.stages:
        for option, reason in own.problems():
            yield own.name, option, reason
        if refusal := own.refuses_params(cls.params_type):
            yield own.name, None, refusal
        if own.slug in slugs:
            yield own.name, None, f"its name is too much like that of {slugs[own.slug]!r}"
        slugs[own.slug] = own.name
