"""`run_task` and `run_fan_out`: one function alone, between the JSON that goes in and the JSON that comes out."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from jobkit.runtime import BaseController, JobContext, PermanentError, RetryLater, TaskContext, stage
from jobkit.runtime.controllers import Earlier, HelloParams, HelloWorlds, Message, World
from jobkit.runtime.errors import (
    InvalidParams,
    InvalidSelection,
    InvalidSetting,
    InvalidSource,
    NotJson,
    PayloadTooLarge,
    WrongUsage,
)
from jobkit.testing import NeverEnds, Progress, run_fan_out, run_job, run_task
from samples import Count, three_stages
from testing_samples import Row, Rows


class Loose(BaseController[dict[str, Any]]):
    """Takes anything, does what the item says."""

    job_type = "loose"

    @stage("Do")
    def do(self, task: TaskContext[dict[str, Any], Any]) -> Any:
        match task.params:
            case "raise":
                raise PermanentError("as it is")
            case "set":
                return {1, 2}
            case "large":
                return "x" * 300_000
            case "facts":
                return (task.task_id, task.index, task.attempt, task.job.job_id, task.job.params)
            case "workdir":
                (task.workdir / "file").write_text("x")
                return str(task.workdir)
        return task.params

    @do.fan_out
    def items(self, job: JobContext[dict[str, Any]]) -> Iterator[Any]:
        yield from job.params["items"]


class Base(BaseController[Count], abstract=True):
    @stage("Shared")
    def shared(self, task: TaskContext[Count, None]) -> str:
        return type(self).job_type


class One(Base):
    job_type = "one"


class Other(Base):
    job_type = "other"


def test_a_task_returns_what_it_would_in_a_real_run() -> None:
    params = HelloParams(n=3)

    alone = run_task(HelloWorlds.hello, World(world=1), params=params, index=1, attempt=1)

    assert alone == Message(message="hello from 8d2f97f8ec067fb9-1-1!")
    assert run_job(HelloWorlds, params).results("Hello Worlds")[1] == alone


def test_ids_index_attempt_and_params_are_those_of_a_real_run_and_plain_values_come_back_as_json() -> None:
    job_id = run_job(Loose, {"items": [1], "by": ("a", "b")}).job_id

    found = run_task(Loose.do, "facts", params={"items": [1], "by": ("a", "b")}, index=7, attempt=3)

    assert found == [f"{job_id[:16]}-1-7", 7, 3, job_id, {"items": [1], "by": ["a", "b"]}]


def test_items_go_through_json_too() -> None:
    assert run_task(Loose.do, (1, {"a": Message(message="m")})) == [1, {"a": {"message": "m"}}]


def test_what_a_task_raises_is_raised_unchanged() -> None:
    with pytest.raises(PermanentError, match=r"^as it is$"):
        run_task(Loose.do, "raise")


def test_what_is_no_json_or_too_large_is_refused_as_in_a_real_run() -> None:
    with pytest.raises(NotJson) as unstorable:
        run_task(Loose.do, "set")
    with pytest.raises(PayloadTooLarge) as large:
        run_task(Loose.do, "large")
    with pytest.raises(NotJson) as item:
        run_task(Loose.do, {1, 2}, index=4)

    assert str(unstorable.value) == "what the task returned can't be stored as JSON: it is of type set"
    assert str(large.value) == (
        "what the task returned takes 300,002 bytes as JSON, the limit is 262,144: "
        "store it in a blob (or a file) and return the reference"
    )
    assert str(item.value) == "the item of task 4 can't be stored as JSON: it is of type set"


def test_async_tasks_work_also_in_an_async_test_and_every_progress_report_is_kept() -> None:
    reports: list[Progress] = []

    async def test() -> Row:
        return run_task(Rows.write, 5, progress=reports)

    assert run_task(Rows.write, 4) == Row(number=4, text="row 4")
    assert asyncio.run(test()) == Row(number=5, text="row 5")
    assert reports == [Progress(1, 2, "half"), Progress(2, 2, "")]


def test_a_workdir_is_removed_afterwards() -> None:
    folder = Path(run_task(Loose.do, "workdir"))

    assert (folder.is_absolute(), folder.exists()) == (True, False)


def test_a_task_without_a_fan_out_gets_no_item_and_reads_earlier_results() -> None:
    rows = [Row(number=0, text="a"), Row(number=1, text="b")]

    given = run_task(Rows.join, earlier={Rows.write: rows})
    of_a_run = run_task(Rows.join, earlier=run_job(Rows, n=2))

    assert (given, of_a_run) == ("a+b", "row 0+row 1")


def test_a_fan_out_alone_gives_its_items_as_its_tasks_would_get_them() -> None:
    run = run_job(HelloWorlds, n=2)

    assert run_fan_out(HelloWorlds.hello, HelloParams(n=3)) == [World(world=i) for i in range(3)]
    assert run_fan_out(HelloWorlds.hello, {"n": 0}) == []
    assert run_fan_out(HelloWorlds.reply, {"n": 2}, earlier=run) == [
        Earlier(reply_to="f5a71d1cf0639113-1-0"),
        Earlier(reply_to="f5a71d1cf0639113-1-1"),
    ]
    assert run_fan_out(HelloWorlds.reply, {"n": 2}, earlier={HelloWorlds.hello: [Message(message="any")]}) == [
        Earlier(reply_to="f5a71d1cf0639113-1-0")
    ]
    assert run_fan_out(Loose.do, {"items": [1, {"a": [2]}, None]}) == [1, {"a": [2]}, None]


def test_a_fan_out_of_odd_sizes() -> None:
    assert [len(run_fan_out(HelloWorlds.hello, {"n": n})) for n in (0, 1, 100, 101)] == [0, 1, 100, 101]


def test_a_fan_out_that_never_ends_is_stopped_and_one_that_raises_is_told() -> None:
    with pytest.raises(NeverEnds) as endless:
        run_fan_out(HelloWorlds.hello, HelloParams(n=11), max_items=10)
    with pytest.raises(KeyError, match="items"):
        run_fan_out(Loose.do)

    assert str(endless.value) == (
        "hello_worlds does not end: the fan-out of 'Hello Worlds' has yielded more than 10 items (max_items)"
    )


def test_a_shared_stage_runs_for_the_controller_that_is_named() -> None:
    assert run_task(Base.shared, controller=One) == "one"
    assert run_task(Base.shared, controller=Other) == "other"
    with pytest.raises(WrongUsage) as raised:
        run_task(One.shared)
    module = __name__
    assert str(raised.value) == (f"'Shared' is a stage of {module}.One, {module}.Other: say which, with controller=")


def test_a_stage_that_a_subclass_inherits_runs_for_the_class_that_defines_it() -> None:
    class Parent(BaseController[Count]):
        job_type = "parent"

        @stage("Name")
        def name(self, task: TaskContext[Count, None]) -> str:
            return type(self).job_type

    class Child(Parent):
        job_type = "child"

    assert (run_task(Parent.name), run_task(Child.name, controller=Child)) == ("parent", "child")


class Strange(BaseModel):
    n: int


@stage("Nobody's")
def nobodys(self: Any, task: TaskContext[Count, None]) -> int:
    return 1


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: run_task(HelloWorlds.hello, World(world=1), params=HelloParams.model_construct(n=-1)),
            InvalidParams,
            "wrong parameters for hello_worlds: n: input should be greater than or equal to 0 (got -1)",
        ),
        (
            lambda: run_task(HelloWorlds.hello, World(world=1), params={"m": 1}),
            InvalidParams,
            "wrong parameters for hello_worlds: m: extra inputs are not permitted",
        ),
        (
            lambda: run_task(HelloWorlds.hello, World(world=1), index=-1),
            InvalidSetting,
            "index=-1: must be a whole number from 0",
        ),
        (
            lambda: run_task(HelloWorlds.hello, World(world=1), attempt=0),
            InvalidSetting,
            "attempt=0: must be a whole number from 1",
        ),
        (
            lambda: run_task(Rows.join, 5),
            WrongUsage,
            "stage 'Join' has no fan-out: its one task gets no item",
        ),
        (
            lambda: run_fan_out(Rows.join),
            WrongUsage,
            "stage 'Join' has no fan-out: it has one task, without an item",
        ),
        (
            lambda: run_task(HelloWorlds.worlds, World(world=1)),
            WrongUsage,
            f"{HelloWorlds.worlds!r} is no stage: give the attribute of the controller, such as HelloWorlds.hello",
        ),
        (lambda: run_task(nobodys), WrongUsage, '"Nobody\'s" is no stage of any controller'),
        (
            lambda: run_task(HelloWorlds.hello, World(world=1), controller=Loose),
            InvalidSelection,
            "stages of loose: 'Hello Worlds' is no stage of Loose",
        ),
        (
            lambda: run_task(Rows.join),
            ValueError,
            "stage 1 'Write Row' has no results here: give them as earlier={stage: [...]}",
        ),
        (
            lambda: run_task(Rows.join, earlier={HelloWorlds.hello: []}),
            InvalidSelection,
            "stages of rows: earlier has results of 'Hello Worlds', no stage of it",
        ),
        (
            lambda: run_task(Rows.join, earlier=run_job(HelloWorlds, n=1)),
            InvalidSource,
            "earlier results from c9b3a836b04f59c443457c5eb5e74976: it is a job of hello_worlds, not of rows",
        ),
    ],
)
def test_what_can_not_be_meant_is_refused(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as raised:
        call()

    assert str(raised.value) == message


def test_a_wrong_item_is_refused_as_the_fan_outs_would_be() -> None:
    with pytest.raises(
        NotJson, match="the item of task 0 can't be stored as JSON: Strange does not come back from JSON"
    ):
        run_task(HelloWorlds.hello, Strange(n=1))


def test_retry_later_is_raised_as_it_is() -> None:
    from datetime import timedelta

    class Later(BaseController[Count]):
        job_type = "later"

        @stage("Wait")
        def wait(self, task: TaskContext[Count, None]) -> int:
            raise RetryLater(timedelta(seconds=5))

    with pytest.raises(RetryLater) as raised:
        run_task(Later.wait)
    assert raised.value.delay == timedelta(seconds=5)


def test_three_stages_one_after_the_other_alone() -> None:
    controller = three_stages()
    square, double, add = controller.stages

    squares = [run_task(square, item) for item in run_fan_out(square, {"n": 3})]
    doubles = [run_task(double, item) for item in run_fan_out(double, {"n": 3}, earlier={square: squares})]

    assert (squares, doubles, run_task(add, earlier={double: doubles})) == ([0, 1, 4], [0, 2, 8], 10)


def test_a_task_can_be_told_that_it_is_cancelled() -> None:
    class Patient(BaseController[Count]):
        job_type = "patient"

        @stage("Wait")
        def wait(self, task: TaskContext[Count, None]) -> str:
            return "cancelled" if task.cancelled else "done"

    assert [run_task(Patient.wait), run_task(Patient.wait, cancelled=True)] == ["done", "cancelled"]
