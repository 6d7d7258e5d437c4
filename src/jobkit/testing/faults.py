"""What a test lets go wrong: the task that raises in place of its code, the worker that dies over it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from jobkit.runtime.controller import BaseController
from jobkit.runtime.definition import number_of, select_stages
from jobkit.runtime.errors import InvalidSelection, InvalidSetting
from jobkit.runtime.model import StageRecord
from jobkit.runtime.stage import Stage

#: A stage as its name, number or slug, or as the attribute of the controller: `HelloWorlds.hello`.
StageName: TypeAlias = str | Stage[Any, Any, Any]
Moment: TypeAlias = Literal["before", "after"]

_MOMENTS: Final = ("before", "after")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is to go wrong, made by `fail` or `crash`.

    Attributes:
        stage: The stage.
        index: Which of its tasks, from 0.
        attempt: Which attempt, from 1; None: each.
        delivery: Which delivery of the attempt's message, from 1; None: each.
        error: What is raised in place of the task's code; None: the worker dies.
        moment: Whether a worker dies before or after the task's code.
    """

    stage: StageName
    index: int
    attempt: int | None
    delivery: int | None = None
    error: BaseException | type[BaseException] | None = None
    moment: Moment = "after"

    @property
    def stage_name(self) -> str:
        """The stage as it was named."""
        return self.stage.name if isinstance(self.stage, Stage) else self.stage

    def __str__(self) -> str:
        where = f"{self.stage_name!r}, index={self.index}, attempt={self.attempt}"
        return f"fail({where})" if self.error is not None else f"crash({where}, delivery={self.delivery})"


def fail(stage: StageName, *, index: int, error: BaseException | type[BaseException], attempt: int | None = 1) -> Fault:
    """Let a task raise `error` in place of its code.

    `index` counts the stage's tasks from 0, `attempt` from 1; `attempt=None` is every attempt.
    Raises InvalidSetting for what can't be one of them.
    """
    _check_number("index", index, least=0)
    _check_number("attempt", attempt, least=1)
    _check_error(error)
    return Fault(stage=stage, index=index, attempt=attempt, error=error)


def crash(
    stage: StageName, *, index: int, attempt: int | None = 1, delivery: int | None = 1, moment: Moment = "after"
) -> Fault:
    """Let the worker die over a task: nothing is recorded, the lease runs out, the message is delivered again.

    With `moment="after"` the task's code has run to its end, so it runs twice; with "before" it has not begun.
    `index` counts the stage's tasks from 0, `attempt` and `delivery` from 1. `delivery=None` is every delivery: after
    the fifth the task fails with PoisonMessage. Raises InvalidSetting for what can't be one of them.
    """
    _check_number("index", index, least=0)
    _check_number("attempt", attempt, least=1)
    _check_number("delivery", delivery, least=1)
    if moment not in _MOMENTS:
        raise InvalidSetting(setting="moment", value=repr(moment), reason='must be "before" or "after"')
    return Fault(stage=stage, index=index, attempt=attempt, delivery=delivery, moment=moment)


def _check_error(error: Any) -> None:
    if not (isinstance(error, BaseException) or (isinstance(error, type) and issubclass(error, BaseException))):
        raise InvalidSetting(setting="error", value=f"{error!r}", reason="must be an exception, or a class of them")


def _check_number(name: str, value: object, *, least: int) -> None:
    if value is None and name != "index":
        return
    if type(value) is not int or value < least:
        raise InvalidSetting(setting=name, value=repr(value), reason=f"must be a whole number from {least}")


@dataclass(slots=True)
class _Planned:
    fault: Fault
    number: int
    reached: bool = False

    def hits(self, number: int, index: int, attempt: int, delivery: int) -> bool:
        fault = self.fault
        return (
            (self.number, fault.index) == (number, index)
            and fault.attempt in (None, attempt)
            and fault.delivery in (None, delivery)
        )


@dataclass(slots=True)
class FaultPlan:
    """The faults of one job, and which of them have happened."""

    planned: list[_Planned] = field(default_factory=list[_Planned])

    @classmethod
    def of(cls, controller: type[BaseController[Any]], faults: Sequence[Fault], *, chosen: Sequence[int]) -> FaultPlan:
        """Find the stages, among those with the numbers `chosen`. Raises InvalidSelection with the nearest name."""
        planned: list[_Planned] = []
        for fault in faults:
            number = stage_number(controller, fault.stage)
            if number not in chosen:
                reason = f"{fault} is for stage {number} {controller.stages[number - 1].name!r}, which does not run"
                raise InvalidSelection(job_type=controller.job_type, reason=reason)
            planned.append(_Planned(fault, number))
        return cls(planned)

    def find(self, number: int, index: int, attempt: int, delivery: int) -> Fault | None:
        """Return the first fault that is to happen now, and note that it has."""
        for planned in self.planned:
            if planned.hits(number, index, attempt, delivery):
                planned.reached = True
                return planned.fault
        return None

    def unreached(self, stages: Sequence[StageRecord]) -> list[str]:
        """Name each fault that has not happened, and what is known of the reason."""
        counts = {stage.number: stage.task_count for stage in stages}
        return [
            f"{planned.fault}{_reason(planned.fault, counts.get(planned.number))}"
            for planned in self.planned
            if not planned.reached
        ]


def stage_number(controller: type[BaseController[Any]], stage: StageName) -> int:
    """Return a stage's number, from 1. Raises InvalidSelection."""
    if not isinstance(stage, Stage):
        return select_stages(controller, [stage])[0]
    try:
        return number_of(controller, stage)
    except ValueError as exc:
        raise InvalidSelection(job_type=controller.job_type, reason=str(exc)) from exc


def _reason(fault: Fault, task_count: int | None) -> str:
    if task_count is None:
        return " (the stage was not planned)"
    if fault.index >= task_count:
        return f" (the stage had {task_count:,} {'task' if task_count == 1 else 'tasks'})"
    return ""
