"""What operators do to jobs, by ids or a filter, as it is typed: repair, retry, cancel, purge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .option_types import Ids, Json, ParamValues, Reason, Since, Statuses, StoreOption, Types, Yes

if TYPE_CHECKING:
    from .choosing import Wanted


def repair(
    job_ids: Ids = None,
    *,
    status: Statuses = None,
    job_type: Types = None,
    since: Since = None,
    param: ParamValues = None,
    all_: Annotated[
        bool, typer.Option("--all", metavar="", help="Instead of ids: all jobs that have not been wound up.")
    ] = False,
    force: Annotated[
        bool,
        typer.Option("--force", metavar="", help="Take what waits for lost, and what runs without a timeout for dead."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", metavar="", help="Only say what is broken; write nothing.")
    ] = False,
    yes: Yes = False,
    reason: Reason = "",
    json: Json = False,
    store: StoreOption = "local",
) -> None:
    """Set a job that does not move going again. For example: jobkit repair 3f9c."""
    from .repair import main as repair_main

    wanted = _wanted(job_ids, status, job_type, since, param, is_all=all_)
    repair_main(wanted, force=force, dry_run=dry_run, yes=yes, reason=reason, json=json, store=store)


def retry(
    job_ids: Ids = None,
    *,
    status: Statuses = None,
    job_type: Types = None,
    since: Since = None,
    param: ParamValues = None,
    stage: Annotated[
        str | None,
        typer.Option("--stage", metavar="NAME", help="What failed at this stage, also of a job that completed."),
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option("--task", metavar="ID", help="These tasks alone; with --stage by their indexes, too."),
    ] = None,
    reason: Reason = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", metavar="", help="Only say what would run again.")] = False,
    json: Json = False,
    store: StoreOption = "local",
) -> None:
    """Run again what failed of failed jobs; what completed is kept. For example: jobkit retry 3f9c."""
    from .retry import main as retry_main

    wanted = _wanted(job_ids, status, job_type, since, param)
    retry_main(wanted, stage=stage, tasks=task or [], reason=reason, dry_run=dry_run, json=json, store=store)


def cancel(
    job_ids: Ids = None,
    *,
    status: Statuses = None,
    job_type: Types = None,
    since: Since = None,
    param: ParamValues = None,
    now: Annotated[
        bool, typer.Option("--now", metavar="", help="Tell what runs to end, too: task.cancelled becomes true.")
    ] = False,
    reason: Reason = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", metavar="", help="Only say what would be cancelled.")] = False,
    yes: Yes = False,
    json: Json = False,
    store: StoreOption = "local",
) -> None:
    """End a job that has not ended: no further task starts. For example: jobkit cancel 3f9c --reason "wrong input"."""
    from .cancel import main as cancel_main

    wanted = _wanted(job_ids, status, job_type, since, param)
    cancel_main(wanted, now=now, reason=reason, dry_run=dry_run, yes=yes, json=json, store=store)


def purge(
    job_ids: Ids = None,
    *,
    older_than: Annotated[
        str | None,
        typer.Option("--older-than", metavar="TIME", help="Instead of ids: jobs that ended before: 30d, 12h, a date."),
    ] = None,
    status: Statuses = None,
    job_type: Types = None,
    param: ParamValues = None,
    reason: Reason = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", metavar="", help="Only list what would be deleted.")] = False,
    yes: Yes = False,
    json: Json = False,
    store: StoreOption = "local",
) -> None:
    """Delete jobs that have ended, with tasks and results. For example: jobkit purge --older-than 30d."""
    from .purge import main as purge_main

    wanted = _wanted(job_ids, status, job_type, None, param)
    purge_main(wanted, older_than=older_than, reason=reason, dry_run=dry_run, yes=yes, json=json, store=store)


def _wanted(
    job_ids: list[str] | None,
    statuses: list[str] | None,
    job_types: list[str] | None,
    since: str | None,
    params: list[str] | None,
    *,
    is_all: bool = False,
) -> Wanted:
    from .choosing import Wanted

    return Wanted(
        job_ids=job_ids or [],
        statuses=statuses or [],
        job_types=job_types or [],
        since=since,
        params=params or [],
        is_all=is_all,
    )
