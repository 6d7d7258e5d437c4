"""Any stage, or a run of consecutive ones, is a job of its own, with earlier results from a job or a list."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from driver import EVERYTHING, Driver
from invariants import check_invariants
from jobkit.runtime import BaseController, JobContext, TaskContext, stage
from jobkit.runtime.controllers import HelloWorlds
from jobkit.runtime.errors import InvalidSelection, InvalidSource
from samples import Count, second_fails, two_stages

Drive = Callable[..., Driver]


class Three(BaseController[Count]):
    """Counts, doubles, and adds one."""

    job_type = "three"

    @stage("Count Up")
    def count(self, task: TaskContext[Count, int]) -> int:
        return task.params

    @count.fan_out
    def numbers(self, job: JobContext[Count]) -> Iterator[int]:
        yield from range(job.params.n)

    @stage("Double It!")
    def double(self, task: TaskContext[Count, int]) -> int:
        return 2 * task.params

    @double.fan_out
    def counted(self, job: JobContext[Count]) -> Iterator[int]:
        for result in job.results(self.count):
            yield result.value

    @stage("Add One")
    def add(self, task: TaskContext[Count, int]) -> int:
        return 1 + task.params

    @add.fan_out
    def doubled(self, job: JobContext[Count]) -> Iterator[int]:
        for result in job.results(self.double):
            yield result.value


def values(job: dict[str, Any]) -> dict[int, list[Any]]:
    return {stage["number"]: [one["value"] for one in stage["results"]] for stage in job["result"]["stages"]}


def test_a_stage_alone_reads_another_jobs_results_and_is_another_job(drive: Drive) -> None:
    driver = drive(HelloWorlds)
    whole = driver.finish("hello_worlds", {"n": 2})

    alone = driver.finish("hello_worlds", {"n": 2}, stages=["Worlds Reply"], source_job=whole["job_id"])

    assert alone["job_id"] == "b86fd010ba16527c9273e2f4ca3c0d0d"
    assert [stage["number"] for stage in alone["stages"]] == [2]
    first, own = whole["job_id"][:16], alone["job_id"][:16]
    assert values(alone) == {2: [{"message": f"hello {first}-1-{i} from {own}-2-{i}"} for i in range(2)]}
    rows = [e for e in driver.store.tables.query("tasks", EVERYTHING, select=()) if e.partition.startswith(own)]
    assert len(rows) == 2
    check_invariants(driver.store, alone["job_id"])


@pytest.mark.parametrize("chosen", ["2", "Double It!", "double_it", "double"])
def test_a_stage_is_chosen_by_number_name_slug_or_function(drive: Drive, chosen: str) -> None:
    driver = drive(Three)
    whole = driver.finish("three", {"n": 3})

    alone = driver.finish("three", {"n": 3}, stages=[chosen], source_job=whole["job_id"])

    assert alone["job_id"] == "6699638a407b344dead2ec6bc348aee4"
    assert values(alone) == {2: [0, 2, 4]}


def test_consecutive_stages_run_in_order_whatever_the_order_they_are_named_in(drive: Drive) -> None:
    driver = drive(Three)

    first_two = driver.finish("three", {"n": 2}, stages=["2", "1"])
    last_two = driver.finish("three", {"n": 2}, stages=["double_it", "Add One"], source_job=first_two["job_id"])

    assert values(first_two) == {1: [0, 1], 2: [0, 2]}
    assert values(last_two) == {2: [0, 2], 3: [1, 3]}
    for job in (first_two, last_two):
        check_invariants(driver.store, job["job_id"])


def test_all_stages_by_name_are_the_whole_job(drive: Drive) -> None:
    driver = drive(Three)

    assert driver.submit("three", {"n": 1}, stages=["1", "2", "3"]) == driver.submit("three", {"n": 1})


def test_a_list_of_values_is_a_source(drive: Drive) -> None:
    driver = drive(Three)

    job = driver.finish("three", {"n": 2}, stages=["3"], source_list=[10, 20, 30])

    assert values(job) == {3: [11, 21, 31]}
    check_invariants(driver.store, job["job_id"])


def test_a_list_of_printed_results_is_a_source_with_their_task_ids(drive: Drive) -> None:
    driver = drive(HelloWorlds)
    printed = [{"task_id": "mine-1", "value": {"message": "hi"}}, {"value": {"message": "ho"}}]

    job = driver.finish("hello_worlds", stages=["2"], source_list=printed)

    own = job["job_id"][:16]
    assert values(job) == {
        2: [{"message": f"hello mine-1 from {own}-2-0"}, {"message": f"hello item-1 from {own}-2-1"}]
    }


class Lengths(BaseController[dict[str, Any]]):
    job_type = "lengths"

    @stage("Text")
    def text(self, task: TaskContext[dict[str, Any], Any]) -> str:
        return ""

    @stage("Length")
    def length(self, task: TaskContext[dict[str, Any], str]) -> int:
        return len(task.params)

    @length.fan_out
    def texts(self, job: JobContext[dict[str, Any]]) -> Iterator[str]:
        for result in job.results(self.text):
            yield result.value


def test_a_list_of_more_than_one_row_is_kept_in_parts_and_read_back(drive: Drive) -> None:
    driver = drive(Lengths)

    job = driver.finish("lengths", {}, stages=["2"], source_list=["é" * n for n in (1, 100_000, 120_000, 0)])

    assert values(job) == {2: [1, 100_000, 120_000, 0]}
    parts = [entity.row for entity in driver.store.tables.query("jobs", job["job_id"], select=())]
    assert parts == ["earlier-0000", "earlier-0001", "job", "stage-02"]


def test_another_source_is_another_job(drive: Drive) -> None:
    driver = drive(Three)

    ids = {driver.submit("three", {"n": 2}, stages=["3"], source_list=listed) for listed in ([1], [2], [1, 2], [])}

    assert len(ids) == 4


def test_failed_tasks_of_the_source_are_left_out(drive: Drive) -> None:
    class Broken(Three):
        job_type = "three"

        @stage("Count Up")
        def count(self, task: TaskContext[Count, int]) -> int:
            return second_fails(task)

        @count.fan_out
        def numbers(self, job: JobContext[Count]) -> Iterator[int]:
            yield from range(job.params.n)

        @stage("Double It!")
        def double(self, task: TaskContext[Count, int]) -> int:
            return 2 * task.params

        @double.fan_out
        def counted(self, job: JobContext[Count]) -> Iterator[int]:
            for result in job.results(self.count):
                yield result.value

        stages = (count, double)

    driver = drive(Broken)
    failed = driver.finish("three", {"n": 3})

    rest = driver.finish("three", {"n": 3}, stages=["2"], source_job=failed["job_id"])

    assert (failed["status"], rest["status"], values(rest)) == ("failed", "completed", {2: [0, 40]})


@pytest.mark.parametrize(
    ("stages", "source", "message"),
    [
        (["3"], {"source_job": "0" * 32}, f"earlier results from {'0' * 32}: there is no such job"),
        (
            ["1"],
            {"source_list": [1]},
            "earlier results from a list: only a job that starts after stage 1 (--stage) reads earlier results",
        ),
        (
            [],
            {"source_list": [1]},
            "earlier results from a list: only a job that starts after stage 1 (--stage) reads earlier results",
        ),
        (["3"], {"source_list": {"a": 1}}, "earlier results from the list: it must be a JSON array of results"),
        (["3"], {"source_list": [1, float("nan")]}, "earlier results from the list: it[1].value is nan"),
    ],
)
def test_a_source_that_cannot_be_meant_is_refused_and_creates_nothing(
    drive: Drive, stages: list[str], source: dict[str, Any], message: str
) -> None:
    driver = drive(Three)
    before = driver.everything()

    with pytest.raises(InvalidSource) as refused:
        driver.submit("three", {"n": 1}, stages=stages, **source)

    assert str(refused.value) == message
    assert driver.everything() == before


def test_a_source_must_be_a_job_of_the_same_type_that_has_ended_the_stage_before(drive: Drive) -> None:
    driver = drive(Three, two_stages())
    other = driver.finish("two_stages", {"n": 1})["job_id"]
    first_only = driver.finish("three", {"n": 1}, stages=["1"])["job_id"]
    running = driver.submit("three", {"n": 2})
    refused: list[str] = []

    for source in (other, first_only, running):
        with pytest.raises(InvalidSource) as error:
            driver.submit("three", {"n": 1}, stages=["3"], source_job=source)
        refused.append(error.value.reason)

    assert refused == [
        "it is a job of two_stages, not of three",
        "it did not run stage 2",
        "its stage 2 'Double It!' has not ended",
    ]


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        (["1", "3"], "stages of three: [1, 3] do not follow one another"),
        (
            ["dubble_it"],
            (
                "stages of three: there is no 'dubble_it'. Did you mean 'double_it'? "
                "There are 1 'Count Up', 2 'Double It!', 3 'Add One'."
            ),
        ),
        (["4"], "stages of three: there is no '4'. There are 1 'Count Up', 2 'Double It!', 3 'Add One'."),
    ],
)
def test_stages_that_cannot_be_meant_are_refused(drive: Drive, chosen: list[str], message: str) -> None:
    with pytest.raises(InvalidSelection) as refused:
        drive(Three).submit("three", {"n": 1}, stages=chosen)

    assert str(refused.value) == message


class Reading(BaseController[Count]):
    """Reads the first stage in a task, in a generator within it, and by ways that its own code does not show."""

    job_type = "reading"

    @stage("First")
    def first(self, task: TaskContext[Count, None]) -> int:
        return 1

    @stage("In The Task")
    def in_task(self, task: TaskContext[Count, None]) -> int:
        def total() -> int:
            return sum(result.value for result in task.job.results(self.first))

        return total()

    @stage("To Skip", skip_if=lambda job: not any(job.results(Reading.first)))
    def to_skip(self, task: TaskContext[Count, None]) -> int:
        return 1

    @stage("Needs Nothing")
    def needs_nothing(self, task: TaskContext[Count, None]) -> str:
        return self.first.name

    @stage("Unseen")
    def unseen(self, task: TaskContext[Count, None]) -> int:
        return self.read(task.job)

    def read(self, job: JobContext[Count]) -> int:
        return sum(result.value for result in job.results(self.first))


NOT_CHOSEN = "which is not chosen: name the job that has them, or a list of them (--from JOB|FILE|-)"


@pytest.mark.parametrize(
    ("controller", "chosen", "what"),
    [
        (Three, ["3"], "stage 3 'Add One' reads the results of stage 2 'Double It!'"),
        (Three, ["2", "3"], "stage 2 'Double It!' reads the results of stage 1 'Count Up'"),
        (Reading, ["in_task"], "stage 2 'In The Task' reads the results of stage 1 'First'"),
        (Reading, ["to_skip"], "stage 3 'To Skip' reads the results of stage 1 'First'"),
    ],
)
def test_a_stage_whose_code_reads_an_earlier_one_is_refused_without_a_source(
    drive: Drive, controller: type[BaseController[Count]], chosen: list[str], what: str
) -> None:
    driver = drive(controller)

    with pytest.raises(InvalidSelection) as refused:
        driver.submit(controller.job_type, {"n": 1}, stages=chosen)

    assert str(refused.value) == f"stages of {controller.job_type}: {what}, {NOT_CHOSEN}"
    assert driver.everything()["jobs"] == []


def test_a_stage_that_reads_nothing_needs_no_source_and_one_that_reads_unseen_fails_with_what_to_name(
    drive: Drive,
) -> None:
    driver = drive(Reading)

    well = driver.finish("reading", {"n": 1}, stages=["needs_nothing"])
    unseen = driver.finish("reading", {"n": 1}, stages=["unseen"])
    empty = driver.finish("reading", {"n": 1}, stages=["in_task"], source_list=[])

    assert (values(well), values(empty)) == ({4: ["First"]}, {2: [0]})
    assert unseen["error"]["message"].startswith(
        "1 of 1 tasks of stage 5 'Unseen' failed: ValueError: this job does not run stage 1 'First'; "
        "name the job that has its results (--from)"
    )


def test_a_listed_value_that_does_not_fit_fails_the_job_with_the_reason(drive: Drive) -> None:
    driver = drive(Three)

    job = driver.finish("three", {"n": 1}, stages=["3"], source_list=[1, "x"])

    assert (job["status"], job["error"]["type"], job["error"]["message"]) == (
        "failed",
        "DoesNotFit",
        (
            "planning stage 3 'Add One' failed: value 1 of the list of earlier results does not fit int, which stage "
            "'Double It!' declares now: the whole: input should be a valid integer, unable to parse string as an "
            "integer (got 'x')"
        ),
    )
    check_invariants(driver.store, job["job_id"])
