"""The store's own clock: wall clocks that differ or jump neither free what is held nor hide what is sent."""

import random
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

from jobkit.local import LocalStore
from jobkit.local.database import Database
from jobkit.local.host import Instance
from jobkit.local.store_clock import StoreClock
from jobkit.runtime.clock import SystemClock
from jobkit.runtime.controllers import HelloWorlds
from jobkit.runtime.events import Action, Event
from jobkit.runtime.processing import Processing
from jobkit.runtime.registry import Registry
from jobkit.runtime.service import Service

HOUR_US = 3_600_000_000


def at(us: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)


def test_all_processes_agree_on_the_time_whatever_their_wall_clocks_say(tmp_path: Path):
    database = Database(tmp_path / "local.db")

    first = StoreClock(database, monotonic_us=lambda: 50, wall_us=lambda: 10 * HOUR_US)
    fast = StoreClock(database, monotonic_us=lambda: 60, wall_us=lambda: 11 * HOUR_US)
    slow = StoreClock(database, monotonic_us=lambda: 70, wall_us=lambda: 9 * HOUR_US)

    assert [first.now(), fast.now(), slow.now()] == [at(10 * HOUR_US + n) for n in (0, 10, 20)]
    database.close()


def test_after_a_restart_of_the_machine_the_time_goes_on_and_never_back(tmp_path: Path):
    database = Database(tmp_path / "local.db")
    StoreClock(database, monotonic_us=lambda: HOUR_US, wall_us=lambda: 10 * HOUR_US)

    later = StoreClock(database, monotonic_us=lambda: 5, wall_us=lambda: 12 * HOUR_US)
    set_back = StoreClock(database, monotonic_us=lambda: 3, wall_us=lambda: 1 * HOUR_US)

    assert [later.now(), set_back.now()] == [at(12 * HOUR_US), at(12 * HOUR_US)]
    database.close()


def test_a_restart_is_noticed_although_the_machine_has_been_up_for_longer_than_before(tmp_path: Path):
    database = Database(tmp_path / "local.db")
    StoreClock(database, monotonic_us=lambda: 60, wall_us=lambda: 10 * HOUR_US, boot=lambda: 1)

    days_later = StoreClock(database, monotonic_us=lambda: 2 * HOUR_US, wall_us=lambda: 250 * HOUR_US, boot=lambda: 2)

    assert days_later.now() == at(250 * HOUR_US)
    database.close()


class JumpingClock(SystemClock):
    """A wall clock that is set by some hours at every other look."""

    def __init__(self, hours: int) -> None:
        self._jump = timedelta(hours=hours)
        self._looks = 0

    def now(self) -> datetime:
        self._looks += 1
        return super().now() + self._jump * (self._looks % 2)


def test_an_instance_whose_clock_jumps_by_an_hour_both_ways_runs_no_task_twice(tmp_path: Path):
    ended = threading.Event()
    claims: list[tuple[int | None, int | None]] = []

    def observe(event: Event) -> None:
        if event.action is Action.CLAIMED:
            claims.append((event.stage, event.index))
        elif event.action is Action.ENDED:
            ended.set()

    with LocalStore.open(tmp_path / "local.db") as local:
        instances = []
        for hours in (0, 1, -1):
            service = Service(
                local.store,
                Registry([HelloWorlds]),
                clock=JumpingClock(hours),
                rng=random.Random(hours),
                worker=f"clock{hours:+}",
                observe=observe,
            )
            handle = Processing(service).handle
            instances.append(Instance(local.queues, handle, waiter=local, concurrency=2, on_error=print))
        job_id = service.submit("hello_worlds", {"n": 150}).chain.job.job_id
        for instance in instances:
            instance.start()
        assert ended.wait(60)
        left = [instance.stop(10) for instance in instances]
        stages = service.repository.get_chain(job_id).stages

    assert left == [0, 0, 0]
    assert [(stage.summary.completed, stage.summary.failed) for stage in stages] == [(150, 0), (150, 0)]
    assert sorted(claims) == [(stage, index) for stage in (1, 2) for index in range(150)]
