"""`on_complete` is called once a job has ended, at least once, and can't keep it from being over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from driver import Driver
from invariants import check_invariants
from jobkit.runtime.errors import HookFailed
from jobkit.runtime.events import Action
from samples import one_stage, second_fails

Drive = Callable[..., Driver]


def index(task: Any) -> int:
    return int(task.index)


def test_it_is_called_once_with_completed(drive: Drive) -> None:
    heard: list[str] = []

    driver = drive(one_stage(index, on_hook=heard.append))
    driver.finish("one_stage", {"n": 3})

    assert heard == ["completed"]


def test_it_is_called_once_with_failed(drive: Drive) -> None:
    heard: list[str] = []

    driver = drive(one_stage(second_fails, on_hook=heard.append))
    driver.finish("one_stage", {"n": 3})

    assert heard == ["failed"]


def test_it_is_called_when_the_fan_out_or_aggregate_failed_the_job(drive: Drive) -> None:
    heard: list[str] = []

    drive(one_stage(index, items=lambda n: 1 // 0, on_hook=heard.append)).finish("one_stage", {"n": 1})
    drive(one_stage(index, aggregate=lambda job: 1 // 0, on_hook=heard.append)).finish("one_stage", {"n": 2})

    assert "".join(sorted(set(heard))) == "failed"
    assert len(heard) >= 2


def test_one_that_raises_once_is_called_again(drive: Drive) -> None:
    heard: list[str] = []

    def hook(status: str) -> None:
        heard.append(status)
        if len(heard) == 1:
            raise OSError("no route")

    driver = drive(one_stage(index, on_hook=hook))

    job = driver.finish("one_stage", {"n": 1})

    assert (job["status"], heard) == ("completed", ["completed", "completed"])
    assert [str(error) for error in driver.errors] == ["on_complete of one_stage raised OSError: no route"]
    check_invariants(driver.store, job["job_id"])


def test_one_that_always_raises_ends_in_the_poison_queue_and_the_job_is_over(drive: Drive) -> None:
    heard: list[str] = []

    def hook(status: str) -> None:
        heard.append(status)
        raise SystemExit(9)

    driver = drive(one_stage(index, on_hook=hook))

    job = driver.finish("one_stage", {"n": 1})

    assert (job["status"], job["error"], heard) == ("completed", None, ["completed"] * 5)
    assert [type(error) for error in driver.errors] == [HookFailed] * 5
    assert [event.text for event in driver.told(Action.POISONED)] == ["complete message from jobs"]
    check_invariants(driver.store, job["job_id"])  # no message, and no row among the active jobs
