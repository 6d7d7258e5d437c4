"""Jobs are found by a filter: newest first, active ones by the short list, rows without a job passed over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from driver import START, Driver, ManualClock
from jobkit.runtime.errors import InvalidFilter
from jobkit.runtime.model import Status
from jobkit.runtime.outbox import one_after_another
from jobkit.runtime.selection import Selection, read_selection
from jobkit.runtime.times import read_time
from jobkit.runtime.unread import without_unread
from samples import Count, one_stage, two_stages

Drive = Callable[..., Driver]
NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
ENDED = frozenset({Status.COMPLETED, Status.FAILED})
OPEN = frozenset({Status.QUEUED, Status.PROCESSING})


def broken(task: Any) -> int:
    if task.job.params.n == 2:
        raise ValueError("2 is broken")
    return 0


@pytest.fixture
def driver(drive: Drive, clock: ManualClock) -> Driver:
    """A job an hour: n = 1, 2 (failed), 3 of `one_stage`, 4 and 5 of `two_stages`; the last one queued."""
    driver = drive(one_stage(broken), two_stages())
    for n, job_type in enumerate(["one_stage", "one_stage", "one_stage", "two_stages"], 1):
        driver.finish(job_type, {"n": n})
        clock.advance((START + timedelta(hours=n) - clock.now()).total_seconds())
    driver.submit("two_stages", {"n": 5})
    return driver


def found(driver: Driver, **filters: Any) -> list[int]:
    jobs = without_unread(Selection(**filters).find(driver.repository, one_after_another), [])
    return [Count.model_validate_json(job.params_json).n for job in jobs]


@pytest.mark.parametrize(
    ("filters", "numbers"),
    [
        ({}, [5, 4, 3, 2, 1]),
        ({"statuses": frozenset({Status.FAILED})}, [2]),
        ({"statuses": ENDED}, [4, 3, 2, 1]),
        ({"statuses": OPEN}, [5]),
        ({"statuses": OPEN, "job_types": frozenset({"one_stage"})}, []),
        ({"job_types": frozenset({"one_stage"})}, [3, 2, 1]),
        ({"job_types": frozenset({"one_stage", "two_stages"})}, [5, 4, 3, 2, 1]),
        ({"since": START + timedelta(hours=2)}, [5, 4, 3]),
        ({"before": START + timedelta(hours=2)}, [3, 2, 1]),
        ({"since": START + timedelta(hours=1), "before": START + timedelta(hours=3)}, [4, 3, 2]),
        ({"since": START + timedelta(hours=5)}, []),
        ({"params": {"n": "3"}}, [3]),
        ({"params": {"m": "3"}}, []),
    ],
)
def test_a_filter_finds_what_it_names(driver: Driver, filters: dict[str, Any], numbers: list[int]):
    assert found(driver, **filters) == numbers


def test_more_jobs_than_are_read_at_once(drive: Drive):
    driver = drive(one_stage(broken))
    for n in range(1_001, 1_251):
        driver.submit("one_stage", {"n": n})
        driver.clock.advance(1)

    assert found(driver) == list(range(1_250, 1_000, -1))
    assert found(driver, statuses=OPEN) == list(range(1_250, 1_000, -1))


def test_a_job_in_its_second_round_is_listed_once_and_one_that_is_gone_not_at_all(driver: Driver):
    queued = driver.repository.get_chain(driver.submit("two_stages", {"n": 5})).job
    driver.repository.index.add(replace(queued, round=2), recent=False)
    driver.repository.index.add(replace(queued, job_id="0" * 32))
    driver.repository.index.add(replace(queued, epoch="earlier"))

    assert (found(driver), found(driver, statuses=OPEN)) == ([5, 4, 3, 2, 1], [5])


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("90s", NOW - timedelta(seconds=90)),
        ("30m", NOW - timedelta(minutes=30)),
        ("12h", NOW - timedelta(hours=12)),
        ("2d", NOW - timedelta(days=2)),
        ("1w", NOW - timedelta(weeks=1)),
        ("2026-11-20", datetime(2026, 11, 20, tzinfo=UTC)),
        ("2026-11-20T03:00:00+02:00", datetime(2026, 11, 20, 1, tzinfo=UTC)),
    ],
)
def test_times_as_users_write_them(text: str, time: datetime):
    assert read_time(text, "since", now=NOW) == time


@pytest.mark.parametrize("text", ["", "2", "d", "-2d", "2 days", "yesterday", "999999w", "2026-13-01"])
def test_a_time_that_is_none_is_refused(text: str):
    with pytest.raises(InvalidFilter) as refused:
        read_time(text, "since", now=NOW)

    assert str(refused.value) == (
        f"since {text!r}: give how long ago (30m, 12h, 2d, 1w), a date (2026-11-26) or a time (2026-11-26T03:00Z)"
    )


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            {"statuses": ["fialed"]},
            "status 'fialed': must be one of queued, processing, completed, failed. Did you mean 'failed'?",
        ),
        ({"params": ["n"]}, "param 'n': give NAME=VALUE"),
        ({"params": ["=3"]}, "param '=3': give NAME=VALUE"),
    ],
)
def test_a_filter_that_is_none_is_refused(wrong: dict[str, Any], message: str):
    nothing: dict[str, Any] = {"statuses": [], "job_types": [], "since": None, "params": []}

    with pytest.raises(InvalidFilter) as refused:
        read_selection(**{**nothing, **wrong}, now=NOW)

    assert str(refused.value) == message
