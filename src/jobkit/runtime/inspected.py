"""The records of a job that is looked at closely: what its rows and the queues tell, apart from how they are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from .model import Audit, Chain, Status, Summary, TaskRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How far a stage is.

    Attributes:
        summary: Of the tasks that are known to have ended.
        open: The tasks that were looked at and have not ended.
        unseen: How many tasks were not looked at: some of them may have ended, some may run.
        moved_at: The latest time that a task that was looked at tells.
        looked_at: The tasks that were looked at.
        shards: The shards that are known to have ended, in order.
    """

    summary: Summary
    open: tuple[TaskRecord, ...] = ()
    unseen: int = 0
    moved_at: datetime | None = None
    looked_at: tuple[TaskRecord, ...] = ()
    shards: Sequence[int] = ()

    @property
    def in_flight(self) -> int:
        """How many of the tasks that were looked at are being worked on."""
        return sum(task.status is Status.PROCESSING for task in self.open)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outliers:
    """What was found in a stage.

    Attributes:
        slowest: Tasks that have ended, the longest first.
        failed: Failed tasks, in index order.
        retried: The tasks that are at a later attempt than the first.
        is_whole: Whether all tasks were read; otherwise `retried` is empty, and there may be more failed ones.
    """

    slowest: tuple[TaskRecord, ...] = ()
    failed: tuple[TaskRecord, ...] = ()
    retried: tuple[TaskRecord, ...] = ()
    is_whole: bool = False


class Weight(StrEnum):
    """What a finding means for its job."""

    #: It does not go on by itself.
    STUCK = "stuck"
    #: It goes on by itself, later.
    WAITING = "waiting"
    #: Worth knowing.
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was found: its name, what it means, what shows it, and the command or act that mends it."""

    name: str
    weight: Weight
    evidence: str
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What was found, what weighs most first, and what was not checked."""

    findings: tuple[Finding, ...] = ()
    unchecked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """The text that hashes to a job's id, and the parameters that are no part of it."""

    canonical: str
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """A job as it was at one moment.

    Attributes:
        chain: The job and its stages.
        at: When that was read.
        counts: How far the open stages are, by number.
        outliers: Of each stage that has begun, the tasks worth a look.
        audits: What operators did to the job.
        diagnosis: What keeps it from moving, or made it fail.
        provenance: What its id is the hash of; None where that can't be told.
    """

    chain: Chain
    at: datetime
    counts: Mapping[int, Count]
    outliers: Mapping[int, Outliers]
    audits: tuple[Audit, ...]
    diagnosis: Diagnosis
    provenance: Provenance | None
