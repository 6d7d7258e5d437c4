"""Tasks that are not the same twice: each returns how often it has run."""

from collections.abc import Iterator
from pathlib import Path

from jobkit.runtime import BaseController, JobContext, Params, TaskContext, stage


class CountingParams(Params):
    n: int = 3
    fail: bool = False


class Counting(BaseController[CountingParams]):
    """Counts the runs of each task in a file."""

    job_type = "counting"

    @stage("Count")
    def count(self, task: TaskContext[CountingParams, int]) -> str:
        seen = Path(f"seen-{task.index}")
        with seen.open("a") as file:
            file.write("x")
        if task.job.params.fail:
            raise ValueError("broken")
        return f"run {seen.stat().st_size}"

    @count.fan_out
    def numbers(self, job: JobContext[CountingParams]) -> Iterator[int]:
        yield from range(job.params.n)
