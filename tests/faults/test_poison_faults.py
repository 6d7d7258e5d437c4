"""A message that fails at the same call each time it is delivered: the job still ends, whole, by its poison handler."""

from __future__ import annotations

from pathlib import Path

import pytest

from fault_cases import DIFFERENT, JOBS, Job, every_fault_in_poison, every_poison
from faulty import Kind
from samples import two_stages

SMALLEST = {
    "one task in two stages": Job(make=two_stages, params={"n": 1}),
    "no task in two stages": JOBS["no task in two stages"],
    "a fan-out that raises": JOBS["a fan-out that raises"],
    "an aggregate that raises": JOBS["an aggregate that raises"],
}


#: In these a handler that dies has a turn to give away; in the others it gives up at once, as after all of them.
ANOTHER_TURN = ("one task in two stages", "no task in two stages")


@pytest.fixture(autouse=True)
def few_turns(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have what nothing speaks against sent again once or never, not four times."""
    name = request.node.callspec.params["name"]
    monkeypatch.setattr("jobkit.runtime.turns.MAX_SPENT", 0 if name in SMALLEST and name not in ANOTHER_TURN else 5)


@pytest.mark.parametrize("kind", [Kind.CRASH_BEFORE, Kind.FAILED], ids=lambda kind: kind.value)
@pytest.mark.parametrize("name", DIFFERENT)
def test_a_message_that_never_gets_past_a_call_leaves_an_ended_job(tmp_path: Path, name: str, kind: Kind) -> None:
    assert list(every_poison(JOBS[name], "memory", tmp_path, kind)) == []


@pytest.mark.parametrize("name", ["three tasks in two stages", "no task in two stages", "a retried task"])
def test_a_message_that_never_hears_the_answer_of_a_call_leaves_an_ended_job(tmp_path: Path, name: str) -> None:
    assert list(every_poison(JOBS[name], "memory", tmp_path, Kind.CRASH_AFTER)) == []


@pytest.mark.parametrize("name", SMALLEST)
def test_a_poison_handler_that_dies_at_any_call_leaves_an_ended_job(tmp_path: Path, name: str) -> None:
    assert every_fault_in_poison(SMALLEST[name], "memory", tmp_path, Kind.CRASH_BEFORE) == []


@pytest.mark.parametrize("kind", [Kind.CRASH_AFTER, Kind.DOUBTFUL, Kind.REFUSED], ids=lambda kind: kind.value)
@pytest.mark.parametrize("name", ["no task in two stages", "an aggregate that raises"])
def test_a_poison_handler_whose_answers_are_lost_leaves_an_ended_job(tmp_path: Path, name: str, kind: Kind) -> None:
    assert every_fault_in_poison(SMALLEST[name], "memory", tmp_path, kind) == []
