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


def failing_stages(
    ask: Callable[[TaskContext[Count, int]], int], *, on_hook: Callable[[str], None] = lambda status: None
) -> type[BaseController[Count]]:
    """n times `ask`, of which two may fail; one task for each that did not, the second retried; and one that is broken."""

    class FailingStages(BaseController[Count]):
        job_type = "failing_stages"

        @stage("Ask", max_attempts=2, tolerated_failures=2)
        def ask(self, task: TaskContext[Count, int]) -> int:
            return ask(task)

        @ask.fan_out
        def numbers(self, job: JobContext[Count]) -> Iterator[int]:
            yield from range(job.params.n)

        @stage("Again", max_attempts=2)
        def again(self, task: TaskContext[Count, int]) -> int:
            return second_fails_once(task)

        @again.fan_out
        def answers(self, job: JobContext[Count]) -> Iterator[int]:
            for result in job.results(self.ask):
                yield result.value

        @stage("Last")
        def last(self, task: TaskContext[Count, None]) -> int:
            raise PermanentError("the last one is broken")

        def on_complete(self, job: JobContext[Count], *, status: str) -> None:
            on_hook(status)

    return FailingStages


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


def odd_stages_skipped(on_hook: Callable[[str], None] = lambda status: None) -> type[BaseController[Count]]:
    """Five stages of one task, of which the first, the third and the last are skipped when n is two."""

    def for_two(job: JobContext[Count]) -> bool:
        return job.params.n == 2

    class OddStagesSkipped(BaseController[Count]):
        job_type = "odd_stages_skipped"

        @stage("First", skip_if=for_two)
        def first(self, task: TaskContext[Count, None]) -> int:
            return 1

        @stage("Second")
        def second(self, task: TaskContext[Count, None]) -> int:
            return 2

        @stage("Third", skip_if=for_two)
        def third(self, task: TaskContext[Count, None]) -> int:
            return 3

        @stage("Fourth")
        def fourth(self, task: TaskContext[Count, None]) -> list[int]:
            earlier = (type(self).first, type(self).second, type(self).third)
            return [result.value for source in earlier for result in task.job.results(source)]

        @stage("Fifth", skip_if=for_two)
        def fifth(self, task: TaskContext[Count, None]) -> int:
            return 5

        def on_complete(self, job: JobContext[Count], *, status: str) -> None:
            on_hook(status)

    return OddStagesSkipped


class Shared(BaseController[Count]):
    """A stage that other controllers use, and that goes on over failures."""

    job_type = "shared"

    @stage("Second Fails", on_failure="continue")
    def second_fails(self, task: TaskContext[Count, int]) -> int:
        if task.index == 1:
            raise PermanentError("this one is broken")
        return 10 * task.params

    @second_fails.fan_out
    def numbers(self, job: JobContext[Count]) -> Iterator[int]:
        yield from range(job.params.n)


def sharing(on_hook: Callable[[str], None] = lambda status: None) -> type[BaseController[Count]]:
    """The stage of `Shared`, and one that counts what that left."""

    class Sharing(BaseController[Count]):
        job_type = "sharing"

        @stage("Look")
        def look(self, task: TaskContext[Count, None]) -> list[list[int]]:
            done = [result.index for result in task.job.results(Shared.second_fails)]
            return [done, [result.index for result in task.job.results(Shared.second_fails, failed=True)]]

        stages = (Shared.second_fails, look)

        def on_complete(self, job: JobContext[Count], *, status: str) -> None:
            on_hook(status)

    return Sharing


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
