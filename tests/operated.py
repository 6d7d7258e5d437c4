"""Runs a job on instances beside operators whose port calls take turns with theirs, and looks at what that leaves."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from itertools import takewhile
from typing import Any

from driver import TABLES, Crash, Driver
from fault_cases import Hook, Job, Subject
from interleaving import Schedule, Walk, Worker
from invariants import Written, broken_history
from jobkit.runtime import BaseController, JobContext, PermanentError, TaskContext, stage
from jobkit.runtime.invariants import broken_invariants
from jobkit.runtime.model import Chain, Status
from jobkit.runtime.repository import Repository
from operators import ACTS, REFUSALS, RETRIES, Desk, look_after
from purged_cases import purge_all
from samples import Count, one_stage

Run = Callable[[Any], int]

WHERE = "tests/faults/test_operated_schedules.py::test_whatever_operators_do_a_job_ends_and_a_purged_one_leaves_nothing"
INSTANCES, OPERATORS = 2, 2
MOST_ACTS = 7
#: How often the timer comes, and how often at most before all must have ended: a planner is silent for an hour.
TIMER_S, MOST_LOOKS = 300.0, 30


def two_flaky_stages(run: Run) -> Callable[[Hook], type[BaseController[Count]]]:
    """Two stages of n tasks; the second one has those that the first one completed."""

    def make(on_hook: Hook) -> type[BaseController[Count]]:
        class TwoFlakyStages(BaseController[Count]):
            job_type = "two_flaky_stages"

            @stage("First", max_attempts=2)
            def first(self, task: TaskContext[Count, int]) -> int:
                return run(task)

            @first.fan_out
            def numbers(self, job: JobContext[Count]) -> Iterator[int]:
                yield from range(job.params.n)

            @stage("Second", max_attempts=2)
            def second(self, task: TaskContext[Count, int]) -> int:
                return run(task)

            @second.fan_out
            def completed(self, job: JobContext[Count]) -> Iterator[int]:
                for result in job.results(self.first):
                    yield result.value

            def on_complete(self, job: JobContext[Count], *, status: str) -> None:
                on_hook(status)

        return TwoFlakyStages

    return make


def _one_stage(n: int, *, max_attempts: int = 2, **options: Any) -> Callable[[Run], Job]:
    return lambda run: Job(
        make=lambda hook: one_stage(run, on_hook=hook, max_attempts=max_attempts, **options), params={"n": n}
    )


#: Each makes a job of what its tasks do.
CASES: dict[str, Callable[[Run], Job]] = {
    "two stages": lambda run: Job(make=two_flaky_stages(run), params={"n": 3}),
    "two empty stages": lambda run: Job(make=two_flaky_stages(run), params={"n": 0}),
    "failures that do not matter": _one_stage(3, on_failure="continue"),
    "a stop": _one_stage(4, on_failure="stop"),
    "a timeout": _one_stage(3, timeout=timedelta(seconds=20)),
    "two lanes": _one_stage(5, max_parallel=2),
    "a lane that is stopped": _one_stage(4, max_attempts=1, max_parallel=1, on_failure="stop"),
    "batches": _one_stage(5, batch=2),
    "batches that are stopped": _one_stage(5, batch=3, on_failure="stop"),
    "three shards": _one_stage(201, max_attempts=1, batch=40),
}


class Operated(Schedule):
    """A schedule in which operators act, now and then, beside the instances."""

    def __init__(self, subject: Subject, *, rng: random.Random) -> None:
        """Draw how many acts, deaths and lost leases there are."""
        workers = INSTANCES + OPERATORS
        super().__init__(subject, workers=workers, crashes=rng.randint(0, 2), expiries=rng.randint(0, 2))
        self._rng = rng
        self._acts_left = rng.randint(1, MOST_ACTS)
        self._eager = rng.choice((0.01, 0.03, 0.1, 0.5))
        self.acts: list[str] = []
        #: Whether an operator's process died over an act, which nobody but the timer goes on with.
        self.is_left_undone = False
        #: Whether an operator has dropped the completion of a job, with which its hook is given up.
        self.is_hook_given_up = False

    @property
    def heard(self) -> set[str]:
        """What the hook was told that jobs came to."""
        return set(self._subject.hooks)

    def later(self) -> Driver:
        """Return another instance, for when nobody works any more: its calls wait for nobody."""
        rng = random.Random(99)
        return Driver(self.faulty.real, [self._subject.controller], clock=self.clock, rng=rng, worker="later")

    def _beginning(self, idle: Sequence[Worker]) -> list[Worker]:
        beginning = super()._beginning([each for each in idle if each.number < INSTANCES])
        operators = [each for each in idle if each.number >= INSTANCES]
        nothing_else = not beginning and len(idle) == INSTANCES + OPERATORS
        if self._acts_left and operators and (nothing_else or self._rng.random() < self._eager):
            beginning.append(operators[0])
        return beginning

    def _take_message(self, worker: Worker) -> None:
        if worker.number < INSTANCES:
            super()._take_message(worker)
            return
        self._acts_left -= 1
        name = self._rng.choice(self._choices())
        worker.idle = False
        worker.message, worker.step = (name, self._acts_left), 0
        queues = self.faulty.real.queues
        desk = Desk(driver=worker.driver, subject=self._subject, job_id=self.job_id, beneath=queues, rng=self._rng)
        number = len(self.acts)
        self.acts.append(f"{name} (unfinished)")
        try:
            did = ACTS[name](desk)
        except Crash:
            self.is_left_undone = True
            did = "died"
            worker.dying = False
            worker.driver.crashed()
        except REFUSALS as refused:
            did = type(refused).__name__
        self.acts[number] = f"{name} ({did})" if did else name
        self.is_hook_given_up |= name == "poison drop" and "complete" in did

    def _choices(self) -> list[str]:
        """Return what may be chosen: most often a retry where it would not be refused."""
        job = Repository(self.faulty.real.tables).find_job(self.job_id)
        is_failed = job is not None and job.status is Status.FAILED
        return list(RETRIES if is_failed and self._rng.random() < 0.7 else ACTS)


def violation(name: str, seed: int) -> str:
    """Run a case by a seed; say what must not be, by which acts it came to be and how it is had again; nothing if all is well."""
    rng = random.Random(f"{name}, {seed}")  # not what the walk draws from: that would go hand in hand
    failing = rng.choice((0.0, 0.2, 0.4, 0.6))

    def run(task: TaskContext[Count, int]) -> int:
        if rng.random() < failing:
            raise rng.choice((PermanentError, ConnectionError))("it had to be")
        return task.index

    schedule = Operated(Subject(CASES[name](run)), rng=rng)
    try:
        schedule.play(Walk.of(seed))
        broken = what_is_left(schedule)
    except Exception as error:  # noqa: BLE001 - whatever a schedule comes to is told with its seed
        broken = [f"{type(error).__name__}: {error}"]
    if not broken:
        return ""
    again = f"JOBKIT_TEST_SEED={seed} pytest -n0 '{WHERE}[{name}]'"
    return f"{name}, seed {seed}: {'; '.join(broken)}. Acts: {', '.join(schedule.acts)}. Again: {again}"


def what_is_left(schedule: Operated) -> list[str]:
    """Look at what nobody works on any more, have the timer see to it, then purge all; return what must not be."""
    driver = schedule.later()
    hanging = _hanging(driver)
    if hanging and not schedule.is_left_undone:
        return hanging
    for _ in range(MOST_LOOKS):
        if not (hanging or driver.repository.index.active_ids()):
            break
        driver.clock.advance(TIMER_S)
        look_after(driver)
        driver.run()
        hanging = _hanging(driver)
    broken = [f"{text}, whatever the timer does" for text in hanging]
    broken += [f"{job_id[:6]} is listed among the active jobs" for job_id in driver.repository.index.active_ids()]
    broken += [f"{left} messages left in {queue}" for queue, left in driver.lengths().items() if left]
    for chain in _chains(driver):
        if not chain.job.is_purging:  # then rows are missing, by and by
            broken += [f"{chain.job.job_id[:6]}: {text}" for text in broken_invariants(driver.repository, chain)]
            has_heard = chain.job.status.value in schedule.heard or schedule.is_hook_given_up
            if not (hanging or has_heard):
                broken.append(f"{chain.job.job_id[:6]} is {chain.job.status}, the hook heard {sorted(schedule.heard)}")
    broken += broken_history(schedule.job_id, takewhile(_is_before_purge, schedule.faulty.history))
    return broken or _rows_left(driver)


def _is_before_purge(step: Written) -> bool:
    return not (step.place == "jobs" and step.row == "job" and (step.after or {}).get("purging"))


def _rows_left(driver: Driver) -> list[str]:
    """Purge all, and return which rows that leaves."""
    driver.clock.advance(7_200)  # no submit is under way any more
    purge_all(driver)
    left = driver.everything()
    return [f"{table}: {row[:3]}" for table in TABLES for row in left[table]]


def _chains(driver: Driver) -> Iterator[Chain]:
    recent = driver.repository.index.recent()
    for job_id in dict.fromkeys(entry.job_id for entry in recent):
        chain = driver.repository.find_chain(job_id)
        if chain is not None:
            yield chain


def _hanging(driver: Driver) -> list[str]:
    return [
        f"{chain.job.job_id[:6]} is {chain.job.status} at stage {chain.job.stage}, of round {chain.job.round}; "
        f"the stages are {[each.state.value for each in chain.stages]}"
        for chain in _chains(driver)
        if not chain.job.status.ended
    ]
