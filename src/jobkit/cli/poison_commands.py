"""`jobkit poison` and what it does with messages, as it is typed."""

from __future__ import annotations

from typing import Annotated

import typer

from .option_types import JobOption, Json, QueueOption, Reason, StoreOption, Yes

poison_app = typer.Typer(
    help="Do something with poison messages. For example: jobkit poison requeue --all.", no_args_is_help=True
)
MessageIds = Annotated[
    list[str] | None, typer.Argument(metavar="[ID...]", help="Messages, by their ids or how these begin.")
]
AllMessages = Annotated[bool, typer.Option("--all", metavar="", help="All messages.")]


@poison_app.command("requeue")
def poison_requeue(
    ids: MessageIds = None,
    *,
    queue: QueueOption = None,
    job: JobOption = None,
    all_: AllMessages = False,
    reason: Reason = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", metavar="", help="Only say what would be requeued.")] = False,
    json: Json = False,
    store: StoreOption = "local",
) -> None:
    """Have poison messages tried again, from the first delivery on. For example: jobkit poison requeue 3f9c."""
    from .poison import Chosen, requeue

    chosen = Chosen(ids=ids or [], queue=queue, job=job, is_all=all_)
    requeue(chosen, reason=reason, dry_run=dry_run, json=json, store=store)


@poison_app.command("drop")
def poison_drop(
    ids: MessageIds = None,
    *,
    queue: QueueOption = None,
    job: JobOption = None,
    all_: AllMessages = False,
    reason: Reason = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", metavar="", help="Only say what would be dropped.")] = False,
    yes: Yes = False,
    json: Json = False,
    store: StoreOption = "local",
) -> None:
    """Give poison messages up: their tasks fail, foreign ones go. For example: jobkit poison drop 3f9c."""
    from .poison import Chosen, drop

    chosen = Chosen(ids=ids or [], queue=queue, job=job, is_all=all_)
    drop(chosen, reason=reason, dry_run=dry_run, yes=yes, json=json, store=store)
