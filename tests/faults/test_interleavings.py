"""Instances whose port calls take turns in every order, or in very many: whatever the order, the job comes to the same."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

import mutations
from fault_cases import JOBS, Job, Subject, differences
from interleaving import Path, Schedule, Schedules, Walk, every_path
from samples import two_stages
from schedules import distinct_schedules

WHERE = "tests/faults/test_interleavings.py::test_whatever_the_order_of_calls_the_job_comes_to_the_same"
FIRST_SEED = int(os.environ.get("JOBKIT_TEST_SEED", "0"))


def job(name: str, n: int) -> Job:
    return replace(JOBS[name], params={"n": n})


ONE_OF_EACH = {"workers": 4, "crashes": 1, "expiries": 1}
#: By name: a job, its instances and what befalls them, and how many distinct schedules are run: most of what is quick and
#: repeats itself least. `make proof` runs a million. No two are of one job and one number of tasks, so that no schedule is
#: counted in two of them.
KINDS: dict[str, tuple[Job, dict[str, Any], int]] = {
    "one stage of 5": (job("five tasks in one stage", 5), ONE_OF_EACH, 2_650),
    "one stage of 6": (job("five tasks in one stage", 6), ONE_OF_EACH, 2_700),
    "one stage of 7": (job("five tasks in one stage", 7), ONE_OF_EACH, 2_200),
    "a failing task of 6": (job("a failing task", 6), ONE_OF_EACH, 2_400),
    "failures of 5 that do not matter": (job("failures that do not matter", 5), ONE_OF_EACH, 2_400),
    "a timeout of 6": (job("a timeout", 6), ONE_OF_EACH, 2_200),
    "a stop of 4": (JOBS["a stop"], ONE_OF_EACH, 2_200),
    "one stage of 8, 2 instances, two of each": (
        job("five tasks in one stage", 8),
        {"workers": 2, "crashes": 2, "expiries": 2},
        400,
    ),
    "two stages of 4, 3 instances": (job("three tasks in two stages", 4), {"workers": 3}, 400),
    "two stages of 3, 4 instances, two of each": (
        job("three tasks in two stages", 3),
        {"workers": 4, "crashes": 2, "expiries": 2},
        400,
    ),
    "two stages of 5, submitted three times": (
        job("three tasks in two stages", 5),
        {"workers": 3, "submits": 3},
        400,
    ),
    "a retried task of 5": (job("a retried task", 5), ONE_OF_EACH, 400),
    "one lane of 3": (JOBS["a lane"], {"workers": 4, "crashes": 2, "expiries": 1}, 300),
    "two lanes of 5": (JOBS["two lanes with failures"], ONE_OF_EACH, 300),
    "a lane that is stopped": (JOBS["a lane that is stopped"], {"workers": 3, "crashes": 1, "expiries": 1}, 230),
    "batches": (JOBS["batches"], {"workers": 3, "crashes": 1, "expiries": 1}, 300),
    "101 tasks in two shards": (JOBS["101 tasks"], {"workers": 3, "crashes": 1, "expiries": 1}, 120),
}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", KINDS)
def test_whatever_the_order_of_calls_the_job_comes_to_the_same(name: str):
    case, how, wanted = KINDS[name]

    found = distinct_schedules(case, how, wanted=wanted, first_seed=FIRST_SEED)

    again = f"JOBKIT_TEST_SEED=N pytest -n0 '{WHERE}[{name}]'"
    assert (found.broken, found.distinct) == ("", wanted), f"{name}: {found.broken} (again, from seed N on: {again})"


def test_the_kinds_are_twenty_thousand_schedules_together():
    assert sum(wanted for _, _, wanted in KINDS.values()) == 20_000


TWO_TASKS = Job(make=two_stages, params={"n": 2}, how={"stages": ["1"]})
TWO_STAGES = Job(make=two_stages, params={"n": 1})
EMPTY_STAGES = Job(make=two_stages, params={"n": 0})
#: By name: a job of two instances and what befalls them, how often the turn is taken from one that could go on, and how
#: many paths, and distinct schedules, that comes to.
FEW_PREEMPTIONS: dict[str, tuple[Job, dict[str, Any], int, int, int]] = {
    "two tasks": (TWO_TASKS, {"workers": 2}, 3, 700, 74),
    "two tasks, a lost lease": (TWO_TASKS, {"workers": 2, "expiries": 1}, 2, 935, 198),
    "two tasks, a death": (TWO_TASKS, {"workers": 2, "crashes": 1}, 2, 446, 211),
    "two stages": (TWO_STAGES, {"workers": 2}, 3, 261, 4),
    "two stages, a lost lease": (TWO_STAGES, {"workers": 2, "expiries": 1}, 2, 794, 217),
    "two stages, a death": (TWO_STAGES, {"workers": 2, "crashes": 1}, 2, 511, 199),
    "empty stages": (EMPTY_STAGES, {"workers": 2}, 3, 39, 2),
    "empty stages, a lost lease": (EMPTY_STAGES, {"workers": 2, "expiries": 1}, 2, 185, 67),
    "empty stages, a death": (EMPTY_STAGES, {"workers": 2, "crashes": 1}, 2, 117, 47),
    "a batch": (job("a batch with a failure", 2), {"workers": 2}, 3, 31, 2),
    "a batch, a lost lease": (job("a batch with a failure", 2), {"workers": 2, "expiries": 1}, 2, 169, 55),
    "a batch, a death": (job("a batch with a failure", 2), {"workers": 2, "crashes": 1}, 2, 103, 44),
    "a lane": (job("a lane", 2), {"workers": 2}, 3, 599, 70),
    "a retried task": (job("a retried task", 2), {"workers": 2}, 3, 135, 7),
}
WHERE_FEW = "tests/faults/test_interleavings.py::test_every_order_with_few_preemptions_comes_to_the_same"
ONE_PATH = os.environ.get("JOBKIT_TEST_PATH", "")


def runner(name: str) -> tuple[Callable[[Path], None], set[int]]:
    """Return what runs a path and says how one that breaks something is had again, and where it puts which orders it saw."""
    case, how, *_ = FEW_PREEMPTIONS[name]
    subject = Subject(case)
    expected = Schedule(subject, workers=1).run(Path())
    schedules = Schedules(subject, **how)
    orders: set[int] = set()

    def run(path: Path) -> None:
        path.state = schedules.schedule.state
        try:
            found = schedules.run(path)
            assert found == expected, differences(found, expected)
        except Exception as error:
            again = f"JOBKIT_TEST_PATH={','.join(map(str, path.made))} pytest -n0 '{WHERE_FEW}[{name}]'"
            raise AssertionError(f"{type(error).__name__}: {error}. Again: {again}") from error
        orders.add(schedules.schedule.order())

    return run, orders


@pytest.mark.parametrize("name", FEW_PREEMPTIONS)
def test_every_order_with_few_preemptions_comes_to_the_same(name: str):
    _, _, preemptions, paths, distinct = FEW_PREEMPTIONS[name]
    run, orders = runner(name)
    if ONE_PATH:
        return run(Path(tuple(map(int, ONE_PATH.split(",")))))

    # Paths that differ only in the turns of calls that touch nothing in common part again before they meet.
    assert (every_path(run, preemptions=preemptions, most=100_000), len(orders)) == (paths, distinct)
    return None


def test_a_path_that_breaks_something_is_told_so_that_it_can_be_had_again(monkeypatch: pytest.MonkeyPatch):
    mutations.apply(mutations.MUTATIONS["a redelivery leaves what it finds ended"], monkeypatch)
    run, _ = runner("two tasks, a death")
    with pytest.raises(AssertionError) as told:
        every_path(run, preemptions=1, most=1_000)
    found = re.fullmatch(
        r"(?s).*Again: JOBKIT_TEST_PATH=([\d,]+) pytest -n0 '.*\[two tasks, a death\]'", str(told.value)
    )
    assert found is not None

    with pytest.raises(AssertionError) as again:
        run(Path(tuple(map(int, found[1].split(",")))))

    assert str(again.value) == str(told.value)


def test_submits_take_turns_too():
    case, how, _ = KINDS["two stages of 5, submitted three times"]
    schedules = Schedules(Subject(case), **how)

    listed_before_the_job_is: set[int] = set()
    for seed in range(40):
        schedules.run(Walk.of(seed))
        written = [(step.place, step.row.partition("-")[0]) for step in schedules.schedule.faulty.history if step.row]
        first = written.index(("jobs", "job"))
        listed_before_the_job_is.add(written[:first].count(("index", "active")))

    assert listed_before_the_job_is == {1, 2, 3}


def test_a_seed_gives_the_same_run_each_time():
    case, how, _ = KINDS["two stages of 3, 4 instances, two of each"]
    subject = Subject(case)
    schedules = Schedules(subject, **how)
    fresh = Schedule(subject, **how)

    orders: set[int] = set()
    for seed in (11, 12, 11, 11):
        schedules.run(Walk.of(seed))
        orders.add(schedules.schedule.order() if seed == 11 else 0)
    fresh.run(Walk.of(11))

    assert orders == {0, fresh.order()}
