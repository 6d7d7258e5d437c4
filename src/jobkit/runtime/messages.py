"""Queue messages: hints that say which rows to look at. Written and read here, and refused when foreign."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import pydantic_core

from .errors import MessageRefused
from .model import TURN, Owner, is_name

MESSAGE_VERSION: Final = 1
MAX_HINT_BYTES: Final = 4 * 1024  # larger parameters are read from the row

JOBS_QUEUE: Final = "jobs"
TASKS_QUEUE: Final = "tasks"
POISON_SUFFIX: Final = "-poison"

MAX_DEQUEUE_COUNT: Final = 5  # as host.json says: deliveries until a message moves to its poison queue
SUSPECT_COUNT: Final = 3  # from this delivery on a message may be what kills processes: it is worked on alone
MAX_TURNS: Final = 100_000  # so that a delivery's number fits into 32 bits


class Kind(StrEnum):
    """What a message asks for."""

    #: Plan a stage, dispatch what its planner had sealed, or pass on an empty one.
    PLAN = "plan"
    #: Send the task messages of a range of a sealed stage.
    DISPATCH = "dispatch"
    #: Run one task, or a batch of consecutive ones.
    TASK = "task"
    #: Give a stage up: flag it and settle what has not started.
    STOP = "stop"
    #: Give a job up at whatever stage it is.
    CANCEL = "cancel"
    #: Open the stage at which a job failed for another round, or a range of it.
    REOPEN = "reopen"
    #: Settle a range of a flagged stage.
    SETTLE = "settle"
    #: Aggregate and end the job; tidy up after one that has ended.
    COMPLETE = "complete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message. `key` is random, given anew by each send; `etag` and `params_json` are hints of a task's row.

    A task's message carries of its stage's policy what follows the task's end: `lanes` is its `max_parallel`, and
    `stop_at` how many failures stop the stage (0: none). A stop message names a failed task as its reason, if `size` is 1.
    `turn` is how often the message was sent again as itself, `spent` how many deliveries it had used up by then.
    """

    kind: Kind
    job_id: str
    epoch: str
    round: int
    key: str = ""
    stage: int = 0
    plan: str = ""
    task_count: int = 0
    first: int = 0
    size: int = 0
    attempt: int = 1
    etag: str = ""
    params_json: str | None = None
    not_before: datetime | None = None
    reason: str = ""
    lanes: int = 0
    stop_at: int = 0
    turn: int = 0
    spent: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A message as it was delivered: its id in the queue and which delivery this is, from 1 in its first turn."""

    message: Message
    message_id: str
    delivery: int

    @staticmethod
    def of(message: Message, message_id: str, dequeue_count: int) -> Incoming:
        """Number a message's delivery through its turns."""
        number = message.turn * TURN + min(dequeue_count, TURN - 1)
        return Incoming(message=message, message_id=message_id, delivery=number)

    @property
    def owner(self) -> Owner:
        """What a row claimed by this delivery remembers."""
        return Owner(key=self.message.key, message_id=self.message_id, delivery=self.delivery)

    @property
    def spent(self) -> int:
        """How many deliveries the message has used up, with this one."""
        return self.message.spent + self.delivery % TURN

    @property
    def is_suspect(self) -> bool:
        """Whether the message may be what has killed the processes that worked on it."""
        return self.spent >= SUSPECT_COUNT


def _is_text(value: str) -> bool:
    return value.isascii() or value.encode("utf-8", "ignore").decode() == value  # no lone surrogate


_is_number: Final = range(2**31).__contains__
_is_turn: Final = range(MAX_TURNS).__contains__

#: The attribute of each field, its type, and whether a store can hold a value, and a row's key where it becomes part of one.
_FIELDS: Final[dict[str, tuple[str, type, Callable[[Any], object]]]] = {
    "job": ("job_id", str, is_name),
    "epoch": ("epoch", str, is_name),
    "round": ("round", int, _is_number),
    "key": ("key", str, is_name),
    "stage": ("stage", int, _is_number),
    "plan": ("plan", str, is_name),
    "count": ("task_count", int, _is_number),
    "first": ("first", int, _is_number),
    "size": ("size", int, _is_number),
    "attempt": ("attempt", int, _is_number),
    "etag": ("etag", str, _is_text),
    "params": ("params_json", str, _is_text),
    "reason": ("reason", str, _is_text),
    "lanes": ("lanes", int, _is_number),
    "stop_at": ("stop_at", int, _is_number),
    "turn": ("turn", int, _is_turn),
    "spent": ("spent", int, _is_turn),
}
_REQUIRED: Final = ("job", "epoch", "round", "key")
_OPTIONAL: Final[tuple[tuple[str, str, Any], ...]] = tuple(
    (name, attribute, Message.__dataclass_fields__[attribute].default)
    for name, (attribute, *_) in _FIELDS.items()
    if name not in _REQUIRED
)


def encode_message(message: Message, *, key: str) -> str:
    """Write a message, under a key of its own, as the text of a queue message; defaults are left out."""
    out: dict[str, Any] = {
        "jobkit": MESSAGE_VERSION,
        "kind": message.kind.value,
        "job": message.job_id,
        "epoch": message.epoch,
        "round": message.round,
        "key": key,
    }
    for name, attribute, default in _OPTIONAL:
        value = getattr(message, attribute)
        if value != default:
            out[name] = value
    if message.not_before is not None:
        out["not_before"] = message.not_before.isoformat()
    return pydantic_core.to_json(out).decode()


def decode_message(text: str) -> Message:
    """Read the text of a queue message. Raises MessageRefused for all that `encode_message` did not write."""
    try:
        found: Any = _read_json(text)
    except (ValueError, RecursionError) as exc:
        raise MessageRefused(reason="it is no JSON", text=text) from exc
    if not isinstance(found, dict) or "jobkit" not in found:
        raise MessageRefused(reason="it is not a message of jobkit", text=text)
    fields: dict[str, Any] = dict(found)  # pyright: ignore[reportUnknownArgumentType] - JSON
    version = fields.pop("jobkit")
    if version is True or version != MESSAGE_VERSION:
        raise MessageRefused(reason=f"it has version {version!r}, this jobkit reads {MESSAGE_VERSION}", text=text)
    try:
        kind = Kind(fields.pop("kind", None))
        not_before = _read_time(fields.pop("not_before", None))
    except ValueError as exc:
        raise MessageRefused(reason=str(exc), text=text) from exc
    values: dict[str, Any] = {}
    value: Any
    for name, value in fields.items():
        field = _FIELDS.get(name)
        if field is None:
            raise MessageRefused(reason=f"unknown field {name!r}", text=text)
        attribute, wanted, can_be = field
        if type(value) is not wanted or not can_be(value):
            raise MessageRefused(reason=f"field {name!r} is {value!r:.40}", text=text)
        values[attribute] = value
    for name in _REQUIRED:
        if name not in fields:
            raise MessageRefused(reason=f"field {name!r} is missing", text=text)
    return Message(kind=kind, not_before=not_before, **values)


def decode_message_of(queue: str, text: str) -> Message:
    """Read a message of a queue, or of its poison queue. Raises MessageRefused also for one of the other queue."""
    message = decode_message(text)
    if (message.kind is Kind.TASK) is not (queue.removesuffix(POISON_SUFFIX) == TASKS_QUEUE):
        raise MessageRefused(reason=f"a {message.kind.value} message in the queue {queue}", text=text)
    return message


def _read_json(text: str) -> Any:
    try:
        return pydantic_core.from_json(text)  # four times as fast
    except ValueError:
        return json.loads(text)  # takes more, so that the refusal can name what is wrong


def _read_time(value: object) -> datetime | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError("field 'not_before' is no time")
    time = datetime.fromisoformat(value)
    if time.tzinfo is None:
        raise ValueError("field 'not_before' has no time zone")
    return time
