"""Doctor on a store: poison messages, jobs that do not move, the rows of one job; on every store."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from driver import Crash, Driver
from faulty import Faulty
from jobkit.doctor.examination import worst
from jobkit.doctor.jobs import check_job, job_repair
from jobkit.doctor.storage import check_file
from jobkit.runtime import TaskContext
from jobkit.runtime.checks import jobs
from jobkit.runtime.checks.finding import Finding, State
from jobkit.runtime.checks.jobs import check_active, check_poison
from jobkit.runtime.checks.storage import (
    Access,
    Opened,
    check_message,
    check_reachable,
    check_writable,
    tell_unreachable,
)
from jobkit.runtime.errors import InvalidSetting, StoreDamaged, StoreTooNew, StoreUnavailable
from jobkit.runtime.processing import QUEUES
from jobkit.runtime.storage.ports import Entity, Store
from samples import Count, one_stage, two_stages

Drive = Callable[..., Driver]
DriveFaulty = Callable[..., tuple[Driver, Faulty]]
MINUTES_S = 60.0


def access(driver: Driver) -> Access:
    @contextlib.contextmanager
    def opened() -> Iterator[Opened]:
        yield store(driver)

    return Access(name="here", hub="jobkit", open=opened, repair=job_repair(opened, by="me@here"))


def store(driver: Driver) -> Opened:
    return Opened(ports=driver.store, service=driver.service)


def told(found: Iterator[Finding]) -> list[tuple[str, str, str]]:
    findings = list(found)
    assert [finding for finding in findings if bool(finding.fix) is (finding.state is State.OK)] == []
    return [(finding.name, finding.state.value, finding.evidence) for finding in findings]


def active(driver: Driver, *, write: bool = True) -> list[tuple[str, str, str]]:
    return told(check_active(access(driver), store(driver), write=write))


def lose_messages(driver: Driver) -> None:
    for queue in QUEUES:
        for delivery in driver.store.queues.receive(queue, limit=32, visibility_s=30):
            driver.store.queues.delete(queue, delivery)


def test_a_store_is_asked_and_written_to_and_left_as_it_was(drive: Drive):
    driver = drive(two_stages())
    driver.finish("two_stages", {"n": 1})
    before = driver.everything()

    found = [*check_reachable(access(driver), store(driver)), *check_writable(store(driver))]

    assert told(iter(found)) == [
        ("reachable", "ok", "here: tables and queues answer; 0 in jobs"),
        ("writable", "ok", "a row was written, read back and deleted"),
    ]
    assert driver.everything() == before


class Refusing:
    """A port that refuses one verb, as a store that may only be read does."""

    def __init__(self, port: Any, verb: str) -> None:
        self._port, self._verb = port, verb

    def __getattr__(self, name: str) -> Any:
        return self._refuse if name == self._verb else getattr(self._port, name)

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise StoreUnavailable(store="here", reason="refused")


def test_a_store_that_may_only_be_read(drive: Drive):
    driver = drive(two_stages())
    ports = Store(Refusing(driver.store.tables, "insert"), Refusing(driver.store.queues, "send"))
    opened = Opened(ports=ports, service=driver.service)

    found = [*check_writable(opened), *check_message(access(driver), opened)]

    assert told(iter(found)) == [
        ("writable", "error", "store here: refused"),
        ("clock", "not checked", "no message can be sent"),
        ("round trip", "error", "store here: refused"),
    ]


def test_a_queue_that_changes_what_is_sent(drive: Drive):
    driver = drive(two_stages())

    class Mangling(Refusing):
        def send(self, queue: str, body: str) -> None:
            self._port.send(queue, body[:-1])

    opened = Opened(ports=Store(driver.store.tables, Mangling(driver.store.queues, "")), service=driver.service)

    found = told(iter(list(check_message(access(driver), opened))))

    assert found[1][:2] == ("round trip", "error")
    assert found[1][2].startswith("the app can't read what is sent: refused a queue message: it is no JSON: ")


@pytest.mark.parametrize(
    ("error", "fix", "code"),
    [
        (StoreUnavailable(store="local.db", reason="disk full"), "see who may read and write local.db", 5),
        (StoreDamaged(store="local.db", reason="is no database"), "move local.db away", 5),
        (StoreTooNew(store="local.db", found=9, known=1), "install the jobkit that wrote it", 5),
        (InvalidSetting(setting="JOBKIT_HUB", value="9", reason="is none"), "correct the settings that it names", 1),
        (ValueError("no account"), "correct the settings that it names", 1),
    ],
)
def test_a_store_that_can_not_be_opened(error: Exception, fix: str, code: int):
    @contextlib.contextmanager
    def opened() -> Iterator[Opened]:
        raise error
        yield

    found = list(tell_unreachable(Access(name="here", hub="h", open=opened, path=Path("local.db")), error))

    assert [(name, state) for name, state, _ in told(iter(found))] == [
        ("reachable", "error"),
        ("writable, clock, round trip", "not checked"),
        ("poison messages", "not checked"),
        ("jobs", "not checked"),
    ]
    assert (found[0].fix.startswith(fix), worst(found)) == (True, code)


def test_a_local_store_that_can_not_be_made(tmp_path: Path):
    (tmp_path / "file").write_text("")

    found = told(check_file(tmp_path / "file" / "local.db"))

    place = tmp_path / "file"
    assert found == [
        ("reachable", "error", f"{place / 'local.db'} can't be made: {place} is not writable"),
        ("writable, clock, round trip", "not checked", "there is no store yet"),
    ]


def test_poison_messages_that_wait(drive: Drive):
    driver = drive(two_stages())
    looks = [told(check_poison(access(driver), store(driver)))]
    for queue in ("jobs-poison", "tasks-poison", "tasks-poison"):
        driver.store.queues.send(queue, "foreign")
    looks.append(told(check_poison(access(driver), store(driver))))
    driver.run()
    looks.append(told(check_poison(access(driver), store(driver))))

    assert looks == [
        [("poison messages", "ok", "none wait, none were kept")],
        [("poison messages", "warning", "2 in tasks-poison, 1 in jobs-poison")],
        [("poison messages", "warning", "3 kept as rows")],
    ]


def test_a_job_that_moves(drive: Drive):
    driver = drive(two_stages())
    looks = [active(driver)]
    driver.submit("two_stages", {"n": 3})
    looks += [active(driver), active(driver)]
    driver.clock.advance(11 * MINUTES_S)
    driver.run(deliveries=1)
    looks.append(active(driver))
    driver.run()
    looks.append(active(driver))

    unknown = ("jobs", "not checked", "1 active job: only a later look can tell whether they move")
    assert looks == [
        [("jobs", "ok", "none is active")],
        [unknown],
        [unknown],
        [("jobs", "ok", "1 active job, moving")],
        [("jobs", "ok", "none is active")],
    ]


def test_a_job_that_has_not_moved_for_ten_minutes_is_mended(drive: Drive):
    driver = drive(two_stages())
    job_id = driver.submit("two_stages", {"n": 3})
    lose_messages(driver)
    active(driver)
    driver.clock.advance(11 * MINUTES_S)

    found = list(check_active(access(driver), store(driver), write=True))

    why = "stage 1 'Square': nobody plans it, and nothing has moved since the last look"
    assert told(iter(found)) == [(f"job {job_id[:12]}", "error", f"two_stages, not planned: {why}")]
    assert found[0].fix == f"jobkit repair {job_id[:12]}"
    assert found[0].mend is not None
    assert found[0].mend() == "send its planning again"
    driver.run()
    assert driver.job(job_id)["status"] == "completed"
    audits = driver.repository.audits(job_id)
    assert [(audit.action, audit.by, audit.reason) for audit in audits] == [
        ("repair: not planned", "me@here", "jobkit doctor --fix")
    ]


def test_a_dry_run_writes_not_even_what_was_seen(drive: Drive):
    driver = drive(two_stages())
    driver.submit("two_stages", {"n": 3})
    before = driver.everything()

    active(driver, write=False)

    assert driver.everything() == before


@pytest.mark.parametrize(("timeout", "is_held"), [(None, False), (None, True), (timedelta(minutes=5), False)])
def test_a_task_whose_worker_is_gone(drive_faulty: DriveFaulty, timeout: timedelta | None, is_held: bool):
    def run(task: TaskContext[Count, int]) -> int:
        faulty.dead = True
        raise Crash

    driver, faulty = drive_faulty(one_stage(run, timeout=timeout), batch=1)
    job_id = driver.submit("one_stage", {"n": 1})
    driver.run(deliveries=2)
    driver.clock.advance(1 * MINUTES_S)
    looks = [active(driver)]
    driver.clock.advance(11 * MINUTES_S)
    if is_held:  # by somebody who works on it, for all that can be seen
        driver.store.queues.receive("tasks", limit=1, visibility_s=600)
    looks.append(active(driver))

    unknown = ("jobs", "not checked", "1 active job: only a later look can tell whether they move")
    waiting = (
        "1 active job not moved for 10 minutes: being planned, or with messages that wait for others or for a worker"
    )
    in_silence = "1 active job with tasks that run in silence, in stages without a timeout"
    gone = (
        "one_stage, claimed by what is gone: stage 1 'Only': task 0 is running, without a sign of life for over 300 s"
    )
    still = ("jobs", "not checked", in_silence) if is_held else ("jobs", "warning", waiting)
    expected = still if timeout is None else (f"job {job_id[:12]}", "error", gone)
    assert looks == [[unknown], [expected]]


def test_jobs_beyond_what_is_looked_at_are_counted(drive: Drive, monkeypatch: pytest.MonkeyPatch):
    driver = drive(two_stages())
    for n in range(3):
        driver.submit("two_stages", {"n": n})
    monkeypatch.setattr(jobs, "MOST_JOBS", 1)

    assert [evidence for _, _, evidence in active(driver)] == [
        "2 more active jobs were not looked at",
        "1 active job: only a later look can tell whether they move",
    ]


def test_a_stage_too_large_for_a_look_in_passing(drive: Drive, monkeypatch: pytest.MonkeyPatch):
    driver = drive(two_stages())
    job_id = driver.submit("two_stages", {"n": 3})
    driver.run(deliveries=1)
    monkeypatch.setattr(jobs, "MOST_TASKS", 2)

    evidence = "two_stages: its stage has 3 tasks, too many to look at in passing"
    assert active(driver) == [(f"job {job_id[:12]}", "not checked", evidence)]


def test_a_damaged_row_is_told_and_the_other_jobs_looked_at(drive: Drive):
    driver = drive(two_stages())
    damaged, _ = sorted(driver.submit("two_stages", {"n": n}) for n in (1, 2))
    row = driver.store.tables.get("jobs", damaged, "job")
    driver.store.tables.update(
        "jobs", Entity(partition=damaged, row="job", properties={"status": "lost"}), etag=row.etag
    )

    found = active(driver)

    assert [(name, state) for name, state, _ in found] == [
        (f"job {damaged[:12]}", "error"),
        ("jobs", "not checked"),
    ]


def test_one_job_is_told_what_inspect_job_tells_of_it(drive: Drive):
    driver = drive(two_stages())
    job_id = driver.submit("two_stages", {"n": 3})
    driver.clock.advance(60)

    found = list(check_job(job_id, access(driver), store(driver), write=True))

    name = f"job {job_id[:12]}"
    text = "stuck, no worker: the message that plans stage 1 has waited 60 s in queue jobs and nobody takes it"
    assert told(iter(found))[1:-1] == [(name, "warning", text)]


def test_a_first_look_at_one_job_takes_nothing_for_lost_that_it_can_not_see(drive: Drive):
    driver = drive(two_stages())
    job_id = driver.submit("two_stages", {"n": 3})
    driver.store.queues.receive("jobs", limit=1, visibility_s=30)  # a worker plans it

    class Blind(Refusing):  # as Azure's queues: what is hidden is counted, and not shown
        def __getattr__(self, name: str) -> Any:
            if name == "hidden":
                raise AttributeError(name)
            return super().__getattr__(name)

    opened = Opened(ports=Store(driver.store.tables, Blind(driver.store.queues, "")), service=driver.service)

    found = told(check_job(job_id, access(driver), opened, write=True))

    assert [(state, evidence.partition(" (")[0]) for _, state, evidence in found] == [
        ("ok", "two_stages, queued: 2 stages and 0 tasks are as they must be"),
        ("not checked", "whether the message that plans stage 1 is still there: queue jobs can't be seen whole"),
        ("not checked", "whether it moves, and what is final only when it has ended"),
    ]


@pytest.mark.parametrize("state", ["sound", "broken", "running"])
def test_one_job(drive: Drive, state: str):
    driver = drive(two_stages())
    job_id = driver.submit("two_stages", {"n": 3})
    if state != "running":
        driver.run()
    if state == "broken":
        row = driver.store.tables.get("jobs", job_id, "stage-02")
        entity = Entity(partition=job_id, row="stage-02", properties={"state": "sealed"})
        driver.store.tables.update("jobs", entity, etag=row.etag)

    found = list(check_job(job_id, access(driver), store(driver), write=True))

    name = f"job {job_id[:12]}"
    expected: dict[str, tuple[list[Any], int]] = {
        "sound": ([(name, "ok", "two_stages, completed: 2 stages and 6 tasks are as they must be")], 0),
        "broken": (
            [
                (name, "error", "the stages are ['closed', 'sealed']"),
                (name, "error", "the job completed with 1 of 2 stages closed"),
            ],
            1,
        ),
        "running": (
            [
                (name, "ok", "two_stages, queued: 2 stages and 0 tasks are as they must be"),
                (
                    name,
                    "not checked",
                    "whether it moves, and what is final only when it has ended (it is queued)",
                ),
            ],
            0,
        ),
    }
    assert (told(iter(found)), worst(found)) == expected[state]
