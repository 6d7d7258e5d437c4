"""A caretaker sets going what does not move, and deletes what ended long ago, job by job, whatever is wrong with one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from driver import Driver
from jobkit.runtime.caretaking import Care, Caretaker
from jobkit.runtime.model import Owner
from jobkit.runtime.processing import QUEUES
from jobkit.runtime.rows import JOB_ROW, JOBS
from jobkit.runtime.storage.ports import Entity
from samples import two_stages

Drive = Callable[..., Driver]
MONTH = timedelta(days=30)


def lose_messages(driver: Driver) -> None:
    for queue in QUEUES:
        for delivery in driver.store.queues.receive(queue, limit=32, visibility_s=30):
            driver.store.queues.delete(queue, delivery)


def care_for(driver: Driver, *, retention: timedelta | None = None, most_s: float = 180) -> Care:
    driver.clock.advance(300)
    caretaker = Caretaker(driver.service, by="the repair timer")
    return caretaker.look_after(retention=retention, most=timedelta(seconds=most_s))


def done(care: Care) -> tuple[int, list[str], int, int, bool]:
    return care.looked_at, [name for _, name in care.mended], care.purged, care.purged_rows, care.is_complete


def test_jobs_that_lost_their_messages_are_set_going_by_the_second_look(drive: Drive):
    driver = drive(two_stages())
    jobs = [driver.submit("two_stages", {"n": n}) for n in (1, 2)]
    lose_messages(driver)

    first, second = care_for(driver), care_for(driver)
    driver.run()
    third = care_for(driver)

    assert (done(first), done(second)) == ((2, [], 0, 0, True), (2, ["not planned", "not planned"], 0, 0, True))
    assert [driver.job(job_id)["status"] for job_id in jobs] == ["completed", "completed"]
    assert done(third) == (0, [], 0, 0, True)
    [audit] = driver.repository.audits(jobs[0])
    assert (audit.action, audit.by, audit.reason) == ("repair: not planned", "the repair timer", "it did not move")


def test_a_job_whose_row_is_damaged_costs_the_others_nothing(drive: Drive):
    driver = drive(two_stages())
    jobs = [driver.submit("two_stages", {"n": n}) for n in (1, 2, 3)]
    lose_messages(driver)
    row = driver.store.tables.get(JOBS, jobs[1], JOB_ROW)
    driver.store.tables.update(JOBS, Entity(partition=jobs[1], row=JOB_ROW, properties={"stage": 9}), etag=row.etag)

    care_for(driver)
    care = care_for(driver)

    assert done(care) == (2, ["not planned", "not planned"], 0, 0, True)
    [text] = care.damaged
    assert "it is at stage 9 of (1, 2)" in text


def test_what_waits_behind_others_is_not_sent_again(drive: Drive):
    driver = drive(two_stages())
    driver.submit("two_stages", {"n": 20})
    driver.run(deliveries=1)
    driver.submit("two_stages", {"n": 21})

    looks = [done(care_for(driver)) for _ in range(4)]  # and nobody works

    assert looks == [(2, [], 0, 0, True)] * 4
    assert driver.lengths() == {"jobs": 1, "tasks": 20, "jobs-poison": 0, "tasks-poison": 0}


def test_what_was_sent_again_is_not_sent_once_more_while_it_waits(drive: Drive):
    driver = drive(two_stages())
    job_id = driver.submit("two_stages", {"n": 20})
    driver.run(deliveries=1)
    lose_messages(driver)

    mended = [[name for _, name in care_for(driver).mended] for _ in range(6)]
    waiting = driver.lengths()["tasks"]
    driver.run()

    assert (mended, waiting) == ([[], ["sent, but lost"], [], [], [], []], 20)
    assert driver.job(job_id)["status"] == "completed"


def test_a_job_that_stands_still_keeps_no_other_from_being_looked_at(drive: Drive):
    driver = drive(two_stages())
    still = driver.submit("two_stages", {"n": 1})
    driver.run(deliveries=1)
    held = driver.store.queues.receive("tasks", limit=1, visibility_s=1e5)  # by an instance that takes long
    assert len(held) == 1
    stage = driver.repository.get_chain(still).stages[0]
    [task] = driver.repository.all_tasks(stage)
    owner = Owner(key="key", message_id="message", delivery=1)
    driver.repository.claim(task.ref, task.etag, owner, "worker", driver.clock.now())
    care_for(driver)
    for n in (2, 3):
        driver.submit("two_stages", {"n": n})
    lose_messages(driver)

    def one_look() -> list[str]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(driver.clock, "now", times(driver))
            return [name for _, name in care_for(driver, most_s=2).mended]

    mended = [one_look() for _ in range(6)]

    assert sorted(name for names in mended for name in names) == ["not planned", "not planned"]


def times(driver: Driver) -> Callable[[], datetime]:
    """Return a `now` by which each look takes longer than a caretaker has for all."""
    now = driver.clock.now

    def later() -> datetime:
        driver.clock.advance(1)
        return now()

    return later


def change(driver: Driver, job_id: str, **properties: Any) -> None:
    row = driver.store.tables.get(JOBS, job_id, JOB_ROW)
    driver.store.tables.update(JOBS, Entity(partition=job_id, row=JOB_ROW, properties=properties), etag=row.etag)


def test_a_row_of_a_newer_jobkit_costs_the_other_jobs_nothing_either(drive: Drive):
    driver = drive(two_stages())
    jobs = [driver.submit("two_stages", {"n": n}) for n in (1, 2)]
    lose_messages(driver)
    change(driver, jobs[0], row_version=2)

    care_for(driver)
    care = care_for(driver)

    assert done(care) == (1, ["not planned"], 0, 0, True)
    [text] = care.damaged
    assert "it has schema version 2, this jobkit knows 1 at most" in text


def test_a_damaged_job_that_ended_long_ago_is_told_and_the_others_are_deleted(drive: Drive):
    driver = drive(two_stages())
    jobs = [driver.finish("two_stages", {"n": n})["job_id"] for n in (1, 2, 3)]
    driver.clock.advance(MONTH.total_seconds())
    change(driver, jobs[1], stage=9)

    care = care_for(driver, retention=MONTH)

    assert (care.purged, [entry.job_id for entry in driver.repository.index.recent()]) == (2, [jobs[1]])
    [text] = care.damaged
    assert "it is at stage 9 of (1, 2)" in text


def test_nothing_is_deleted_while_it_is_not_known_what_an_active_job_reads(drive: Drive):
    driver = drive(two_stages())
    driver.finish("two_stages", {"n": 1})
    driver.clock.advance(MONTH.total_seconds())
    change(driver, driver.submit("two_stages", {"n": 2}), stage=9)

    care = care_for(driver, retention=MONTH)

    assert (care.purged, len(list(driver.repository.index.recent()))) == (0, 2)
    assert [("it is damaged" in text, text.startswith("nothing is purged: ")) for text in care.damaged] == [
        (True, False),
        (True, True),
    ]


def test_what_ended_long_ago_is_deleted(drive: Drive):
    driver = drive(two_stages())
    for n in (1, 2):
        driver.finish("two_stages", {"n": n})
    driver.clock.advance(MONTH.total_seconds())
    active = driver.submit("two_stages", {"n": 3})

    kept, purged = care_for(driver), care_for(driver, retention=MONTH)

    assert (done(kept), done(purged)) == ((1, [], 0, 0, True), (1, [], 2, 2 + 12, True))
    driver.run()
    assert driver.job(active)["status"] == "completed"
    assert [entry.job_id for entry in driver.repository.index.recent()] == [active]


def test_when_the_time_is_up_the_next_one_goes_on(drive: Drive):
    driver = drive(two_stages())
    for n in (1, 2):
        driver.finish("two_stages", {"n": n})
    driver.submit("two_stages", {"n": 3})

    none, first = care_for(driver, most_s=0), care_for(driver)
    driver.run()
    driver.clock.advance(MONTH.total_seconds())
    begun = care_for(driver, retention=MONTH, most_s=0)
    rest = care_for(driver, retention=MONTH)

    assert (done(none), done(first)) == ((0, [], 0, 0, False), (1, [], 0, 0, True))
    assert (done(begun)[2:], done(rest)[2:]) == ((0, 2 + 4, False), (3, 3 + 12 + 3, True))
    assert driver.everything() == {"jobs": [], "tasks": [], "index": [], "queues": dict.fromkeys(driver.lengths(), 0)}


def test_rows_among_the_active_ones_of_jobs_that_are_not_there_go_after_an_hour(drive: Drive):
    driver = drive(two_stages())
    job = driver.repository.get_chain(driver.submit("two_stages", {"n": 1})).job
    driver.repository.index.add(replace(job, epoch="a submit that died"), recent=False)
    driver.repository.index.add(replace(job, job_id="0" * 32), recent=False)

    before = care_for(driver)
    listed = len(list(driver.repository.index.active()))
    driver.clock.advance(3_600)
    care_for(driver)

    assert (before.looked_at, listed, [entry.epoch for entry in driver.repository.index.active()]) == (
        1,
        3,
        [job.epoch],
    )


def test_a_round_that_nobody_has_begun_is_listed_for_another_hour(drive: Drive):
    driver = drive(two_stages())
    job_id = driver.finish("two_stages", {"n": 1})["job_id"]
    job = driver.repository.get_chain(job_id).job
    driver.repository.index.add(replace(job, round=2), recent=False)  # and its operator died

    listed: list[int] = []
    for _ in range(14):
        care_for(driver)
        listed.append(len(list(driver.repository.index.active())))

    assert listed == [1] * 13 + [0]


def test_a_job_that_is_listed_for_two_rounds_is_looked_at_once(drive: Drive):
    driver = drive(two_stages())
    job_id = driver.submit("two_stages", {"n": 1})
    lose_messages(driver)
    job = driver.repository.get_chain(job_id).job
    driver.repository.index.add(replace(job, round=0), recent=False)

    assert done(care_for(driver)) == (1, [], 0, 0, True)
