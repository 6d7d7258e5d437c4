"""A job whose tasks compute, to see what further instances add."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from jobkit.runtime import BaseController, JobContext, Params, TaskContext, stage


class CpuParams(Params):
    n: int = Field(ge=0)


class Cpu(BaseController[CpuParams]):
    """One stage of n tasks that each add up two million numbers."""

    job_type = "cpu"

    @stage("cpu")
    def add(self, task: TaskContext[CpuParams, int]) -> int:
        total = 0
        for number in range(2_000_000):
            total += number
        return total

    @add.fan_out
    def numbers(self, job: JobContext[CpuParams]) -> Iterator[int]:
        yield from range(job.params.n)

    def aggregate(self, job: JobContext[CpuParams]) -> int:
        return job.stages()[0].summary.completed
