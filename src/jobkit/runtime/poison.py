"""What a poison message is: where it is and what it is about; what a look at many has found, and what came of each."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from .messages import JOBS_QUEUE, TASKS_QUEUE, Message
from .model import Failure, JobRecord, KeptMessage

#: The queues that poison messages come from, in the order in which they are listed.
ORIGINS: Final = (TASKS_QUEUE, JOBS_QUEUE)
_ID_CHARS: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What a message of ours is about, as the rows are now; `helps` is whether sending it again does anything."""

    state: str
    helps: bool
    job: JobRecord | None = None
    error: Failure | None = None
    #: Whether `jobkit retry` of the job would run again what has failed.
    is_for_retry: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PoisonMessage:
    """One poison message.

    Attributes:
        id: A digest of its queue and text: equal messages have one id, and a copy has its original's.
        queue: The queue that it came from.
        at: When it came into the poison queue, or was kept.
        deliveries: How often it was received from the poison queue, until it was kept; None where that was not noted.
        body: Its text.
        reason: Why it can't be understood, or followed; empty for a waiting one of ours.
        message: What it says; None for a foreign one.
        outlook: What of it is still to be done; None for a foreign one.
        kept: Its row, if it was kept.
    """

    id: str
    queue: str
    at: datetime
    deliveries: int | None
    body: str
    reason: str
    message: Message | None
    outlook: Outlook | None = None
    kept: KeptMessage | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The poison messages that were meant, oldest first, and what else there is.

    Attributes:
        messages: Those that were meant.
        seen: How many were looked at, of the queues that were meant.
        unseen: How many more each of their poison queues holds that this look could not see.
        is_cut: The queues of which only the first were looked at: what is unseen elsewhere is held by somebody.
        is_taken: Whether they were taken, or just those looked at that a peek shows.
        foreign: How many a filter over jobs left out because they have no job.
        gone: How many it left out because their job is gone.
        damaged: What rows could not be read, and what is not known therefore.
    """

    messages: Sequence[PoisonMessage]
    seen: int
    unseen: Mapping[str, int]
    is_cut: frozenset[str]
    is_taken: bool
    foreign: int = 0
    gone: int = 0
    damaged: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PoisonCounts:
    """How many messages wait in the poison queue of each queue, hidden ones included, and how many were kept."""

    waiting: Mapping[str, int]
    kept: int


def poison_id(queue: str, body: str) -> str:
    """Return the id of a poison message by the queue that it came from and its text."""
    return hashlib.sha256(f"{queue} {body}".encode(errors="surrogatepass")).hexdigest()[:_ID_CHARS]


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What came of a message: it `is_done`, or it is left as it is with the reason why."""

    message: PoisonMessage
    is_done: bool
    why_left: str = ""
