"""The parts of the proof: what each explores. A part takes some fifteen minutes of one core at most."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from fault_cases import GRID, JOBS, SMALL, Job, every_pair, unlike_calls
from faulty import Kind
from model.cases import CASES
from model.explorer import explore
from model.test_rules import SMALL as SMALL_CASES
from operated import CASES as OPERATED
from operated import violation
from schedules import distinct_schedules

ROOT = Path(__file__).parent.parent.parent
KILLS, INSTANCE_KILLS = 50, 200
DISTINCT = 40_000
MOST_STATES = 30_000_000
#: How many seeds of each case with operators: a minute of one core or two; fewer of what is large.
SEEDS, SEEDS_OF_LARGE = 5_000, 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    """What a part came to: how much was explored, how many distinct schedules were counted, what broke."""

    explored: int
    distinct: int = 0
    broken: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """One part, by a name that stays when others are added."""

    name: str
    run: Callable[[], Came]
    #: Of schedules: run one seed alone.
    run_seed: Callable[[int], Came] | None = None


def all_parts() -> list[Part]:
    """Return every part, in the order of their numbers."""
    parts = [
        Part(f"schedules: {name}", partial(_schedules, job, how, wanted), partial(_schedules, job, how, 1))
        for name, (job, how, wanted) in _kinds().items()
    ]
    for name in [*SMALL, *GRID]:
        shares = 2 if name in LONG else 1
        for share in range(shares):
            of = f", {share + 1} of {shares}" if shares > 1 else ""
            parts.append(Part(f"pairs of faults: {name}{of}", partial(_pairs, name, shares, share)))
    parts += [Part(f"pairs of faults: 101 tasks, {kind.value} first", partial(_pairs_of_101, kind)) for kind in Kind]
    parts += [Part(f"model: {name}", partial(_model, name)) for name in sorted(CASES.keys() - SMALL_CASES.keys())]
    parts.append(Part("kills", _kills))
    parts += [Part(f"operators: {name}", partial(_operators, name)) for name in OPERATED]
    return parts


#: Jobs whose pairs take more than six minutes.
LONG = {
    "three tasks in two stages",
    "four tasks in two stages",
    "two tasks in three stages",
    "as many failures as are tolerated",
    "one failure more than is tolerated",
    "as large a share of failures as is tolerated",
    "one failure more than the share that is tolerated",
    "batches that are stopped",
    "the first, a middle and the last stage skipped",
    "failures in two stages",
    "failures in three stages",
    "tasks 4, stages 3",
    "tasks 5, stages 3",
}


#: Jobs whose names in JOBS tell how many tasks they have.
SIMPLE = {
    "one stage": "five tasks in one stage",
    "two stages": "three tasks in two stages",
    "two shards": "101 tasks",
}


def _kinds() -> dict[str, tuple[Job, dict[str, Any], int]]:
    """Return, by name, what schedules are run of: a job, its instances and their faults, and how many distinct ones.

    No two are of one job and one number of tasks, so that no schedule is counted in two of them. What has too few tasks
    repeats itself long before there are enough.
    """
    kinds: dict[str, tuple[Job, dict[str, Any], int]] = {}

    def add(name: str, numbers: Iterable[int], distinct: int = DISTINCT, **how: int) -> None:
        how = how or {"workers": 4, "crashes": 1, "expiries": 1}
        for n in numbers:
            job = replace(JOBS[SIMPLE.get(name, name)], params={"n": n})
            kinds[f"{name}, {n} tasks, {_in_words(how)}"] = (job, how, distinct)

    add("one stage", range(6, 12))
    add("a failing task", range(6, 10))
    add("failures that do not matter", (6, 7, 8))
    add("a timeout", (6, 7, 8))
    add("a retried task", (6, 7))
    add("a stop", (5, 6))
    add("two lanes with failures", (8, 9))
    add("batches", (10, 13))
    fewer = DISTINCT // 4  # these are slow, or have few orders
    add("one stage", (12,), fewer, workers=2, crashes=2, expiries=2)
    add("two stages", (3,), fewer, workers=4, crashes=2, expiries=2)
    add("two stages", (4,), fewer, workers=3, submits=3)
    add("two stages", (5,), fewer, workers=3)
    add("batches that are stopped", (7,), fewer)
    add("a lane", (5,), DISTINCT // 10)
    add("a lane that is stopped", (4,), DISTINCT // 20)
    add("two shards", (101,), DISTINCT // 20)
    return kinds


def _in_words(how: dict[str, Any]) -> str:
    words = {"workers": "instances", "crashes": "deaths", "expiries": "lost leases", "submits": "submits"}
    return ", ".join(f"{words[what]} {number}" for what, number in how.items())


def _schedules(job: Job, how: dict[str, Any], wanted: int, seed: int = 0) -> Came:
    found = distinct_schedules(job, how, wanted=wanted, first_seed=seed)
    return Came(explored=found.runs, distinct=found.distinct, broken=(found.broken,) if found.broken else ())


def _pairs(name: str, shares: int, share: int) -> Came:
    explored = 0
    broken: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for kind in Kind:
            pairs, texts = every_pair((JOBS | GRID)[name], Path(folder), kind, shares=shares, share=share)
            explored += pairs
            broken += texts
    return Came(explored=explored, broken=tuple(broken))


def _pairs_of_101(first: Kind) -> Came:
    """Try the pairs at the calls that differ from the others: all of them would take a day."""
    with tempfile.TemporaryDirectory() as folder:
        pairs, texts = every_pair(JOBS["101 tasks"], Path(folder), first, batch=16, only=unlike_calls)
    return Came(explored=pairs, broken=tuple(texts))


def _model(name: str) -> Came:
    found = explore(CASES[name], limit=MOST_STATES)
    broken = (f"{found.violation.name}: {found.violation.text}",) if found.violation is not None else ()
    return Came(explored=found.states, broken=broken)


def _kills() -> Came:
    counts = {"JOBKIT_TEST_KILLS": str(KILLS), "JOBKIT_TEST_INSTANCE_KILLS": str(INSTANCE_KILLS)}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-n0",
        "-p",
        "no:cacheprovider",
        "--timeout",
        "1200",
        "tests/kills",
    ]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **counts}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    return Came(explored=KILLS + INSTANCE_KILLS, broken=(done.stdout[-4_000:],) if done.returncode else ())


def _operators(name: str) -> Came:
    seeds = SEEDS_OF_LARGE if name == "three shards" else SEEDS
    return Came(explored=seeds, broken=tuple(text for seed in range(seeds) if (text := violation(name, seed))))
