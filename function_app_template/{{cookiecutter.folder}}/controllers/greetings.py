"""A first controller, to be replaced by your own."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel, Field

from jobkit.runtime import BaseController, JobContext, Params, TaskContext, stage


class GreetingsParams(Params):
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


class Greetings(BaseController[GreetingsParams]):
    """Greets n worlds, then has n worlds reply."""

    job_type = "greetings"

    @stage("Greet")
    def greet(self, task: TaskContext[GreetingsParams, World]) -> Message:
        """Greet one world."""
        return Message(message=f"hello from {task.task_id}!")

    @greet.fan_out
    def worlds(self, job: JobContext[GreetingsParams]) -> Iterator[World]:
        """Yield the worlds."""
        for i in range(job.params.n):
            yield World(world=i)

    @stage("Reply")
    def reply(self, task: TaskContext[GreetingsParams, Earlier]) -> Message:
        """Reply to one greeting."""
        return Message(message=f"hello {task.params.reply_to} from {task.task_id}")

    @reply.fan_out
    def greeted(self, job: JobContext[GreetingsParams]) -> Iterator[Earlier]:
        """Yield every greeting of the first stage."""
        for result in job.results(self.greet):
            yield Earlier(reply_to=result.task_id)
