"""Pages of jobs: in every order and both ways, each job once, whatever is created meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

from driver import Driver, ManualClock
from jobkit.runtime.errors import InvalidFilter
from jobkit.runtime.listing import list_jobs, read_order
from jobkit.runtime.model import Status
from jobkit.runtime.outbox import one_after_another
from jobkit.runtime.overview import Order, Page
from jobkit.runtime.selection import Selection
from jobkit.runtime.storage.ports import Entity
from samples import Count, one_stage, second_fails, two_stages

Drive = Callable[..., Driver]


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
    job = None if after is None else driver.repository.find_job(after)
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
    return [Count.model_validate_json(job.params_json).n for job in found.jobs]


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
            assert len(found.jobs) == limit
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


def test_a_damaged_row_is_told_and_the_others_are_listed(driver: Driver):
    bad = page(driver).jobs[2].job_id
    row = driver.store.tables.get("jobs", bad, "job")
    driver.store.tables.update("jobs", Entity(partition=bad, row="job", properties={"run": ""}), etag=row.etag)

    found = page(driver)

    assert numbers(found) == [6, 5, 3, 2, 1]
    assert [f"row {bad} / job" in text for text in found.damaged] == [True]


def test_an_order_that_there_is_not_is_refused_by_name():
    with pytest.raises(
        InvalidFilter, match=r"sort 'creatd': must be one of created, updated, took, type\. Did you mean"
    ):
        read_order("creatd")
