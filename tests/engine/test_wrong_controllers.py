"""A wrong controller fails when its class is made, with class, stage and option in the message."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import pytest
from pydantic import AliasChoices, BaseModel, Field

from jobkit.runtime import BaseController, JobContext, Params, TaskContext, stage
from jobkit.runtime.controllers import HelloWorlds
from jobkit.runtime.definition import number_of
from jobkit.runtime.errors import DuplicateJobType, InvalidController
from jobkit.runtime.registry import Registry


def one(self: Any, task: Any) -> int:
    return 1


def make(*bases: Any, **inside: Any) -> type[BaseController[Any]]:
    """Make a controller class as a class statement named Wrong would."""
    bases = bases or (BaseController,)
    inside = {"job_type": "wrong", "one": stage("One")(one), **inside}
    namespace = {name: value for name, value in inside.items() if value is not ...}
    return type("Wrong", bases, {"__qualname__": "Wrong", **namespace})


def refusal(*bases: Any, **inside: Any) -> str:
    with pytest.raises(InvalidController) as refused:
        make(*bases, **inside)
    return str(refused.value)


async def never(job: Any) -> bool:
    return False


def options(**given: Any) -> str:
    return refusal(one=stage("One", **given)(one))


def test_a_right_one_is_made() -> None:
    assert [s.name for s in make().stages] == ["One"]


@pytest.mark.parametrize(
    ("inside", "message"),
    [
        ({"job_type": ...}, 'it has no job_type, a text such as job_type = "tile_city" (or say abstract=True)'),
        ({"job_type": 5}, 'it has no job_type, a text such as job_type = "tile_city" (or say abstract=True)'),
        ({"job_type": "Tile"}, "job_type 'Tile' must be lower-case letters, digits and underscores, a letter first"),
        ({"job_type": "1a"}, "job_type '1a' must be lower-case letters, digits and underscores, a letter first"),
        ({"job_type": ""}, "job_type '' must be lower-case letters, digits and underscores, a letter first"),
        ({"job_type": "a/b"}, "job_type 'a/b' must be lower-case letters, digits and underscores, a letter first"),
        ({"job_type": "a\n"}, "job_type 'a\\n' must be lower-case letters, digits and underscores, a letter first"),
        ({"version": 0}, "version is 0, must be a whole number from 1"),
        ({"version": "2"}, "version is '2', must be a whole number from 1"),
        ({"version": True}, "version is True, must be a whole number from 1"),
        ({"one": ...}, 'it has no stage: decorate a method with @stage("name")'),
        ({"stages": ()}, 'it has no stage: decorate a method with @stage("name")'),
        ({"params_type": int}, "its parameters are int, must be a pydantic model or dict[str, Any]"),
        ({"params_type": list[str]}, "its parameters are list, must be a pydantic model or dict[str, Any]"),
        ({"one": stage(one)}, "'one' is decorated with @stage alone: write @stage(\"name\")"),  # type: ignore[arg-type]
        ({"stages": ("One",)}, "stages holds 'One', which was not made by @stage"),
    ],
)
def test_the_class_itself(inside: dict[str, Any], message: str) -> None:
    assert refusal(**inside) == f"Wrong: {message}"


def test_a_job_type_that_is_too_long() -> None:
    assert refusal(job_type="a" * 64) == (
        f"Wrong: job_type '{'a' * 64}' must be lower-case letters, digits and underscores, a letter first"
    )


def numbered(count: int) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for number in range(count):

        def function(self: Any, task: Any) -> int:
            return 1

        function.__name__ = f"stage_{number}"
        made[function.__name__] = stage(f"Stage {number}")(function)
    return made


def test_ninety_nine_stages_are_the_most() -> None:
    assert len(make(one=..., **numbered(99)).stages) == 99
    assert refusal(one=..., **numbered(100)) == "Wrong: it has 100 stages, 99 is the most"


def test_a_stage_of_another_class_that_takes_other_parameters() -> None:
    assert refusal(stages=(HelloWorlds.hello,)) == (
        "Wrong, stage 'Hello Worlds': its task takes the parameters HelloParams, and those of this controller are dict"
    )


@pytest.mark.parametrize("name", ["aggregate", "on_complete", "stages", "version", "job_type", "params_type"])
def test_a_stage_with_a_name_of_the_controllers_own(name: str) -> None:
    assert refusal(**{name: stage("Other")(one)}) == (
        f"Wrong: a stage can't be called {name!r}, which is a name of the controller's own"
    )


def test_two_stages_with_names_too_much_alike() -> None:
    def two(self: Any, task: Any) -> int:
        return 2

    assert refusal(two=stage("one!")(two)) == "Wrong, stage 'one!': its name is too much like that of 'One'"


def test_a_name_without_a_letter() -> None:
    assert refusal(one=stage("--")(one)) == "Wrong, stage '--': the name needs a letter or digit"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"max_attempts": 0}, "max_attempts: is 0, must be a whole number from 1 to 100"),
        ({"max_attempts": 101}, "max_attempts: is 101, must be a whole number from 1 to 100"),
        ({"max_attempts": 2.0}, "max_attempts: is 2.0, must be a whole number from 1 to 100"),
        ({"max_attempts": True}, "max_attempts: is True, must be a whole number from 1 to 100"),
        ({"retry_delay": 5}, "retry_delay: is 5, must be a timedelta from 0 to 7 days"),
        (
            {"retry_delay": timedelta(seconds=-1)},
            "retry_delay: is datetime.timedelta(days=-1, seconds=86399), must be a timedelta from 0 to 7 days",
        ),
        (
            {"retry_delay": timedelta(days=8)},
            "retry_delay: is datetime.timedelta(days=8), must be a timedelta from 0 to 7 days",
        ),
        ({"retries": 3}, "retries: is not an option of a stage in this version"),
        *[
            ({"on_failure": value}, f"on_failure: is {value!r}, must be one of 'fail', 'stop', 'continue'.")
            for value in (1, None, "halt")
        ],
        (
            {"on_failure": "contine"},
            "on_failure: is 'contine', must be one of 'fail', 'stop', 'continue'. Did you mean 'continue'?",
        ),
        *[
            (
                {"tolerated_failures": value},
                f"tolerated_failures: is {value!r}, must be a share from 0.0 to 1.0, or a whole number of tasks",
            )
            for value in (-0.1, 1.1, float("nan"), float("inf"))
        ],
        *[
            (
                {"tolerated_failures": value},
                f"tolerated_failures: is {value!r}, must be a whole number of tasks from 0, or a share from 0.0 to 1.0",
            )
            for value in (-1, True, "2", None)
        ],
        (
            {"tolerated_failures": 2, "on_failure": "continue"},
            "tolerated_failures: has no meaning with on_failure='continue', which tolerates every failure",
        ),
        *[
            (
                {"max_parallel": value},
                f"max_parallel: is {value!r}, must be a whole number from 1, or None for no limit",
            )
            for value in (0, -1, True, 2.0, "4")
        ],
        *[
            ({"batch": value}, f"batch: is {value!r}, must be a whole number from 1 to 100")
            for value in (0, 101, True, 2.0, None)
        ],
        (
            {"batch": 2, "max_parallel": 4},
            "batch: does not go together with max_parallel: a batch runs its tasks one after another",
        ),
        ({"skip_if": 1}, "skip_if: is 1, must be a function (job)"),
        ({"skip_if": lambda: True}, "skip_if: must take (job), not ()"),
        ({"skip_if": lambda a, b: True}, "skip_if: must take (job), not (a, b)"),
        ({"skip_if": never}, "skip_if: must be a plain function, not async"),
        *[
            ({"timeout": value}, f"timeout: is {value!r}, must be a timedelta of more than 0, or None")
            for value in (1, timedelta(0), timedelta(seconds=-1))
        ],
    ],
)
def test_an_option_of_a_stage(given: dict[str, Any], message: str) -> None:
    assert options(**given) == f"Wrong, stage 'One', option {message}"


def no_task(self: Any) -> int:
    return 1


def three(self: Any, task: Any, more: Any) -> int:
    return 1


def yields(self: Any, task: Any) -> Iterator[int]:
    yield 1


async def yields_async(self: Any, task: Any) -> AsyncIterator[int]:
    yield 1


def wants_more(self: Any, task: Any, *, more: int) -> int:
    return 1


def unresolved(self: Any, task: TaskContext[Any, Missing]) -> int:  # type: ignore[name-defined]  # noqa: F821 - on purpose
    return 1


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (no_task, "the task must take (self, task), not (self: 'Any') -> 'int'"),
        (three, "the task must take (self, task), not (self: 'Any', task: 'Any', more: 'Any') -> 'int'"),
        (wants_more, "the task must take (self, task), not (self: 'Any', task: 'Any', *, more: 'int') -> 'int'"),
        (yields, "the task yields: return the result instead (a fan-out is registered with @<task>.fan_out)"),
        (yields_async, "the task yields: return the result instead (a fan-out is registered with @<task>.fan_out)"),
        (unresolved, "an annotation of the task can't be resolved: name 'Missing' is not defined"),
    ],
)
def test_a_task_function(function: Any, message: str) -> None:
    function.__name__ = "one"
    assert refusal(one=stage("One")(function)) == f"Wrong, stage 'One': {message}"


async def async_items(self: Any, job: Any) -> list[int]:
    return [1]


async def async_generator(self: Any, job: Any) -> AsyncIterator[int]:
    yield 1


def no_job(self: Any) -> list[int]:
    return [1]


def wants_status(self: Any, job: Any, *, status: str) -> list[int]:
    return [1]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (async_items, "the fan-out must be a plain function or generator, not async"),
        (async_generator, "the fan-out must be a plain function or generator, not async"),
        (no_job, "the fan-out must take (self, job), not (self: 'Any') -> 'list[int]'"),
        (
            wants_status,
            "the fan-out must take (self, job), not (self: 'Any', job: 'Any', *, status: 'str') -> 'list[int]'",
        ),
        (5, "the fan-out is 5, must be a function (self, job)"),
    ],
)
def test_a_fan_out(function: Any, message: str) -> None:
    made = stage("One")(one)
    made.fan_out(function)
    assert refusal(one=made) == f"Wrong, stage 'One': {message}"


async def later(self: Any, job: Any, **more: Any) -> None:
    pass


@pytest.mark.parametrize(
    ("inside", "message"),
    [
        ({"aggregate": 5}, "aggregate is 5, must be a function (self, job)"),
        ({"aggregate": no_job}, "aggregate must take (self, job), not (self: 'Any') -> 'list[int]'"),
        ({"aggregate": staticmethod(one)}, "aggregate must take (self, job), not (self: 'Any', task: 'Any') -> 'int'"),
        ({"aggregate": classmethod(no_job)}, "aggregate must take (self, job), not () -> 'list[int]'"),
        ({"aggregate": later}, "aggregate must be a plain function, not async"),
        ({"aggregate": yields}, "aggregate yields: it must be a plain function"),
        ({"on_complete": one}, "on_complete must take (self, job, *, status), not (self: 'Any', task: 'Any') -> 'int'"),
        ({"on_complete": later}, "on_complete must be a plain function, not async"),
    ],
)
def test_a_method_of_the_controllers_own(inside: dict[str, Any], message: str) -> None:
    assert refusal(**inside) == f"Wrong: {message}"


@pytest.mark.parametrize(
    "inside",
    [
        {"aggregate": staticmethod(no_job)},
        {"aggregate": classmethod(one)},
        {"aggregate": lambda self, job, more=1: more},
        {"on_complete": wants_status},
        {"on_complete": lambda self, job, status: None},
        {"on_complete": lambda self, *jobs, **more: None},
    ],
)
def test_a_method_that_can_be_called_so_however_it_is_written(inside: dict[str, Any]) -> None:
    assert make(**inside).stages[0].name == "One"


def test_a_name_that_is_no_text() -> None:
    assert refusal(one=stage(5)(one)) == "Wrong, stage 5: the name is 5, must be a text"  # type: ignore[arg-type]


def test_a_fan_out_without_a_task() -> None:
    with pytest.raises(InvalidController) as refused:

        class Wrong(BaseController[dict[str, Any]]):
            @stage.fan_out
            def items(self, job: JobContext[dict[str, Any]]) -> list[int]:
                return [1]

    name = f"{test_a_fan_out_without_a_task.__name__}.<locals>.Wrong"
    assert str(refused.value) == (
        f"{name}: the fan-out 'items' has no task: write @stage(\"name\") over a task, and @<task>.fan_out here"
    )


def test_a_stage_with_two_fan_outs() -> None:
    made = stage("One")(one)
    made.fan_out(no_job)

    with pytest.raises(InvalidController) as refused:
        made.fan_out(async_items)

    assert str(refused.value) == "async_items, stage 'One': it has two fan-outs, 'no_job' and 'async_items'"


class Swapped(Params):
    width: int = Field(1, alias="height")
    height: int = 1


class Twice(Params):
    width: int = Field(1, alias="size")
    height: int = Field(1, validation_alias=AliasChoices("tall", "size"))


def test_an_alias_that_means_two_parameters() -> None:
    assert refusal(params_type=Swapped) == (
        "Wrong: its parameter 'width' has the alias 'height', and so is 'height' called"
    )
    assert refusal(params_type=Twice) == "Wrong: its parameter 'height' has the alias 'size', and so is 'width' called"


class Shape(BaseModel):
    sides: int


class Square(Shape):
    pass


class Fewer(Params):
    n: int = 1


class Other(Params):
    m: int = 1


def takes_shape(self: Any, task: TaskContext[Any, Shape]) -> int:
    return 1


def takes_number(self: Any, task: TaskContext[Fewer, float]) -> int:
    return 1


def takes_job(self: Any, task: JobContext[Any]) -> int:
    return 1


def squares(self: Any, job: JobContext[Any]) -> Iterator[Square]:
    yield Square(sides=4)


def numbers(self: Any, job: JobContext[Any]) -> Iterator[int]:
    yield 4


def fields(self: Any, job: JobContext[Any]) -> list[dict[str, int]]:
    return [{"sides": 4}]


def of_others(self: Any, job: JobContext[Other]) -> list[float]:
    return [4.0]


def unnamed(self: Any, job: JobContext[Any]) -> Iterator[Shape | None]:
    yield None


@pytest.mark.parametrize(
    ("task", "items", "message"),
    [
        (takes_shape, numbers, "the fan-out yields int, and the task takes Shape"),
        (takes_shape, fields, "the fan-out yields dict, and the task takes Shape"),
        (takes_number, squares, "the fan-out yields Square, and the task takes float"),
        (takes_number, of_others, "its fan-out takes the parameters Other, and those of this controller are Fewer"),
        (takes_job, numbers, "the task takes a JobContext, must take a TaskContext"),
        (takes_shape, squares, None),
        (takes_number, numbers, None),
        (takes_shape, unnamed, None),  # pydantic has its say when the value is there
    ],
)
def test_types_that_do_not_go_together(task: Any, items: Any, message: str | None) -> None:
    made = stage("One")(task)
    made.fan_out(items)

    if message is None:
        assert make(one=made, params_type=Fewer).stages == (made,)
    else:
        assert refusal(one=made, params_type=Fewer) == f"Wrong, stage 'One': {message}"


def test_two_controllers_with_one_job_type_fail_when_they_are_registered() -> None:
    first, second = make(), make()
    registry = Registry()
    registry.add(first)
    registry.add(first)

    with pytest.raises(DuplicateJobType) as refused:
        registry.add(second)

    name = f"{__name__}.Wrong"
    assert str(refused.value) == (f"two controllers have the job type 'wrong': {name} and {name}. Rename one of them.")


def test_a_built_in_controller_gives_way_to_a_users() -> None:
    mine = make(job_type="hello_worlds")
    registry = Registry([HelloWorlds])
    registry.add(mine)

    assert registry.get("hello_worlds") is mine
    assert list(registry) == [mine]


def test_an_abstract_base_needs_no_job_type_and_gives_its_stages() -> None:
    class Base(BaseController[dict[str, Any]], abstract=True):
        @stage("First")
        def first(self, task: TaskContext[dict[str, Any], Any]) -> int:
            return 1

    class Child(Base):
        job_type = "child"

        @stage("Second")
        def second(self, task: TaskContext[dict[str, Any], Any]) -> int:
            return 2

    assert [s.name for s in Child.stages] == ["First", "Second"]
    assert Child.params_type == dict[str, Any]


def test_stages_says_the_order_and_may_take_them_from_a_mixin() -> None:
    class Checks:
        @stage("Check")
        def check(self, task: TaskContext[Any, Any]) -> int:
            return 1

    class Child(Checks, BaseController[dict[str, Any]]):
        job_type = "child"

        @stage("Work")
        def work(self, task: TaskContext[dict[str, Any], Any]) -> int:
            return 2

        @work.fan_out
        def items(self, job: JobContext[dict[str, Any]]) -> list[int]:
            return [1]

        stages = (Checks.check, work)

    assert [(s.name, number_of(Child, s)) for s in Child.stages] == [("Check", 1), ("Work", 2)]


def test_an_overridden_stage_takes_its_place_at_the_end() -> None:
    class Base(BaseController[dict[str, Any]]):
        job_type = "base"

        @stage("First")
        def first(self, task: TaskContext[dict[str, Any], Any]) -> int:
            return 1

    class Child(Base):
        job_type = "child"

        @stage("Other first")
        def first(self, task: TaskContext[dict[str, Any], Any]) -> int:
            return 2

    assert [s.name for s in Child.stages] == ["Other first"]
