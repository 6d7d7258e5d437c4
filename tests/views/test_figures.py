"""Arithmetic of what screens show."""

from __future__ import annotations

from typing import Any

import pytest

from jobkit.runtime.figures import (
    busy_in_bins,
    left_s,
    makespan_s,
    most_at_once,
    percentile,
    span_text,
    took_s,
    waited_s,
)
from jobkit.runtime.model import Failure, Status
from jobkit.runtime.summary import group_errors
from records import after, task


@pytest.mark.parametrize(
    ("done", "total", "elapsed_s", "expected"),
    [(412, 1_000, 60.0, 85.63), (0, 10, 5.0, None), (10, 10, 5.0, None), (5, 10, 0.0, None), (1, 3, 2.0, 4.0)],
)
def test_the_time_left_is_told_by_the_pace_so_far(done: int, total: int, elapsed_s: float, expected: float | None):
    found = left_s(done, total, elapsed_s)

    assert (None if found is None else round(found, 2)) == expected


@pytest.mark.parametrize(("share", "expected"), [(0.0, 1), (0.1, 1), (0.5, 5), (0.51, 6), (0.95, 10), (1.0, 10)])
def test_a_percentile_is_one_of_the_values(share: float, expected: int):
    assert percentile([10, 9, 8, 7, 6, 5, 4, 3, 2, 1], share) == expected
    assert percentile([7], share) == 7


@pytest.mark.parametrize(
    ("durations", "places", "expected"),
    [
        ([], 3, 0.0),
        ([5], 3, 5.0),
        ([1, 1, 1, 1], 2, 2.0),
        ([3, 1, 1, 1], 2, 3.0),
        ([1, 1, 1, 3], 2, 4.0),
        ([2, 2], 1, 4.0),
    ],
)
def test_how_long_tasks_take_on_some_places(durations: list[float], places: int, expected: float):
    assert makespan_s(durations, places) == expected


def test_how_many_overlap():
    assert most_at_once([]) == 0
    assert most_at_once([(0, 1), (1, 2)]) == 1
    assert most_at_once([(0, 3), (1, 2), (1, 4), (5, 5)]) == 3


def test_how_busy_each_bin_is():
    assert busy_in_bins([(0.5, 2.5), (2, 3)], start=0, bin_s=1, bins=4) == [0.5, 1.0, 1.5, 0.0]
    assert busy_in_bins([(-1, 9)], start=0, bin_s=2, bins=2) == [1.0, 1.0]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0 s"),
        (0.4, "0 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7_199, "119 min"),
        (7_200, "2 h"),
        (172_800, "2 days"),
    ],
)
def test_spans_in_words(seconds: float, text: str):
    assert span_text(seconds) == text


@pytest.mark.parametrize(
    ("changes", "waited", "took"),
    [
        ({}, 1.0, 1.5),
        ({"status": Status.QUEUED, "started_at": None, "ended_at": None}, None, None),
        ({"status": Status.QUEUED, "attempt": 2, "started_at": after(1), "ended_at": None}, None, None),
        ({"status": Status.PROCESSING, "ended_at": None}, 1.0, None),
        ({"not_before": after(0.75)}, 0.25, 1.5),
        ({"started_at": after(-3), "ended_at": after(-4)}, 0.0, 0.0),  # a clock that is slow
        ({"started_at": None, "ended_at": after(1)}, None, None),  # settled, never begun
    ],
)
def test_how_long_a_task_waited_and_ran(changes: dict[str, Any], waited: float | None, took: float | None):
    found = task(0, **changes)

    assert (waited_s(found), took_s(found)) == (waited, took)


def test_errors_are_grouped_by_type_and_text_numbers_apart():
    def failed(index: int, kind: str, text: str) -> Any:
        return task(index, Status.FAILED, error=Failure(type=kind, message=text))

    groups = group_errors(
        [
            failed(1, "OSError", "disk 1 full"),
            failed(2, "ValueError", "tile 2 of 9 is broken"),
            failed(3, "ValueError", "tile 3 of 9 is broken"),
            failed(4, "ValueError", "no tile"),
            task(5, Status.FAILED, error=None),
        ]
    )

    assert [(group.count, group.index, group.failure.type, group.failure.message) for group in groups] == [
        (2, 2, "ValueError", "tile 2 of 9 is broken"),
        (1, 1, "OSError", "disk 1 full"),
        (1, 4, "ValueError", "no tile"),
        (1, 5, "Unknown", "no error was stored"),
    ]
