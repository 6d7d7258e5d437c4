"""The invariants of one job: a sound one breaks none at any moment; rows changed by hand are told, each by what it breaks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from driver import Driver
from jobkit.runtime import PermanentError, TaskContext
from jobkit.runtime.invariants import broken_invariants
from jobkit.runtime.repository import Repository
from jobkit.runtime.storage.ports import Entity, Span
from samples import Count, one_stage, two_stages

Drive = Callable[..., Driver]


def fail(task: TaskContext[Count, int]) -> int:
    raise PermanentError("no")


def broken(driver: Driver, job_id: str) -> list[str]:
    repository = Repository(driver.store.tables)
    return broken_invariants(repository, repository.get_chain(job_id))


def change(driver: Driver, table: str, partition: str, row: str, **changes: Any) -> None:
    entity = Entity(partition=partition, row=row, properties=changes)
    driver.store.tables.update(table, entity, etag=driver.store.tables.get(table, partition, row).etag)


def task_partition(driver: Driver, job_id: str, stage: int) -> str:
    start = f"{job_id}.{stage:02}."
    found = driver.store.tables.query("tasks", Span(start, start + "~"))
    return next(entity.partition for entity in found if ".t." in entity.partition)


def ended(drive: Drive) -> tuple[Driver, str]:
    driver = drive(two_stages())
    return driver, driver.finish("two_stages", {"n": 3})["job_id"]


def test_a_sound_job_breaks_none_from_its_submit_to_its_end(drive: Drive):
    driver = drive(two_stages())
    job_id = driver.submit("two_stages", {"n": 3})
    looks = [broken(driver, job_id)]
    while driver.run(deliveries=1):
        looks.append(broken(driver, job_id))

    assert driver.job(job_id)["status"] == "completed"
    assert looks == [[]] * 10  # its submit, 2 stages planned and 6 tasks, its completion


def test_a_job_that_fails_breaks_none_either(drive: Drive):
    driver = drive(one_stage(fail))
    job_id = driver.submit("one_stage", {"n": 2})
    looks = [broken(driver, job_id)]
    while driver.run(deliveries=1):
        looks.append(broken(driver, job_id))

    assert (driver.job(job_id)["status"], looks) == ("failed", [[]] * 5)


def test_an_ended_job_whose_row_was_changed(drive: Drive):
    driver, job_id = ended(drive)

    change(driver, "jobs", job_id, "job", status="failed")

    assert broken(driver, job_id) == ["the failed job has a result, error None"]


def test_a_stage_that_was_opened_again_by_hand(drive: Drive):
    driver, job_id = ended(drive)

    change(driver, "jobs", job_id, "stage-01", state="sealed")

    assert broken(driver, job_id) == [
        "the stages are ['sealed', 'closed']",
        "the job completed with 1 of 2 stages closed",
    ]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"status": "failed"}, "task {}-2-1 is failed with a result and error None"),
        ({"status": "processing"}, "stage 2 is closed, and 0 of its tasks are queued, 1 run"),
        ({"error_type": "ValueError"}, "task {}-2-1 is completed with a result and error ValueError"),
    ],
)
def test_a_task_that_was_changed_after_its_end(drive: Drive, changes: dict[str, Any], expected: str):
    driver, job_id = ended(drive)

    change(driver, "tasks", task_partition(driver, job_id, 2), f"{1:010}", **changes)

    failed = int(changes.get("status") == "failed")
    counts = f"stage 2 counts 3 completed and 0 failed tasks, its rows 2 and {failed}"
    assert broken(driver, job_id) == [expected.format(job_id[:16]), *([counts] if "status" in changes else [])]


def test_a_task_row_that_is_gone(drive: Drive):
    driver, job_id = ended(drive)
    place = task_partition(driver, job_id, 1)
    row = driver.store.tables.get("tasks", place, f"{1:010}")

    driver.store.tables.delete("tasks", place, row.row, etag=row.etag)

    assert broken(driver, job_id) == [
        "stage 1 has a row of task 2 where that of task 1 belongs",
        "stage 1 has 2 task rows for 3 tasks",
        "stage 1 counts 3 completed and 0 failed tasks, its rows 2 and 0",
    ]


def test_a_task_of_a_plan_that_was_not_sealed(drive: Drive):
    driver, job_id = ended(drive)
    properties = {"row_version": 1, "status": "completed", "attempt": 1, "round": 1}
    place = f"{job_id}.01.{'0' * 8}.t.{0:08}"

    driver.store.tables.insert("tasks", Entity(partition=place, row=f"{0:010}", properties=properties))

    assert broken(driver, job_id) == [
        f"stage 1: task 0 of plan {'0' * 8}, which was not sealed, was touched (completed)"
    ]


def test_a_running_job_at_a_stage_that_is_not_its_turn(drive: Drive):
    driver = drive(two_stages())
    job_id = driver.submit("two_stages", {"n": 3})

    change(driver, "jobs", job_id, "job", stage=2)

    assert broken(driver, job_id) == ["the job is at stage 2, and 0 of 2 stages are closed"]
