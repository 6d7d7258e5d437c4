"""Whatever a task raises or returns is an outcome: a stored result, or a failure that says why. Never the worker's end."""

from __future__ import annotations

import asyncio
import dataclasses
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel

from driver import Driver
from invariants import check_invariants
from jobkit.runtime import BaseController, Params, TaskContext, stage
from jobkit.runtime.controller import BaseController as Controller
from samples import one_stage

Drive = Callable[..., Driver]


def only_task(driver: Driver, job: dict[str, Any]) -> dict[str, Any]:
    check_invariants(driver.store, job["job_id"])
    (task,) = driver.tasks(job["job_id"])
    return task


def leave(code: object) -> Any:
    sys.exit(code)  # type: ignore[arg-type]


def throw(error: BaseException) -> Any:
    raise error


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


@pytest.mark.parametrize(
    ("run", "error_type", "message"),
    [
        (lambda task: leave(3), "SystemExit", "sys.exit(3) was called"),
        (lambda task: leave(None), "SystemExit", "sys.exit(None) was called"),
        (lambda task: leave("bye"), "SystemExit", "sys.exit('bye') was called"),
        (lambda task: throw(KeyboardInterrupt()), "KeyboardInterrupt", "KeyboardInterrupt()"),
        (lambda task: throw(GeneratorExit()), "GeneratorExit", "GeneratorExit()"),
        (lambda task: throw(ValueError()), "ValueError", "ValueError()"),
        (lambda task: throw(ValueError("a\x00b\x1b[31m\ud800")), "ValueError", "a\ufffdb\ufffd[31m?"),
        (lambda task: throw(Unspeakable()), "Unspeakable", "its text can't be made: __str__ or __repr__ raises"),
        (lambda task: throw(ExceptionGroup("two", [ValueError("a")])), "ExceptionGroup", "two (1 sub-exception)"),
        (
            lambda task: {1, 2},
            "NotJson",
            "what the task returned can't be stored as JSON: it is of type set",
        ),
        (lambda task: float("nan"), "NotJson", "what the task returned can't be stored as JSON: it is nan"),
        (
            lambda task: {"a": [1.0, float("inf")]},
            "NotJson",
            "what the task returned can't be stored as JSON: it.a[1] is inf",
        ),
        (
            lambda task: {"a": (1, object())},
            "NotJson",
            "what the task returned can't be stored as JSON: it.a[1] is of type object",
        ),
        (
            lambda task: {1: 2},
            "NotJson",
            "what the task returned can't be stored as JSON: it has the key 1, which is no text",
        ),
        (
            lambda task: "\ud800",
            "NotJson",
            "what the task returned can't be stored as JSON: it is text with a lone surrogate",
        ),
        (lambda task: b"raw", "NotJson", "what the task returned can't be stored as JSON: it is of type bytes"),
        (
            lambda task: "x" * (256 * 1024),
            "PayloadTooLarge",
            (
                "what the task returned takes 262,146 bytes as JSON, the limit is 262,144: "
                "store it in a blob (or a file) and return the reference"
            ),
        ),
        (
            lambda task: "é" * (128 * 1024),
            "PayloadTooLarge",
            (
                "what the task returned takes 262,146 bytes as JSON, the limit is 262,144: "
                "store it in a blob (or a file) and return the reference"
            ),
        ),
    ],
)
def test_what_a_task_must_not_do_is_its_failure_with_a_clear_text(
    drive: Drive, run: Callable[..., Any], error_type: str, message: str
) -> None:
    driver = drive(one_stage(run))

    job = driver.finish("one_stage", {"n": 1})

    task = only_task(driver, job)
    assert (job["status"], task["status"], task["result"]) == ("failed", "failed", None)
    assert (task["error"]["type"], task["error"]["message"]) == (error_type, message)
    assert (job["error"]["type"], driver.errors) == ("StageFailed", [])


@dataclasses.dataclass
class Point:
    x: int


class Model(BaseModel):
    at: datetime


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (None, None),
        (True, True),
        (2**70, 2**70),
        ("x" * (256 * 1024 - 2), "x" * (256 * 1024 - 2)),
        ("é\u2028\U0001f600\x00", "é\u2028\U0001f600\x00"),
        ((1, (2,)), [1, [2]]),
        (Point(x=1), {"x": 1}),
        ([Model(at=datetime(2024, 1, 1, tzinfo=UTC))], [{"at": "2024-01-01T00:00:00Z"}]),
        ({"a": {"b": []}}, {"a": {"b": []}}),
    ],
)
def test_what_json_can_hold_is_stored_as_it_is(drive: Drive, value: Any, stored: Any) -> None:
    driver = drive(one_stage(lambda task: value, aggregate=lambda job: None))

    job = driver.finish("one_stage", {"n": 1})

    task = only_task(driver, job)
    assert (task["status"], task["error"]) == ("completed", None)
    assert task["result"] == stored


class Empty(Params):
    pass


def declared(result: Any, value: Any) -> type[Controller[Any]]:
    def only(self: Any, task: TaskContext[Empty, Any]) -> Any:
        return value

    only.__annotations__["return"] = result
    decorated = stage("Only")(only)

    class Declared(BaseController[Empty]):
        job_type = "declared"
        only = decorated

    return Declared


@pytest.mark.parametrize(
    ("result", "value", "beginning"),
    [
        (int, "one", "what the task returned can't be stored as JSON: int was declared, and the value is not: "),
        (
            Model,
            {"at": 1},
            "what the task returned can't be stored as JSON: Model was declared, and the value is not: ",
        ),
        (
            str,
            None,
            (
                "what the task returned can't be stored as JSON: NoneType does not come back from JSON as str: "
                "the whole: input should be a valid string (got None)"
            ),
        ),
        (float, float("nan"), "what the task returned can't be stored as JSON: float "),
    ],
)
def test_a_result_that_is_not_of_the_declared_type_is_a_failure(
    drive: Drive, result: Any, value: Any, beginning: str
) -> None:
    driver = drive(declared(result, value))

    task = only_task(driver, driver.finish("declared"))

    assert (task["status"], task["error"]["type"]) == ("failed", "NotJson")
    assert task["error"]["message"].startswith(beginning)


@pytest.mark.parametrize(
    ("result", "value", "stored"),
    [
        (Decimal, Decimal("1.10"), "1.10"),
        (set[int], {3}, [3]),
        (Model | None, None, None),
        (dict[str, datetime], {"a": datetime(2024, 1, 1, tzinfo=UTC)}, {"a": "2024-01-01T00:00:00Z"}),
    ],
)
def test_a_declared_type_says_how_a_result_is_stored(drive: Drive, result: Any, value: Any, stored: Any) -> None:
    driver = drive(declared(result, value))

    task = only_task(driver, driver.finish("declared"))

    assert (task["status"], task["result"]) == ("completed", stored)


def test_a_task_may_be_async(drive: Drive) -> None:
    class Async(BaseController[Empty]):
        job_type = "async"

        @stage("Only")
        async def only(self, task: TaskContext[Empty, Any]) -> int:
            await asyncio.sleep(0)
            return 7

    driver = drive(Async)

    task = only_task(driver, driver.finish("async"))

    assert (task["status"], task["result"]) == ("completed", 7)


def test_an_async_task_that_raises_is_a_failure(drive: Drive) -> None:
    class Async(BaseController[Empty]):
        job_type = "async"

        @stage("Only")
        async def only(self, task: TaskContext[Empty, Any]) -> int:
            await asyncio.sleep(0)
            raise SystemExit(2)

    driver = drive(Async)

    task = only_task(driver, driver.finish("async"))

    assert (task["error"]["type"], task["error"]["message"]) == ("SystemExit", "sys.exit(2) was called")


def test_errors_as_long_as_they_may_be_never_outgrow_a_row(drive: Drive) -> None:
    kinds = [type(f"E{letter}" + "x" * 300, (Exception,), {}) for letter in "ABCDEF"]

    def run(task: TaskContext[Any, int]) -> int:
        raise kinds[task.index % 6](("\U0001f600", "\x01", '"\n')[task.index % 3] * 9_000)

    driver = drive(one_stage(run))

    job = driver.finish("one_stage", {"n": 120})

    assert (job["status"], job["stages"][0]["failed"], driver.errors) == ("failed", 120, [])
    task = driver.tasks(job["job_id"])[0]
    assert [len(task["error"][part]) for part in ("type", "message")] == [200, 4_000]
    assert 5_990 <= len(task["error"]["traceback"]) <= 6_000
    check_invariants(driver.store, job["job_id"])
