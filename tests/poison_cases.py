"""Jobs with messages that become poison, and an operator who acts on them."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from driver import START, Crash, Driver
from fault_cases import Job, Trial, at, differences, each_time, trial, undisturbed
from faulty import Fault, Kind
from jobkit.runtime.errors import JobkitError
from jobkit.runtime.poison import poison_id
from jobkit.runtime.poison_acts import PoisonActs
from jobkit.runtime.poison_choice import Wanted
from jobkit.runtime.poison_search import TAKEN_S, PoisonSearch
from jobkit.runtime.storage.ports import Delivery

Doing = Callable[[Driver], None]


def received(text: str, *, deliveries: int = 1) -> Delivery:
    """A text as a queue delivers it, also one that a queue would not take."""
    message_id = poison_id("", text)
    return Delivery(id=message_id, body=text, dequeue_count=deliveries, receipt="", inserted_at=START, visible_at=START)


def requeue(driver: Driver) -> None:
    found = PoisonSearch(driver.service, driver.store.queues).find(Wanted(), take=True)
    PoisonActs(driver.service, driver.store.queues, by="operator").requeue(found.messages)


def drop(driver: Driver) -> None:
    found = PoisonSearch(driver.service, driver.store.queues).find(Wanted(), take=True)
    PoisonActs(driver.service, driver.store.queues, by="operator").drop(found.messages)


def run_with(run: Trial, do: Doing) -> tuple[dict[str, Any], list[int]]:
    """Run a job, and let an operator act on each poison message before its handler sees it.

    Return what the job came to, and the numbers of the operator's calls.
    """
    run.job_id = run.driver.submit(run.controller.job_type, run.job.params, **run.job.how)
    numbers: list[int] = []
    while any(run.driver.lengths().values()):
        run.driver.run(deliveries=1)
        lengths = run.driver.lengths()
        if lengths["jobs-poison"] + lengths["tasks-poison"]:
            run.faulty.delivery = 0
            first = len(run.faulty.calls)
            _act_until_done(run, do)
            numbers += range(first, len(run.faulty.calls))
    return run.outcome(), numbers


def _act_until_done(run: Trial, do: Doing) -> None:
    """Act as often as the operator dies over it, or the store fails."""
    for _ in range(5):
        try:
            return do(run.driver)
        except Crash:
            run.driver.crashed()
            run.clock.advance(TAKEN_S)  # what the dead one held
        except JobkitError as error:
            run.driver.errors.append(error)
    raise AssertionError(f"the operator never gets through: {run.driver.errors[-1]}")


def _handled_meanwhile(run: Trial) -> Callable[[], None]:
    """Return what becomes of the messages that an operator holds too long: an instance has them."""

    def handle(driver: Driver) -> None:
        driver.run(deliveries=3)

    return run.beside(handle, after_s=TAKEN_S + 1, rng=random.Random(99), worker="other")


def every_poison_met(
    job: Job, folder: Path, do: Doing, *, same: bool, fault: Kind | None = None, every: int = 1
) -> tuple[int, list[str]]:
    """Let a message die each time at one call, for each (of so many) call, and an operator act on it.

    With a `fault` do it once for each of the operator's calls, with the fault there. Return how many jobs there were
    with a poison message, and what was broken; the outcome must be the `same` as without.
    """
    undisturbed_outcome, calls = undisturbed(job, "memory", folder)
    broken: list[str] = []
    tried = 0
    for _, death in list(each_time(Kind.CRASH_BEFORE, calls))[::every]:
        faults: list[tuple[Fault, ...]] = [(death,)]
        expected = undisturbed_outcome
        if fault is not None:
            with trial(job, "memory", folder, death) as run:
                expected, numbers = run_with(run, do)
                its_calls = [run.faulty.calls[number] for number in numbers]
            faults = [(death, Fault(fault, at(call.number))) for call in its_calls if call.can(fault)]
        for these in faults:
            with trial(job, "memory", folder, *these) as run:
                run.faulty.lease_lost = _handled_meanwhile(run)
                try:
                    found, numbers = run_with(run, do)
                    run.check()
                    assert not same or found == expected, differences(found, expected)
                    tried += bool(numbers)
                except Exception as error:  # noqa: BLE001 - collected, so that one failure shows them all
                    broken.append(f"{death.name}, {run.faulty.happened[-1]}: {type(error).__name__}: {error}")
    return tried, broken
