"""A run that was put back to a moment goes on as one that began afresh: the same calls, rows, times and random names."""

from __future__ import annotations

import itertools
from collections import deque
from pathlib import Path
from typing import Any

import pytest

from fault_cases import JOBS, Trial, at, runs_of, trial
from faulty import Fault, Kind
from moments import Moment


def all_of(run: Trial) -> list[Any]:
    """Everything that a run did and left."""
    faulty, driver = run.faulty, run.driver
    did = [faulty.calls, faulty.history, faulty.delays, faulty.happened, driver.events, [*map(str, driver.errors)]]
    return [*map(list, did), list(run.hooks), driver.everything(), run.clock.now(), driver.rng.getstate()]


@pytest.mark.parametrize("kind", list(Kind), ids=lambda kind: kind.value)
@pytest.mark.parametrize("name", ["three tasks in two stages", "a second run", "two lanes with failures"])
def test_a_run_that_was_put_back_goes_on_as_one_from_the_start(tmp_path: Path, name: str, kind: Kind) -> None:
    with runs_of(JOBS[name], "memory", tmp_path) as runs:
        calls = [call for call in runs.calls if call.can(kind)]
        for call in itertools.chain(calls[::9], calls[:1]):  # forwards, and back to the start
            fault = Fault(kind, at(call.number))
            with runs.before(call) as run, trial(JOBS[name], "memory", tmp_path, fault) as fresh:
                run.faulty.faults = (fault,)
                run.faulty.lease_lost = run.another_instance(1)
                fresh.faulty.lease_lost = fresh.another_instance(1)

                assert run.run() == fresh.run()
                assert all_of(run) == all_of(fresh)
                assert run.faulty.happened == [call]


def test_what_could_not_be_put_back_is_refused() -> None:
    with pytest.raises(TypeError, match="can't be put back"):
        Moment({"left": [deque([1])]})
