"""Scenes that are played by hand, one each: what they say must not be."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from clocks import ManualClock
from driver import LEASE_S, Crash, Driver, new_store
from fault_cases import Job, at, trial
from faulty import Call, Fault, Faulty, Kind
from invariants import check_invariants
from jobkit.runtime import RetryLater, TaskContext
from jobkit.runtime.controller import BaseController
from jobkit.runtime.messages import Incoming, Message, decode_message, encode_message
from jobkit.runtime.messages import Kind as MessageKind
from jobkit.runtime.model import Owner
from jobkit.runtime.outbox import job_message
from jobkit.runtime.service import ref_of
from jobkit.runtime.storage.ports import Condition, Span
from jobkit.runtime.turns import MAX_SPENT, Gate
from samples import Count, one_stage, two_stages
from table_pages import ROWS, tables_in_pages


class Two:
    """Two instances on one store in memory, the first of which has faults."""

    def __init__(self, store: Any, controller: type[BaseController[Any]], clock: ManualClock, *faults: Fault) -> None:
        self.clock = clock
        self.faulty = Faulty(store, *faults)
        self.one = Driver(self.faulty.store, [controller], clock=clock, batch=1, faults=self.faulty)
        self.other = Driver(store, [controller], clock=clock, worker="other")


def planned_beside(folder: Path) -> list[str]:
    """While a stage is planned, the plan message of a second submit is delivered."""
    clock = ManualClock()
    with new_store("memory", clock=clock, folder=folder) as store:
        begun: list[int] = []

        def items(n: int) -> Iterator[int]:
            yield from range(n)
            begun.append(n)
            if len(begun) == 1:
                two.other.run(deliveries=1)

        two = Two(store, one_stage(lambda task: task.params, items=items), clock)
        job_id = two.one.submit("one_stage", {"n": 1})
        two.one.submit("one_stage", {"n": 1})
        two.one.run()
        check_invariants(store, job_id)
        return [f"stage 1 was planned {len(begun)} times"] * (len(begun) > 1)


def beside_its_own_retry(folder: Path) -> list[str]:
    """Both tasks of a batch are to be tried again, and it dies when it has sent one of them; it comes again while that runs."""
    clock = ManualClock()
    sends: list[Call] = []

    def third_send(call: Call) -> bool:
        sends.extend([call] if (call.verb, call.place) == ("send", "tasks") else [])
        return len(sends) == 3 and call is sends[-1]

    def run(task: TaskContext[Count, int]) -> int:
        if task.attempt == 1:
            raise ConnectionError("the first attempt always fails")
        if task.index == 0:
            clock.advance(LEASE_S + 1)
            two.other.run(deliveries=1)
        return task.index

    with new_store("memory", clock=clock, folder=folder) as store:
        controller = one_stage(run, batch=2, max_attempts=2, retry_delay=timedelta(0))
        two = Two(store, controller, clock, Fault(Kind.CRASH_BEFORE, third_send))
        job_id = two.one.finish("one_stage", {"n": 2})["job_id"]
        return [
            f"task {task['index']} is {task['status']}"
            for task in two.one.tasks(job_id)
            if task["status"] != "completed"
        ]


def paused(pause: timedelta, *, dies: bool = False) -> Any:
    """A task asks for a pause before its next attempt; the process may die over sending that."""

    def hunt(folder: Path) -> list[str]:
        clock = ManualClock()
        started: list[datetime] = []
        sends: list[Call] = []

        def run(task: TaskContext[Count, int]) -> int:
            started.append(clock.now())
            if task.attempt == 1:
                raise RetryLater(pause)
            return task.index

        def second_send(call: Call) -> bool:
            sends.extend([call] if (call.verb, call.place) == ("send", "tasks") else [])
            return dies and len(sends) == 2 and call is sends[-1]

        with new_store("memory", clock=clock, folder=folder) as store:
            two = Two(store, one_stage(run, max_attempts=2), clock, Fault(Kind.CRASH_BEFORE, second_send))
            job_id = two.one.finish("one_stage", {"n": 1})["job_id"]
            check_invariants(store, job_id, two.faulty.history)
        waited = started[1] - started[0]
        return [f"attempt 2 began after {waited}, not {pause}"] * (waited < pause)

    return hunt


def aggregated_twice(folder: Path) -> Iterator[str]:
    """A process dies at each call of a completion, and what is aggregated is long, and another thing each time."""
    letters = itertools.cycle("ab")
    job = Job(
        make=lambda hook: one_stage(
            lambda task: task.index, aggregate=lambda job: next(letters) * 600_000, on_hook=hook
        ),
        params={"n": 1},
    )
    with trial(job, "memory", folder) as run:
        run.run()
        calls = [call for call in run.faulty.calls if call.delivery == run.faulty.calls[-1].delivery]
    for call in calls:
        with trial(job, "memory", folder, Fault(Kind.CRASH_BEFORE, at(call.number))) as run:
            run.run()
            result = run.driver.repository.get_chain(run.job_id).job.result_json or ""
            if len(set(result)) != 2 or len(result) != 600_002:
                yield f"at {call}: the result has {len(result)} characters, of {sorted(set(result))}"


def foreign(**other: Any) -> Any:
    """A message of each kind comes that is of another epoch or round of a job which runs."""

    def hunt(folder: Path) -> Iterator[str]:
        for kind in [each for each in MessageKind if each is not MessageKind.TASK]:
            with trial(Job(make=two_stages, params={"n": 2}), "memory", folder) as run:
                run.job_id = run.driver.submit("two_stages", {"n": 2})
                run.driver.run(deliveries=1)
                chain = run.driver.repository.get_chain(run.job_id)
                message = replace(job_message(kind, chain.job, stage=1), plan=chain.stages[0].plan or "", **other)
                for queue in ("jobs", "jobs-poison"):
                    body = encode_message(replace(message, task_count=2, size=2), key="another")
                    run.driver.store.queues.send(queue, body)
                try:
                    found = run.run()
                    run.check()
                    assert found["status"] == "completed", f"the job is {found['status']}"
                except AssertionError as error:
                    yield f"{kind.value}: {error}"

    return hunt


def poisoned_copy(folder: Path) -> list[str]:
    """While a task runs, a second message for it, which was dispatched by another planner's delivery, is given up."""
    clock = ManualClock()
    with new_store("memory", clock=clock, folder=folder) as store:

        def run(task: Any) -> int:
            store.queues.send("tasks-poison", copies[0])
            other.run(deliveries=1)
            return int(task.params)

        class Copying:
            """Keeps a copy, under another key, of the task's message."""

            def __getattr__(self, name: str) -> Any:
                return getattr(store.queues, name)

            def send(self, queue: str, body: str, *, delay_s: float = 0.0) -> None:
                if queue == "tasks":
                    copies.append(encode_message(replace(decode_message(body), spent=MAX_SPENT), key="another"))
                store.queues.send(queue, body, delay_s=delay_s)

        copies: list[str] = []
        controller = one_stage(run)
        driver = Driver(replace(store, queues=Copying()), [controller], clock=clock)
        other = Driver(store, [controller], clock=clock, worker="other")
        job_id = driver.submit("one_stage", {"n": 1})
        driver.run()
        check_invariants(store, job_id)
        status = driver.job(job_id)["status"]
        return [] if status == "completed" else [f"the job is {status}"]


def beside_a_killer(folder: Path) -> list[str]:
    """A task that has been claimed once, and is held beside one that kills its process from then on."""
    clock = ManualClock()
    with new_store("memory", clock=clock, folder=folder) as store:

        def run(task: Any) -> int:
            if task.index == 0:
                faulty.dead = True
                raise Crash
            return int(task.params)

        faulty = Faulty(store)
        driver = Driver(faulty.store, [one_stage(run, on_failure="continue")], clock=clock, faults=faulty)
        job_id = driver.submit("one_stage", {"n": 2})
        driver.run(deliveries=1)
        queue, delivery = driver.receive(2)[1]
        message = decode_message(delivery.body)
        died = Owner(key=message.key, message_id=delivery.id, delivery=1)
        driver.repository.claim(ref_of(message), message.etag, died, "dead", clock.now())
        store.queues.extend(queue, delivery, visibility_s=30)
        driver.run()
        check_invariants(store, job_id, faulty.history)
        found = [f"task {task['index']} is {task['status']}" for task in driver.tasks(job_id)]
        return [text for text in found if text not in ("task 0 is failed", "task 1 is completed")]


def beside_a_suspect(folder: Path) -> Iterator[str]:
    """Something comes while a suspect runs in its process, and a suspect while something does."""
    for first, second in ((1, 3), (3, 1), (3, 4)):
        gate = Gate(patience_s=0)
        with gate.enter(_delivered("first", first)), gate.enter(_delivered("second", second)) as is_its_turn:
            if is_its_turn:
                yield f"a {_nth(second)} delivery runs beside a {_nth(first)} one"


def _delivered(name: str, delivery: int) -> Incoming:
    message = Message(kind=MessageKind.TASK, job_id="job", epoch="e", round=1, key=name)
    return Incoming(message=message, message_id=name, delivery=delivery)


def _nth(delivery: int) -> str:
    return {1: "first", 3: "third", 4: "fourth"}[delivery]


def empty_pages(folder: Path) -> list[str]:
    """A query on tables whose service cuts its answer into pages, some of them empty."""
    with tables_in_pages() as (port, _):
        found = [each.row for each in port.query("tasks", Span("p", "q"), where=(Condition("status", "eq", "queued"),))]
    return [f"found {found} of {ROWS}"] * (found != ROWS)
