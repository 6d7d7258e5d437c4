"""Doctor on a store: poison messages, jobs that do not move, the rows of one job; on every store."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from driver import Crash, Driver
from faulty import Faulty
from jobkit.doctor import jobs
from jobkit.doctor.examination import worst
from jobkit.doctor.finding import Finding, State
from jobkit.doctor.jobs import check_active, check_job, check_poison
from jobkit.doctor.storage import Access, Opened, check_reachable, check_writable
from jobkit.runtime import TaskContext
from jobkit.runtime.processing import QUEUES
from jobkit.runtime.storage.ports import Entity
from samples import Count, one_stage, two_stages

Drive = Callable[..., Driver]
DriveFaulty = Callable[..., tuple[Driver, Faulty]]
MINUTES_S = 60.0


def access(driver: Driver) -> Access:
    @contextlib.contextmanager
    def opened() -> Iterator[Opened]:
        yield store(driver)

    return Access(name="here", hub="jobkit", open=opened, by="me@here")


def store(driver: Driver) -> Opened:
    return Opened(ports=driver.store, service=driver.service)


def told(found: Iterator[Finding]) -> list[tuple[str, str, str]]:
    findings = list(found)
    assert [finding for finding in findings if bool(finding.fix) is (finding.state is State.OK)] == []
    return [(finding.name, finding.state.value, finding.evidence) for finding in findings]


def active(driver: Driver, *, write: bool = True) -> list[tuple[str, str, str]]:
    return told(check_active(access(driver), store(driver), write=write))


def lose_messages(driver: Driver) -> None:
    for queue in QUEUES:
        for delivery in driver.store.queues.receive(queue, limit=32, visibility_s=30):
            driver.store.queues.delete(queue, delivery)


def test_a_store_is_asked_and_written_to_and_left_as_it_was(drive: Drive):
    driver = drive(two_stages())
    driver.finish("two_stages", {"n": 1})
    before = driver.everything()

    found = [*check_reachable(access(driver), store(driver)), *check_writable(store(driver))]

    assert told(iter(found)) == [
        ("reachable", "ok", "here: tables and queues answer; 0 messages wait in jobs"),
        ("writable", "ok", "a row was written, read back and deleted"),
    ]
    assert driver.everything() == before


def test_poison_messages_that_wait(drive: Drive):
    driver = drive(two_stages())
    looks = [told(check_poison(access(driver), store(driver)))]
    for queue in ("jobs-poison", "tasks-poison", "tasks-poison"):
        driver.store.queues.send(queue, "foreign")
    looks.append(told(check_poison(access(driver), store(driver))))

    assert looks == [
        [("poison messages", "ok", "none wait")],
        [("poison messages", "warning", "1 in jobs-poison, 2 in tasks-poison")],
    ]


def test_a_job_that_moves(drive: Drive):
    driver = drive(two_stages())
    looks = [active(driver)]
    driver.submit("two_stages", {"n": 3})
    looks += [active(driver), active(driver)]
    driver.clock.advance(11 * MINUTES_S)
    driver.run(deliveries=1)
    looks.append(active(driver))
    driver.run()
    looks.append(active(driver))

    unknown = ("jobs", "not checked", "1 active job: only a later look can tell whether they move")
    assert looks == [
        [("jobs", "ok", "none is active")],
        [unknown],
        [unknown],
        [("jobs", "ok", "1 active job, moving")],
        [("jobs", "ok", "none is active")],
    ]


def test_a_job_that_has_not_moved_for_ten_minutes_is_mended(drive: Drive):
    driver = drive(two_stages())
    job_id = driver.submit("two_stages", {"n": 3})
    lose_messages(driver)
    active(driver)
    driver.clock.advance(11 * MINUTES_S)

    found = list(check_active(access(driver), store(driver), write=True))

    why = "stage 1 'Square': nobody plans it, and nothing has moved since the last look"
    assert told(iter(found)) == [(f"job {job_id[:12]}", "error", f"two_stages, not planned: {why}")]
    assert found[0].fix == f"jobkit repair {job_id[:12]}"
    assert found[0].mend is not None
    assert found[0].mend() == "send its planning again"
    driver.run()
    assert driver.job(job_id)["status"] == "completed"
    audits = driver.repository.audits(job_id)
    assert [(audit.action, audit.by, audit.reason) for audit in audits] == [
        ("repair: not planned", "me@here", "jobkit doctor --fix")
    ]


def test_a_dry_run_writes_not_even_what_was_seen(drive: Drive):
    driver = drive(two_stages())
    driver.submit("two_stages", {"n": 3})
    before = driver.everything()

    active(driver, write=False)

    assert driver.everything() == before


@pytest.mark.parametrize("timeout", [None, timedelta(minutes=5)])
def test_a_task_whose_worker_is_gone(drive_faulty: DriveFaulty, timeout: timedelta | None):
    def run(task: TaskContext[Count, int]) -> int:
        faulty.dead = True
        raise Crash

    driver, faulty = drive_faulty(one_stage(run, timeout=timeout), batch=1)
    job_id = driver.submit("one_stage", {"n": 1})
    driver.run(deliveries=2)
    driver.clock.advance(1 * MINUTES_S)
    looks = [active(driver)]
    driver.clock.advance(11 * MINUTES_S)
    looks.append(active(driver))

    unknown = ("jobs", "not checked", "1 active job: only a later look can tell whether they move")
    in_silence = "1 active job with tasks that run in silence, in stages without a timeout"
    gone = (
        "one_stage, claimed by what is gone: stage 1 'Only': task 0 is running, without a sign of life for over 300 s"
    )
    expected = ("jobs", "not checked", in_silence) if timeout is None else (f"job {job_id[:12]}", "error", gone)
    assert looks == [[unknown], [expected]]


def test_jobs_beyond_what_is_looked_at_are_counted(drive: Drive, monkeypatch: pytest.MonkeyPatch):
    driver = drive(two_stages())
    for n in range(3):
        driver.submit("two_stages", {"n": n})
    monkeypatch.setattr(jobs, "MOST_JOBS", 1)

    assert [evidence for _, _, evidence in active(driver)] == [
        "2 more active jobs were not looked at",
        "1 active job: only a later look can tell whether they move",
    ]


def test_a_stage_too_large_for_a_look_in_passing(drive: Drive, monkeypatch: pytest.MonkeyPatch):
    driver = drive(two_stages())
    job_id = driver.submit("two_stages", {"n": 3})
    driver.run(deliveries=1)
    monkeypatch.setattr(jobs, "MOST_TASKS", 2)

    evidence = "two_stages: its stage has 3 tasks, too many to look at in passing"
    assert active(driver) == [(f"job {job_id[:12]}", "not checked", evidence)]


def test_a_damaged_row_is_told_and_the_other_jobs_looked_at(drive: Drive):
    driver = drive(two_stages())
    damaged, _ = sorted(driver.submit("two_stages", {"n": n}) for n in (1, 2))
    row = driver.store.tables.get("jobs", damaged, "job")
    driver.store.tables.update(
        "jobs", Entity(partition=damaged, row="job", properties={"status": "lost"}), etag=row.etag
    )

    found = active(driver)

    assert [(name, state) for name, state, _ in found] == [
        (f"job {damaged[:12]}", "error"),
        ("jobs", "not checked"),
    ]


@pytest.mark.parametrize("state", ["sound", "broken", "running"])
def test_one_job(drive: Drive, state: str):
    driver = drive(two_stages())
    job_id = driver.submit("two_stages", {"n": 3})
    if state != "running":
        driver.run()
    if state == "broken":
        row = driver.store.tables.get("jobs", job_id, "stage-02")
        entity = Entity(partition=job_id, row="stage-02", properties={"state": "sealed"})
        driver.store.tables.update("jobs", entity, etag=row.etag)

    found = list(check_job(job_id, access(driver), store(driver), write=True))

    name = f"job {job_id[:12]}"
    expected: dict[str, tuple[list[Any], int]] = {
        "sound": ([(name, "ok", "two_stages, completed: 2 stages and 6 tasks are as they must be")], 0),
        "broken": (
            [
                (name, "error", "the stages are ['closed', 'sealed']"),
                (name, "error", "the job completed with 1 of 2 stages closed"),
            ],
            1,
        ),
        "running": (
            [
                (name, "ok", "two_stages, queued: 2 stages and 0 tasks are as they must be"),
                (
                    name,
                    "not checked",
                    "whether it moves, and what is final only when it has ended (it is queued)",
                ),
            ],
            0,
        ),
    }
    assert (told(iter(found)), worst(found)) == expected[state]
