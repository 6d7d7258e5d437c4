"""The same parameters are the same job: nothing is created twice, and nothing is lost on the way to its first message."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pydantic import AliasChoices, AliasPath, BaseModel, ConfigDict, Field

from clocks import ManualClock
from driver import Driver
from faulty import Call, Fault, Faulty, Kind
from invariants import check_invariants
from jobkit.runtime import BaseController, JobContext, Params, TaskContext, stage
from jobkit.runtime.controllers import HelloWorlds
from jobkit.runtime.errors import InvalidParams, UnknownJobType
from jobkit.runtime.events import Action
from samples import two_stages

Drive = Callable[..., Driver]
DriveFaulty = Callable[..., tuple[Driver, Faulty]]


def test_the_same_parameters_after_the_end_are_the_same_job_and_change_nothing(drive: Drive) -> None:
    driver = drive(HelloWorlds)
    job = driver.finish("hello_worlds", {"n": 3})
    before = driver.everything()

    again = driver.submitted("hello_worlds", {"n": 3})

    assert (again.created, again.chain.job.job_id) == (False, job["job_id"])
    assert driver.everything() == before
    assert driver.run() == 0


def test_the_same_parameters_while_it_runs_are_the_same_job_and_change_nothing(drive: Drive) -> None:
    driver = drive(HelloWorlds)
    job_id = driver.submit("hello_worlds", {"n": 3})
    driver.run(deliveries=2)
    before = driver.everything()

    again = driver.submitted("hello_worlds", {"n": 3})

    assert (again.created, again.chain.job.job_id) == (False, job_id)
    assert driver.everything() == before


def test_a_job_that_waits_for_its_planner_gets_one_more_message_and_no_row(drive: Drive) -> None:
    driver = drive(HelloWorlds)
    driver.submit("hello_worlds", {"n": 3})
    before = driver.everything()

    driver.submit("hello_worlds", {"n": 3})

    after = driver.everything()
    assert after.pop("queues") == {"jobs": 2, "tasks": 0, "jobs-poison": 0, "tasks-poison": 0}
    assert after == {table: rows for table, rows in before.items() if table != "queues"}


def test_again_makes_run_2_and_3_and_a_plain_submit_finds_the_newest(drive: Drive) -> None:
    driver = drive(HelloWorlds)
    first = driver.finish("hello_worlds", {"n": 1})

    second = driver.finish("hello_worlds", {"n": 1}, again=True)
    third = driver.finish("hello_worlds", {"n": 1}, again=True)
    plain = driver.finish("hello_worlds", {"n": 1})

    assert [job["run"] for job in (first, second, third)] == [1, 2, 3]
    assert plain == third
    assert len({job["job_id"] for job in (first, second, third)}) == 3
    assert [len(driver.told(action)) for action in (Action.SUBMITTED, Action.ENDED)] == [3, 3]
    for job in (first, second, third):
        assert (job["status"], job["params"]) == ("completed", {"n": 1})
        check_invariants(driver.store, job["job_id"])


def test_again_leaves_what_the_first_run_shows_as_it_was(drive: Drive, clock: ManualClock) -> None:
    driver = drive(HelloWorlds)
    first = driver.finish("hello_worlds", {"n": 1})

    clock.advance(60)
    driver.finish("hello_worlds", {"n": 1}, again=True)

    assert driver.job(first["job_id"]) == first


def test_again_of_a_job_that_was_never_there_is_its_first_run(drive: Drive) -> None:
    driver = drive(HelloWorlds)

    assert driver.finish("hello_worlds", {"n": 1}, again=True)["run"] == 1


def test_a_hundred_equal_submits_at_once_are_one_job_with_one_closing_a_stage(drive: Drive) -> None:
    driver = drive(HelloWorlds)

    with ThreadPoolExecutor(16) as pool:
        submitted = list(pool.map(lambda _: driver.service.submit("hello_worlds", {"n": 4}), range(100)))
    driver.run()

    assert [one.created for one in submitted].count(True) == 1
    (job_id,) = {one.chain.job.job_id for one in submitted}
    assert [(event.stage, event.count) for event in driver.told(Action.CLOSED)] == [(1, 4), (2, 4)]
    assert len(driver.told(Action.CLAIMED)) == 8
    assert {event.text.split(":")[0] for event in driver.told(Action.DROPPED)} <= {"plan"}  # no task was sent twice
    check_invariants(driver.store, job_id)


def at_first(verb: str, place: str) -> Callable[[Call], bool]:
    done: list[Call] = []

    def hits(call: Call) -> bool:
        if (call.verb, call.place) == (verb, place) and not done:
            done.append(call)
            return True
        return False

    return hits


def test_a_client_that_died_before_the_message_was_sent_is_healed_by_the_next_submit(
    drive_faulty: DriveFaulty,
) -> None:
    driver, faulty = drive_faulty(HelloWorlds, faults=(Fault(Kind.CRASH_BEFORE, at_first("send", "jobs")),))

    job = driver.finish("hello_worlds", {"n": 2})

    assert (job["status"], driver.crashes) == ("completed", 1)
    check_invariants(driver.store, job["job_id"], faulty.history)


def test_two_submits_in_one_microsecond_after_a_death_between_index_and_job_row_make_one_job(
    drive_faulty: DriveFaulty,
) -> None:
    driver, faulty = drive_faulty(HelloWorlds, faults=(Fault(Kind.CRASH_BEFORE, at_first("transact", "jobs")),))

    job = driver.finish("hello_worlds", {"n": 2})  # the clock stands still between the first submit and the second

    assert (job["status"], driver.crashes) == ("completed", 1)
    check_invariants(driver.store, job["job_id"], faulty.history, dead_submits=1)


def test_an_unknown_job_type_is_refused_with_the_nearest_name(drive: Drive) -> None:
    driver = drive(HelloWorlds)

    with pytest.raises(UnknownJobType) as refused:
        driver.submit("helo_worlds")

    assert str(refused.value) == (
        "no controller has the job type 'helo_worlds'. Did you mean 'hello_worlds'? See them with: jobkit controllers"
    )


def test_wrong_parameters_are_named_field_by_field_and_create_nothing(drive: Drive) -> None:
    driver = drive(HelloWorlds, two_stages())
    before = driver.everything()

    with pytest.raises(InvalidParams) as refused:
        driver.submit("hello_worlds", {"n": -1, "m": 2})

    assert refused.value.problems == [
        "n: input should be greater than or equal to 0 (got -1)",
        "m: extra inputs are not permitted",
    ]
    assert driver.everything() == before


class Corner(BaseModel):
    at_x: int = Field(alias="atX")


class Aliased(Params):
    model_config = ConfigDict(serialize_by_alias=True)

    tile_px: int = Field(512, alias="tilePx")
    crs: str = Field("4326", validation_alias=AliasChoices("srs", "epsg"))
    corner: Corner = Field(Corner(atX=0), validation_alias=AliasPath("box", "corner"))


class Cutting(BaseController[Aliased]):
    job_type = "cutting"

    @stage("Cut")
    def cut(self, task: TaskContext[Aliased, Corner]) -> Corner:
        return Corner(atX=task.params.at_x + task.job.params.tile_px)

    @cut.fan_out
    def corners(self, job: JobContext[Aliased]) -> list[Corner]:
        return [job.params.corner]

    @stage("Sum")
    def sum(self, task: TaskContext[Aliased, None]) -> int:
        return sum(result.value.at_x for result in task.job.results(self.cut))


@pytest.mark.parametrize(
    "given",
    [
        {"tilePx": 8, "epsg": "2056", "box": {"corner": {"atX": 1}}},
        {"tile_px": 8, "crs": "2056", "corner": {"at_x": 1}},
        Aliased(tilePx=8, srs="2056", box={"corner": {"atX": 1}}),
    ],
)
def test_parameters_items_and_results_may_have_aliases_and_are_stored_by_their_names(drive: Drive, given: Any) -> None:
    driver = drive(Cutting)

    job = driver.finish("cutting", given)

    assert job["params"] == {"tile_px": 8, "crs": "2056", "corner": {"at_x": 1}}
    assert [one["results"][0]["value"] for one in job["result"]["stages"]] == [{"at_x": 9}, 9]
    listed = driver.finish("cutting", given, stages=["2"], source_list=[{"atX": 4}, {"at_x": 5}])
    assert listed["result"]["stages"][0]["results"][0]["value"] == 9
    assert job["job_id"] == "0b28df10c4ac4ecdb91453fdf8ab6183"
