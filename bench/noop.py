"""The jobs that are measured: tasks that do nothing."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from jobkit.runtime import BaseController, JobContext, Params, TaskContext, stage


class NoopParams(Params):
    n: int = Field(ge=0)


class Noop(BaseController[NoopParams]):
    """One stage of n tasks that return their number."""

    job_type = "noop"

    @stage("noop")
    def noop(self, task: TaskContext[NoopParams, int]) -> int:
        return task.params

    @noop.fan_out
    def numbers(self, job: JobContext[NoopParams]) -> Iterator[int]:
        yield from range(job.params.n)

    def aggregate(self, job: JobContext[NoopParams]) -> int:
        return job.stages()[0].summary.completed


class Batched(BaseController[NoopParams]):
    """The same, fifty tasks a message."""

    job_type = "noop_batched"

    @stage("noop", batch=50)
    def noop(self, task: TaskContext[NoopParams, int]) -> int:
        return task.params

    @noop.fan_out
    def numbers(self, job: JobContext[NoopParams]) -> Iterator[int]:
        yield from range(job.params.n)

    def aggregate(self, job: JobContext[NoopParams]) -> int:
        return job.stages()[0].summary.completed


def chain_controller(stages: int, tasks: int) -> type[BaseController[Params]]:
    """Make a controller of many small stages, to time the way from one to the next."""

    def task(self: object, context: TaskContext[Params, int]) -> int:
        return context.params

    def items(self: object, job: JobContext[Params]) -> Iterator[int]:
        yield from range(tasks)

    members: dict[str, object] = {"job_type": "chain", "__doc__": f"{stages} stages of {tasks} tasks."}
    for number in range(1, stages + 1):

        def one(self: object, context: TaskContext[Params, int]) -> int:
            return context.params

        one.__name__ = f"stage_{number}"
        made = stage(f"Stage {number}")(one)
        made.fan_out(items)
        members[one.__name__] = made
    import types

    return types.new_class("Chain", (BaseController[Params],), {}, lambda namespace: namespace.update(members))


class TwoStages(BaseController[NoopParams]):
    """Two stages of n tasks, the second fed by the first, and a sum: what `peers.py` compares."""

    job_type = "two_stages"

    @stage("first")
    def first(self, task: TaskContext[NoopParams, int]) -> int:
        return task.params

    @first.fan_out
    def numbers(self, job: JobContext[NoopParams]) -> Iterator[int]:
        yield from range(job.params.n)

    @stage("second")
    def second(self, task: TaskContext[NoopParams, int]) -> int:
        return task.params

    @second.fan_out
    def results(self, job: JobContext[NoopParams]) -> Iterator[int]:
        for result in job.results(self.first):
            yield result.value

    def aggregate(self, job: JobContext[NoopParams]) -> int:
        return sum(result.value for result in job.results(self.second))
