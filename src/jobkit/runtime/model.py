"""The records of a job: what the rows mean, apart from how they are stored."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

# What is kept of a failure.
MAX_TYPE_CHARS: Final = 200
MAX_MESSAGE_CHARS: Final = 4_000  # of what an exception says
MAX_TRACEBACK_CHARS: Final = 6_000

#: Deliveries are numbered through the turns of a message that is sent again as itself: those of turn n from n * TURN on.
TURN: Final = 10_000

_NAME: Final = re.compile(r"[0-9A-Za-z_-]{0,64}")


def is_name(text: str) -> bool:
    """Whether a text can be a name that jobkit gave (a key, a plan id, an epoch), and so part of a row's key, or is empty."""
    return _NAME.fullmatch(text) is not None


class Status(StrEnum):
    """Where a job or a task is. Nothing else is ever stored as a status."""

    #: Waits for a message to be delivered.
    QUEUED = "queued"
    #: A stage of the job is planned or runs; the task has been claimed.
    PROCESSING = "processing"
    #: Ended, with a result.
    COMPLETED = "completed"
    #: Ended, with an error.
    FAILED = "failed"

    @property
    def ended(self) -> bool:
        """Whether nothing but a retry changes it any more."""
        return self in (Status.COMPLETED, Status.FAILED)


class StageState(StrEnum):
    """Where a stage row is in the protocol (users see a Status, see `StageRecord.status`)."""

    #: Its tasks have not been written.
    UNPLANNED = "unplanned"
    #: A message holds the planning and writes tasks under its plan id.
    PLANNING = "planning"
    #: The plan id and the number of tasks are fixed; tasks run.
    SEALED = "sealed"
    #: All tasks have ended, or the stage was given up before it was sealed.
    CLOSED = "closed"
    #: A retry gives its tasks a new round; nothing marks or closes meanwhile.
    REOPENING = "reopening"


class OnFailure(StrEnum):
    """What a stage does about failed tasks, once there are more than it tolerates."""

    #: The others finish, then the job fails.
    FAIL = "fail"
    #: What has not started is not run any more; the job fails.
    STOP = "stop"
    #: The job goes on.
    CONTINUE = "continue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a stage's options say about its tasks together. Its row keeps it from the seal on, whatever the code says.

    `tolerated` counts tasks, `max_parallel` is 0 for no limit, `batch` is how many tasks a message names at most, and
    `timeout_s` 0 for no limit.
    """

    on_failure: OnFailure = OnFailure.FAIL
    tolerated: int = 0
    max_parallel: int = 0
    batch: int = 1
    timeout_s: float = 0.0

    def allows(self, failed: int) -> bool:
        """Whether the job goes on with so many failed tasks."""
        return self.on_failure is OnFailure.CONTINUE or failed <= self.tolerated

    @property
    def stop_at(self) -> int:
        """How many failed tasks stop the stage; 0 for none."""
        return self.tolerated + 1 if self.on_failure is OnFailure.STOP else 0

    @property
    def silence_s(self) -> float:
        """How long a claimed row may show no sign of life, 0 for no limit: those of a batch are claimed and recorded together."""
        return self.timeout_s * self.batch

    def first_to_send(self, task_count: int) -> int:
        """How many tasks are sent by the dispatch: the heads of the lanes, or all."""
        return min(task_count, self.max_parallel) if self.max_parallel else task_count


#: The type of a cancelled job's failure.
CANCELLED: Final = "Cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a task or a job failed: the exception's type and text and the tail of its traceback."""

    type: str
    message: str
    traceback: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorGroup:
    """Failures of one type: how many, and the one with the lowest task index as their example."""

    count: int
    index: int
    failure: Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Counts over tasks that have ended: of a shard, a group of shards or a stage."""

    completed: int = 0
    failed: int = 0
    busy_s: float = 0.0
    longest_s: float = 0.0
    longest_index: int | None = None
    errors: tuple[ErrorGroup, ...] = ()

    @property
    def ended(self) -> int:
        """How many tasks have ended."""
        return self.completed + self.failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose a claimed row is: the message (its key and its id in the queue) and the delivery that claimed it.

    The delivery counts through the message's turns, see TURN.
    """

    key: str
    message_id: str
    delivery: int

    def same_message(self, other: Owner) -> bool:
        """Whether both are deliveries of one message, be it in different turns (a doubtful send makes two with one key)."""
        is_other_turn = self.delivery // TURN != other.delivery // TURN
        return self.key == other.key and (self.message_id == other.message_id or is_other_turn)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """One run of a controller for one set of parameters. `stage` is the current stage's number; None past the last."""

    job_id: str
    epoch: str
    job_type: str
    version: int
    run: int
    runs: int
    status: Status
    stage: int | None
    stage_numbers: tuple[int, ...]
    round: int
    params_json: str
    source: str | None
    created_at: datetime
    updated_at: datetime
    result_json: str | None = None
    result_token: str = ""
    result_chunks: int = 0
    error: Failure | None = None
    is_purging: bool = False
    etag: str = field(default="", compare=False)

    @property
    def was_cancelled(self) -> bool:
        """Whether the job has failed because somebody has cancelled it."""
        return self.error is not None and self.error.type == CANCELLED

    def next_stage(self, number: int) -> int | None:
        """Return the number of the stage after `number`, None when it is the last of this job."""
        after = self.stage_numbers.index(number) + 1
        return self.stage_numbers[after] if after < len(self.stage_numbers) else None

    def is_where(self, before: JobRecord) -> bool:
        """Whether the job has not gone on since it was read before."""
        now, then = ((job.epoch, job.round, job.status, job.stage) for job in (self, before))
        return now == then


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRecord:
    """One stage of a job. `chosen` are the tasks that its round runs again; None for all that had not completed."""

    job_id: str
    number: int
    name: str
    state: StageState
    round: int
    plan: str | None = None
    owner: Owner | None = None
    task_count: int | None = None
    policy: Policy = Policy()
    skipped: bool = False
    chosen: tuple[int, ...] | None = None
    stop: bool = False
    error: Failure | None = None
    summary: Summary = Summary()
    last_task: str | None = None
    started_at: datetime | None = None
    sealed_at: datetime | None = None
    ended_at: datetime | None = None
    etag: str = field(default="", compare=False)

    @property
    def last_index(self) -> int | None:
        """The index of the task that turned out the lights."""
        return int(self.last_task.rpartition("-")[2]) if self.last_task else None

    @property
    def status(self) -> Status:
        """What users see of its state."""
        if self.state is StageState.UNPLANNED:
            return Status.QUEUED
        if self.state is StageState.CLOSED:
            return Status.FAILED if self.error is not None else Status.COMPLETED
        return Status.PROCESSING


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """A job and its stages as they were at one moment, in the order in which they run."""

    job: JobRecord
    stages: tuple[StageRecord, ...]

    def find_stage(self, number: int) -> StageRecord | None:
        """Return a stage by its number; None when it is none of this job's."""
        return next((stage for stage in self.stages if stage.number == number), None)

    def find_stage_named(self, name: str) -> StageRecord | None:
        """Return a stage by its number, name or slug as it is typed (`cut-tiles`); None when it is none of this job's."""
        named = {text: stage for stage in self.stages for text in (slug_of(stage.name), stage.name, str(stage.number))}
        return named.get(name) or named.get(slug_of(name))

    @property
    def known_stages(self) -> str:
        """What may be typed for a stage, for whoever has typed another."""
        return ", ".join(f"{stage.number} {stage.name!r}" for stage in self.stages)

    @property
    def current_stage(self) -> StageRecord | None:
        """The stage that the job is at; None when all have ended."""
        return None if self.job.stage is None else self.find_stage(self.job.stage)

    @property
    def latest_stage(self) -> StageRecord:
        """The last stage that has tasks: the one that runs, or ran last; the first one before there are any."""
        begun = [stage for stage in self.stages if stage.task_count is not None]
        return begun[-1] if begun else self.stages[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRef:
    """Which task: enough to find its row."""

    job_id: str
    stage: int
    plan: str
    index: int

    @property
    def task_id(self) -> str:
        """The id that users see: of job, stage and index."""
        return task_id(self.job_id, self.stage, self.index)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRecord:
    """One parallel unit of a stage."""

    ref: TaskRef
    status: Status
    attempt: int
    round: int
    owner: Owner | None = None
    params_json: str | None = None
    result_json: str | None = None
    error: Failure | None = None
    queued_at: datetime | None = None
    not_before: datetime | None = None
    started_at: datetime | None = None
    progress_at: datetime | None = None
    ended_at: datetime | None = None
    worker: str | None = None
    etag: str = field(default="", compare=False)

    @property
    def alive_at(self) -> datetime | None:
        """The last sign of life of a running task: its claim, or what it has told since. An earlier attempt's is none."""
        return max((at for at in (self.started_at, self.progress_at) if at is not None), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A job as the index lists it, under a `key`.

    Of an active one `looked_at` is when a repair first saw what its last look saw too, `visited_at` when it last looked.
    What of the row can't be read is None: the job's own row has it too.
    """

    key: str
    job_id: str
    epoch: str
    job_type: str | None
    created_at: datetime | None
    looked_at: datetime | None = None
    visited_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What an operator did to a job: who, when, why."""

    action: str
    by: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptMessage:
    """A poison message that could not be understood or followed, kept as a row: its poison queue, and why and when.

    `deliveries` is how often it had been received from there by then; None in a row of a jobkit that did not note it.
    """

    row: str
    queue: str
    reason: str
    body: str
    at: datetime
    deliveries: int | None
    etag: str


def task_id(job_id: str, stage: int, index: int) -> str:
    """Derive a task's id: the first 16 digits of its job's, the stage's number and the index."""
    return f"{job_id[:16]}-{stage}-{index}"


def slug_of(name: str) -> str:
    """Return a stage's name as it can be typed: lower case, with underscores."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
