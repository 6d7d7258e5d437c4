"""Runs a job's schedules, seed after seed, until enough distinct ones have been seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fault_cases import Job, Subject, differences
from interleaving import Path, Schedule, Schedules, Walk


@dataclass(frozen=True, slots=True, kw_only=True)
class Explored:
    """How many schedules were run, how many of them were distinct, and what was broken, with its seed."""

    runs: int
    distinct: int
    broken: str = ""


def distinct_schedules(job: Job, how: Mapping[str, Any], *, wanted: int, first_seed: int = 0) -> Explored:
    """Run seeds from the first on until so many schedules were distinct, something broke, or half of them repeat."""
    subject = Subject(job)
    expected = Schedule(subject, workers=1).run(Path())
    schedules = Schedules(subject, **how)
    orders: set[int] = set()
    runs = 0
    while len(orders) < wanted and runs < 2 * wanted:
        seed = first_seed + runs
        runs += 1
        try:
            found = schedules.run(Walk.of(seed))
            assert found == expected, differences(found, expected)
        except Exception as error:  # noqa: BLE001 - whatever a schedule comes to is told with its seed
            return Explored(runs=runs, distinct=len(orders), broken=f"seed {seed}: {type(error).__name__}: {error}")
        orders.add(schedules.schedule.order())
    return Explored(runs=runs, distinct=len(orders))
