"""What looking at a job costs, by its number of tasks: time, storage calls, entities, memory: python bench/inspecting.py [N …].

Each job is written as rows into a local store: one stage, half of its shards ended, in no order (which is the worst one
for whoever counts by markers); and then the whole of it ended.
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
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from counted import CountedQueues, CountedTables, Counts
from rich.console import Console
from rich.table import Table

from jobkit.local import LocalStore
from jobkit.runtime import rows
from jobkit.runtime.clock import SystemClock
from jobkit.runtime.inspection import Inspection
from jobkit.runtime.model import JobRecord, StageRecord, StageState, Status, Summary, TaskRef
from jobkit.runtime.registry import Registry
from jobkit.runtime.repository import Repository
from jobkit.runtime.rows import GROUP, SHARD
from jobkit.runtime.service import Service
from jobkit.runtime.storage.ports import Entity, Insert, Store
from jobkit.runtime.summary import merge
from jobkit.runtime.timeline_reading import TimelineReading

START = datetime.now(UTC) - timedelta(minutes=10)


class CountedEntities(CountedTables):
    """A tables port that counts calls and the entities that queries yield."""

    def query(self, *arguments: Any, **named: Any) -> Iterator[Entity]:
        for entity in super().query(*arguments, **named):
            self._counts.add("entities")
            yield entity


class Written:
    """A job of n tasks, as rows."""

    def __init__(self, store: Store, n: int) -> None:
        """Write it: half of its shards have ended."""
        self.store, self.n = store, n
        self.repository = Repository(store.tables)
        self.shards = -(-n // SHARD)
        self.job = JobRecord(
            job_id=f"{n:032x}",
            epoch="e",
            job_type="bench",
            version=1,
            run=1,
            runs=1,
            status=Status.PROCESSING,
            stage=1,
            stage_numbers=(1,),
            round=1,
            params_json=json.dumps({"n": n}),
            source=None,
            created_at=START,
            updated_at=START,
        )
        self.stage = StageRecord(
            job_id=self.job.job_id,
            number=1,
            name="Only",
            state=StageState.SEALED,
            round=1,
            plan="p",
            task_count=n,
            started_at=START,
            sealed_at=START,
        )
        self.repository.index.add(self.job)
        self.repository.create_job(self.job, [self.stage])
        order = random.Random(1).sample(range(self.shards), self.shards)  # noqa: S311 - the same each time
        self.ended, self.open = order[: self.shards // 2], order[self.shards // 2 :]
        for shard in self.ended:
            self._write_shard(shard, ended=True)
            self._mark(shard)
        for shard in self.open:
            self._write_shard(shard, ended=False)

    def end(self) -> None:
        """Mark all shards, the groups above them, and close the stage; the rows stay as they are."""
        for shard in self.open:
            self._mark(shard)
        groups = -(-self.shards // GROUP)
        if groups > 1:
            for group in range(groups):
                members = range(group * GROUP, min(self.shards, (group + 1) * GROUP))
                self.repository.mark(self._ref(0), 1, 2, group, merge(map(self._summary, members)))
        chain = self.repository.get_chain(self.job.job_id)
        done = replace(chain.job, status=Status.COMPLETED, stage=None, updated_at=datetime.now(UTC), result_json="{}")
        self.repository.close_stage(
            chain,
            chain.stages[0],
            summary=merge(map(self._summary, range(self.shards))),
            error=None,
            last_task="",
            now=done.updated_at,
        )
        job = self.repository.get_chain(self.job.job_id).job
        self.repository.end_job(job, result_json='{"n":1}', error=None, token="t", now=done.updated_at)  # noqa: S106 - a name
        self.repository.index.drop(self.job)

    def _ref(self, shard: int) -> TaskRef:
        return TaskRef(job_id=self.job.job_id, stage=1, plan="p", index=shard * SHARD)

    def _summary(self, shard: int) -> Summary:
        size = min(SHARD, self.n - shard * SHARD)
        return Summary(completed=size, busy_s=size * 1.5, longest_s=2 + shard % 97, longest_index=shard * SHARD)

    def _mark(self, shard: int) -> None:
        if self.shards > 1:
            self.repository.mark(self._ref(shard), 1, 1, shard, self._summary(shard))

    def _write_shard(self, shard: int, *, ended: bool) -> None:
        partition = rows.ref_partition(self._ref(shard))
        begun = rows.write_time(START + timedelta(milliseconds=shard))
        properties: dict[str, Any] = {
            "row_version": 1,
            "attempt": 1,
            "round": 1,
            "queued_at": rows.write_time(START),
            "params": '{"number":17}',
            "status": (Status.COMPLETED if ended else Status.QUEUED).value,
        }
        if ended:
            properties |= {
                "started_at": begun,
                "ended_at": begun,
                "worker": f"vm-{shard % 4}",
                "result": '{"square":289}',
            }
        indexes = range(shard * SHARD, min(self.n, (shard + 1) * SHARD))
        inserts = [
            Insert(Entity(partition=partition, row=rows.task_row(index), properties=properties)) for index in indexes
        ]
        self.store.tables.transact(rows.TASKS, inserts)


def reads(store: Store, job_id: str, *, timeline: bool = False) -> dict[str, int]:
    """Look at a job; return how many storage calls and entities that took, and those of a second look by a watch."""
    counts = Counts()
    queues: Any = CountedQueues(store.queues, counts)
    counted = Store(CountedEntities(store.tables, counts), queues)
    service = Service(
        counted,
        Registry(),
        clock=SystemClock(),
        rng=random.Random(),  # noqa: S311 - names that must differ, not secrets
        worker="bench",
        observe=lambda _: None,
    )
    inspection, timelines = Inspection(service, queues, job_id), TimelineReading(service.repository)

    def look() -> tuple[int, int]:
        before = counts.calls.copy()
        if timeline:
            timelines.read(service.repository.get_chain(job_id), datetime.now(UTC))
        else:
            inspection.read()
        spent = counts.calls - before
        return spent.total() - spent["entities"], spent["entities"]

    (calls, entities), (calls_again, entities_again) = look(), look()
    return {"calls": calls, "entities": entities, "again": calls_again, "entities again": entities_again}


def timed(folder: Path, *words: str) -> tuple[float, float]:
    """Run a command; return its seconds and its peak of memory in MB."""
    script = (
        "import resource, sys, atexit; sys.argv[0] = 'jobkit'; "
        "atexit.register(lambda: sys.stderr.write(f'{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}\\n')); "
        "from jobkit.cli.main import main; main()"
    )
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", script, *words], cwd=folder, env=os.environ, capture_output=True, text=True, check=True
    )
    return time.monotonic() - started, int(done.stderr.split()[-1]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", nargs="*", type=int, default=[100, 10_000, 1_000_000])
    table = Table(
        title="inspect a job: storage calls and entities read (again: by a watch's next look), the whole command"
    )
    for title in ("tasks", "job", "screen"):
        table.add_column(title, justify="right" if title == "tasks" else "left")
    for title in ("calls", "entities", "again", "entities again", "seconds", "peak MB"):
        table.add_column(title, justify="right")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for n in parser.parse_args().sizes:
            with LocalStore.open(folder / ".jobkit" / "local.db") as local:
                written = Written(local.store, n)
                job_id = written.job.job_id
                for state in ("half ended", "ended"):
                    if state == "ended":
                        written.end()
                    for screen in ("job", "timeline", "tasks", "task"):
                        words = ["job", job_id] if screen in ("job", "timeline") else [screen, job_id]
                        words += ["--timeline"] if screen == "timeline" else []
                        if screen == "task":
                            words[1] = f"{job_id}-1-{n // 2}"
                        took_s, peak_mb = timed(folder, "inspect", *words)
                        found = reads(local.store, job_id, timeline=screen == "timeline") if "job" in words else {}
                        cells = [
                            f"{found[name]:,}" if found else ""
                            for name in ("calls", "entities", "again", "entities again")
                        ]
                        table.add_row(f"{n:,}", state, screen, *cells, f"{took_s:.2f}", f"{peak_mb:.0f}")
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
