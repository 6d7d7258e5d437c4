"""`jobkit inspect` and its screens, as they are typed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .option_types import (
    JobOption,
    Json,
    ParamValues,
    PoisonIds,
    PoisonParams,
    PoisonSince,
    PoisonStatuses,
    PoisonTypes,
    QueueOption,
    Since,
    Statuses,
    StoreOption,
    Svg,
    Types,
    Watch,
)

inspect_app = typer.Typer()


@inspect_app.callback(invoke_without_command=True, options_metavar="[OPTIONS]", subcommand_metavar="[SCREEN]")
def inspect(
    context: typer.Context,
    *,
    watch: Watch = False,
    svg: Svg = None,
    json: Json = False,
    store: StoreOption = "local",
) -> None:
    """Show what is in a store, at a glance or screen by screen. For example: jobkit inspect --watch."""
    screen = context.invoked_subcommand
    if screen is None:
        from .inspect_installation import show_installation
        from .screens import How

        show_installation(how=How(json=json, watch=watch, svg=svg), store=store)
        return
    for name in ("watch", "svg", "json", "store"):
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            from jobkit.runtime.errors import OptionsContradict

            raise OptionsContradict(
                option=f"--{name}", reason=f"goes after the screen: jobkit inspect {screen} --{name}"
            )


@inspect_app.command("jobs")
def inspect_jobs(
    *,
    status: Statuses = None,
    job_type: Types = None,
    since: Since = None,
    param: ParamValues = None,
    sort: Annotated[
        str, typer.Option(metavar="[created|updated|took|type]", help="Newest first, latest, longest, by type.")
    ] = "created",
    reverse: Annotated[bool, typer.Option("--reverse", metavar="", help="The other way round.")] = False,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=1_000, help="How many jobs a page.")] = 20,
    after: Annotated[
        str | None, typer.Option(metavar="ID", help="The next page: the jobs after this one, the last of a page.")
    ] = None,
    watch: Watch = False,
    svg: Svg = None,
    json: Json = False,
    store: StoreOption = "local",
) -> None:
    """List jobs, newest first. For example: jobkit inspect jobs --status failed --since 2d."""
    from .inspect_installation import Filter, show_jobs
    from .screens import How

    wanted = Filter(
        statuses=status or [],
        job_types=job_type or [],
        since=since,
        params=param or [],
        sort=sort,
        reverse=reverse,
        limit=limit,
        after=after,
    )
    show_jobs(wanted, how=How(json=json, watch=watch, svg=svg), store=store)


@inspect_app.command("job")
def inspect_job(
    job_id: Annotated[str, typer.Argument(metavar="ID", help="The job's id, or how it begins.")],
    *,
    timeline: Annotated[
        bool, typer.Option("--timeline", metavar="", help="When which instance ran its tasks, and what it waited for.")
    ] = False,
    watch: Watch = False,
    svg: Svg = None,
    json: Json = False,
    store: StoreOption = "local",
) -> None:
    """Show a job: what it is at and why, stages, errors and result. For example: jobkit inspect job 3f9c."""
    from .inspect import show_job
    from .screens import How

    show_job(job_id, How(json=json, watch=watch, svg=svg), timeline=timeline, store=store)


@inspect_app.command("poison")
def inspect_poison(
    ids: PoisonIds = None,
    *,
    queue: QueueOption = None,
    job: JobOption = None,
    status: PoisonStatuses = None,
    job_type: PoisonTypes = None,
    since: PoisonSince = None,
    param: PoisonParams = None,
    all_: Annotated[
        bool,
        typer.Option(
            "--all", metavar="", help="Also what comes after the first 32 of a queue: takes each for a moment."
        ),
    ] = False,
    watch: Annotated[bool, typer.Option("--watch", metavar="", help="Show it anew until Ctrl-C.")] = False,
    svg: Annotated[Path | None, typer.Option("--svg", metavar="FILE", help="Draw it into this file.")] = None,
    json: Json = False,
    store: StoreOption = "local",
) -> None:
    """Show poison messages and what they are about. For example: jobkit inspect poison --type tile_city --all."""
    from .poison import show_poison
    from .poison_commands import chosen
    from .screens import How

    how = How(json=json, watch=watch, svg=svg)
    wanted = chosen(ids, queue, job, status, job_type, since, param, is_all=all_)
    show_poison(wanted, how=how, store=store)


@inspect_app.command("tasks")
def inspect_tasks(
    job_id: Annotated[str, typer.Argument(metavar="JOB", help="The job's id, or how it begins.")],
    *,
    stage: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Of this stage (number, name or slug). [default: the one that runs, or ran last]"
        ),
    ] = None,
    status: Annotated[str | None, typer.Option(metavar="STATUS", help="Only those that are queued, failed, …")] = None,
    first: Annotated[int, typer.Option(metavar="INDEX", min=0, help="Begin with this task.")] = 0,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=10_000, help="Show so many at most.")] = 50,
    watch: Watch = False,
    svg: Svg = None,
    json: Json = False,
    store: StoreOption = "local",
) -> None:
    """List tasks of a job, page by page. For example: jobkit inspect tasks 3f9c --status failed."""
    from .inspect_tasks import Page, show_tasks
    from .screens import How

    page = Page(stage=stage, status=status, first=first, limit=limit)
    show_tasks(job_id, page, How(json=json, watch=watch, svg=svg), store=store)


@inspect_app.command("task")
def inspect_task(
    task_id: Annotated[
        str, typer.Argument(metavar="ID", help="The task's id; of its job's part the beginning will do.")
    ],
    *,
    watch: Watch = False,
    svg: Svg = None,
    json: Json = False,
    store: StoreOption = "local",
) -> None:
    """Show a task: parameters, attempts, times, result or error. For example: jobkit inspect task 3f9c-2-17."""
    from .inspect_tasks import show_task
    from .screens import How

    show_task(task_id, How(json=json, watch=watch, svg=svg), store=store)


@inspect_app.command("queues")
def inspect_queues(
    *,
    limit: Annotated[int, typer.Option(metavar="N", min=0, max=32, help="How many messages of each to show.")] = 5,
    watch: Watch = False,
    svg: Svg = None,
    json: Json = False,
    store: StoreOption = "local",
) -> None:
    """Show the queues, and what waits there. For example: jobkit inspect queues --limit 20."""
    from .inspect_installation import show_queues
    from .screens import How

    show_queues(peek=limit, how=How(json=json, watch=watch, svg=svg), store=store)
