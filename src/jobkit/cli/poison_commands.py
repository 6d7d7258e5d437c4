"""`jobkit poison` and what it does with messages, as it is typed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .option_types import (
    JobOption,
    Json,
    PoisonIds,
    PoisonParams,
    PoisonSince,
    PoisonStatuses,
    PoisonTypes,
    QueueOption,
    Reason,
    StoreOption,
    Yes,
)

if TYPE_CHECKING:
    from .poison import WantedMessages

poison_app = typer.Typer(
    help="Do something with poison messages. For example: jobkit poison requeue --all.", no_args_is_help=True
)
AllMessages = Annotated[bool, typer.Option("--all", metavar="", help="All messages.")]


@poison_app.command("requeue")
def poison_requeue(
    ids: PoisonIds = None,
    *,
    queue: QueueOption = None,
    job: JobOption = None,
    status: PoisonStatuses = None,
    job_type: PoisonTypes = None,
    since: PoisonSince = None,
    param: PoisonParams = None,
    all_: AllMessages = False,
    reason: Reason = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", metavar="", help="Only say what would be requeued.")] = False,
    json: Json = False,
    store: StoreOption = "local",
) -> None:
    """Have poison messages tried again, from the first delivery on. For example: jobkit poison requeue 3f9c."""
    from .poison import requeue

    wanted = chosen(ids, queue, job, status, job_type, since, param, is_all=all_)
    requeue(wanted, reason=reason, dry_run=dry_run, json=json, store=store)


@poison_app.command("drop")
def poison_drop(
    ids: PoisonIds = None,
    *,
    queue: QueueOption = None,
    job: JobOption = None,
    status: PoisonStatuses = None,
    job_type: PoisonTypes = None,
    since: PoisonSince = None,
    param: PoisonParams = None,
    all_: AllMessages = False,
    reason: Reason = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", metavar="", help="Only say what would be dropped.")] = False,
    yes: Yes = False,
    json: Json = False,
    store: StoreOption = "local",
) -> None:
    """Give poison messages up: their tasks fail, foreign ones go. For example: jobkit poison drop 3f9c."""
    from .poison import drop

    wanted = chosen(ids, queue, job, status, job_type, since, param, is_all=all_)
    drop(wanted, reason=reason, dry_run=dry_run, yes=yes, json=json, store=store)


def chosen(
    ids: list[str] | None,
    queue: str | None,
    job: str | None,
    statuses: list[str] | None,
    job_types: list[str] | None,
    since: str | None,
    params: list[str] | None,
    *,
    is_all: bool,
) -> WantedMessages:
    """Return which messages were typed."""
    from .poison import WantedMessages

    return WantedMessages(
        ids=ids or [],
        queue=queue,
        job=job,
        statuses=statuses or [],
        job_types=job_types or [],
        since=since,
        params=params or [],
        is_all=is_all,
    )
