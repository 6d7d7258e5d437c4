"""Poison messages: what each is about and what of it is still to be done; foreign ones as what they are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from jobkit.runtime.figures import counted
from jobkit.runtime.messages import POISON_SUFFIX, Kind
from jobkit.runtime.poison import Found, PoisonMessage

from .duration import duration_text
from .job import indented

SHOWN_CHARS: Final = 80  # of a foreign text
SHOWN_ERROR_CHARS: Final = 200
SHORTEST_ID: Final = 8


def poison_view(found: Found, *, now: datetime, show_all: str, store: str = "") -> RenderableType:
    """Show poison messages, oldest first.

    `show_all` is the command that shows also what comes after the first of a queue, and `store` what a command needs to
    use the same store.
    """
    blocks: list[RenderableType] = [Text(f"warning: {escaped(each)}", style="red") for each in found.damaged]
    not_seen = not_seen_lines(found, show_all=show_all)
    if not found.messages:
        return Group(*blocks, Text("\n".join([none_line(found), *not_seen])))
    length = id_length(found.messages)
    for message in found.messages:
        blocks.append(Text.assemble((message.id[:length], "bold"), (f"  {_facts(message, now)}", "dim")))
        about = "\n".join([what_it_is(message), *_notes(message, store)])
        blocks.append(indented(Text(about, overflow="fold"), 4))
    what_helps = f"To try again: jobkit poison requeue ID{store}. To give up: jobkit poison drop ID{store}."
    shown = len(found.messages)
    of = [f"{shown:,} of the {counted(found.seen, 'message')} that were looked at"] if shown < found.seen else []
    return Group(*blocks, *(Text(line) for line in ["", *of, *not_seen, what_helps]))


def none_line(found: Found) -> str:
    """Say that no message is meant."""
    return (
        f"no poison message fits ({counted(found.seen, 'message')} looked at)" if found.seen else "no poison messages"
    )


def what_it_is(found: PoisonMessage) -> str:
    """Say on one line what a message is about; of a foreign one the beginning, with nothing that a screen obeys."""
    message = found.message
    if message is None:
        return f"foreign: {escaped(found.reason)}: {escaped(found.body, SHOWN_CHARS)}"
    job = found.outlook.job if found.outlook is not None else None
    of_job = f"job {message.job_id[:12]}" + ("" if job is None else f" {escaped(job.job_type)}")
    if message.kind is not Kind.TASK:
        stage = f" of stage {message.stage}" if message.stage else ""
        return f"{message.kind.value}{stage}, {of_job}"
    tasks = f"task {message.first:,}"
    if message.size > 1:
        tasks = f"tasks {message.first:,} to {message.first + message.size - 1:,}"
    return f"{tasks} of stage {message.stage}, {of_job}"


def state_of(found: PoisonMessage, *, store: str) -> str:
    """Say what of a message is still to be done, and which command helps where sending it again does nothing."""
    outlook = found.outlook
    if outlook is None:
        return ""
    if outlook.helps:
        return outlook.state
    if outlook.is_for_retry and outlook.job is not None:
        return f"{outlook.state}: requeue does nothing, jobkit retry {outlook.job.job_id[:12]}{store} does"
    return f"{escaped(outlook.state)}: requeue does nothing"


def not_seen_lines(found: Found, *, show_all: str = "") -> list[str]:
    """Say what a filter over jobs could not be asked of, and what a look could not see."""
    lines: list[str] = []
    jobless = [counted(found.foreign, "foreign message")] * bool(found.foreign)
    jobless += [f"{counted(found.gone, 'message')} whose job is gone"] * bool(found.gone)
    if jobless:
        lines.append(f"left out, for they have no job: {', '.join(jobless)}")
    for queue, count in found.unseen.items():
        if not count:
            continue
        if queue in found.is_cut and found.is_taken:
            lines.append(f"not looked at: {count:,} more in {queue}{POISON_SUFFIX}, too many to be taken together")
        elif queue in found.is_cut:
            lines.append(
                f"not looked at: {count:,} more in {queue}{POISON_SUFFIX}. To see them: {show_all} "
                "(takes each for a moment)"
            )
        else:
            lines.append(
                f"{count:,} in {queue}{POISON_SUFFIX} can't be seen now: a worker holds them "
                "(Functions for ten minutes, where no function could take them)"
            )
    return lines


def id_length(messages: Sequence[PoisonMessage]) -> int:
    """Return how much of the ids tells these messages apart."""
    ids = {message.id for message in messages}
    length = SHORTEST_ID
    while len({each[:length] for each in ids}) < len(ids):
        length += 1
    return length


def escaped(text: str, most: int = SHOWN_ERROR_CHARS) -> str:
    """Return the beginning of a text on one line, with escapes for all that a screen would not print."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text[:most])
    return shown if len(text) <= most else f"{shown}… and {len(text) - most:,} more characters"


def _facts(found: PoisonMessage, now: datetime) -> str:
    where = "waiting" if found.kept is None else "kept"
    age = duration_text(max(0.0, (now - found.at).total_seconds()))
    return f"{found.queue:<5}  {where:<7}  {age:>11}  {_times(found.deliveries)}"


def _times(deliveries: int | None) -> str:
    """Say how often a message was taken from the poison queue."""
    if deliveries is None:
        return "taken ? times"  # kept by a jobkit that did not note it
    return {0: "never taken", 1: "taken once"}.get(deliveries, f"taken {deliveries:,} times")


def _notes(found: PoisonMessage, store: str) -> list[str]:
    outlook = found.outlook
    notes = [state_of(found, store=store)] if outlook is not None else []
    if outlook is not None and outlook.error is not None:
        notes.append(f"{escaped(outlook.error.type)}: {escaped(outlook.error.message)}")
    if found.message is not None and found.kept is not None:
        notes.append(f"kept because: {escaped(found.reason)}")
    return notes
