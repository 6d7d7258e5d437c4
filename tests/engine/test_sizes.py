"""A job of n + n tasks completes with exactly those rows, one closing of each stage, and results in order."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from driver import EVERYTHING, Driver, ManualClock, new_store
from invariants import check_invariants
from jobkit.runtime.controllers import HelloWorlds
from jobkit.runtime.events import Action
from samples import one_stage, two_stages

Drive = Callable[..., Driver]


def task_rows(driver: Driver) -> int:
    return sum(".t." in entity.partition for entity in driver.store.tables.query("tasks", EVERYTHING, select=()))


def closings(driver: Driver) -> list[tuple[int | None, int | None]]:
    return [(event.stage, event.count) for event in driver.told(Action.CLOSED)]


@pytest.mark.parametrize("n", [0, 1, 5, 99, 100, 101, 1_000])
def test_n_tasks_a_stage_are_n_rows_one_closing_and_results_in_index_order(drive: Drive, n: int) -> None:
    driver = drive(two_stages())

    job = driver.finish("two_stages", {"n": n})

    assert job["status"] == "completed"
    assert task_rows(driver) == 2 * n
    assert closings(driver) == [(1, n), (2, n)]
    assert [task["result"] for task in driver.tasks(job["job_id"], 1)] == [{"square": i * i} for i in range(n)]
    assert [task["result"] for task in driver.tasks(job["job_id"], 2)] == [i * i + n for i in range(n)]
    assert job["result"]["truncated"] is (2 * n > 1_000)
    shown = n if 2 * n <= 1_000 else 100
    assert [result["value"] for result in job["result"]["stages"][1]["results"]] == [i * i + n for i in range(shown)]
    check_invariants(driver.store, job["job_id"])


def test_ten_thousand_tasks_a_stage_complete(clock: ManualClock, tmp_path: object) -> None:
    with new_store("memory", clock=clock, folder=tmp_path) as store:
        driver = Driver(store, [HelloWorlds], clock=clock)

        job = driver.finish("hello_worlds", {"n": 10_000})

        assert (job["status"], task_rows(driver), closings(driver)) == (
            "completed",
            20_000,
            [(1, 10_000), (2, 10_000)],
        )
        assert [stage["completed"] for stage in job["stages"]] == [10_000, 10_000]
        check_invariants(store, job["job_id"])


def test_markers_of_more_than_a_hundred_shards_are_a_tree_of_two_levels(clock: ManualClock, tmp_path: object) -> None:
    with new_store("memory", clock=clock, folder=tmp_path) as store:
        driver = Driver(
            store, [one_stage(lambda task: None, aggregate=lambda job: job.stages()[0].summary.completed)], clock=clock
        )

        job = driver.finish("one_stage", {"n": 10_101})

        markers = [
            e.partition.split(".")[3:] for e in store.tables.query("tasks", EVERYTHING) if ".t." not in e.partition
        ]
        assert [markers.count(["m1", "0001", f"{group:08}"]) for group in (0, 1)] == [100, 2]
        assert markers.count(["m2", "0001", "00000000"]) == 2
        assert len(markers) == 104
        assert (job["status"], job["result"], closings(driver)) == ("completed", 10_101, [(1, 10_101)])
        check_invariants(store, job["job_id"])


def test_the_document_of_two_worlds(drive: Drive) -> None:
    driver = drive(HelloWorlds)

    job = driver.finish("hello_worlds", {"n": 2})

    one, two = "f5a71d1cf0639113-1", "f5a71d1cf0639113-2"
    assert job == {
        "schema": 1,
        "job_id": "f5a71d1cf06391137ef6a07742a7387a",
        "job_type": "hello_worlds",
        "version": 1,
        "run": 1,
        "status": "completed",
        "stage": None,
        "params": {"n": 2},
        "stages": [
            {
                "number": 1,
                "name": "Hello Worlds",
                "status": "completed",
                "skipped": False,
                "task_count": 2,
                "completed": 2,
                "failed": 0,
                "started_at": "2024-02-29T12:00:00.001000Z",
                "ended_at": "2024-02-29T12:00:00.003000Z",
            },
            {
                "number": 2,
                "name": "Worlds Reply",
                "status": "completed",
                "skipped": False,
                "task_count": 2,
                "completed": 2,
                "failed": 0,
                "started_at": "2024-02-29T12:00:00.004000Z",
                "ended_at": "2024-02-29T12:00:00.006000Z",
            },
        ],
        "result": {
            "stages": [
                {
                    "number": 1,
                    "name": "Hello Worlds",
                    "completed": 2,
                    "failed": 0,
                    "results": [
                        {"task_id": f"{one}-0", "value": {"message": f"hello from {one}-0!"}},
                        {"task_id": f"{one}-1", "value": {"message": f"hello from {one}-1!"}},
                    ],
                },
                {
                    "number": 2,
                    "name": "Worlds Reply",
                    "completed": 2,
                    "failed": 0,
                    "results": [
                        {"task_id": f"{two}-0", "value": {"message": f"hello {one}-0 from {two}-0"}},
                        {"task_id": f"{two}-1", "value": {"message": f"hello {one}-1 from {two}-1"}},
                    ],
                },
            ],
            "truncated": False,
        },
        "error": None,
        "created_at": "2024-02-29T12:00:00.000000Z",
        "updated_at": "2024-02-29T12:00:00.007000Z",
    }
    assert driver.tasks(job["job_id"], 2) == [
        {
            "index": index,
            "status": "completed",
            "attempt": 1,
            "params": {"reply_to": f"{one}-{index}"},
            "result": {"message": f"hello {one}-{index} from {two}-{index}"},
            "error": None,
        }
        for index in (0, 1)
    ]
