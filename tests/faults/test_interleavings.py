"""Instances whose port calls take turns in every order, or in very many: whatever the order, the job comes to the same."""

from __future__ import annotations

import os
from typing import Any

import pytest

from fault_cases import JOBS, Job, Subject, differences
from interleaving import Path, Schedule, Schedules, Walk, every_path
from samples import two_stages
from schedules import distinct_schedules

#: How many distinct schedules of each kind are run; `make proof` runs a million in all.
SCHEDULES = 2320
WHERE = "tests/faults/test_interleavings.py::test_whatever_the_order_of_calls_the_job_comes_to_the_same"
FIRST_SEED = int(os.environ.get("JOBKIT_TEST_SEED", "0"))


def one_stage(n: int) -> Job:
    return Job(make=JOBS["five tasks in one stage"].make, params={"n": n})


#: No two are of one job and one number of tasks, so that no schedule is counted in two of them.
KINDS: dict[str, tuple[Job, dict[str, Any]]] = {
    "two stages of 4, 3 instances": (Job(make=two_stages, params={"n": 4}), {"workers": 3}),
    "one stage of 4, 3 instances, a death": (one_stage(4), {"workers": 3, "crashes": 1}),
    "one stage of 5, 3 instances, lost leases": (one_stage(5), {"workers": 3, "expiries": 1}),
    "one stage of 6, 2 instances, two of each": (one_stage(6), {"workers": 2, "crashes": 2, "expiries": 2}),
    "one stage of 7, 4 instances, one of each": (one_stage(7), {"workers": 4, "crashes": 1, "expiries": 1}),
    "two stages of 3, 4 instances, two of each": (
        Job(make=two_stages, params={"n": 3}),
        {"workers": 4, "crashes": 2, "expiries": 2},
    ),
    "two stages of 5, submitted three times": (Job(make=two_stages, params={"n": 5}), {"workers": 3, "submits": 3}),
    "a retried task of 4": (
        Job(make=JOBS["a retried task"].make, params={"n": 4}),
        {"workers": 3, "crashes": 1, "expiries": 1},
    ),
    "a failing task of 4": (
        Job(make=JOBS["a failing task"].make, params={"n": 4}),
        {"workers": 3, "crashes": 1, "expiries": 1},
    ),
    "one lane of 3": (JOBS["a lane"], {"workers": 4, "crashes": 2, "expiries": 1}),
    "two lanes of 5": (JOBS["two lanes with failures"], {"workers": 4, "crashes": 1, "expiries": 1}),
    "a stop": (JOBS["a stop"], {"workers": 3, "crashes": 1, "expiries": 1}),
    "a lane that is stopped": (JOBS["a lane that is stopped"], {"workers": 3, "crashes": 1, "expiries": 1}),
    "batches": (JOBS["batches"], {"workers": 3, "crashes": 1, "expiries": 1}),
    "101 tasks in two shards": (JOBS["101 tasks"], {"workers": 3, "crashes": 1, "expiries": 1}),
}
#: How many of a kind come for each of the others: fewer of those that are slow or have few orders.
SHARES = {
    "two stages of 4, 3 instances": 0.6,
    "two stages of 3, 4 instances, two of each": 0.6,
    "two stages of 5, submitted three times": 0.6,
    **dict.fromkeys(("one lane of 3", "two lanes of 5", "a stop", "batches"), 1 / 8),
    "a lane that is stopped": 1 / 10,  # one lane leaves few orders
    "101 tasks in two shards": 1 / 20,
}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", KINDS)
def test_whatever_the_order_of_calls_the_job_comes_to_the_same(name: str):
    job, how = KINDS[name]
    wanted = int(SCHEDULES * SHARES.get(name, 1))

    found = distinct_schedules(job, how, wanted=wanted, first_seed=FIRST_SEED)

    again = f"JOBKIT_TEST_SEED=N pytest -n0 '{WHERE}[{name}]'"
    assert (found.broken, found.distinct) == ("", wanted), f"{name}: {found.broken} (again, from seed N on: {again})"


@pytest.mark.parametrize(
    ("stages", "how", "preemptions", "paths", "distinct"),
    [
        (["1"], {"workers": 2}, 3, 700, 74),
        (["1"], {"workers": 2, "expiries": 1}, 2, 935, 198),
        (["1"], {"workers": 2, "crashes": 1}, 2, 446, 211),
    ],
)
def test_every_order_with_few_preemptions_comes_to_the_same(
    stages: list[str], how: dict[str, Any], preemptions: int, paths: int, distinct: int
):
    subject = Subject(Job(make=two_stages, params={"n": 2}, how={"stages": stages}))
    expected = Schedule(subject, workers=1).run(Path())
    schedules = Schedules(subject, **how)

    orders: set[int] = set()

    def run(path: Path) -> None:
        path.state = schedules.schedule.state
        found = schedules.run(path)
        assert found == expected, f"{path.made}: {differences(found, expected)}"
        orders.add(schedules.schedule.order())

    # Paths that differ only in the turns of calls that touch nothing in common part again before they meet.
    assert (every_path(run, preemptions=preemptions, most=100_000), len(orders)) == (paths, distinct)


def test_a_seed_gives_the_same_run_each_time():
    job, how = KINDS["two stages of 3, 4 instances, two of each"]
    subject = Subject(job)
    schedules = Schedules(subject, **how)
    fresh = Schedule(subject, **how)

    orders: set[int] = set()
    for seed in (11, 12, 11, 11):
        schedules.run(Walk.of(seed))
        orders.add(schedules.schedule.order() if seed == 11 else 0)
    fresh.run(Walk.of(11))

    assert orders == {0, fresh.order()}
