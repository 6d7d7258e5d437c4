"""The jobs that faults are tried on, and one undisturbed run of each to compare with."""

from __future__ import annotations

import contextlib
import itertools
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from greenlet import greenlet

from driver import DELIVERED, LEASE_S, Driver, ManualClock, new_store
from faulty import Call, Fault, Faulty, Kind
from invariants import check_invariants, outcome
from jobkit.runtime import PermanentError
from jobkit.runtime.controller import BaseController
from jobkit.runtime.errors import StoreUnavailable
from jobkit.runtime.events import Action
from jobkit.runtime.messages import POISON_SUFFIX
from moments import Trail
from samples import (
    broken_items,
    failing_stages,
    odd_stages_skipped,
    one_stage,
    second_fails,
    second_fails_once,
    sharing,
    three_stages,
    two_stages,
)

_HUBS = itertools.count(1)

Hook = Callable[[str], None]
Before = Callable[[], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job by its controller, which tells `hook` when it has ended, and its parameters."""

    make: Callable[[Hook], type[BaseController[Any]]]
    params: dict[str, Any]
    how: dict[str, Any] = field(default_factory=dict)
    #: Whether tasks are settled: which ones depends on the order in which things happen, that they are does not.
    is_settled: bool = False
    #: Whether running tasks may be handed to another attempt.
    is_handed_on: bool = False
    #: Whether results name the delivery that gave them.
    is_named: bool = False

    def comparable(self, found: dict[str, Any]) -> dict[str, Any]:
        """Return of an outcome what must be the same in every run."""
        if self.is_named:
            return found | {"tasks": [(*task[:4], task[5]) for task in found["tasks"]]}
        if self.is_handed_on:
            return found | {"tasks": [(*task[:2], *task[3:]) for task in found["tasks"]]}
        if not self.is_settled:
            return found
        error = found["error"].type if found["error"] else None
        return {"status": found["status"], "error": error, "stages": [stage[:3] for stage in found["stages"]]}


class Subject:
    """A job to be run again and again: its controller is made once."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.hooks: list[str] = []
        self.controller = job.make(self.hooks.append)


def double(task: Any) -> int:
    return 2 * int(task.params)


def even_fail(task: Any) -> int:
    if task.index % 2 == 0:
        raise PermanentError(f"task {task.index} is broken")
    return 2 * int(task.params)


def second_fails_once_and_all_name_themselves(task: Any) -> dict[str, Any]:
    """Fail at the second task's first attempt; return which attempt of which delivery gave the result."""
    second_fails_once(task)
    message, delivered = DELIVERED.get()
    return {"attempt": task.attempt, "message": message, "delivered": delivered}


def two_of_four_fail(task: Any) -> int:
    """Fail task 0 at each attempt and task 1 at its first; the message of task 2 becomes poison."""
    if task.index == 0 or (task.index == 1 and task.attempt == 1):
        raise ConnectionError(f"task {task.index} gets no answer")
    if task.index == 2:
        raise StoreUnavailable(store="its own", reason="the task asks for it in vain, as often as it is delivered")
    return 2 * int(task.params)


def tolerating(tolerated: float) -> Job:
    """Two failures of four tasks, one after a retry and one by poison, where so many are tolerated."""
    return Job(
        make=lambda hook: one_stage(two_of_four_fail, max_attempts=2, tolerated_failures=tolerated, on_hook=hook),
        params={"n": 4},
    )


JOBS = {
    "three tasks in two stages": Job(make=two_stages, params={"n": 3}),
    "no task in two stages": Job(make=two_stages, params={"n": 0}),
    "a retried task": Job(
        make=lambda hook: one_stage(second_fails_once, max_attempts=2, on_hook=hook), params={"n": 3}
    ),
    "results that name who gave them": Job(
        make=lambda hook: one_stage(
            second_fails_once_and_all_name_themselves, max_attempts=2, aggregate=lambda job: None, on_hook=hook
        ),
        params={"n": 3},
        is_named=True,
    ),
    "a failing task": Job(make=lambda hook: one_stage(second_fails, max_attempts=2, on_hook=hook), params={"n": 3}),
    "a fan-out that raises": Job(
        make=lambda hook: one_stage(double, items=broken_items(102), on_hook=hook), params={"n": 3}
    ),
    "an aggregate that raises": Job(
        make=lambda hook: one_stage(double, aggregate=lambda job: 1 / 0, on_hook=hook), params={"n": 1}
    ),
    "a result in chunks": Job(
        make=lambda hook: one_stage(double, aggregate=lambda job: "x" * 300_000, on_hook=hook), params={"n": 1}
    ),
    "the second stage alone, of a list": Job(
        make=two_stages, params={"n": 3}, how={"stages": ["2"], "source_list": [{"square": 4}, {"square": 9}]}
    ),
    "a second run": Job(make=two_stages, params={"n": 1}, how={"again": True}),
    "no stage but one of one task": Job(make=lambda hook: one_stage(double, on_hook=hook), params={"n": 1}),
    "five tasks in one stage": Job(make=lambda hook: one_stage(double, on_hook=hook), params={"n": 5}),
    "four tasks in two stages": Job(make=two_stages, params={"n": 4}),
    "two tasks in three stages": Job(make=three_stages, params={"n": 2}),
    "as many failures as are tolerated": tolerating(2),
    "one failure more than is tolerated": tolerating(1),
    "as large a share of failures as is tolerated": tolerating(0.5),
    "one failure more than the share that is tolerated": tolerating(0.49),
    "failures that do not matter": Job(
        make=lambda hook: one_stage(even_fail, on_failure="continue", on_hook=hook), params={"n": 3}
    ),
    "failures in two stages": Job(
        make=lambda hook: failing_stages(two_of_four_fail, on_hook=hook), params={"n": 4}, how={"stages": ["1", "2"]}
    ),
    "failures in three stages": Job(make=lambda hook: failing_stages(two_of_four_fail, on_hook=hook), params={"n": 4}),
    "a stop": Job(
        make=lambda hook: one_stage(even_fail, on_failure="stop", on_hook=hook), params={"n": 4}, is_settled=True
    ),
    "a lane": Job(make=lambda hook: one_stage(double, max_parallel=1, on_hook=hook), params={"n": 3}),
    "two lanes with failures": Job(
        make=lambda hook: one_stage(
            second_fails_once, max_parallel=2, max_attempts=2, tolerated_failures=1, on_hook=hook
        ),
        params={"n": 5},
    ),
    "a lane that is stopped": Job(
        make=lambda hook: one_stage(second_fails, max_parallel=1, on_failure="stop", on_hook=hook),
        params={"n": 4},
        is_settled=True,
    ),
    "batches": Job(
        make=lambda hook: one_stage(second_fails_once, batch=3, max_attempts=2, on_hook=hook), params={"n": 5}
    ),
    "a batch with a failure": Job(make=lambda hook: one_stage(second_fails, batch=5, on_hook=hook), params={"n": 3}),
    "batches that are stopped": Job(
        make=lambda hook: one_stage(even_fail, batch=2, on_failure="stop", on_hook=hook),
        params={"n": 5},
        is_settled=True,
    ),
    "the first, a middle and the last stage skipped": Job(make=odd_stages_skipped, params={"n": 2}),
    "a shared stage": Job(make=sharing, params={"n": 2}),
    "a shared stage alone": Job(make=sharing, params={"n": 2}, how={"stages": ["second_fails"]}),
    "a timeout": Job(
        make=lambda hook: one_stage(second_fails_once, max_attempts=2, timeout=timedelta(minutes=10), on_hook=hook),
        params={"n": 2},
    ),
    "101 tasks": Job(make=lambda hook: one_stage(double, on_hook=hook), params={"n": 101}),
}

_SIMPLE: dict[int, Callable[[Hook], type[BaseController[Any]]]] = {
    1: lambda hook: one_stage(double, on_hook=hook),
    2: two_stages,
    3: three_stages,
}
#: What else there is of one to three stages and no task to five.
GRID = {
    f"tasks {n}, stages {stages}": Job(make=make, params={"n": n})
    for stages, make in _SIMPLE.items()
    for n in range(6)
    if (stages, n) not in {(1, 1), (1, 5), (2, 0), (2, 3), (2, 4), (3, 2)}
}

#: All but the large one.
SMALL = [name for name in JOBS if name != "101 tasks"]
#: These make the same calls as another one of them, and only decide otherwise: they stand crashes alone.
DECIDING = (
    "one failure more than is tolerated",
    "as large a share of failures as is tolerated",
    "one failure more than the share that is tolerated",
    "a shared stage alone",
)
DIFFERENT = [name for name in SMALL if name not in DECIDING]


@dataclass(slots=True)
class Trial:
    """One job on one fresh store; `controller` has been made of the job, and tells `hooks` when it has ended."""

    job: Job
    controller: type[BaseController[Any]]
    faulty: Faulty
    driver: Driver
    clock: ManualClock
    hooks: list[str]
    job_id: str = ""
    #: Whether an operator has done what is done to the job.
    is_acted: bool = False

    def run(self, before_each: Before = lambda: None) -> dict[str, Any]:
        """Submit, unless that is done, and run to the end; return what the job came to."""
        if not self.job_id:
            if self.job.how.get("again"):
                with self.undisturbed():
                    self.driver.finish(self.controller.job_type, self.job.params)
                    self.hooks.clear()
            self.job_id = self.driver.submit(self.controller.job_type, self.job.params, **self.job.how)
        self.driver.run(before_each=before_each)
        return self.outcome()

    def outcome(self) -> dict[str, Any]:
        """Return what the job came to; of a further run the id depends on how many clients died over the submit."""
        found = self.job.comparable(outcome(self.faulty.real, self.job_id))
        text = json.dumps(found, default=asdict).replace(self.job_id[:16], "JOB")
        return json.loads(text)  # type: ignore[no-any-return]

    @contextlib.contextmanager
    def undisturbed(self) -> Iterator[None]:
        self.faulty.paused = True
        yield
        self.faulty.paused = False
        self.faulty.delivery = 0

    def check(self) -> None:
        """Check every invariant, after whatever has happened."""
        submits_died = sum(call.delivery == 0 for call in self.faulty.failed)
        check_invariants(self.faulty.real, self.job_id, self.faulty.history, dead_submits=submits_died)

    def beside(
        self,
        act: Callable[[Driver], None],
        *,
        after_s: float = 0.0,
        rng: random.Random | None = None,
        worker: str = "operator",
    ) -> Callable[[], None]:
        """Return what another process does while the job's own stands still, after so long."""

        def there() -> None:
            self.clock.advance(after_s)
            act(Driver(self.faulty.store, [self.controller], clock=self.clock, rng=rng, worker=worker))

        def beside() -> None:
            with ThreadPoolExecutor(1) as pool:  # not here: this thread may be in the middle of handling an error
                pool.submit(there).result()

        return beside

    def another_instance(self, deliveries: int) -> Callable[[], None]:
        """Return what another instance does when this one's leases have run out: the same submit, and some deliveries."""

        def work() -> None:
            greenlet(work_on).switch()  # on a stack of its own: this one may be in the middle of handling an error

        def work_on() -> None:
            self.clock.advance(LEASE_S + 1)
            rng = random.Random(f"{self.clock.now()}")  # no two that take over draw the same keys
            other = Driver(self.faulty.store, [self.controller], clock=self.clock, rng=rng, batch=4, worker="other")
            if not self.job_id:
                other.submit(self.controller.job_type, self.job.params, **self.job.how)
            other.run(deliveries=deliveries)

        return work


@contextlib.contextmanager
def trial(
    job: Job, kind: str, folder: Path, *faults: Fault, batch: int = 4, subject: Subject | None = None
) -> Iterator[Trial]:
    """Make a fresh store, its faults, and a driver for a job; a `subject` of it saves making its controller."""
    clock = ManualClock()
    with new_store(kind, clock=clock, folder=folder, hub=f"hub{next(_HUBS)}") as store:
        faulty = Faulty(store, *faults)
        made = subject or Subject(job)
        made.hooks.clear()
        driver = Driver(faulty.store, [made.controller], clock=clock, batch=batch, faults=faulty)
        yield Trial(job, made.controller, faulty, driver, clock, made.hooks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """One job's runs with faults: what it comes to without, its calls, and how to have it before one of them.

    A store in memory is put back to shortly before the call; on another one the job is at its beginning.
    """

    expected: dict[str, Any]
    calls: list[Call]
    before: Callable[[Call], contextlib.AbstractContextManager[Trial]]


@contextlib.contextmanager
def runs_of(
    job: Job,
    kind: str,
    folder: Path,
    *,
    batch: int = 4,
    play: Callable[[Trial, Before], dict[str, Any]] = Trial.run,
) -> Iterator[Runs]:
    """Run a job without a fault, and be ready for those with one.

    `play` runs it and returns what it came to; called again on a run that was put back, it goes on.
    """
    again = partial(trial, job, kind, folder, batch=batch, subject=Subject(job))
    with again() as run:
        trail = Trail(run, play) if kind == "memory" else None
        found = trail.follow() if trail is not None else play(run, lambda: None)
        run.check()
        assert run.hooks == [found["status"]]

        @contextlib.contextmanager
        def before(call: Call) -> Iterator[Trial]:
            if trail is not None:
                trail.back_before(call)
                yield run
            else:
                with again() as another:
                    yield another

        yield Runs(expected=found, calls=list(run.faulty.calls), before=before)


def undisturbed(job: Job, kind: str, folder: Path, *, batch: int = 4) -> tuple[dict[str, Any], list[Call]]:
    """Run a job without a fault; return what it came to and its calls."""
    with runs_of(job, kind, folder, batch=batch) as runs:
        return runs.expected, runs.calls


def differences(found: dict[str, Any], expected: dict[str, Any]) -> str:
    """Say in which parts two outcomes differ."""
    parts = [f"{name} {found[name]!r:.300} instead of {expected[name]!r:.300}" for name in expected]
    return "came to " + "; ".join(
        part for part, name in zip(parts, expected, strict=True) if found[name] != expected[name]
    )


def at(number: int) -> Callable[[Call], bool]:
    """Hit one call."""
    return lambda call: call.number == number


def every_single_fault(
    job: Job,
    kind: str,
    folder: Path,
    fault_kind: Kind,
    *,
    deliveries: int = 0,
    batch: int = 4,
    meanwhile: Callable[[Trial], Callable[[], None]] | None = None,
) -> Iterator[str]:
    """Run a job once for each of its calls with the fault there; yield what is broken, and where."""
    with runs_of(job, kind, folder, batch=batch) as runs:
        for call in runs.calls:
            if not call.can(fault_kind):
                continue
            with runs.before(call) as run:
                run.faulty.faults = (Fault(fault_kind, at(call.number)),)
                run.faulty.lease_lost = meanwhile(run) if meanwhile is not None else run.another_instance(deliveries)
                try:
                    found = run.run()
                    run.check()
                    assert found == runs.expected, differences(found, runs.expected)
                    assert run.faulty.happened == [call]
                    assert found["status"] in run.hooks, "the hook was not called"
                except Exception as error:  # noqa: BLE001 - told, so that one failure shows them all
                    yield f"{fault_kind.value} at {call}: {type(error).__name__}: {error}"


def every_pair(
    job: Job,
    folder: Path,
    first: Kind,
    *,
    shares: int = 1,
    share: int = 0,
    batch: int = 4,
    only: Callable[[list[Call]], list[Call]] = lambda calls: calls,
) -> tuple[int, list[str]]:
    """Run a job in memory once for each pair of faults (or at `only` some calls), the first of a kind, the second of any and later.

    Return how many pairs there were (of one of so many shares of them), and what was broken. A crash after a call with
    the same delivery's next call to come is not tried apart: it is the crash before that one.
    """
    broken: list[str] = []
    pairs = 0
    with runs_of(job, "memory", folder, batch=batch) as runs:
        for one in only(runs.calls)[share::shares]:
            if not _tells(one, first, runs.calls):
                continue
            with runs.before(one) as run:
                run.faulty.faults = (Fault(first, at(one.number)),)
                run.faulty.lease_lost = run.another_instance(1)
                trail = Trail(run, Trial.run)
                trail.follow()
                later = list(run.faulty.calls)
                tried = set(only(later))
                for two, second in _later_faults(one, later):
                    if two not in tried:
                        continue
                    pairs += 1
                    trail.back_before(two)
                    run.faulty.faults = (Fault(first, at(one.number)), Fault(second, at(two.number)))
                    try:
                        found = run.run()
                        run.check()
                        assert found == runs.expected, differences(found, runs.expected)
                        assert run.faulty.happened == [one, two]
                        assert found["status"] in run.hooks, "the hook was not called"
                    except Exception as error:  # noqa: BLE001 - collected, so that one failure shows them all
                        where = f"{first.value} at {one}, {second.value} at {two}"
                        broken.append(f"{where}: {type(error).__name__}: {error}")
    return pairs, broken


def _later_faults(one: Call, calls: list[Call]) -> Iterator[tuple[Call, Kind]]:
    """Yield every fault at a later call."""
    for two in calls[one.number :]:
        for kind in Kind:
            if _tells(two, kind, calls):
                yield two, kind


def _tells(call: Call, kind: Kind, calls: list[Call]) -> bool:
    """Whether a fault of a kind makes sense at a call, and is no other one by another name."""
    following = calls[call.number] if call.number < len(calls) else None
    same = following is not None and following.delivery == call.delivery and following.step == call.step + 1
    return call.can(kind) and not (kind is Kind.CRASH_AFTER and same)


def unlike_calls(calls: list[Call]) -> list[Call]:
    """Leave out what repeats: of a delivery's calls of one sort all but three, of the deliveries the middle ones."""
    last = max(call.delivery for call in calls)
    sorts: Counter[tuple[int, str, str]] = Counter()
    kept: list[Call] = []
    for call in calls:
        sorts[call.delivery, call.verb, call.place] += 1
        if sorts[call.delivery, call.verb, call.place] <= 3 and (call.delivery <= 3 or call.delivery > last - 5):
            kept.append(call)
    return kept


def every_poison(job: Job, kind: str, folder: Path, fault_kind: Kind, *, batch: int = 4) -> Iterator[str]:
    """Run a job once for each call in a delivery, its message failing there at each delivery; yield what is broken."""
    with runs_of(job, kind, folder, batch=batch) as runs:
        for call, fault in each_time(fault_kind, runs.calls):
            with runs.before(call) as run:
                for text in poisoned(run, fault):
                    yield f"{fault.name}: {text}"


def each_time(kind: Kind, calls: list[Call]) -> Iterator[tuple[Call, Fault]]:
    """Yield faults that hit one message whenever it is delivered, until it is moved to its poison queue, and where first.

    At a certain call of each delivery, and at each call of the same sort (a redelivery takes another way). What moves
    a message to its poison queue, and what handles it there, is repeated until it succeeds: no such fault is for ever.
    """
    sorts: set[tuple[int, str, str]] = set()
    for call in calls:
        if call.delivery == 0 or not call.can(kind) or call.verb == "remove":
            continue
        if call.poison or call.place.endswith(POISON_SUFFIX):
            continue
        yield call, Fault(kind, partial(_same_step, call), name=f"{kind.value} each time at {call}")
        sort = (call.delivery, call.verb, call.place)
        if sort not in sorts:
            sorts.add(sort)
            yield call, Fault(kind, partial(_same_sort, call), name=f"{kind.value} each time at calls like {call}")


def _same_step(one: Call, other: Call) -> bool:
    in_handler = other.verb != "remove" and not other.place.endswith(POISON_SUFFIX)
    return in_handler and (one.delivery, one.step) == (other.delivery, other.step)


def _same_sort(one: Call, other: Call) -> bool:
    return (one.delivery, one.verb, one.place) == (other.delivery, other.verb, other.place)


def poisoned(run: Trial, *faults: Fault) -> list[str]:
    """Run a job with a message that fails each time; return what was broken of what must hold even so."""
    run.faulty.faults = faults
    try:
        found = run.run()
        run.check()
        if not any(event.text.startswith("complete ") for event in run.driver.told(Action.POISONED)):
            assert found["status"] in run.hooks, f"the job is {found['status']}, the hook heard {run.hooks}"
    except Exception as error:  # noqa: BLE001 - collected
        return [f"{type(error).__name__}: {error}"]
    return []


def every_fault_in_poison(job: Job, kind: str, folder: Path, fault_kind: Kind, *, batch: int = 4) -> list[str]:
    """As `every_poison` by crashes, with one more fault at each call of what handles the poison message."""
    broken: list[str] = []
    with runs_of(job, kind, folder, batch=batch) as runs:
        for first, fault in each_time(Kind.CRASH_BEFORE, runs.calls):
            with runs.before(first) as run:
                run.faulty.faults = (fault,)
                trail = Trail(run, Trial.run)
                trail.follow()
                handling = [call for call in run.faulty.calls if call.poison and call.can(fault_kind)]
                for call in handling:
                    trail.back_before(call)
                    where = f"{fault.name}; {fault_kind.value} at {call}"
                    broken += [f"{where}: {text}" for text in poisoned(run, fault, Fault(fault_kind, at(call.number)))]
    return broken
