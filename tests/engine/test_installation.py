"""An installation at a glance: what is running, ended, waiting and wrong, and no more rows than it takes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from driver import Driver, ManualClock
from jobkit.runtime.concerns import find_concerns
from jobkit.runtime.inspection import Inspection
from jobkit.runtime.installation import Glance
from jobkit.runtime.installation_documents import installation_document
from jobkit.runtime.operator import Operator
from jobkit.runtime.outbox import one_after_another
from jobkit.runtime.overview import Concern, Installation
from jobkit.runtime.storage.ports import Delivery, Entity, Mode
from samples import one_stage, second_fails, two_stages

Drive = Callable[..., Driver]


def look(driver: Driver, *, living: int | None = None) -> Installation:
    glance = Glance(driver.repository, driver.store.queues, each=one_after_another)
    return glance.read(driver.clock.now(), living=living)


def worries(driver: Driver, *, living: int | None = None) -> list[Concern]:
    def diagnose(job_id: str) -> Any:
        living_now = None if living is None else lambda: living
        return Inspection(driver.service, driver.store.queues, job_id, living=living_now).diagnose()

    return list(find_concerns(look(driver, living=living), diagnose=diagnose, store=""))


def lose(driver: Driver, queue: str) -> Delivery:
    (message,) = driver.store.queues.receive(queue, limit=1, visibility_s=1)
    driver.store.queues.delete(queue, message)
    return message


@pytest.fixture
def driver(drive: Drive) -> Driver:
    return drive(one_stage(second_fails), two_stages())


def test_nothing_is_there(driver: Driver):
    found = look(driver)

    assert (found.active, found.active_count, found.counted_all, found.ended) == ((), 0, True, ())
    assert [(queue.name, queue.messages) for queue in found.queues] == [
        ("jobs", 0),
        ("tasks", 0),
        ("jobs-poison", 0),
        ("tasks-poison", 0),
    ]
    assert (dict(found.workers), found.throughput.ended, worries(driver)) == ({}, 0, [])


def test_a_running_job_has_its_counts_its_pace_and_who_works_on_it(driver: Driver):
    job_id = driver.submit("two_stages", {"n": 350})
    driver.run(deliveries=1)  # plans
    start = driver.clock.now()
    for _ in range(11):
        driver.run(deliveries=20)
        driver.clock.advance(2.0)

    (active,) = look(driver).active

    assert (active.chain.job.job_id, active.stage and active.stage.name) == (job_id, "Square")
    assert active.pulse is not None
    count = active.pulse.count
    assert (count.summary.completed, count.summary.failed, count.in_flight, count.unseen) == (220, 0, 0, 0)
    assert list(count.shards) == [0, 1]
    assert sum(ends.count for ends in active.pulse.ends) == 220
    assert active.moved_at == max(ends.end for ends in active.pulse.ends)
    assert list(active.pulse.workers) == ["worker-1"]
    elapsed_s = (driver.clock.now() - start).total_seconds()
    assert active.left_s(driver.clock.now()) == pytest.approx(130 * elapsed_s / 220, rel=0.05)


def test_throughput_counts_what_ended_in_the_last_five_minutes_and_nothing_twice(driver: Driver, clock: ManualClock):
    driver.finish("two_stages", {"n": 30})
    clock.advance(400)
    driver.finish("two_stages", {"n": 120})
    driver.submit("two_stages", {"n": 250})
    clock.advance(60)
    driver.run(deliveries=131)

    through = look(driver).throughput

    assert through.ended == pytest.approx(2 * 120 + 130)
    assert [round(count) for count in through.counts[-7:]] == [240, 0, 0, 0, 0, 0, 130]
    assert through.peak_a_second == pytest.approx(24.0)


def test_a_stage_that_stands_still_shows_no_throughput(driver: Driver, clock: ManualClock):
    driver.submit("two_stages", {"n": 450})
    driver.run(deliveries=321)
    clock.advance(3_600)

    found = look(driver)

    (active,) = found.active
    assert (found.throughput.ended, active.left_s(found.at)) == (0, None)
    assert active.pulse is not None
    assert active.pulse.count.summary.ended == 320


def test_of_many_shards_a_few_tasks_tell_when_they_ended(drive: Drive, clock: ManualClock):
    driver = drive(one_stage(lambda task: task.index, batch=100), batch=1)
    driver.submit("one_stage", {"n": 1_000})
    driver.run(deliveries=1)
    for _ in range(8):
        clock.advance(25)
        driver.run(deliveries=1)

    (active,) = look(driver).active

    assert active.pulse is not None
    assert [ends.count for ends in active.pulse.ends] == [200, 400, 100, 100]  # told by the shards 7, 5, 1 and 0
    assert look(driver).throughput.ended == pytest.approx(800)
    assert look(driver).throughput.peak_a_second == pytest.approx(4.0, rel=0.02)
    assert active.left_s(clock.now()) == pytest.approx(50, rel=0.02)


def test_jobs_that_ended_last_come_first_and_at_most_ten_are_shown(driver: Driver, clock: ManualClock):
    ids: list[str] = []
    for n in range(1, 13):
        clock.advance(60)
        ids.append(driver.finish("one_stage", {"n": n})["job_id"])

    found = look(driver)

    assert [chain.job.job_id for chain in found.ended] == ids[:1:-1]
    assert [chain.job.status.value for chain in found.ended][-1] == "failed"
    assert (found.looked_at, found.active_count) == (12, 0)
    assert list(found.workers) == ["worker-1"]


def test_a_job_that_has_ended_is_not_active_while_it_is_still_listed_so(driver: Driver):
    driver.submit("one_stage", {"n": 2})
    driver.run(deliveries=3)  # plans, runs both: the stage has failed the job, its completion waits

    found = look(driver)

    assert (found.active_count, found.active, len(found.ended)) == (0, (), 1)
    assert [queue.messages for queue in found.queues] == [1, 0, 0, 0]


def test_messages_that_wait_where_nobody_works_are_a_concern_after_a_minute(driver: Driver, clock: ManualClock):
    driver.submit("two_stages", {"n": 3})
    clock.advance(59)
    early = worries(driver, living=0)
    clock.advance(1)
    since = clock.now() - timedelta(seconds=60)

    assert early == []
    assert worries(driver, living=1) == []
    assert worries(driver, living=0) == [
        Concern(
            name="no worker",
            text="1 message waits and no process works on this store",
            since=since,
            command="jobkit worker",
        )
    ]
    assert [each.text for each in worries(driver, living=None)] == [
        "1 message waits and no row that was read shows an instance at work: does the Function App run?"
    ]


def test_an_instance_that_was_seen_in_the_last_minute_is_one_at_work(driver: Driver, clock: ManualClock):
    driver.submit("two_stages", {"n": 40})
    clock.advance(90)
    driver.run(deliveries=1)
    assert [each.name for each in worries(driver)] == []  # its planning has just moved; no message is older
    clock.advance(61)
    driver.run(deliveries=5)

    assert [each.name for each in worries(driver)] == []
    clock.advance(61)
    assert [each.name for each in worries(driver)] == ["no worker"]


def test_a_job_whose_message_is_lost_is_diagnosed_with_the_command_that_mends_it(driver: Driver, clock: ManualClock):
    job_id = driver.submit("two_stages", {"n": 3})
    since = clock.now()
    lose(driver, "jobs")
    clock.advance(29)
    early = worries(driver, living=1)
    clock.advance(1)

    assert early == []
    (worry,) = worries(driver, living=1)
    assert (worry.name, worry.since, worry.command) == ("lost message", since, f"jobkit repair {job_id[:12]} --force")
    assert worry.text.startswith(f"job {job_id[:12]} two_stages: ")


def test_of_many_still_jobs_the_stillest_are_diagnosed_and_the_others_counted(driver: Driver, clock: ManualClock):
    for n in range(1, 6):
        driver.submit("two_stages", {"n": n})
        lose(driver, "jobs")
        clock.advance(1)
    clock.advance(600)

    found = worries(driver, living=1)

    assert [each.name for each in found] == ["lost message", "lost message", "lost message", "still"]
    assert (found[3].text, found[3].command) == (
        "2 more jobs show no sign of life",
        "jobkit inspect jobs --status processing --status queued --sort updated --reverse",
    )


def test_poison_is_a_concern_when_it_was_kept_and_when_nobody_takes_it(driver: Driver, clock: ManualClock):
    driver.store.queues.send("tasks-poison", "hello")
    early = worries(driver, living=1)
    clock.advance(60)
    waiting = worries(driver, living=1)
    driver.run()
    kept = worries(driver, living=1)

    assert early == []
    assert [(each.name, each.text, each.command) for each in (*waiting, *kept)] == [
        ("poison", "1 message waits in queue tasks-poison", "jobkit inspect poison"),
        ("poison", "1 message could not be understood and was kept", "jobkit inspect poison"),
    ]
    assert look(driver).kept_poison == 1


def test_a_damaged_row_is_told_and_hides_no_other_job(driver: Driver):
    good, bad = driver.submit("two_stages", {"n": 1}), driver.submit("two_stages", {"n": 2})
    tables = driver.store.tables
    row = tables.get("jobs", bad, "job")
    tables.update(
        "jobs", Entity(partition=bad, row="job", properties={"status": "odd"}), etag=row.etag, mode=Mode.MERGE
    )

    found = look(driver)

    assert [active.chain.job.job_id for active in found.active] == [good]
    reason = f"store row {bad} / job: it is damaged: 'odd' is not a valid Status"
    assert [(each.name, each.text, each.command) for each in worries(driver)] == [
        ("unread", f"job {bad[:12]} two_stages can't be read: {reason}", f"jobkit doctor --job {bad[:12]}")
    ]
    assert [(job.job_id, str(job.error)) for job in found.unread] == [(bad, reason)]


def test_of_many_jobs_that_can_not_be_read_some_are_named_and_the_others_counted(driver: Driver):
    jobs = [driver.submit("two_stages", {"n": n}) for n in range(7)]
    tables = driver.store.tables
    for job in jobs:
        row = tables.get("jobs", job, "job")
        tables.update("jobs", Entity(partition=job, row="job", properties={"params": "{"}), etag=row.etag)

    document = installation_document(look(driver), told := worries(driver))

    assert [each.text[:17] for each in told[:5]] == [f"job {job[:12]} " for job in sorted(jobs)[:5]]
    assert [(each.text, each.command) for each in told[5:]] == [("2 more jobs can't be read", "jobkit inspect jobs")]
    assert (document["active"]["count"], document["active"]["jobs"]) == (7, [])
    assert [(job["job_id"], job["error"], job["job_type"]) for job in document["unread"]] == [
        (job, "RowDamaged", "two_stages") for job in sorted(jobs)
    ]


def test_a_second_look_sees_what_has_changed_and_a_job_that_was_retried(driver: Driver, clock: ManualClock):
    glance = Glance(driver.repository, driver.store.queues, each=one_after_another)
    failed = driver.finish("one_stage", {"n": 3})["job_id"]
    driver.submit("two_stages", {"n": 2})
    before = glance.read(clock.now(), living=None)
    driver.run()
    between = glance.read(clock.now(), living=None)
    Operator(driver.service, by="ann").retry(failed)
    after = glance.read(clock.now(), living=None)

    def shown(found: Installation) -> tuple[list[str], list[str]]:
        return [job.chain.job.job_type for job in found.active], [chain.job.job_type for chain in found.ended]

    assert shown(before) == (["two_stages"], ["one_stage"])
    assert shown(between) == ([], ["two_stages", "one_stage"])
    assert shown(after) == (["one_stage"], ["two_stages"])
