"""A job's id is the hash of what it is, never changes by accident, and is the same in every process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Annotated, Any

import pytest

from driver import Driver
from jobkit.runtime import BaseController, NotInId, Params, TaskContext, stage
from jobkit.runtime.controllers import HelloWorlds
from jobkit.runtime.errors import NotHashable
from jobkit.runtime.identity import canonical_identity
from samples import two_stages

Drive = Callable[..., Driver]


class Untyped(BaseController[dict[str, Any]]):
    job_type = "untyped"

    @stage("Only")
    def only(self, task: TaskContext[dict[str, Any], Any]) -> dict[str, Any]:
        return task.job.params


class Fields(Params):
    city: str = "Bergen"
    share: float = 0.5
    anything: Any = None
    tags: frozenset[str] = frozenset()
    note: Annotated[str, NotInId] = ""


class Typed(BaseController[Fields]):
    job_type = "typed"

    @stage("Only")
    def only(self, task: TaskContext[Fields, Any]) -> str:
        return task.job.params.note


def test_the_id_of_five_hello_worlds_is_pinned(drive: Drive) -> None:
    assert drive(HelloWorlds).submit("hello_worlds", {"n": 5}) == "e75cc5381775460982c9c7c7ef58ce9f"


def test_the_id_is_the_hash_of_this_canonical_json() -> None:
    assert canonical_identity(
        job_type="hello_worlds", version=1, params={"n": 5, "é": 1.0}, stages=None, source=None, run=1
    ) == ('{"hash":1,"job_type":"hello_worlds","params":{"n":5,"é":1},"run":1,"source":null,"stages":null,"version":1}')


def test_defaults_are_filled_in_before_the_id_is_made(drive: Drive) -> None:
    driver = drive(HelloWorlds)

    assert driver.submit("hello_worlds", {}) == driver.submit("hello_worlds", {"n": 5})


def test_the_order_of_parameters_does_not_matter(drive: Drive) -> None:
    driver = drive(Untyped)

    assert driver.submit("untyped", {"a": 1, "b": [1, 2]}) == driver.submit("untyped", {"b": [1, 2], "a": 1})


def test_a_field_not_in_the_id_makes_no_other_job_and_the_first_value_is_kept(drive: Drive) -> None:
    driver = drive(Typed)

    first = driver.finish("typed", {"note": "first"})
    second = driver.finish("typed", {"note": "second"})
    other = driver.finish("typed", {"note": "first", "city": "Oslo"})

    assert second == first
    assert driver.tasks(first["job_id"])[0]["result"] == "first"
    assert other["job_id"] != first["job_id"]


def test_another_version_of_the_controller_is_another_job(drive: Drive) -> None:
    class Newer(two_stages()):  # type: ignore[misc]
        job_type = "two_stages"
        version = 2

    driver = drive(two_stages())
    old = driver.finish("two_stages", {"n": 1})
    driver.replace(Newer)

    new = driver.finish("two_stages", {"n": 1})

    assert new["job_id"] != old["job_id"]
    assert [job["version"] for job in (old, new)] == [1, 2]


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"x": 2**53}, "9007199254740992 exceeds safe integer domain for JSON floats"),
        ({"x": -(2**53)}, "-9007199254740992 exceeds safe integer domain for JSON floats"),
        ({"x": float("nan")}, "params.x is nan"),
        ({"x": [1, {"y": float("-inf")}]}, "params.x[1].y is -inf"),
        ({"x": "\ud800"}, "params.x is text with a lone surrogate"),
        ({"x": b"\xff"}, "'utf-8' codec can't decode byte 0xff in position 0: invalid utf-8"),
        ({"x": object}, "Unable to serialize unknown type: <class 'type'>"),
    ],
)
def test_what_canonical_json_cannot_hold_is_refused_and_creates_nothing(
    drive: Drive, params: dict[str, Any], reason: str
) -> None:
    driver = drive(Untyped)
    before = driver.everything()

    with pytest.raises(NotHashable) as refused:
        driver.submit("untyped", params)

    assert str(refused.value) == f"the parameters of untyped can't be hashed to an id: {reason}"
    assert driver.everything() == before


@pytest.mark.parametrize("field", ["share", "anything"])
def test_a_nan_in_a_typed_field_is_refused_and_not_taken_for_null(drive: Drive, field: str) -> None:
    with pytest.raises(NotHashable) as refused:
        drive(Typed).submit("typed", {field: float("nan")})

    assert str(refused.value) == f"the parameters of typed can't be hashed to an id: params.{field} is nan"


def test_the_largest_safe_integer_is_accepted(drive: Drive) -> None:
    driver = drive(Untyped)

    job = driver.finish("untyped", {"x": 2**53 - 1, "y": 0.1})

    assert driver.tasks(job["job_id"])[0]["result"] == {"x": 9007199254740991, "y": 0.1}


def test_a_set_is_the_same_id_in_every_process() -> None:
    program = (
        "from jobkit.runtime.submission import prepare\n"
        "from jobkit.runtime import BaseController, Params, stage\n"
        "class P(Params):\n    tags: set[str]\n"
        "class C(BaseController[P]):\n"
        "    job_type = 'c'\n"
        "    @stage('S')\n"
        "    def s(self, task): return 1\n"
        "print(prepare(C, {'tags': list('abcdefgh')}, chosen=(), source_job=None, source_list=None,"
        " find_chain=None).params_json)\n"
    )

    printed = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }

    assert printed == {'{"tags":["a","b","c","d","e","f","g","h"]}\n'}
