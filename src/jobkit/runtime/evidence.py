"""What is looked at to tell why a job does not move: its rows, the queues, what repair finds. Nothing is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from .errors import MessageRefused, StoreUnavailable
from .inspected import Count
from .messages import Message, decode_message
from .model import Chain, StageRecord
from .overview import QueueLook
from .processing import QUEUES
from .queue_look import look_at_queue
from .repair import Finding as Broken
from .storage.ports import Hidden, Queues, ShowsHidden

MOST_HIDDEN: Final = 1_000
SETTLED_S: Final = 5.0  # who has written a row sends its message within that time


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A message of this job in a queue.

    Attributes:
        message: What it asks for.
        deliveries: How often it has been received.
        inserted_at: When it was sent; None where that can't be seen.
        hidden: How it is hidden; None when it waits for somebody to take it.
    """

    message: Message
    deliveries: int
    inserted_at: datetime | None = None
    hidden: Hidden | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueEvidence:
    """One queue: this job's messages in it, and whether there can be others of it.

    Attributes:
        look: What a look at it came to; None when it could not be looked at, for `trouble`.
        seen: This job's messages.
        is_whole: Whether every message of the queue was seen, hidden ones too: what is not among them is not there.
    """

    name: str
    look: QueueLook | None = None
    seen: tuple[Seen, ...] = ()
    is_whole: bool = False
    trouble: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that a diagnosis goes by.

    Attributes:
        chain: The job and its stages.
        now: When they were read.
        counts: How far the open stages are, by number.
        queues: The queues, by name; none for a job that has ended.
        is_listed: Whether the job is among the active ones.
        broken: What repair finds, where its look passes over few enough tasks.
        living: How many processes work on the store; None where that can't be seen.
        options: What a command needs to use the same store, such as ` --store azure`.
        unmoved: The ETags of the rows as they were read once more, after the queues; None before that.
    """

    chain: Chain
    now: datetime
    counts: Mapping[int, Count] = field(default_factory=dict[int, Count])
    queues: Mapping[str, QueueEvidence] = field(default_factory=dict[str, QueueEvidence])
    is_listed: bool = False
    broken: tuple[Broken, ...] = ()
    living: int | None = None
    options: str = ""
    unmoved: frozenset[str] | None = None

    @property
    def stage(self) -> StageRecord | None:
        """The stage that the job is at."""
        return self.chain.current_stage

    def is_still(self, etag: str, moved_at: datetime | None) -> bool:
        """Whether a row has not moved while the queues were looked at, nor just before.

        Only then what is in no queue is lost: who records something sends what follows before it deletes its own message.
        """
        is_new = moved_at is not None and (self.now - moved_at).total_seconds() < SETTLED_S
        return not is_new and (self.unmoved is None or etag in self.unmoved)

    @property
    def moved_at(self) -> datetime:
        """The last time that any row that was read tells."""
        stages = [time for s in self.chain.stages for time in (s.started_at, s.sealed_at, s.ended_at)]
        times = [self.chain.job.updated_at, *stages, *(count.moved_at for count in self.counts.values())]
        return max(time for time in times if time is not None)


def look_at_queues(queues: Queues, chain: Chain, names: Iterable[str] = QUEUES) -> dict[str, QueueEvidence]:
    """Look at the queues for a job's messages; one that does not answer says so in its `trouble`."""
    found: dict[str, QueueEvidence] = {}
    for name in names:
        try:
            found[name] = _look(queues, name, chain)
        except StoreUnavailable as exc:
            found[name] = QueueEvidence(name=name, trouble=str(exc))
    return found


def _look(queues: Queues, name: str, chain: Chain) -> QueueEvidence:
    hidden = (
        queues.hidden(name, limit=MOST_HIDDEN) if isinstance(queues, ShowsHidden) else None
    )  # moves on while we look
    look = look_at_queue(queues, name)
    seen = [
        Seen(message=each.message, deliveries=each.deliveries, inserted_at=each.inserted_at)
        for each in look.peeked
        if each.message is not None and _is_of(each.message, chain)
    ]
    seen += [
        Seen(message=message, deliveries=each.dequeue_count, hidden=each)
        for each, message in _decoded(hidden or ())
        if _is_of(message, chain)
    ]
    sees_hidden = hidden is not None and len(hidden) < MOST_HIDDEN and len(hidden) >= look.hidden
    is_whole = look.visible_is_exact and (sees_hidden or look.hidden == 0)
    return QueueEvidence(name=name, look=look, seen=tuple(seen), is_whole=is_whole)


def _decoded(hidden: Iterable[Hidden]) -> Iterator[tuple[Hidden, Message]]:
    for each in hidden:
        try:
            yield each, decode_message(each.body)
        except MessageRefused:
            continue


def _is_of(message: Message, chain: Chain) -> bool:
    return message.job_id == chain.job.job_id and message.epoch == chain.job.epoch
