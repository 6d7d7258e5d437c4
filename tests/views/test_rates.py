"""How fast tasks end: bins, rates and what is left, in numbers."""

from __future__ import annotations

import pytest

from jobkit.runtime.rates import Ends, Throughput, left_at_rate_s, rate_a_second, throughput
from records import after


def ends(start: float, end: float, count: int) -> Ends:
    """Tasks that ended between two moments, in seconds."""
    return Ends(start=after(start), end=after(end), count=count)


@pytest.mark.parametrize(
    ("spread", "counts"),
    [
        ([], [0, 0, 0]),
        ([ends(0, 30, 30)], [10, 10, 10]),
        ([ends(5, 15, 10)], [5, 5, 0]),
        ([ends(-10, 10, 20)], [10, 0, 0]),
        ([ends(-20, -10, 20)], [0, 0, 0]),
        ([ends(25, 45, 4), ends(0, 0, 9)], [0, 0, 4]),
        ([ends(10, 10, 3)], [3, 0, 0]),
        ([ends(10.5, 10.5, 3), ends(30, 30, 1)], [0, 3, 1]),
        ([ends(40, 50, 7)], [0, 0, 7]),
    ],
    ids=[
        "none",
        "even",
        "over an edge",
        "begun before",
        "before",
        "a fast clock",
        "at an edge",
        "moments",
        "the future",
    ],
)
def test_what_ended_is_counted_in_the_bins_in_which_it_did(spread: list[Ends], counts: list[float]):
    found = throughput(spread, until=after(30), bin_s=10, bins=3)

    assert found.counts == pytest.approx(counts)


def test_a_throughput_knows_its_average_and_its_best():
    found = Throughput(until=after(30), bin_s=10, counts=(0, 5, 25))

    assert (found.seconds, found.ended, found.a_second, found.peak_a_second) == (30, 30, 1.0, 2.5)


@pytest.mark.parametrize(
    ("spread", "since", "rate"),
    [
        ([ends(0, 100, 200)], 0, 2.0),
        ([ends(0, 40, 400)], 0, None),
        ([ends(90, 100, 30)], 90, 3.0),
        ([ends(90, 100, 30)], 0, 0.5),
        ([ends(99.5, 100, 30)], 99.5, None),
    ],
    ids=["steady", "none of late", "since its begin", "in the window", "too short to tell"],
)
def test_a_rate_is_that_of_the_last_minute_or_since_the_begin(spread: list[Ends], since: float, rate: float | None):
    found = rate_a_second(spread, since=after(since), until=after(100), window_s=60)

    assert found == (None if rate is None else pytest.approx(rate))


def test_what_is_left_takes_as_long_as_the_rate_says():
    assert [left_at_rate_s(10, 2.5), left_at_rate_s(0, None), left_at_rate_s(3, None)] == [4.0, 0.0, None]
