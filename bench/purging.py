"""What a purge costs: 10,000 jobs, and one of 1,000,000 tasks: python bench/purging.py [--jobs N] [--tasks N].

The jobs are written as rows into a local store, as they are when they have ended; `jobkit purge` deletes them as a whole
process, so that time and peak memory are its own. The storage calls are counted in a second store of the same rows.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from counted import CountedTables, Counts
from rich.console import Console
from rich.table import Table

from jobkit.local import LocalStore
from jobkit.runtime.clock import SystemClock
from jobkit.runtime.model import JobRecord, StageRecord, StageState, Status, Summary, TaskRef
from jobkit.runtime.purging import Purging
from jobkit.runtime.registry import Registry
from jobkit.runtime.repository import Repository
from jobkit.runtime.rows import GROUP, SHARD
from jobkit.runtime.selection import Selection
from jobkit.runtime.service import Service
from jobkit.runtime.storage.ports import Store

LONG_AGO = datetime.now(UTC) - timedelta(days=60)


def write_job(repository: Repository, number: int, tasks: int) -> None:
    """Write a job of one stage as it is when it has ended (its tasks are `queued` rows: that costs a purge the same)."""
    job = JobRecord(
        job_id=f"{number:032x}",
        epoch="e",
        job_type="bench",
        version=1,
        run=1,
        runs=1,
        status=Status.COMPLETED,
        stage=None,
        stage_numbers=(1,),
        round=1,
        params_json=json.dumps({"n": number}),
        source=None,
        created_at=LONG_AGO + timedelta(seconds=number),
        updated_at=LONG_AGO + timedelta(seconds=number),
        result_json="{}",
    )
    stage = StageRecord(
        job_id=job.job_id, number=1, name="Only", state=StageState.CLOSED, round=1, plan="p", task_count=tasks
    )
    repository.index.add(job)
    repository.index.drop(job)
    repository.create_job(job, [stage])
    ref = TaskRef(job_id=job.job_id, stage=1, plan="p", index=0)
    shards = -(-tasks // SHARD)
    for shard in range(shards):
        first = shard * SHARD
        repository.insert_shard(stage, first, ["1"] * min(SHARD, tasks - first), LONG_AGO)
        if shards > 1:
            repository.mark(ref, 1, 1, shard, Summary())
    for group in range(-(-shards // GROUP) if shards > GROUP else 0):
        repository.mark(ref, 1, 2, group, Summary())


def measure(fill: Callable[[Repository], None]) -> dict[str, str]:
    """Fill a store and purge it; return the figures of the whole process, and the calls of another one."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "local.db"
        with LocalStore.open(path) as local, local.together():
            fill(Repository(local.store.tables))
        with LocalStore.open(path) as local:
            counts = Counts()
            store = Store(CountedTables(local.store.tables, counts), local.store.queues)
            calls = count_calls(store, counts)
        with LocalStore.open(path) as local, local.together():
            fill(Repository(local.store.tables))
        command = [sys.executable, "-m", "jobkit", "purge", "--older-than", "30d", "--yes", "--json"]
        started = time.perf_counter()
        child = subprocess.Popen([*command, "--store", f"local:{path}"], stdout=subprocess.PIPE)
        _, status, used = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - started
        assert child.stdout is not None
        document = json.load(child.stdout)
        assert status == 0
        return {
            "jobs": f"{document['purged']:,}",
            "rows": f"{document['rows']:,}",
            "seconds": f"{seconds:.1f}",
            "rows a second": f"{document['rows'] / seconds:,.0f}",
            "peak MB": f"{used.ru_maxrss / 1024:.0f}",
            "storage calls": f"{calls:,}",
        }


def count_calls(store: Store, counts: Counts) -> int:
    service = Service(
        store,
        Registry(),
        clock=SystemClock(),
        rng=random.Random(1),  # noqa: S311 - names
        worker="bench",
        observe=lambda _: None,
    )
    purging = Purging(service, by="bench")
    for job in purging.find(Selection(), datetime.now(UTC) - timedelta(days=30), []):
        purging.purge(job)
    return sum(counts.calls.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--tasks", type=int, default=1_000_000)
    given = parser.parse_args()

    def many(repository: Repository) -> None:
        for number in range(given.jobs):
            write_job(repository, number, 2)

    def one(repository: Repository) -> None:
        write_job(repository, 0, given.tasks)

    found = [measure(many), measure(one)]
    table = Table(title="jobkit purge --older-than 30d, local store")
    for name in found[0]:
        table.add_column(name, justify="right")
    for figures in found:
        table.add_row(*figures.values())
    Console().print(table)


if __name__ == "__main__":
    main()
