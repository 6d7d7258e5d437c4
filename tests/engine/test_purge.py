"""A purge deletes all rows of jobs that ended long ago, and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from driver import Driver
from invariants import check_invariants
from jobkit.runtime.errors import JobIsBeingPurged, NotToBePurged, UnknownJob
from jobkit.runtime.model import Audit, JobRecord, Status
from jobkit.runtime.operator import Operator
from jobkit.runtime.outbox import one_after_another
from jobkit.runtime.purging import Purging
from jobkit.runtime.selection import Selection
from purged_cases import begin_to_purge
from samples import one_stage, two_stages

Drive = Callable[..., Driver]
DAY_S = 86_400.0


def broken(task: Any) -> int:
    raise ValueError("broken")


def purge(driver: Driver, *, older_than_days: float = 30, **filters: Any) -> int:
    """Purge what is older; return how many rows were deleted."""
    purging = Purging(driver.service, by="ann")
    rows: list[int] = []
    cutoff = driver.clock.now() - timedelta(days=older_than_days)
    for job in purging.find(Selection(**filters), cutoff, []):
        assert purging.purge(job, rows.append)
    return sum(rows)


def job_of(driver: Driver, job_id: str) -> JobRecord:
    return driver.repository.get_chain(job_id).job


EMPTY: dict[str, Any] = {"jobs": [], "tasks": [], "index": []}


def rows_of(driver: Driver) -> dict[str, Any]:
    return {table: found for table, found in driver.everything().items() if table != "queues"}


@pytest.mark.parametrize("n", [0, 1, 100, 101, 250])
def test_nothing_of_a_job_is_left_and_other_jobs_are_as_they_were(drive: Drive, n: int):
    driver = drive(two_stages())
    other = driver.finish("two_stages", {"n": 3})["job_id"]
    alone = rows_of(driver)
    job_id = driver.finish("two_stages", {"n": n})["job_id"]
    purging = Purging(driver.service, by="ann")
    job = purging.check(job_id)
    rows: list[int] = []
    of_it = sum(len(rows_of(driver)[table]) - len(alone[table]) for table in ("jobs", "tasks"))

    assert purging.purge(job, rows.append)

    shards = -(-n // 100)
    markers = shards if shards > 1 else 0
    assert (sum(rows), of_it) == (1 + 1 + 2 + 2 * (n + markers), 1 + 2 + 2 * (n + markers))
    assert rows_of(driver) == alone
    with pytest.raises(UnknownJob):
        driver.job(job_id)
    assert driver.finish("two_stages", {"n": n})["status"] == "completed"
    check_invariants(driver.store, other)


def test_two_purges_of_a_job_at_once_count_each_row_once(drive: Drive):
    driver = drive(two_stages())
    job_id = driver.finish("two_stages", {"n": 250})["job_id"]
    removal = driver.repository.removal
    begin_to_purge(driver, job_id)
    job = job_of(driver, job_id)
    others: list[int] = []

    def beside(parts: Iterable[Any], delete: Callable[[Any], None]) -> None:
        others.extend(removal.remove(job, one_after_another))  # when this one has read its rows
        one_after_another(parts, delete)

    own = list(removal.remove(job, beside))

    assert (sum(others), sum(own)) == (1 + 1 + 2 + 2 * (250 + 3), 0)


def test_a_purge_that_is_interrupted_tells_what_it_has_deleted_till_then(drive: Drive):
    driver = drive(two_stages())
    job = job_of(driver, driver.finish("two_stages", {"n": 250})["job_id"])
    rows: list[int] = []

    def interrupted(parts: Iterable[Any], delete: Callable[[Any], None]) -> None:
        delete(next(iter(parts)))
        raise KeyboardInterrupt

    driver.service.outbox.each = interrupted
    with pytest.raises(KeyboardInterrupt):
        Purging(driver.service, by="ann").purge(job, rows.append)

    assert rows == [3]  # the markers of its shards


def test_who_purges_a_job_is_told_to_the_end_of_one_with_more_rows_than_a_transaction_takes(drive: Drive):
    driver = drive(one_stage(lambda task: 1, aggregate=lambda job: "x" * 300_000))
    job = job_of(driver, driver.finish("one_stage", {"n": 1})["job_id"])
    for number in range(120):
        audit = Audit(action="repair", by="ann", reason="", at=driver.clock.now())
        job = driver.repository.add_audit(job, audit, token=f"{number:04}")
    left: list[dict[str, int]] = []

    def tell(_: int) -> None:
        kinds = Counter(row.partition("-")[0] for _, row, *_ in rows_of(driver)["jobs"])
        left.append(kinds | {"purge": [each.action for each in driver.repository.audits(job.job_id)].count("purge")})

    before = Counter(row.partition("-")[0] for _, row, *_ in rows_of(driver)["jobs"])
    Purging(driver.service, by="ann").purge(job, tell)

    assert before == {"audit": 120, "chunk": 2, "job": 1, "stage": 1}
    own = {"audit": 98, "job": 1, "stage": 1, "purge": 1}
    assert left == [{"audit": 121, "chunk": 2, "job": 1, "stage": 1, "purge": 1}, own, {"purge": 0}]
    assert rows_of(driver) == EMPTY


@pytest.mark.parametrize(("audits", "chunks"), [(96, 1), (97, 0)])
def test_a_job_whose_result_is_deleted_in_part_is_shown_and_purged_by_its_id(drive: Drive, audits: int, chunks: int):
    driver = drive(one_stage(lambda task: 1, aggregate=lambda job: "é" * 150_000))
    job = job_of(driver, driver.finish("one_stage", {"n": 0})["job_id"])
    for number in range(audits):
        audit = Audit(action="repair", by="ann", reason="", at=driver.clock.now())
        job = driver.repository.add_audit(job, audit, token=f"{number:04}")

    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Purging(driver.service, by="ann").purge(job, interrupted)

    assert sum(row.startswith("chunk") for _, row, *_ in rows_of(driver)["jobs"]) == chunks
    assert (driver.job(job.job_id)["status"], driver.job(job.job_id)["result"]) == ("completed", None)
    purging = Purging(driver.service, by="ann")
    assert purging.purge(purging.check(job.job_id))
    assert rows_of(driver) == EMPTY


def test_long_results_lists_of_earlier_ones_audits_and_lost_plans_go_too(drive: Drive):
    driver = drive(two_stages(), one_stage(broken, aggregate=lambda job: "x" * 300_000))
    listed = driver.finish("two_stages", {"n": 1}, stages=["2"], source_list=[{"square": 4}])["job_id"]
    failed = driver.finish("one_stage", {"n": 3})["job_id"]
    Operator(driver.service, by="ann").retry(failed, reason="once more")
    driver.run()
    stage = driver.repository.get_chain(failed).stages[0]
    driver.repository.insert_shard(replace(stage, plan="lost"), 0, ["1", "2"], driver.clock.now())
    assert {driver.job(listed)["status"], driver.job(failed)["status"]} == {"completed", "failed"}
    driver.clock.advance(31 * DAY_S)

    purge(driver)

    assert rows_of(driver) == EMPTY


def test_a_job_is_as_old_as_its_end(drive: Drive):
    driver = drive(two_stages())
    driver.submit("two_stages", {"n": 1})
    driver.clock.advance(40 * DAY_S)
    driver.run()
    driver.clock.advance(20 * DAY_S)

    assert purge(driver) == 0
    driver.clock.advance(11 * DAY_S)
    assert purge(driver) == 6
    assert rows_of(driver) == EMPTY


def test_a_filter_chooses_among_what_is_old(drive: Drive):
    driver = drive(two_stages(), one_stage(broken))
    completed = driver.finish("two_stages", {"n": 1})["job_id"]
    failed = driver.finish("one_stage", {"n": 1})["job_id"]
    driver.clock.advance(31 * DAY_S)

    purge(driver, statuses=frozenset({Status.FAILED}))

    assert driver.job(completed)["status"] == "completed"
    with pytest.raises(UnknownJob):
        driver.job(failed)
    purge(driver, job_types=frozenset({"two_stages"}))
    assert rows_of(driver) == EMPTY


@pytest.mark.parametrize("deliveries", range(7))
def test_what_is_still_needed_is_kept(drive: Drive, deliveries: int):
    driver = drive(two_stages())
    job_id = driver.submit("two_stages", {"n": 1})
    driver.run(deliveries=deliveries)
    driver.clock.advance(31 * DAY_S)
    before = rows_of(driver)

    is_over = purge(driver) > 0

    assert is_over == (deliveries >= 5)  # plan, task, plan, task, complete
    if not is_over:
        assert rows_of(driver) == before
        with pytest.raises(NotToBePurged):
            Purging(driver.service, by="ann").check(job_id)


def test_a_job_whose_results_an_active_one_reads_is_kept(drive: Drive):
    driver = drive(two_stages())
    source = driver.finish("two_stages", {"n": 2})["job_id"]
    driver.clock.advance(31 * DAY_S)
    reader = driver.submit("two_stages", {"n": 2}, stages=["2"], source_job=source)

    assert purge(driver) == 0
    with pytest.raises(NotToBePurged, match="an active job reads its results"):
        Purging(driver.service, by="ann").check(source)

    driver.run()
    assert driver.job(reader)["status"] == "completed"
    assert purge(driver) == 8


def test_rows_that_list_jobs_which_are_gone_go_after_an_hour(drive: Drive):
    driver = drive(two_stages())
    dead = replace(job_of(driver, driver.finish("two_stages", {"n": 1})["job_id"]), epoch="died over its submit")
    driver.repository.index.add(replace(dead, created_at=driver.clock.now()))
    driver.clock.advance(3_599)
    purge(driver, older_than_days=0)
    left = [entry.epoch for entry in driver.repository.index.recent()]
    driver.clock.advance(2)

    before = driver.everything()
    found = Purging(driver.service, by="ann").find(Selection(), driver.clock.now(), [], dry_run=True)
    assert (list(found), driver.everything()) == ([], before)
    purge(driver, older_than_days=0)

    assert (left, list(driver.repository.index.recent())) == (["died over its submit"], [])


def test_a_job_that_is_being_purged_is_neither_retried_repaired_nor_submitted(drive: Drive):
    driver = drive(one_stage(broken))
    job_id = driver.finish("one_stage", {"n": 1})["job_id"]
    begin_to_purge(driver, job_id)
    text = f"job {job_id[:12]} is being deleted. When nobody does it any more: jobkit purge {job_id[:12]}"

    for again in (False, True):
        with pytest.raises(JobIsBeingPurged) as refused:
            driver.service.submit("one_stage", {"n": 1}, again=again)
        assert str(refused.value) == text
    with pytest.raises(JobIsBeingPurged):
        Operator(driver.service, by="ann").retry(job_id)
    with pytest.raises(JobIsBeingPurged):
        Operator(driver.service, by="ann").repair(job_id)

    assert purge(driver, older_than_days=0) == 4
    assert rows_of(driver) == EMPTY


def test_a_purge_whose_mark_was_written_while_the_answer_was_lost_goes_on(
    drive: Drive, monkeypatch: pytest.MonkeyPatch
):
    driver = drive(one_stage(broken))
    job = job_of(driver, driver.finish("one_stage", {"n": 1})["job_id"])
    transact = driver.store.tables.transact

    def doubtful(*arguments: Any) -> Any:
        monkeypatch.undo()
        transact(*arguments)
        return transact(*arguments)  # a retry of the SDK's

    monkeypatch.setattr(driver.store.tables, "transact", doubtful)

    assert Purging(driver.service, by="ann").purge(job)
    assert rows_of(driver) == EMPTY


def test_a_further_run_outlives_the_purge_of_the_first_and_is_not_taken_for_a_new_one(drive: Drive):
    driver = drive(two_stages())
    first = driver.finish("two_stages", {"n": 1})["job_id"]
    second = driver.finish("two_stages", {"n": 1}, again=True)["job_id"]
    purging = Purging(driver.service, by="ann")
    assert purging.purge(purging.check(first))

    assert driver.finish("two_stages", {"n": 1})["job_id"] == first
    third = driver.submitted("two_stages", {"n": 1}, again=True)

    assert (third.created, third.chain.job.run, third.chain.job.job_id != second) == (True, 3, True)
