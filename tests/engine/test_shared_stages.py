"""A stage that several controllers have: it runs in each of them and alone, with one of its own class as `self`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from driver import Driver
from invariants import check_invariants
from jobkit.runtime import BaseController, JobContext, Params, TaskContext, stage

Drive = Callable[..., Driver]


class Files(Params):
    n: int = 2


class Tiles(Files):
    zoom: int = 3


class Validate(BaseController[Files]):
    job_type = "validate"
    limit = 10

    def check(self, number: int) -> bool:
        return number < self.limit

    @stage("Validate")
    def validate(self, task: TaskContext[Files, int]) -> bool:
        return self.check(task.params)

    @validate.fan_out
    def numbers(self, job: JobContext[Files]) -> Iterator[int]:
        yield from range(9, 9 + job.params.n)


@stage("Report")
def report(self: Any, task: TaskContext[Any, None]) -> str:
    """A stage of no class: `self` is the controller that runs it."""
    return f"{type(self).__name__}, {task.job.params.n} files"


class Tile(BaseController[Tiles]):
    job_type = "tile"

    @stage("Cut")
    def cut(self, task: TaskContext[Tiles, bool]) -> str:
        return f"{task.params} at zoom {task.job.params.zoom}"

    @cut.fan_out
    def valid(self, job: JobContext[Tiles]) -> Iterator[bool]:
        for result in job.results(Validate.validate):
            yield result.value

    stages = (Validate.validate, cut, report)

    def aggregate(self, job: JobContext[Tiles]) -> list[Any]:
        run = {found.number for found in job.stages()}
        return [[r.value for r in job.results(stage)] for number, stage in enumerate(self.stages, 1) if number in run]


class Renamed(BaseController[Files]):
    """Takes a stage over by giving it a name here."""

    job_type = "renamed"
    inspect = Validate.validate


def test_a_shared_stage_runs_in_both_its_controllers(drive: Drive) -> None:
    driver = drive(Validate, Tile, Renamed)

    validated = driver.finish("validate", {"n": 2})
    tiled = driver.finish("tile", {"n": 2, "zoom": 4})
    renamed = driver.finish("renamed", {"n": 1})

    assert [task["result"] for task in driver.tasks(validated["job_id"])] == [True, False]
    assert (tiled["status"], tiled["result"]) == (
        "completed",
        [[True, False], ["True at zoom 4", "False at zoom 4"], ["Tile, 2 files"]],
    )
    assert [task["result"] for task in driver.tasks(renamed["job_id"])] == [True]
    for job in (validated, tiled, renamed):
        check_invariants(driver.store, job["job_id"])


@pytest.mark.parametrize("chosen", ["1", "Validate", "validate"])
def test_a_shared_stage_runs_alone(drive: Drive, chosen: str) -> None:
    driver = drive(Tile)

    job = driver.finish("tile", {"n": 2}, stages=[chosen])

    assert (job["status"], [s["name"] for s in job["stages"]]) == ("completed", ["Validate"])
    assert [task["result"] for task in driver.tasks(job["job_id"])] == [True, False]


def test_a_later_stage_alone_reads_a_shared_one_from_another_job(drive: Drive) -> None:
    driver = drive(Tile)
    first = driver.finish("tile", {"n": 2}, stages=["validate"])

    job = driver.finish("tile", {"n": 2}, stages=["cut"], source_job=first["job_id"])

    assert [task["result"] for task in driver.tasks(job["job_id"], 2)] == ["True at zoom 3", "False at zoom 3"]


def test_its_functions_get_one_of_their_own_class_made_once_for_each_job(drive: Drive) -> None:
    made: list[int] = []

    class Owner(BaseController[Files]):
        job_type = "owner"

        def __init__(self) -> None:
            made.append(1)

        @stage("Own")
        def own(self, task: TaskContext[Files, int]) -> str:
            return type(self).__name__

        @own.fan_out
        def numbers(self, job: JobContext[Files]) -> Iterator[int]:
            yield from range(job.params.n)

    class User(BaseController[Files]):
        job_type = "user"
        stages = (Owner.own,)

    driver = drive(User)

    job = driver.finish("user", {"n": 3})

    assert [task["result"] for task in driver.tasks(job["job_id"])] == ["Owner"] * 3
    assert made == [1]


def test_a_subclass_runs_the_stages_of_its_base_itself(drive: Drive) -> None:
    class Strict(Validate):
        job_type = "strict"
        limit = 0

    driver = drive(Strict)

    job = driver.finish("strict", {"n": 2})

    assert [task["result"] for task in driver.tasks(job["job_id"])] == [False, False]
