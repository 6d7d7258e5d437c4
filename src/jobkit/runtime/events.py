"""What the service tells whoever watches: one event for each step, as data."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


class Action(StrEnum):
    """The steps that are told."""

    #: A job row was created.
    SUBMITTED = "submitted"
    #: A stage's planning was claimed.
    PLANNING = "planning"
    #: A stage's plan was sealed; `count` is the number of its tasks.
    SEALED = "sealed"
    #: A task was claimed.
    CLAIMED = "claimed"
    #: A task's result was recorded.
    COMPLETED = "completed"
    #: A task's failure was recorded; no attempts are left.
    FAILED = "failed"
    #: A task raised and was queued again.
    RETRYING = "retrying"
    #: A delivery found its task claimed by an earlier one of the same message.
    TAKEN_OVER = "taken over"
    #: A message had nothing to do.
    DROPPED = "dropped"
    #: A stage was closed; `index` is the task that turned out the lights.
    CLOSED = "closed"
    #: A job has ended.
    ENDED = "ended"
    #: A message could not be understood.
    REFUSED = "refused"
    #: A message was delivered too often and its work was given up.
    POISONED = "poisoned"
    #: A user's `on_complete` raised.
    HOOK_FAILED = "hook failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One step of a job."""

    action: Action
    job_id: str
    stage: int | None = None
    index: int | None = None
    attempt: int | None = None
    count: int | None = None
    text: str = ""


Observer: TypeAlias = Callable[[Event], None]

_WARNINGS = frozenset({Action.FAILED, Action.RETRYING, Action.REFUSED, Action.POISONED, Action.HOOK_FAILED})
_LOGGER = logging.getLogger("jobkit")


def log_event(event: Event) -> None:
    """Write an event to the logger `jobkit`, with job, stage, task and action as fields of the record."""
    level = logging.WARNING if event.action in _WARNINGS else logging.DEBUG if event.index is not None else logging.INFO
    if not _LOGGER.isEnabledFor(level):
        return
    fields = {"job": event.job_id, "stage": event.stage, "task": event.index, "action": event.action.value}
    where = event.job_id if event.stage is None else f"{event.job_id} stage {event.stage}"
    if event.index is not None:
        where += f" task {event.index}"
    _LOGGER.log(
        level,
        "%s%s%s",
        f"{where}: " if where else "",
        event.action.value,
        f" ({event.text})" if event.text else "",
        extra=fields,
    )
