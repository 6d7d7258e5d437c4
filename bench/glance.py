"""How long `jobkit inspect` and its lists take, and what they read, with many jobs in the store: python bench/glance.py [N …].

`--azurite` puts the same jobs into Azurite (found as the tests find it). Nineteen of twenty jobs have ended, one of
five of them has failed; ten more run: of each, a part of its 2,000 tasks (200 on Azurite) have ended.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from counted import counted
from noop import Noop
from rich.console import Console
from rich.table import Table

from jobkit.local import LocalStore
from jobkit.runtime.clock import SystemClock
from jobkit.runtime.concerns import find_concerns
from jobkit.runtime.inspected import Diagnosis
from jobkit.runtime.inspection import Inspection
from jobkit.runtime.installation import Glance
from jobkit.runtime.listing import list_jobs
from jobkit.runtime.model import JobRecord, StageRecord, StageState, Status, Summary
from jobkit.runtime.overview import Order
from jobkit.runtime.processing import QUEUES, Processing
from jobkit.runtime.queue_look import look_at_queue
from jobkit.runtime.registry import Registry
from jobkit.runtime.repository import Repository
from jobkit.runtime.selection import Selection
from jobkit.runtime.service import Service
from jobkit.runtime.storage.azure import AzureStore
from jobkit.runtime.storage.azure_account import Account
from jobkit.runtime.storage.ports import Store

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from azurite import Azurite

TASKS = 2_000
TASKS_ON_AZURITE = 200  # it does some hundred requests a second
RUNNING = 10
TIMES = 3


def write_job(repository: Repository, number: int, now: datetime) -> None:
    """Write the rows of a job as they are once it has ended, or before it is planned."""
    job_id = f"{random.Random(number).getrandbits(128):032x}"  # noqa: S311 - a name
    status = Status.QUEUED if number % 20 == 0 else Status.FAILED if number % 5 == 1 else Status.COMPLETED
    created = now - timedelta(seconds=10 * number)
    job = JobRecord(
        job_id=job_id,
        epoch="e",
        job_type="noop",
        version=1,
        run=1,
        runs=1,
        status=status,
        stage=1,
        stage_numbers=(1,),
        round=1,
        params_json=f'{{"n":{number}}}',
        source=None,
        created_at=created,
        updated_at=created + timedelta(seconds=5),
    )
    stage = StageRecord(job_id=job_id, number=1, name="noop", state=StageState.UNPLANNED, round=1)
    if status.ended:
        stage = StageRecord(
            job_id=job_id,
            number=1,
            name="noop",
            state=StageState.CLOSED,
            round=1,
            plan="p",
            task_count=10,
            summary=Summary(completed=10),
            started_at=created,
            sealed_at=created,
            ended_at=created + timedelta(seconds=5),
        )
    repository.index.add(job)
    repository.create_job(job, [stage])
    if status.ended:
        repository.index.drop(job)


def make_service(store: Store, each: Any, registry: Registry) -> Service:
    rng = random.Random(7)  # noqa: S311 - names that must differ, not secrets
    return Service(store, registry, clock=SystemClock(), rng=rng, worker="bench", observe=lambda _: None, each=each)


def fill(store: Store, each: Callable[..., None], jobs: int, tasks: int) -> None:
    """Write so many jobs, and run a part of each of ten."""
    repository, now = Repository(store.tables), SystemClock().now()
    each(range(jobs), lambda number: write_job(repository, number, now))
    registry = Registry()
    registry.add(Noop)
    service = make_service(store, each, registry)
    processing = Processing(service)
    for more in range(RUNNING):
        service.submit("noop", {"n": tasks + more})

    def work(queue: str) -> int:
        found = store.queues.receive(queue, limit=32, visibility_s=600)

        def handle(delivery: Any) -> None:
            processing.handle(queue, delivery)
            store.queues.delete(queue, delivery)

        each(found, handle)
        return len(found)

    while work("jobs"):
        pass
    done = 0
    while done < RUNNING * tasks // 2:
        done += work("tasks")


@contextlib.contextmanager
def opened(folder: Path, azurite: Azurite | None) -> Generator[tuple[Store, Any]]:
    if azurite is None:
        with LocalStore.open(folder / ".jobkit" / "local.db") as local:
            yield local.store, local.each
    else:
        with AzureStore(Account(connection_string=azurite.connection_string), hub="jobkit") as azure:
            yield azure.store, azure.each


Read = Callable[[], object]


def at_a_glance(store: Store, each: Any, *, again: bool = False) -> Read:
    service = make_service(store, each, Registry())

    def diagnose(job_id: str) -> Diagnosis:
        return Inspection(service, store.queues, job_id).diagnose()

    def make() -> Glance:
        return Glance(service.repository, store.queues, each=each)

    kept = make()

    def read() -> object:
        found = (kept if again else make()).read(service.clock.now(), living=None)
        return list(find_concerns(found, diagnose=diagnose, store=""))

    return read


def a_page(store: Store, each: Any, order: Order = Order.CREATED, **filters: Any) -> Read:
    selection, repository = Selection(**filters), Repository(store.tables)
    return lambda: list_jobs(repository, selection, each=each, now=SystemClock().now(), limit=20, order=order)


#: What is measured: the command's words, and what it reads.
SCREENS: dict[str, tuple[str, Callable[[Store, Any], Read]]] = {
    "inspect": ("inspect", at_a_glance),
    "inspect --watch, its next look": ("", partial(at_a_glance, again=True)),
    "inspect jobs": ("inspect jobs", a_page),
    "inspect jobs --status failed": (
        "inspect jobs --status failed",
        partial(a_page, statuses=frozenset({Status.FAILED})),
    ),
    "inspect jobs --status queued": (
        "inspect jobs --status queued",
        partial(a_page, statuses=frozenset({Status.QUEUED})),
    ),
    "inspect jobs --param n=-1 (none matches)": ("inspect jobs --param n=-1", partial(a_page, params={"n": "-1"})),
    "inspect jobs --sort took (reads all)": ("inspect jobs --sort took", partial(a_page, order=Order.TOOK)),
    "inspect queues": (
        "inspect queues",
        lambda store, _: lambda: [look_at_queue(store.queues, name) for name in QUEUES],
    ),
}


def measure(folder: Path, azurite: Azurite | None, name: str) -> str:
    """Return the seconds of the whole command, those of a processor, the milliseconds of reading, and the port calls."""
    words, prepare = SCREENS[name]
    environment = dict(os.environ)
    command = [sys.executable, "-m", "jobkit", *words.split()]
    if azurite is not None:
        command += ["--store", "azure"]
        environment["AzureWebJobsStorage"] = azurite.connection_string
    whole = ""
    if words:
        wall_s, cpu_s = best(
            lambda: subprocess.run(command, env=environment, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        )
        whole = f"{wall_s:.2f} s, {cpu_s:.2f} s"
    with opened(folder, azurite) as (store, each):
        wrapped, counts = counted(store)
        read = prepare(wrapped, each)
        read()  # what is made at the first call
        counts.calls.clear()
        read_s, _ = best(read)
    return f"{whole} | {read_s * 1000:,.0f} ms | {sum(counts.calls.values()) // TIMES:,}"


def best(do: Callable[[], object]) -> tuple[float, float]:
    """Do something a few times; return the shortest time that it took, and of a processor in a child process."""
    took: list[tuple[float, float]] = []
    for _ in range(TIMES):
        started, used = time.perf_counter(), child_cpu_s()
        do()
        took.append((time.perf_counter() - started, child_cpu_s() - used))
    return min(wall for wall, _ in took), min(cpu for _, cpu in took)


def child_cpu_s() -> float:
    times = os.times()
    return times.children_user + times.children_system


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", nargs="*", type=int, default=[100, 10_000])
    parser.add_argument("--azurite", action="store_true")
    asked = parser.parse_args()
    table = Table(title="whole command, of that processor | reading alone | port calls, a page of 1,000 rows each")
    table.add_column("command")
    cells: dict[str, list[str]] = {name: [] for name in SCREENS}
    for jobs in asked.sizes:
        table.add_column(f"{jobs:,} jobs", justify="right")
        with contextlib.ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            azurite = stack.enter_context(Azurite("--inMemoryPersistence")) if asked.azurite else None
            with opened(folder, azurite) as (store, each):
                fill(store, each, jobs, TASKS if azurite is None else TASKS_ON_AZURITE)
            for name, row in cells.items():
                row.append(measure(folder, azurite, name))
    for name, row in cells.items():
        table.add_row(name, *row)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
