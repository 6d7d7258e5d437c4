"""What an azure store does with many things: 16 at a time, each begun when one before it is done, and none outlives the call."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from azurite import connection_string
from clocks import ManualClock
from driver import Driver, new_store
from jobkit.runtime.operator import Operator
from jobkit.runtime.storage.azure import AzureStore
from jobkit.runtime.storage.azure_account import Account
from samples import one_stage

DEADLINE_S = 20.0


@pytest.fixture
def azure() -> Iterator[AzureStore]:
    """A store of an account that is never asked."""
    with AzureStore(Account(connection_string=connection_string(1, 1)), hub="each") as store:
        yield store


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 250])
def test_all_are_done_and_no_more_than_16_are_taken_before_they_are_done(azure: AzureStore, count: int) -> None:
    taken: list[int] = []
    done: list[int] = []
    ahead: list[int] = []

    def items() -> Iterator[int]:
        for number in range(count):
            ahead.append(len(taken) - len(done))
            taken.append(number)
            yield number

    azure.each(items(), done.append)

    assert (taken, sorted(done)) == (list(range(count)), list(range(count)))
    assert max(ahead, default=0) <= 16


def test_16_are_done_at_a_time(azure: AzureStore) -> None:
    all_there = threading.Barrier(16)

    azure.each(range(32), lambda _: all_there.wait(DEADLINE_S) and None)

    assert not all_there.broken


def test_what_fails_is_raised_when_nothing_is_being_done_any_more_and_nothing_follows(azure: AzureStore) -> None:
    begun: list[int] = []
    ended: list[int] = []
    failed = threading.Event()

    def do(number: int) -> None:
        begun.append(number)
        if number == 3:
            failed.set()
            raise ValueError(number)
        assert failed.wait(DEADLINE_S)
        sum(range(1_000_000))  # it takes a while from there
        ended.append(number)

    with pytest.raises(ValueError, match="3"):
        azure.each(iter(range(1_000)), do)

    assert sorted([*ended, 3]) == sorted(begun)
    assert len(begun) <= 32


def test_what_gives_the_items_may_fail(azure: AzureStore) -> None:
    done: list[int] = []

    def items() -> Iterator[int]:
        yield from range(20)
        raise LookupError("the list ends early")

    with pytest.raises(LookupError, match="the list ends early"):
        azure.each(items(), done.append)

    assert set(done) >= {0, 1, 2, 3}
    assert len(done) == len(set(done)) <= 20


def test_a_stages_slices_are_planned_and_queued_again_side_by_side(azure: AzureStore, tmp_path: Path) -> None:
    clock = ManualClock()
    all_there = threading.Barrier(5)
    rounds: list[int] = []

    def fail_at_first(task: Any) -> int:
        if len(rounds) == 1:
            raise ValueError("broken")
        return int(task.index)

    with new_store("memory", clock=clock, folder=tmp_path) as store:

        class SideBySide:
            """Tables whose transactions of a whole slice wait until five are under way."""

            def __getattr__(self, name: str) -> Any:
                return getattr(store.tables, name)

            def transact(self, table: str, operations: list[Any]) -> Any:
                if len(operations) == 100:
                    all_there.wait(DEADLINE_S)
                return store.tables.transact(table, operations)

        driver = Driver(replace(store, tables=SideBySide()), [one_stage(fail_at_first)], clock=clock)
        driver.service.outbox.each = azure.each
        rounds.append(1)
        failed = driver.finish("one_stage", {"n": 500})
        rounds.append(2)
        Operator(driver.service, by="ann").retry(failed["job_id"])
        driver.run()
        job = driver.job(failed["job_id"])

    values = [result["value"] for result in job["result"]["stages"][0]["results"]]
    assert (failed["status"], job["status"], values) == ("failed", "completed", list(range(500)))
    assert not all_there.broken
