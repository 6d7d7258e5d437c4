"""Runs a job's messages on several instances whose port calls take turns as a strategy decides: every order can be had.

Each worker is a greenlet: before each call of a port it hands the turn on. So a schedule is the list of the choices
made, and one list gives one run.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import pydantic_core
from greenlet import getcurrent, greenlet

from clocks import ManualClock
from driver import LEASE_S, Crash, Driver, NeverEnds
from fault_cases import Subject
from faulty import Faulty
from invariants import Written, check_invariants, outcome
from jobkit.local.memory import MemoryStore
from jobkit.runtime.processing import QUEUES
from jobkit.runtime.storage.ports import Delivery, Store
from moments import Moment

T = TypeVar("T")

MOST_CALLS = 5_000


@dataclass(frozen=True, slots=True)
class Option:
    """What could be next: a worker's next call (or its next message), its death, or the end of all leases."""

    what: str
    worker: int = -1


EXPIRY = Option("expire")


class Strategy(Protocol):
    """Decides what is next."""

    def choose(self, options: Sequence[Option], current: int) -> int:
        """Return the position of the option that is taken; `current` is the one that goes on with the same worker, or -1.

        Those that go on with a worker come before all others.
        """
        ...


@dataclass
class Worker:
    """One instance: its driver, and its turn."""

    number: int
    driver: Driver
    turn: greenlet | None = None
    idle: bool = True
    dying: bool = False
    message: tuple[object, ...] = ()
    step: int = 0

    def __post_init__(self) -> None:
        self.going, self.death = Option("go", self.number), Option("die", self.number)


class Interleaved(Faulty):
    """A store whose calls wait for their turn, and that knows in which order they touched what."""

    def __init__(self, store: Store, schedule: Schedule) -> None:
        super().__init__(store)
        self._schedule = schedule
        self._versions: defaultdict[tuple[str, str], dict[str, int]] = defaultdict(dict)
        self.orders: set[tuple[object, ...]] = set()

    def call(
        self,
        verb: str,
        place: str,
        do: Callable[[], T],
        *,
        keep: Callable[[], list[Written]] | None = None,
        reads: tuple[str, str] | None = None,
        **_: object,  # what it takes for a call to go wrong
    ) -> T:
        worker = self._schedule.before_call()
        steps = keep() if keep is not None else []
        result = do()
        self.history += steps
        if worker is None:
            return result
        worker.step += 1
        who = (*worker.message, worker.step, verb, place)
        for step in steps:
            versions = self._versions[place, step.partition]
            versions[step.row] = versions.get(step.row, 0) + 1
            self.orders.add((*who, step.partition[-6:], step.row, versions[step.row]))
        if reads is not None:
            versions = self._versions[place, reads[0]]
            seen = versions.get(reads[1], 0) if reads[1] else hash(frozenset(versions.items()))
            self.orders.add((*who, seen))
        return result


class Schedule:
    """One job on a store in memory, run by several instances in the order that a strategy decides."""

    def __init__(
        self,
        subject: Subject,
        *,
        workers: int,
        crashes: int = 0,
        expiries: int = 0,
        submits: int = 1,
    ) -> None:
        """Submit the job; allow for so many deaths of an instance, and so often the end of all leases.

        Several `submits` take turns as everything else does, each by an instance that works then; none of them may die.
        """
        assert submits == 1 or not crashes, "an index row that a dead submit leaves is not told apart here"
        self.clock = ManualClock()
        self._memory = MemoryStore(clock=self.clock, rng=random.Random(7))
        self.faulty = Interleaved(self._memory.store, self)
        self._subject = subject
        subject.hooks.clear()
        self._crashes, self._expiries = crashes, expiries
        self._workers = [
            Worker(
                n,
                Driver(
                    self.faulty.store,
                    [subject.controller],
                    clock=self.clock,
                    rng=random.Random(n),
                    batch=1,
                    worker=f"instance-{n}",
                ),
            )
            for n in range(workers)
        ]
        self._running: Worker | None = None
        self._calls = 0
        self.job_id = ""
        if submits == 1:
            self._submit(self._workers[0])
        else:
            for worker in self._workers[:submits]:
                worker.idle, worker.message = False, ("submit", worker.number)

    def run(self, strategy: Strategy) -> dict[str, Any]:
        """Run the job to its end, check all invariants and return what it came to."""
        self.play(strategy)
        check_invariants(self.faulty.real, self.job_id, self.faulty.history)
        found = self._subject.job.comparable(outcome(self.faulty.real, self.job_id))
        heard = set(self._subject.hooks)
        assert heard == {found["status"]}, f"the job is {found['status']}, the hook heard {heard}"
        return found

    def play(self, strategy: Strategy) -> None:
        """Have the workers take turns until nobody has anything to do."""
        self._strategy = strategy
        self._main = getcurrent()
        for worker in self._workers:
            worker.turn = greenlet(self._work)
        self._go_on(None)

    def order(self) -> int:
        """Return a number for the order of calls that touched the same rows or queues."""
        return hash(frozenset(self.faulty.orders))

    def state(self) -> Hashable:
        """Return where the schedule is: which calls were done, told apart as `order` does, and who is where."""
        workers = tuple((each.message, each.step, each.idle, each.dying) for each in self._workers)
        left = (self._crashes, self._expiries, self.clock.now())
        return frozenset(self.faulty.orders), workers, left, self._running and self._running.number

    def before_call(self) -> Worker | None:
        """Wait for the turn of the worker that runs; None while nobody works yet."""
        worker = self._running
        if worker is None:
            return None
        if worker.dying:  # whoever caught it (it may have been raised in a user's code) is as dead
            raise Crash
        self._calls += 1
        if self._calls > MOST_CALLS:
            raise NeverEnds(f"{MOST_CALLS} calls, and still {self._lengths()}")
        self._go_on(worker)
        if worker.dying:
            raise Crash
        return worker

    def _submit(self, worker: Worker) -> None:
        job = self._subject.job
        self.job_id = worker.driver.submit(self._subject.controller.job_type, job.params, **job.how)

    def _work(self, worker: Worker) -> None:
        """Submit, if that is to be done, and take message after message; what it raises ends the schedule, and `run` raises it."""
        if not worker.idle:
            self._submit(worker)
            worker.idle = True
            self._go_on(worker)
        while True:
            self._take_message(worker)
            worker.idle = True
            self._go_on(worker)

    def _take_message(self, worker: Worker) -> None:
        try:
            for queue, delivery in worker.driver.receive(1):
                worker.idle = False
                worker.message, worker.step = _label(queue, delivery), 0
                self.faulty.orders.add((worker.message, "received"))
                worker.driver.process(queue, delivery)
        except Crash:
            worker.dying = False
            worker.driver.crashed()

    def _go_on(self, worker: Worker | None) -> None:
        """Hand the turn on, and come back when it is this worker's again; to `run` when all is over."""
        following = self._choose(worker)
        if following is worker and worker is not None:
            return
        self._running = following
        if following is None:
            self._main.switch()
        else:
            following.turn.switch(following)

    def _choose(self, worker: Worker | None) -> Worker | None:
        while True:
            options = self._options(worker)
            if not options:
                if not any(self._lengths().values()):
                    return None
                self.clock.advance(LEASE_S + 1)
                continue
            current = -1 if worker is None or worker.idle else options.index(worker.going)
            option = options[self._strategy.choose(options, current) if len(options) > 1 else 0]
            if option.what == "expire":
                self._expiries -= 1
                self.clock.advance(LEASE_S + 1)
                continue
            chosen = self._workers[option.worker]
            if option.what == "die":
                self._crashes -= 1
                chosen.dying = True
            return chosen

    def _options(self, worker: Worker | None) -> list[Option]:
        busy = [each for each in self._workers if not each.idle]
        idle = [each for each in self._workers if each.idle]
        options = [each.going for each in (*busy, *self._beginning(idle))]
        if self._crashes and worker is not None and not worker.idle:
            options.append(worker.death)
        if self._expiries and busy and idle:
            options.append(EXPIRY)
        return options

    def _beginning(self, idle: Sequence[Worker]) -> list[Worker]:
        """Return who of those that do nothing could begin something: one, since they are all alike."""
        return [*idle[:1]] if idle and self._memory.queues.first_visible_in_s(QUEUES) == 0 else []

    def _lengths(self) -> dict[str, int]:
        return {queue: self.faulty.real.queues.length(queue) for queue in QUEUES}


class Schedules:
    """A job that is run again and again, in one order after another: it is submitted once."""

    def __init__(self, subject: Subject, **how: Any) -> None:
        """Submit it; `how` is what a schedule takes."""
        self.schedule = Schedule(subject, **how)
        self._submitted = Moment(self.schedule)

    def run(self, strategy: Strategy) -> dict[str, Any]:
        """Run it to its end from where it was submitted; return what it came to."""
        self._submitted.put_back()
        return self.schedule.run(strategy)


@dataclass
class Walk:
    """Takes the turn from a worker with a probability that the seed gives; the rarer, the longer the runs without."""

    rng: random.Random
    restless: float = 0.5
    fault: float = 0.03

    @classmethod
    def of(cls, seed: int) -> Walk:
        rng = random.Random(seed)
        return cls(rng, restless=rng.choice((0.3, 0.6, 1.0)), fault=rng.choice((0.01, 0.05)))

    def choose(self, options: Sequence[Option], current: int) -> int:
        going = sum([option.what == "go" for option in options])
        if going < len(options) and self.rng.random() < self.fault:
            return self.rng.choice(range(going, len(options)))
        if current >= 0 and self.rng.random() >= self.restless:
            return current
        return self.rng.choice(range(going))


@dataclass
class Path:
    """Makes given choices, then stays with the worker that runs; notes what else there was."""

    given: tuple[int, ...] = ()
    made: list[int] = field(default_factory=list)
    others: list[list[tuple[int, bool]]] = field(default_factory=list)
    #: Where the schedule was at each choice; unless told, somewhere else at each.
    states: list[Hashable] = field(default_factory=list)
    state: Callable[[], Hashable] = object

    def choose(self, options: Sequence[Option], current: int) -> int:
        at = len(self.made)
        stay = max(current, 0)
        taken = self.given[at] if at < len(self.given) else stay
        self.states.append(None if at < len(self.given) else (self.state(), current))
        self.others.append([(n, current >= 0) for n in range(len(options)) if n != stay])
        self.made.append(taken)
        return taken


def every_path(run: Callable[[Path], object], *, preemptions: int, most: int) -> int:
    """Run every path with up to so many choices that take the turn from a worker that could go on; return how many.

    Where paths meet, having done the same calls in another order of those that touch nothing in common, only one goes on:
    the first, which has most choices left. `run` gives each path its `state`. Raises AssertionError when there are more than `most`.
    """
    waiting: list[list[tuple[int, ...]]] = [[] for _ in range(preemptions)] + [[()]]  # by how many are left
    tried: set[Hashable] = set()
    done = 0
    while any(waiting):
        left = max(number for number, paths in enumerate(waiting) if paths)
        given = waiting[left].pop()
        path = Path(given)
        run(path)
        done += 1
        assert done <= most, f"more than {most} paths"
        for at in range(len(given), len(path.made)):
            for other, preempts in path.others[at]:
                if left >= preempts and (path.states[at], other) not in tried:
                    tried.add((path.states[at], other))
                    waiting[left - preempts].append((*path.made[:at], other))
    return done


def _label(queue: str, delivery: Delivery) -> tuple[object, ...]:
    message = pydantic_core.from_json(delivery.body)
    names = (message.get("stage", 0), message.get("first", 0), message.get("attempt", 1))
    return (queue, message["kind"], *names, delivery.dequeue_count)
