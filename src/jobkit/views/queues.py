"""The queues: how many messages, how long they have waited, and what the first ones ask for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from jobkit.runtime.figures import span_text
from jobkit.runtime.messages import Kind, Message
from jobkit.runtime.overview import Peeked, QueueLook

from .job import shown_text
from .jobs import ID_CHARS

_ESTIMATE = "In flight is an estimate: what is hidden has been taken by an instance, or waits for a delay to pass."


def queues_view(looks: Sequence[QueueLook], *, now: datetime, peek: int, whole: bool = False) -> RenderableType:
    """Show the queues and the first `peek` visible messages of each; `whole` cuts nothing off."""
    parts: list[RenderableType] = [queue_table(looks, now=now), Text(), Text(_ESTIMATE, style="dim")]
    for look in looks:
        if look.peeked and peek:
            parts += [Text(), Text(f"{look.name}, {_shown(look, peek)}", style="bold")]
            parts.append(_messages(look.peeked[:peek], now=now, whole=whole))
    return Group(*parts)


def queue_table(looks: Sequence[QueueLook], *, now: datetime) -> Table:
    """Make a table of queues, a line each."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    table.add_column("queue", no_wrap=True)
    for title in ("messages", "visible", "in flight", "oldest"):
        table.add_column(title, justify="right", no_wrap=True)
    for look in looks:
        table.add_row(
            look.name,
            f"{look.messages:,}",
            f"{look.visible:,}" if look.visible_is_exact else f"{look.visible:,} or more",
            _hidden(look),
            "" if look.oldest_at is None else _age(look.oldest_at, now),
        )
    return table


def _hidden(look: QueueLook) -> str:
    if not look.hidden:
        return "0"
    return f"about {look.hidden:,}" if look.visible_is_exact else f"{look.hidden:,} at most"


def _shown(look: QueueLook, peek: int) -> str:
    shown = min(peek, len(look.peeked))
    if shown < len(look.peeked) or not look.visible_is_exact:
        return f"the first {shown:,} of the visible messages"
    return "the visible message" if shown == 1 else f"all {shown:,} visible messages"


def _messages(peeked: Sequence[Peeked], *, now: datetime, whole: bool) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    table.add_column("waits", justify="right", no_wrap=True)
    table.add_column("taken", justify="right", no_wrap=True)
    table.add_column("asks for", no_wrap=True)
    table.add_column("job", no_wrap=True)
    table.add_column("stage", justify="right", no_wrap=True)
    table.add_column("tasks", overflow="fold")
    for each in peeked:
        age = _age(each.inserted_at, now)
        taken = "never" if not each.deliveries else f"{each.deliveries:,} x"
        if each.message is None:
            table.add_row(age, taken, "foreign", "", "", _foreign(each, whole=whole))
            continue
        message = each.message
        table.add_row(
            age,
            taken,
            message.kind.value,
            Text(shown_text(message.job_id if whole else message.job_id[:ID_CHARS])),
            str(message.stage) if message.stage else "",
            _tasks(message),
        )
    return table


def _tasks(message: Message) -> str:
    if message.kind is Kind.TASK:
        last = message.first + max(1, message.size) - 1
        which = f"{message.first:,}" if last == message.first else f"{message.first:,} to {last:,}"
        return which if message.attempt == 1 else f"{which}, attempt {message.attempt:,}"
    if message.size:
        return f"{message.first:,} to {message.first + message.size - 1:,}"
    return ""


def _foreign(each: Peeked, *, whole: bool) -> Text:
    body = shown_text(each.body)
    shown = body if whole or len(body) <= 60 else f"{body[:60]}… and {len(body) - 60:,} more characters"
    return Text(f"{shown_text(each.refusal)}: {shown}")


def _age(time: datetime, now: datetime) -> str:
    return span_text((now - time).total_seconds())
