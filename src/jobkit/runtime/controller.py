"""`BaseController`: a job type, the model of its parameters and its stages, checked when the class is made."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, ClassVar, Generic, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from .context import JobContext
from .errors import InvalidController, InvalidParams, InvalidSelection, did_you_mean
from .identity import NotInId
from .payload import describe_validation
from .stage import Stage

J = TypeVar("J")

MAX_STAGES = 99  # the job row and its stage rows are one transaction of at most 100
SUMMARY_TASKS = 1_000
SUMMARY_FIRST = 100
SUMMARY_BYTES = 4 * 1024 * 1024

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
    _params_adapter: ClassVar[TypeAdapter[Any] | None] = None

    def __init_subclass__(cls, *, abstract: bool = False) -> None:
        """Check the class. Raises InvalidController."""
        super().__init_subclass__()
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
            cls.stages = (*(s for s in cls.stages if getattr(cls, s.attribute, None) is s), *own)
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

    @classmethod
    def validate(cls, given: Any) -> J:
        """Read parameters and fill in defaults. Raises InvalidParams with a line for each wrong field."""
        try:
            valid: J = cls.params_adapter().validate_python(given)
        except ValidationError as exc:
            raise InvalidParams(job_type=cls.job_type, problems=describe_validation(exc)) from exc
        return valid

    @classmethod
    def params_adapter(cls) -> TypeAdapter[Any]:
        """Return the adapter of the parameters' type, made once for each class."""
        adapter: TypeAdapter[Any] | None = cls.__dict__.get("_params_adapter")
        if adapter is None:
            cls._params_adapter = adapter = TypeAdapter(cls.params_type)
        return adapter

    @classmethod
    def fields_not_in_id(cls) -> set[str]:
        """Return the names of the parameters that are marked `NotInId`."""
        model = cls.params_type
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            return set()
        return {name for name, info in model.model_fields.items() if NotInId in info.metadata}

    @classmethod
    def number_of(cls, stage: Stage[Any, Any, Any]) -> int:
        """Return a stage's number, from 1. Raises ValueError when it is none of this controller."""
        for number, own in enumerate(cls.stages, 1):
            if own is stage:
                return number
        raise ValueError(f"{stage.name!r} is no stage of {cls.__name__}")

    @classmethod
    def select_stages(cls, chosen: Sequence[str]) -> tuple[int, ...]:
        """Find stages by number, name or slug. Raises InvalidSelection unless they exist and follow one another."""
        numbers: list[int] = []
        for text in chosen:
            found = [n for n, s in enumerate(cls.stages, 1) if text in (str(n), s.name, s.slug, s.attribute)]
            if not found:
                names = [s.name for s in cls.stages]
                listed = ", ".join(f"{n} {name!r}" for n, name in enumerate(names, 1))
                hint = did_you_mean(text, [*names, *(s.slug for s in cls.stages)])
                raise InvalidSelection(job_type=cls.job_type, reason=f"there is no {text!r}.{hint} There are {listed}.")
            numbers.append(found[0])
        numbers = sorted(set(numbers))
        if numbers != list(range(numbers[0], numbers[-1] + 1)):
            raise InvalidSelection(job_type=cls.job_type, reason=f"{numbers} do not follow one another")
        return tuple(numbers)


def consolidate(job: JobContext[Any]) -> dict[str, Any]:
    """Make the default result of a job: counts by stage and, up to a limit, the results."""
    import json

    stages = job.stages()
    truncated = sum(stage.summary.ended for stage in stages) > SUMMARY_TASKS
    size = 0
    out: list[dict[str, Any]] = []
    for stage in stages:
        results: list[dict[str, Any]] = []
        for task_id, text in stage.results():
            size += len(text) + 64
            if size > SUMMARY_BYTES or (truncated and len(results) >= SUMMARY_FIRST):
                truncated = True
                break
            results.append({"task_id": task_id, "value": json.loads(text)})
        out.append(
            {
                "number": stage.number,
                "name": stage.name,
                "completed": stage.summary.completed,
                "failed": stage.summary.failed,
                "results": results,
            }
        )
    return {"stages": out, "truncated": truncated}


def _check(cls: type[BaseController[Any]]) -> None:
    def wrong(reason: str, stage: str | None = None, option: str | None = None) -> InvalidController:
        return InvalidController(controller=cls.__qualname__, reason=reason, stage=stage, option=option)

    job_type = getattr(cls, "job_type", None)
    if not isinstance(job_type, str):
        raise wrong('it has no job_type, a text such as job_type = "tile_city" (or say abstract=True)')
    if not _JOB_TYPE.fullmatch(job_type):
        raise wrong(f"job_type {job_type!r} must be lower-case letters, digits and underscores, a letter first")
    if type(cls.version) is not int or cls.version < 1:
        raise wrong(f"version is {cls.version!r}, must be a whole number from 1")
    if not cls.stages:
        raise wrong('it has no stage: decorate a method with @stage("name")')
    if len(cls.stages) > MAX_STAGES:
        raise wrong(f"it has {len(cls.stages)} stages, {MAX_STAGES} is the most")
    slugs: dict[str, str] = {}
    for stage in cls.stages:
        if not isinstance(stage, Stage):  # pyright: ignore[reportUnnecessaryIsInstance] - users need not type
            raise wrong(f"stages holds {stage!r}, which was not made by @stage")
        for option, reason in stage.problems():
            raise wrong(reason, stage.name, option)
        if refusal := stage.refuses_params(cls.params_type):
            raise wrong(refusal, stage.name)
        if stage.slug in slugs:
            raise wrong(f"its name is too much like that of {slugs[stage.slug]!r}", stage.name)
        slugs[stage.slug] = stage.name
