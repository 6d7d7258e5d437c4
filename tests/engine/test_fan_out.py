"""A fan-out's items become task rows of 100 at a time; an error in it fails the job and leaves no task behind."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from driver import EVERYTHING, Driver, ManualClock, new_store
from invariants import check_invariants
from jobkit.runtime import BaseController, JobContext, TaskContext, stage
from jobkit.runtime.errors import PayloadTooLarge
from jobkit.runtime.events import Action
from samples import Count, broken_items, one_stage

Drive = Callable[..., Driver]


class Box(BaseModel):
    """An item that can be counted while it lives."""

    number: int

    __hash__ = object.__hash__


def length(task: TaskContext[Count, Any]) -> int:
    return len(task.params)


def test_a_fan_out_that_raises_after_250_items_fails_the_job_and_no_task_was_sent(drive: Drive) -> None:
    driver = drive(one_stage(length, items=broken_items(250)))

    job = driver.finish("one_stage")

    assert (job["status"], job["result"], job["error"]["type"]) == ("failed", None, "LookupError")
    assert job["error"]["message"] == "planning stage 1 'Only' failed: the list ends early"
    assert job["error"]["traceback"].endswith("LookupError: the list ends early")
    assert [(s["status"], s["task_count"], s["completed"], s["failed"]) for s in job["stages"]] == [
        ("failed", None, 0, 0)
    ]
    orphans = [e.properties["status"] for e in driver.store.tables.query("tasks", EVERYTHING)]
    assert orphans == ["queued"] * 200
    assert driver.told(Action.CLAIMED, Action.SEALED) == []
    check_invariants(driver.store, job["job_id"])


def raising(error: BaseException) -> Callable[[int], Any]:
    def items(n: int) -> Any:
        raise error

    return items


@pytest.mark.parametrize(
    ("items", "error_type", "message"),
    [
        (
            lambda n: [0, {1, 2}],
            "NotJson",
            "the item of task 1 can't be stored as JSON: int was declared, and the value is not: ",
        ),
        (
            lambda n: ["a"],
            "NotJson",
            "the item of task 0 can't be stored as JSON: int was declared, and the value is not: ",
        ),
        (lambda n: None, "TypeError", "the fan-out 'items' must give items, not NoneType"),
        (lambda n: 5, "TypeError", "the fan-out 'items' must give items, not int"),
        (raising(SystemExit(4)), "SystemExit", "sys.exit(4) was called"),
        (raising(KeyboardInterrupt()), "KeyboardInterrupt", "KeyboardInterrupt()"),
    ],
)
def test_whatever_is_wrong_with_a_fan_out_is_the_error_of_the_job(
    drive: Drive, items: Callable[[int], Any], error_type: str, message: str
) -> None:
    driver = drive(one_stage(length, items=items))

    job = driver.finish("one_stage")

    assert (job["status"], job["error"]["type"], driver.errors) == ("failed", error_type, [])
    assert job["error"]["message"].startswith(f"planning stage 1 'Only' failed: {message}")
    check_invariants(driver.store, job["job_id"])


class Sizes(BaseController[dict[str, Any]]):
    """One task for each text of so many characters."""

    job_type = "sizes"

    @stage("Length")
    def length(self, task: TaskContext[dict[str, Any], str]) -> list[Any]:
        return [len(task.params), task.params[:1]]

    @length.fan_out
    def texts(self, job: JobContext[dict[str, Any]]) -> Iterator[str]:
        for size in job.params["sizes"]:
            yield job.params.get("char", "x") * size

    def aggregate(self, job: JobContext[dict[str, Any]]) -> list[Any]:
        return [result.value for result in job.results(self.length)]


def test_items_of_any_size_up_to_256_kib_reach_their_task(drive: Drive) -> None:
    driver = drive(Sizes)
    sizes = [0, 4_093, 4_094, 4_095, 5_000, 32_765, 32_767, 70_000, 256 * 1024 - 2]

    job = driver.finish("sizes", {"sizes": sizes})

    assert (job["status"], job["result"]) == ("completed", [[size, "x" if size else ""] for size in sizes])
    check_invariants(driver.store, job["job_id"])


def test_an_item_of_256_kib_in_letters_of_two_bytes_reaches_its_task(drive: Drive) -> None:
    driver = drive(Sizes)

    job = driver.finish("sizes", {"sizes": [128 * 1024 - 1], "char": "é"})

    assert (job["status"], job["result"]) == ("completed", [[131_071, "é"]])


def test_an_item_over_256_kib_fails_the_job_with_what_to_do(drive: Drive) -> None:
    driver = drive(Sizes)

    job = driver.finish("sizes", {"sizes": [1, 256 * 1024 - 1]})

    assert (job["status"], job["error"]["type"], job["error"]["message"]) == (
        "failed",
        "PayloadTooLarge",
        (
            "planning stage 1 'Length' failed: the item of task 1 takes 262,145 bytes as JSON, the limit is 262,144: "
            "store it in a blob (or a file) and return the reference"
        ),
    )


def test_a_shard_of_more_than_4_mib_is_written_in_parts(drive: Drive) -> None:
    driver = drive(Sizes)

    job = driver.finish("sizes", {"sizes": [120_000] * 101})

    assert (job["status"], job["result"]) == ("completed", [[120_000, "x"]] * 101)
    check_invariants(driver.store, job["job_id"])


def test_parameters_of_a_job_up_to_256_kib_are_kept_and_above_refused(drive: Drive) -> None:
    driver = drive(Sizes)

    job = driver.finish("sizes", {"sizes": [1], "char": "y" * 200_000})
    with pytest.raises(PayloadTooLarge) as refused:
        driver.submit("sizes", {"sizes": [2], "char": "y" * 300_000})

    assert job["result"] == [[200_000, "y"]]
    assert str(refused.value).startswith("the parameters takes 300,")


def test_a_stage_without_a_fan_out_has_one_task_without_an_item(drive: Drive) -> None:
    class Single(BaseController[Count]):
        job_type = "single"

        @stage("Only")
        def only(self, task: TaskContext[Count, Any]) -> Any:
            return [task.index, task.params, task.job.params.n]

    driver = drive(Single)

    job = driver.finish("single", {"n": 8})

    assert [(task["params"], task["result"]) for task in driver.tasks(job["job_id"])] == [(None, [0, None, 8])]


def test_an_item_may_be_none_and_is_not_taken_for_a_missing_one(drive: Drive) -> None:
    class Nones(BaseController[Count]):
        job_type = "nones"

        @stage("Only")
        def only(self, task: TaskContext[Count, Any]) -> Any:
            return [task.params]

        @only.fan_out
        def items(self, job: JobContext[Count]) -> list[Any]:
            return [None, 0, "", [], {}]

    driver = drive(Nones)

    job = driver.finish("nones")

    assert [task["result"] for task in driver.tasks(job["job_id"])] == [[None], [0], [""], [[]], [{}]]


def test_a_stage_that_reads_a_later_stage_fails_with_its_name(drive: Drive) -> None:
    class Backwards(BaseController[Count]):
        job_type = "backwards"

        @stage("One")
        def one(self, task: TaskContext[Count, Any]) -> int:
            return 1

        @one.fan_out
        def items(self, job: JobContext[Count]) -> Iterator[Any]:
            yield from job.results(self.two)

        @stage("Two")
        def two(self, task: TaskContext[Count, Any]) -> int:
            return 2

    driver = drive(Backwards)

    job = driver.finish("backwards")

    assert job["error"]["message"] == (
        f"planning stage 1 'One' failed: stage 2 'Two' of job {job['job_id']} has not ended: "
        "only earlier stages have results"
    )


def test_a_hundred_thousand_items_are_planned_lazily(clock: ManualClock, tmp_path: Path) -> None:
    alive: weakref.WeakSet[Box] = weakref.WeakSet()
    most = 0

    class Many(BaseController[Count]):
        job_type = "many"

        @stage("Many")
        def many(self, task: TaskContext[Count, Box]) -> int:
            return task.params.number

        @many.fan_out
        def boxes(self, job: JobContext[Count]) -> Iterator[Box]:
            nonlocal most
            for number in range(job.params.n):
                box = Box(number=number)
                alive.add(box)
                most = max(most, len(alive))
                yield box

    with new_store("sqlite", clock=clock, folder=tmp_path) as store:
        driver = Driver(store, [Many], clock=clock)
        job_id = driver.submit("many", {"n": 100_000})
        driver.run(deliveries=1)

        assert driver.job(job_id)["stages"][0]["task_count"] == 100_000
    assert most <= 3
