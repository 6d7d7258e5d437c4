"""The built-in controllers."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel, Field

from .context import JobContext, TaskContext
from .controller import BaseController, Params
from .stage import stage


class HelloParams(Params):
    """How much to greet."""

    n: int = Field(5, ge=0, description="How many worlds to greet.")


class World(BaseModel):
    """A world to greet."""

    world: int


class Earlier(BaseModel):
    """The greeting that is replied to."""

    reply_to: str


class Message(BaseModel):
    """What is said."""

    message: str


class HelloWorlds(BaseController[HelloParams]):
    """Greets n worlds, then has n worlds reply."""

    job_type = "hello_worlds"

    @stage("Hello Worlds")
    def hello(self, task: TaskContext[HelloParams, World]) -> Message:
        """Greet one world."""
        return Message(message=f"hello from {task.task_id}!")

    @hello.fan_out
    def worlds(self, job: JobContext[HelloParams]) -> Iterator[World]:
        """Yield the worlds."""
        for i in range(job.params.n):
            yield World(world=i)

    @stage("Worlds Reply")
    def reply(self, task: TaskContext[HelloParams, Earlier]) -> Message:
        """Reply to one greeting."""
        return Message(message=f"hello {task.params.reply_to} from {task.task_id}")

    @reply.fan_out
    def greeted(self, job: JobContext[HelloParams]) -> Iterator[Earlier]:
        """Yield every greeting of the first stage."""
        for result in job.results(self.hello):
            yield Earlier(reply_to=result.task_id)
