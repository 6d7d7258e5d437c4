"""Operators beside instances, all taking turns by a seed: whatever they do, and wherever they die, no job hangs for ever.

The cases of one seed differ in what is done. `make proof` runs many more seeds.
"""

from __future__ import annotations

import os

import pytest

from operated import CASES, violation

FIRST_SEED = int(os.environ.get("JOBKIT_TEST_SEED", "0"))
SEEDS = 60
#: Of those that take much longer.
FEWER = {"three shards": 6}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", CASES)
def test_whatever_operators_do_a_job_ends_and_a_purged_one_leaves_nothing(name: str):
    seeds = range(FIRST_SEED, FIRST_SEED + FEWER.get(name, SEEDS))

    assert [text for seed in seeds if (text := violation(name, seed))] == []


def test_a_seed_gives_the_same_acts_and_leaves_the_same_each_time(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("operated.what_is_left", lambda schedule: [f"{schedule.later().everything()}"])

    found = [violation("two lanes", seed) for seed in (7, 8, 7)]

    assert found[0] == found[2] != found[1]
    assert "JOBKIT_TEST_SEED=7 pytest" in found[0]
