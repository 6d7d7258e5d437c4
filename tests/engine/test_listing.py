"""Pages of jobs: in every order and both ways, each job once, whatever is created meanwhile."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from driver import START, Driver, ManualClock
from jobkit.runtime.errors import InvalidFilter
from jobkit.runtime.listing import find_line, list_jobs, read_order
from jobkit.runtime.model import JobRecord, Status
from jobkit.runtime.outbox import one_after_another
from jobkit.runtime.overview import Order, Page
from jobkit.runtime.selection import Selection
from jobkit.runtime.storage.ports import Entity, Mode
from jobkit.runtime.unread import Unread
from samples import Count, one_stage, second_fails, two_stages

Drive = Callable[..., Driver]
UPGRADE = "it has schema version 2, this jobkit knows 1 at most. Upgrade jobkit."


@pytest.fixture
def driver(drive: Drive, clock: ManualClock) -> Driver:
    """A job a minute: n = 1 to 3 of `two_stages`, 4 and 5 (failed) of `one_stage`; 6 is queued; 1 ran for longest."""
    driver = drive(one_stage(second_fails), two_stages())
    driver.submit("two_stages", {"n": 1})
    clock.advance(60)
    driver.run()
    for n, job_type in ((2, "two_stages"), (3, "two_stages"), (4, "one_stage"), (5, "one_stage")):
        clock.advance(60)
        driver.finish(job_type, {"n": n})
    clock.advance(60)
    driver.submit("two_stages", {"n": 6})
    return driver


def page(driver: Driver, limit: int = 10, after: str | None = None, **asked: Any) -> Page:
    how = {name: asked.pop(name) for name in ("order", "reverse") if name in asked}
    job = None if after is None else find_line(driver.repository, after)
    return list_jobs(
        driver.repository,
        Selection(**asked),
        each=one_after_another,
        now=driver.clock.now(),
        limit=limit,
        after=job,
        **how,
    )


def numbers(found: Page) -> list[int]:
    return [Count.model_validate_json(line.params_json).n for line in found.lines if isinstance(line, JobRecord)]


ORDERS: dict[Order, list[int]] = {
    Order.CREATED: [6, 5, 4, 3, 2, 1],
    Order.UPDATED: [6, 5, 4, 3, 2, 1],
    Order.TYPE: [5, 4, 6, 3, 2, 1],
}


@pytest.mark.parametrize("limit", [1, 4, 6])
def test_pages_follow_one_another_to_the_last_job(driver: Driver, limit: int):
    for order, reverse in product(ORDERS, (False, True)):
        seen: list[int] = []
        found = page(driver, limit, order=order, reverse=reverse)
        while found.after is not None:
            assert len(found.lines) == limit
            seen += numbers(found)
            found = page(driver, limit, found.after, order=order, reverse=reverse)

        assert [*seen, *numbers(found)] == (ORDERS[order][::-1] if reverse else ORDERS[order])


def test_the_longest_comes_first_and_what_still_runs_has_taken_until_now(driver: Driver, clock: ManualClock):
    clock.advance(30)

    assert numbers(page(driver, 2, order=Order.TOOK)) == [1, 6]


def test_a_page_is_not_moved_by_jobs_that_are_created_meanwhile(driver: Driver, clock: ManualClock):
    first = page(driver, 2)
    clock.advance(1)
    driver.submit("two_stages", {"n": 7})

    assert numbers(first) == [6, 5]
    assert numbers(page(driver, 2, first.after)) == [4, 3]


def test_pages_are_of_what_the_filter_means(driver: Driver):
    failed = page(driver, 1, statuses=frozenset({Status.FAILED}))
    second = page(driver, 1, failed.after, statuses=frozenset({Status.FAILED}))
    queued = page(driver, statuses=frozenset({Status.QUEUED}))

    assert (numbers(failed), numbers(second), second.after) == ([5], [4], None)
    assert (numbers(queued), queued.after) == ([6], None)
    assert numbers(page(driver, params={"n": "3"})) == [3]
    assert numbers(page(driver, params={"n": "9"})) == []


def change(driver: Driver, job_id: str, **properties: Any) -> None:
    row = driver.store.tables.get("jobs", job_id, "job")
    changed = Entity(partition=job_id, row="job", properties=properties)
    driver.store.tables.update("jobs", changed, etag=row.etag)


def lines(found: Page) -> list[int | str]:
    """The jobs' n; of one that can't be read the reason's end."""
    return [
        str(line.error).rpartition(": ")[2] if isinstance(line, Unread) else json.loads(line.params_json)["n"]
        for line in found.lines
    ]


@pytest.mark.parametrize(
    ("how", "shown"),
    [
        ({}, [6, "it is at stage 9 of (1,)", "its params is no JSON", 3, UPGRADE, 1]),
        ({"reverse": True}, [1, UPGRADE, 3, "its params is no JSON", "it is at stage 9 of (1,)", 6]),
        ({"order": Order.TYPE}, ["its params is no JSON", 6, 3, 1, "it is at stage 9 of (1,)", UPGRADE]),
        ({"job_types": frozenset({"two_stages"})}, [6, 3, UPGRADE, 1]),
        ({"since": START + timedelta(seconds=190)}, [6, "it is at stage 9 of (1,)", "its params is no JSON"]),
        ({"statuses": frozenset({Status.QUEUED})}, [6]),
        ({"params": {"n": "6"}}, [6, "it is at stage 9 of (1,)", "its params is no JSON", UPGRADE]),
    ],
)
def test_a_job_that_can_not_be_read_is_a_line_of_its_own_wherever_it_may_be_meant(
    driver: Driver, how: dict[str, Any], shown: list[int | str]
):
    jobs = [line.job_id for line in page(driver).lines]
    change(driver, jobs[1], stage=9)
    change(driver, jobs[2], params="{")
    change(driver, jobs[4], row_version=2)

    whole, seen, after = page(driver, **how), list[int | str](), None
    while True:
        found = page(driver, 1, after, **how)
        seen += lines(found)
        if found.after is None:
            break
        after = found.after

    assert (lines(whole), seen) == (shown, shown)


def test_a_row_of_the_index_that_was_changed_by_hand_hides_no_job(driver: Driver):
    before = page(driver)
    tables = driver.store.tables
    for row in list(tables.query("index", "jobs")):
        kept = {name: value for name, value in row.properties.items() if name == "epoch"}
        spoilt = {"row_version": 9, "created_at": "at noon"} if row.row.startswith("active") else {}
        changed = Entity(partition="jobs", row=row.row, properties=kept | spoilt)
        tables.update("index", changed, etag=row.etag, mode=Mode.REPLACE)

    assert page(driver) == before
    assert lines(page(driver, statuses=frozenset({Status.QUEUED}))) == [6]
    assert lines(page(driver, job_types=frozenset({"one_stage"}))) == [5, 4]
    assert lines(page(driver, since=START + timedelta(seconds=310))) == [6]


def test_an_order_that_there_is_not_is_refused_by_name():
    with pytest.raises(
        InvalidFilter, match=r"sort 'creatd': must be one of created, updated, took, type\. Did you mean"
    ):
        read_order("creatd")
