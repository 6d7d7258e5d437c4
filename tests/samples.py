"""Controllers for tests of the engine, each made for the question that it is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from pydantic import BaseModel

from jobkit.runtime import BaseController, JobContext, Params, PermanentError, TaskContext, stage


class Count(Params):
    """How many items."""

    n: int = 3


class Item(BaseModel):
    number: int


class Square(BaseModel):
    square: int


def two_stages(on_hook: Callable[[str], None] = lambda status: None) -> type[BaseController[Count]]:
    """n squares, then n sums of them; `on_hook` is told the status when the job has ended."""

    class TwoStages(BaseController[Count]):
        job_type = "two_stages"

        @stage("Square")
        def square(self, task: TaskContext[Count, Item]) -> Square:
            return Square(square=task.params.number**2)

        @square.fan_out
        def numbers(self, job: JobContext[Count]) -> Iterator[Item]:
            for number in range(job.params.n):
                yield Item(number=number)

        @stage("Add")
        def add(self, task: TaskContext[Count, Square]) -> int:
            return task.params.square + task.job.params.n

        @add.fan_out
        def squares(self, job: JobContext[Count]) -> Iterator[Square]:
            for result in job.results(self.square):
                yield result.value

        def on_complete(self, job: JobContext[Count], *, status: str) -> None:
            on_hook(status)

    return TwoStages


def three_stages(on_hook: Callable[[str], None] = lambda status: None) -> type[BaseController[Count]]:
    """n numbers, then one task for each, then a single task that adds them up."""

    class ThreeStages(BaseController[Count]):
        job_type = "three_stages"

        @stage("Square")
        def square(self, task: TaskContext[Count, int]) -> int:
            return task.params**2

        @square.fan_out
        def numbers(self, job: JobContext[Count]) -> Iterator[int]:
            yield from range(job.params.n)

        @stage("Double")
        def double(self, task: TaskContext[Count, int]) -> int:
            return 2 * task.params

        @double.fan_out
        def squares(self, job: JobContext[Count]) -> Iterator[int]:
            for result in job.results(self.square):
                yield result.value

        @stage("Sum")
        def add(self, task: TaskContext[Count, None]) -> int:
            return sum(result.value for result in task.job.results(self.double))

        def on_complete(self, job: JobContext[Count], *, status: str) -> None:
            on_hook(status)

    return ThreeStages


def one_stage(
    run: Callable[[TaskContext[Count, int]], Any],
    *,
    items: Callable[[int], Any] = range,
    aggregate: Callable[[JobContext[Count]], Any] | None = None,
    on_hook: Callable[[str], None] = lambda status: None,
    **options: Any,
) -> type[BaseController[Count]]:
    """One stage whose tasks do `run` for each of `items(n)`; `options` are those of the stage."""

    class OneStage(BaseController[Count]):
        job_type = "one_stage"

        @stage("Only", **options)
        def only(self, task: TaskContext[Count, int]) -> Any:
            return run(task)

        @only.fan_out
        def items(self, job: JobContext[Count]) -> Any:
            return items(job.params.n)

        def aggregate(self, job: JobContext[Count]) -> Any:
            return super().aggregate(job) if aggregate is None else aggregate(job)

        def on_complete(self, job: JobContext[Count], *, status: str) -> None:
            on_hook(status)

    return OneStage


def second_fails_once(task: TaskContext[Count, int]) -> int:
    """Raise at the first attempt of the second task."""
    if task.index == 1 and task.attempt == 1:
        raise ConnectionError("the first attempt always fails")
    return 10 * task.params


def second_fails(task: TaskContext[Count, int]) -> int:
    """Raise at every attempt of the second task."""
    if task.index == 1:
        raise PermanentError("this one is broken")
    return 10 * task.params


def broken_items(count: int) -> Callable[[int], Iterator[int]]:
    """A fan-out that raises after so many items."""

    def items(n: int) -> Iterator[int]:
        yield from range(count)
        raise LookupError("the list ends early")

    return items
