"""The records of a whole installation that is looked at, apart from how they are read: queues, jobs in pages, a glance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from .inspected import Count
from .messages import Message
from .model import Chain, JobRecord, StageRecord, TaskRecord
from .rates import Ends, Throughput, left_at_rate_s, rate_a_second
from .unread import Unread

NEWEST: Final = 100  # jobs whose rows are read for a glance
WINDOW_S: Final = 300.0  # of throughput
RATE_WINDOW_S: Final = 120.0
NO_WORKER: Final = "no worker"  # the name of the concern that nobody takes messages


@dataclass(frozen=True, slots=True, kw_only=True)
class Peeked:
    """One visible message. `message` is None for a foreign one, whose `refusal` says why it was not understood."""

    id: str
    body: str
    message: Message | None
    refusal: str
    deliveries: int
    inserted_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLook:
    """A queue at one moment.

    `messages` is the store's count, hidden ones included; Azure calls its own approximate. `visible_is_exact` says that
    all visible messages have been seen; else there may be more of them.
    """

    name: str
    messages: int
    peeked: tuple[Peeked, ...]
    visible_is_exact: bool

    @property
    def visible(self) -> int:
        """How many messages wait for somebody to take them: so many at least."""
        return len(self.peeked)

    @property
    def hidden(self) -> int:
        """How many messages are in flight, or delayed: about so many, and at most, if more are visible than were seen."""
        return max(0, self.messages - self.visible)

    @property
    def oldest_at(self) -> datetime | None:
        """When the oldest of the visible messages that were seen was sent."""
        return min((each.inserted_at for each in self.peeked), default=None)


class Order(StrEnum):
    """In which order jobs are listed; jobs that are alike in it, by their ids."""

    #: When they were created, newest first. The only one that reads no more than a page.
    CREATED = "created"
    #: When they last moved on, latest first.
    UPDATED = "updated"
    #: How long they took, or have taken so far, longest first.
    TOOK = "took"
    #: The job type, and within one the newest first.
    TYPE = "type"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some of the jobs that a filter finds. `after` is the id to list those after it; None when there are no more."""

    lines: tuple[JobRecord | Unread, ...]
    after: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPage:
    """Some of a stage's tasks, by index. `following` is the index that the next page begins with; None for no more."""

    stage: StageRecord
    tasks: tuple[TaskRecord, ...]
    following: int | None


def took_s(job: JobRecord, now: datetime) -> float:
    """Return how long a job took, or has taken so far."""
    return max(0.0, ((job.updated_at if job.status.ended else now) - job.created_at).total_seconds())


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """What is known of a running stage: how far it is, when its tasks ended, which instances ran them.

    `workers` has when each instance of the tasks that were read gave its last sign of life, `moved_at` when any did.
    """

    count: Count
    ends: tuple[Ends, ...]
    workers: Mapping[str, datetime]
    moved_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveJob:
    """A job that has not ended; `pulse` is there while the tasks of a stage run."""

    chain: Chain
    pulse: Pulse | None

    @property
    def stage(self) -> StageRecord | None:
        """The stage it is at; None when all have ended."""
        return self.chain.current_stage

    @property
    def moved_at(self) -> datetime:
        """The last sign of life in the rows that were read."""
        stage = self.stage
        times = [self.chain.job.updated_at]
        times += [at for at in (stage.started_at, stage.sealed_at) if at is not None] if stage is not None else []
        if self.pulse is not None and self.pulse.moved_at is not None:
            times.append(self.pulse.moved_at)
        return max(times)

    def left_s(self, now: datetime) -> float | None:
        """How long the stage still takes at the pace of the last minutes; None where there is none to go by."""
        stage, pulse = self.stage, self.pulse
        if stage is None or pulse is None or stage.sealed_at is None or stage.task_count is None:
            return None
        rate = rate_a_second(pulse.ends, since=stage.sealed_at, until=now, window_s=RATE_WINDOW_S)
        return left_at_rate_s(stage.task_count - pulse.count.summary.ended, rate)


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """What was found. `active` and `ended` are at most ten each, of the jobs that were `looked_at`.

    Of `active_count`, the jobs listed as active, there may be more unless `counted_all`. `workers` has the last sign of
    life of each instance that the rows tell of; `kept_poison` counts the messages that could not be understood and were
    kept; `living` is how many processes have the store open to work on it, None
    where a store can't tell. `unread` are the jobs that could not be read.
    """

    at: datetime
    queues: tuple[QueueLook, ...]
    active: tuple[ActiveJob, ...]
    active_count: int
    counted_all: bool
    ended: tuple[Chain, ...]
    looked_at: int
    workers: Mapping[str, datetime]
    kept_poison: int
    living: int | None
    throughput: Throughput
    unread: tuple[Unread, ...]

    def left_s(self, job: ActiveJob, worries: Iterable[Concern]) -> float | None:
        """How long a job's stage still takes; None where there is no pace to go by, or nobody to keep it up."""
        nobody_works = self.living == 0 or any(each.name == NO_WORKER for each in worries)
        return None if nobody_works else job.left_s(self.at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Concern:
    """One of them: its name, what is to be told, since when, and the command that mends it or tells more."""

    name: str
    text: str
    since: datetime | None
    command: str
