"""Tasks that fail in every way, and tasks that print."""
# ruff: noqa: T201 - as users do

import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from jobkit.runtime import BaseController, JobContext, Params, TaskContext, stage

print("printed while it is imported")


class FailingParams(Params):
    how: str = "raise"
    n: int = 3


class Failing(BaseController[FailingParams]):
    """The second task goes wrong."""

    job_type = "failing"

    @stage("Try", max_attempts=2, retry_delay=timedelta(0))
    def attempt(self, task: TaskContext[FailingParams, int]) -> Any:
        if task.params == 1:
            return misbehave(task.job.params.how, task.attempt)
        return task.params

    @attempt.fan_out
    def numbers(self, job: JobContext[FailingParams]) -> Iterator[int]:
        if job.params.how == "list":
            raise LookupError("no list")
        yield from range(job.params.n)

    def aggregate(self, job: JobContext[FailingParams]) -> Any:
        if job.params.how == "sum":
            raise LookupError("no sum")
        return super().aggregate(job)


def misbehave(how: str, attempt: int) -> Any:
    match how:
        case "raise":
            raise ValueError("[bold]tile 1[/bold] is broken\nsecond line")
        case "once" if attempt == 1:
            raise ConnectionError("not yet")
        case "exit":
            sys.exit(3)
        case "set":
            return {1, 2}
        case "large":
            return "x" * 300_000
        case "print":
            print("printed by a task")
            subprocess.run([sys.executable, "-c", "print('printed by a program')"], check=True)
    return how
