"""The outbox: makes messages and sends them, each under a key of its own."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, TypeVar

from .clock import Clock
from .errors import StoreUnavailable
from .messages import JOBS_QUEUE, MAX_HINT_BYTES, Kind, Message, encode_message
from .model import JobRecord, StageRecord, TaskRecord
from .rows import SHARD
from .storage.limits import DELAY_S
from .storage.ports import Queues

PAGE: Final = 1_000  # tasks that one dispatch or settle message stands for
SPLIT: Final = 10  # into how many smaller ranges a larger one goes
SEND_TRIES: Final = 3
RETRY_PAUSE_S: Final = 0.2

Item = TypeVar("Item")
Each = Callable[[Iterable[Item], Callable[[Item], None]], None]


def one_after_another(items: Iterable[Item], do: Callable[[Item], None]) -> None:
    """Do all items in the calling thread."""
    for item in items:
        do(item)


class Outbox:
    """Sends messages; `each` may do so in parallel."""

    def __init__(self, queues: Queues, *, clock: Clock, rng: random.Random, each: Each[Any]) -> None:
        """Keep the port and where time and randomness come from."""
        self._queues = queues
        self._clock = clock
        self._rng = rng
        self.each = each

    def send(self, queue: str, message: Message, *, key: str = "", delay_s: float = 0.0) -> None:
        """Send a message, unless told under a new key; after a doubtful send again, with another.

        Raises StoreUnavailable.
        """
        for tries_left in reversed(range(SEND_TRIES)):
            body = encode_message(message, key=key or self.token())
            try:
                return self._queues.send(queue, body, delay_s=min(delay_s, DELAY_S))
            except StoreUnavailable:
                if not tries_left:
                    raise
                self._clock.sleep(RETRY_PAUSE_S)
        return None

    def split(self, message: Message, first: int, size: int) -> None:
        """Send a jobs message up to ten times, each for a part of the range; parts are whole pages."""
        pages = -(-size // PAGE)
        part = -(-pages // SPLIT) * PAGE
        parts = [(start, min(part, first + size - start)) for start in range(first, first + size, part)]
        self.each(parts, lambda p: self.send(JOBS_QUEUE, replace(message, first=p[0], size=p[1])))

    def oldest_waiting(self, queue: str) -> datetime | None:
        """Return when the message was sent that is the next to be delivered; None when none waits."""
        found = self._queues.peek(queue, limit=1)
        return found[0].inserted_at if found else None

    def token(self) -> str:
        """Return a random name: a key, a plan id, an epoch."""
        return f"{self._rng.getrandbits(64):016x}"


def job_message(kind: Kind, job: JobRecord, *, stage: int = 0) -> Message:
    """Make a message about a job or, unplanned, one of its stages."""
    return Message(kind=kind, job_id=job.job_id, epoch=job.epoch, round=job.round, stage=stage)


def reopen_message(job: JobRecord) -> Message:
    """Make the message that does what a job's round begins with, at the stage at which it begins."""
    return job_message(Kind.REOPEN, job, stage=job.stage or 0)


def stage_message(kind: Kind, epoch: str, stage: StageRecord) -> Message:
    """Make a message about a sealed stage."""
    return Message(
        kind=kind,
        job_id=stage.job_id,
        epoch=epoch,
        round=stage.round,
        stage=stage.number,
        plan=stage.plan or "",
        task_count=stage.task_count or 0,
    )


def batches(tasks: Iterable[TaskRecord], most: int) -> Iterator[tuple[TaskRecord, int]]:
    """Put consecutive tasks of a shard together, `most` at a time; yield the first of each and how many they are."""
    first: TaskRecord | None = None
    size = 0
    for task in tasks:
        if first is not None:
            index = first.ref.index
            if size < most and task.ref.index == index + size and task.ref.index // SHARD == index // SHARD:
                size += 1
                continue
            yield first, size
        first, size = task, 1
    if first is not None:
        yield first, size


def task_message(epoch: str, stage: StageRecord, task: TaskRecord, size: int = 1) -> Message:
    """Make the message of a queued task, with its ETag and small parameters as a hint; or of a batch that it begins."""
    params = task.params_json
    return Message(
        kind=Kind.TASK,
        job_id=stage.job_id,
        epoch=epoch,
        round=stage.round,
        stage=stage.number,
        plan=stage.plan or "",
        task_count=stage.task_count or 0,
        first=task.ref.index,
        size=size,
        attempt=task.attempt,
        etag=task.etag if size == 1 else "",
        params_json=params if params is not None and len(params.encode()) <= MAX_HINT_BYTES else None,
        lanes=stage.policy.max_parallel,
        stop_at=stage.policy.stop_at,
    )
