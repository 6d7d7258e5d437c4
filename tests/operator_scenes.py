"""Scenes in which an operator, or the timer, does something to a job, played by hand: what they say must not be."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

from clocks import ManualClock
from driver import LEASE_S, Crash, Driver, new_store
from fault_cases import Job, at, trial
from faulty import Fault, Kind
from invariants import check_invariants
from jobkit.runtime import PermanentError, TaskContext
from jobkit.runtime.errors import NotToBePurged
from jobkit.runtime.operator import Operator
from jobkit.runtime.purging import Purging
from jobkit.runtime.repair import PLANNING_TAKES
from operators import look_after
from retried_cases import MENDED, RETRIED_JOBS
from samples import Count, one_stage, second_fails, two_stages
from scenes import Two


def stopped_amid_a_task(folder: Path) -> list[str]:
    """While a task runs its first attempt, which fails, its job is cancelled, and what is queued is settled."""
    clock = ManualClock()
    with new_store("memory", clock=clock, folder=folder) as store:
        begun: list[tuple[int, int]] = []

        def run(task: TaskContext[Count, int]) -> int:
            begun.append((task.index, task.attempt))
            if task.attempt == 1:
                Operator(two.other.service, by="operator").cancel(job_id)
                two.other.run(deliveries=1)
                raise ConnectionError("it had to be")
            return task.index

        two = Two(store, one_stage(run, max_attempts=2), clock)
        job_id = two.one.submit("one_stage", {"n": 2})
        two.one.run()
        check_invariants(store, job_id)
        return [f"attempt {attempt} of task {index} was begun in a stopped stage" for index, attempt in begun[1:]]


def cancelled_before_a_retry(folder: Path) -> Iterator[str]:
    """A failed job is retried, cancelled before the message of that comes, and the process dies at each call from there on."""
    began: list[int] = []

    def fail(task: TaskContext[Count, int]) -> int:
        began.append(task.index)
        raise PermanentError("it had to be")

    job = Job(make=lambda hook: one_stage(fail, on_hook=hook), params={"n": 2})
    for number in itertools.count(1):
        with trial(job, "memory", folder) as run:
            run.run()
            operator = Operator(run.driver.service, by="operator")
            operator.retry(run.job_id)
            run.driver.receive(1)  # that message comes when this lease has run out
            operator.cancel(run.job_id)
            began.clear()
            run.hooks.clear()
            run.faulty.faults = (Fault(Kind.CRASH_BEFORE, at(len(run.faulty.calls) + number)),)
            run.driver.run()
            yield from (f"task {index} was begun after the cancel" for index in began)
            if not run.hooks:
                yield f"a crash before {run.faulty.happened}: the hook heard nothing"
            if not run.faulty.happened:
                return


def retried_before_the_end_is_told(folder: Path) -> list[str]:
    """A job that has failed is retried while the message of its end waits."""
    with trial(RETRIED_JOBS["tasks"], "memory", folder) as run:
        MENDED.is_mended = False
        run.job_id = run.driver.submit("one_stage", run.job.params)
        while run.driver.job(run.job_id)["status"] != "failed":
            run.driver.run(deliveries=1)
        MENDED.is_mended = True
        Operator(run.driver.service, by="operator").retry(run.job_id)
        run.driver.run()
        return [f"the hook heard {run.hooks}"] * (run.hooks != ["completed"])


def looked_at(folder: Path, *, is_lost: bool = False) -> list[str]:
    """The timer looks again and again at a job whose messages wait, or are lost."""
    clock = ManualClock()
    with new_store("memory", clock=clock, folder=folder) as store:
        driver = Driver(store, [two_stages()], clock=clock)
        driver.submit("two_stages", {"n": 4})
        driver.run(deliveries=1)
        for delivery in store.queues.receive("tasks", limit=32, visibility_s=30) if is_lost else ():
            store.queues.delete("tasks", delivery)
        sent = [driver.lengths()["tasks"]]
        for _ in range(4):
            clock.advance(300)
            look_after(driver)
            sent.append(driver.lengths()["tasks"])
    looks = [number for number, (before, after) in enumerate(itertools.pairwise(sent), 1) if after > before]
    return [f"looks {looks} sent messages again"] * (looks != [2] * is_lost)


def looked_at_when_lost(folder: Path) -> list[str]:
    return looked_at(folder, is_lost=True)


def looked_at_amid_a_task(folder: Path) -> list[str]:
    """The timer looks again and again at a job while a task of it runs, which has no timeout."""
    clock = ManualClock()
    with new_store("memory", clock=clock, folder=folder) as store:
        mended: list[str] = []

        def run(task: TaskContext[Count, int]) -> int:
            for _ in range(4 if not mended else 0):
                clock.advance(300)
                mended.extend(name for _, name in look_after(two.other).mended)
            return task.index

        two = Two(store, one_stage(run), clock)
        job_id = two.one.finish("one_stage", {"n": 1})["job_id"]
        check_invariants(store, job_id)
        return mended


def left_by_its_planner(folder: Path) -> list[str]:
    """A planner dies amid its fan-out, its message is lost, and the timer looks for some hours."""

    def items(n: int) -> Iterator[int]:
        yield from range(n)
        if not died:
            died.append(n)
            two.faulty.dead = True
            raise Crash

    clock = ManualClock()
    with new_store("memory", clock=clock, folder=folder) as store:
        died: list[int] = []
        two = Two(store, one_stage(lambda task: task.index, items=items), clock)
        job_id = two.one.submit("one_stage", {"n": 1})
        two.one.run(deliveries=1)
        clock.advance(LEASE_S + 1)
        for queue, delivery in two.other.receive(1):
            store.queues.delete(queue, delivery)
        for _ in range(4):
            clock.advance(PLANNING_TAKES.total_seconds())
            look_after(two.other)
            two.other.run()
        status = two.other.job(job_id)["status"]
        return [f"the job is {status}"] * (status != "completed")


def purged_early(folder: Path) -> Iterator[str]:
    """Somebody purges a job after each delivery of it, if that is not refused."""
    job = Job(make=lambda hook: one_stage(second_fails, on_hook=hook), params={"n": 2})
    for deliveries in itertools.count():
        with trial(job, "memory", folder) as run:
            run.job_id = run.driver.submit("one_stage", {"n": 2})
            if run.driver.run(deliveries=deliveries) < deliveries:
                return
            purging = Purging(run.driver.service, by="operator")
            try:
                found = purging.check(run.job_id)
            except NotToBePurged:
                continue
            purging.purge(found)
            run.driver.run()
            if not run.hooks:
                yield f"purged while it was {found.status.value}, and the hook heard nothing"
