"""Chaos on every store, on a clock of the test's own: a job ends as it would have, and its rows hold together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from clocks import ManualClock
from driver import Driver, new_store
from invariants import check_invariants
from jobkit.runtime.controller import BaseController
from jobkit.runtime.events import Action
from jobkit.runtime.identity import canonical_identity, hash_identity
from jobkit.runtime.registry import Registry
from jobkit.runtime.storage.ports import Store
from jobkit.testing.chaos import Chaos
from jobkit.testing.chaos_log import ChaosLog, ChaosReport, read_log
from jobkit.testing.shares import Shares, parse_shares
from samples import one_stage, second_fails_once, two_stages

SEEDS = range(6)


class DisturbedDriver(Driver):
    """A driver whose one job is disturbed."""

    def __init__(self, store: Store, controller: type[BaseController[Any]], chaos: Chaos, **options: Any) -> None:
        self._chaos = chaos
        super().__init__(store, [controller], **options)

    def start(self) -> None:
        super().start()
        registry = Registry()
        for controller in self.controllers:
            registry.add(controller)
        self._chaos.watch(self.service, registry)
        self.processing.handle = self._chaos.handler(self.processing.handle)


def job_id_of(controller: type[BaseController[Any]], n: int) -> str:
    return hash_identity(
        canonical_identity(job_type=controller.job_type, version=1, params={"n": n}, stages=None, source=None, run=1)
    )


@contextmanager
def disturbed(
    kind: str, folder: Path, controller: type[BaseController[Any]], n: int, shares: Shares
) -> Iterator[tuple[DisturbedDriver, list[ChaosReport]]]:
    """A driver for the job with n items, and, after it, the report."""
    clock = ManualClock()
    reports: list[ChaosReport] = []
    with new_store(kind, clock=clock, folder=folder) as store:
        log = ChaosLog(folder / "log")
        chaos = Chaos(shares, job_id=job_id_of(controller, n), store=store, log=log, flush=lambda: None)
        yield DisturbedDriver(chaos.store, controller, chaos, clock=clock), reports
        assert chaos.finish(30.0) == 0
        log.close()
        reports.append(read_log(folder / "log", shares))


def counts(job: dict[str, Any]) -> list[tuple[str, int, int, int]]:
    return [(s["status"], s["task_count"], s["completed"], s["failed"]) for s in job["stages"]]


@pytest.mark.parametrize("store", ["memory", "sqlite"])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_job_under_all_kinds_of_faults_ends_as_without_and_no_rule_is_broken(
    tmp_path: Path, store: str, seed: int
) -> None:
    shares = parse_shares("kill=20%,duplicate=20%,late=20%,error=10%", seed=seed)
    controller = two_stages()

    with disturbed(store, tmp_path, controller, 101, shares) as (driver, reports):
        job = driver.finish("two_stages", {"n": 101})

        assert (job["status"], counts(job)) == ("completed", [("completed", 101, 101, 0)] * 2)
        assert [task["result"] for task in driver.tasks(job["job_id"], 2)] == [i * i + 101 for i in range(101)]
        assert driver.told(Action.POISONED) == []
        check_invariants(driver.store, job["job_id"])
    [report] = reports
    assert all(report.injected.values())
    assert [rerun for rerun in report.reruns if rerun.differs] == []


@pytest.mark.parametrize("kind", ["kill", "duplicate", "late", "error"])
@pytest.mark.parametrize("n", [0, 1, 101])
def test_a_fault_wherever_it_can_happen_poisons_nothing(tmp_path: Path, kind: str, n: int) -> None:
    controller = two_stages()

    with disturbed("memory", tmp_path, controller, n, parse_shares(f"{kind}=100%", seed=1)) as (driver, reports):
        job = driver.finish("two_stages", {"n": n})

        assert (job["status"], counts(job)) == ("completed", [("completed", n, n, 0)] * 2)
        assert driver.told(Action.POISONED) == []
        check_invariants(driver.store, job["job_id"])
    [report] = reports
    runs = {"kill": 3, "late": 3, "duplicate": 0, "error": 0}[kind]
    assert [len(rerun.came) for rerun in report.reruns] == [runs] * (2 * n if runs else 0)
    if kind != "error":
        times = {"kill": 2, "late": 2, "duplicate": 1}[kind]
        assert {name.value: count for name, count in report.injected.items()} == {kind: times * 2 * n}


def test_an_attempt_that_raises_and_one_that_does_not_are_not_compared(tmp_path: Path) -> None:
    controller = one_stage(second_fails_once, max_attempts=2)

    with disturbed("memory", tmp_path, controller, 2, parse_shares("kill=100%", seed=1)) as (driver, reports):
        job = driver.finish("one_stage", {"n": 2})
        assert [(task["status"], task["attempt"], task["result"]) for task in driver.tasks(job["job_id"])] == [
            ("completed", 1, 0),
            ("completed", 2, 10),
        ]

    raised = "raised ConnectionError: the first attempt always fails"
    assert [(r.index, r.attempt, r.differs, [came.sample for came in r.came]) for r in reports[0].reruns] == [
        (0, 1, False, ["0"] * 3),
        (1, 1, False, [raised] * 3),
        (1, 2, False, ["10"] * 3),
    ]


def test_a_long_result_is_compared_whole_and_shown_in_part(tmp_path: Path) -> None:
    ends = iter("abc")
    controller = one_stage(lambda task: "x" * 1000 + next(ends))

    with disturbed("memory", tmp_path, controller, 1, parse_shares("kill=100%", seed=1)) as (driver, reports):
        driver.finish("one_stage", {"n": 1})

    [rerun] = reports[0].reruns
    assert (rerun.differs, [came.sample for came in rerun.came]) == (True, ['"' + "x" * 199 + "…"] * 3)


def test_the_choice_follows_from_seed_and_task_and_its_share_is_about_what_was_asked_for() -> None:
    chosen = [
        sum(parse_shares("kill=5%", seed=seed).choose(kind, 1, index, 1, 1) for index in range(10_000))
        for seed, kind in ((1, "kill"), (2, "kill"), (1, "late"))
    ]

    assert chosen == [548, 498, 0]
