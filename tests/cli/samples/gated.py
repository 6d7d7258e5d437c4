"""Tasks that note that they run, and wait until a file is there."""

import time
from collections.abc import Iterator
from pathlib import Path

from jobkit.runtime import BaseController, JobContext, Params, TaskContext, stage


class GatedParams(Params):
    n: int = 6
    gate: Path = Path("gate")
    log: Path = Path("log")


class Gated(BaseController[GatedParams]):
    """Waits at a gate, then counts."""

    job_type = "gated"

    @stage("Wait")
    def wait(self, task: TaskContext[GatedParams, int]) -> int:
        params = task.job.params
        with params.log.open("a") as log:
            log.write(f"{task.params}\n")
        while not params.gate.exists():
            time.sleep(0.005)
        return task.params

    @wait.fan_out
    def numbers(self, job: JobContext[GatedParams]) -> Iterator[int]:
        yield from range(job.params.n)

    @stage("Count")
    def count(self, task: TaskContext[GatedParams, None]) -> int:
        return sum(1 for _ in task.job.results(self.wait))

    def aggregate(self, job: JobContext[GatedParams]) -> int:
        return next(job.results(self.count)).value
