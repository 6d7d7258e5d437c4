"""The `jobkit` command: its commands, and what becomes of errors."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from jobkit import __version__

if TYPE_CHECKING:
    from .choosing import Wanted

_FORWARD: dict[str, Any] = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}

app = typer.Typer(
    name="jobkit",
    help="Staged, parallel jobs on Azure Functions, and on this machine. For example: jobkit run hello_worlds --n 5.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich help takes as long to import as all the rest
    context_settings={"help_option_names": ["-h", "--help"]},
)
inspect_app = typer.Typer()
app.add_typer(inspect_app, name="inspect")
poison_app = typer.Typer(
    help="Do something with poison messages. For example: jobkit poison requeue --all.", no_args_is_help=True
)
app.add_typer(poison_app, name="poison")

Json = Annotated[
    bool, typer.Option("--json", metavar="", help="Print one JSON document on stdout, and nothing else there.")
]
Watch = Annotated[
    bool, typer.Option("--watch", metavar="", help="Show it again and again until it has ended, and exit as it did.")
]
Svg = Annotated[Path | None, typer.Option("--svg", metavar="FILE", help="Draw it as a picture into this file.")]
StoreOption = Annotated[
    str, typer.Option("--store", metavar="local[:PATH]|azure", help="Where jobs are kept.", show_default=True)
]

Ids = Annotated[
    list[str] | None, typer.Argument(metavar="[ID...]", help="Jobs, by their ids or how these begin; or give a filter.")
]
Statuses = Annotated[
    list[str] | None,
    typer.Option("--status", metavar="STATUS", help="Only jobs that are queued, processing, completed, failed."),
]
Types = Annotated[list[str] | None, typer.Option("--type", metavar="JOB_TYPE", help="Only jobs of this type.")]
Since = Annotated[
    str | None,
    typer.Option("--since", metavar="TIME", help="Only jobs created since then: 30m, 12h, 2d, a date, a time."),
]
ParamValues = Annotated[
    list[str] | None,
    typer.Option("--param", metavar="NAME=VALUE", help="Only jobs with this value of a parameter."),
]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is kept with the job.")]
Yes = Annotated[bool, typer.Option("--yes", metavar="", help="Do not ask.")]


def _version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"jobkit {__version__}\n")
        raise typer.Exit


@app.callback()
def start(
    *,
    debug: Annotated[bool, typer.Option("--debug", metavar="", help="Show the traceback of an error.")] = False,
    version: Annotated[  # noqa: ARG001 - its callback does the work
        bool, typer.Option("--version", metavar="", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Keep what holds for all commands."""
    if debug:
        os.environ["JOBKIT_DEBUG"] = "1"


@app.command(context_settings=_FORWARD, options_metavar="JOB_TYPE [OPTIONS]")
def run(context: typer.Context) -> None:
    """Run a job here and show its result. For example: jobkit run hello_worlds --n 5."""
    from .run import main as run_main

    run_main(context.args)


@app.command(context_settings=_FORWARD, options_metavar="JOB_TYPE [OPTIONS]")
def submit(context: typer.Context) -> None:
    """Put a job into the store and return. For example: jobkit submit hello_worlds --n 5."""
    from .submit import main as submit_main

    submit_main(context.args)


@app.command(context_settings=_FORWARD, options_metavar="JOB_TYPE [OPTIONS]")
def dev(context: typer.Context) -> None:
    """Run a job afresh whenever its code is saved. For example: jobkit dev hello_worlds --n 5."""
    from .dev import main as dev_main

    dev_main(context.args)


@app.command()
def worker(
    *,
    concurrency: Annotated[
        int, typer.Option(metavar="N", min=1, max=256, help="How many tasks to work on at once.")
    ] = 16,
    store: StoreOption = "local",
) -> None:
    """Work on a store's queues until Ctrl-C. For example: jobkit worker --concurrency 8."""
    from .worker import main as worker_main

    worker_main(concurrency=concurrency, store=store)


@app.command()
def controllers(*, json: Json = False) -> None:
    """List the controllers there are, with stages and parameters. For example: jobkit controllers --json."""
    from .controllers import main as controllers_main

    controllers_main(json=json)


@app.command()
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


@app.command()
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


@app.command()
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


@app.command()
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
    dry_run: Annotated[bool, typer.Option("--dry-run", metavar="", help="Only list what would be deleted.")] = False,
    yes: Yes = False,
    json: Json = False,
    store: StoreOption = "local",
) -> None:
    """Delete jobs that have ended, with tasks and results. For example: jobkit purge --older-than 30d."""
    from .purge import main as purge_main

    wanted = _wanted(job_ids, status, job_type, None, param)
    purge_main(wanted, older_than=older_than, dry_run=dry_run, yes=yes, json=json, store=store)


@app.command()
def doctor(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="APP", help="The app's folder. By default the project here.", show_default=False),
    ] = None,
    *,
    job: Annotated[
        list[str] | None, typer.Option("--job", metavar="ID", help="Check the rows of this job alone; may be repeated.")
    ] = None,
    fix: Annotated[
        bool, typer.Option("--fix", metavar="", help="Do the fixes that are safe, then check again.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", metavar="", help="Write nothing at all; what that takes is not checked.")
    ] = False,
    json: Json = False,
    store: StoreOption = "local",
) -> None:
    """Check machine, app, settings, storage and jobs. For example: jobkit doctor my-etl --fix."""
    from .doctor import main as doctor_main

    doctor_main(folder, job_ids=job or [], fix=fix, dry_run=dry_run, json=json, store=store)


@app.command("new-app")
def new_app(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder; its name is the app's.")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", metavar="", help="Write nothing; list the files.")] = False,
    json: Json = False,
) -> None:
    """Make a Function App that runs here and in Azure. For example: jobkit new-app my-etl."""
    from .new_app import main as new_app_main

    new_app_main(folder, dry_run=dry_run, json=json)


@app.command("new-controller")
def new_controller(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its job type, and its module's name.")],
    *,
    stage: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[:KIND]", help="A stage: single (default), fan-out, fan-in or per-result. Repeat it."
        ),
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME:TYPE[=DEFAULT]", help='A parameter; bounds after a comma: "px:int=512,ge=1". Repeat it.'
        ),
    ] = None,
    no_test: Annotated[bool, typer.Option("--no-test", metavar="", help="Write no test.")] = False,
    template: Annotated[
        str | None, typer.Option(metavar="DIR|URL", help="A cookiecutter template of your own: a folder, a git URL.")
    ] = None,
    interactive: Annotated[bool, typer.Option("--interactive", metavar="", help="Ask for what was not given.")] = False,
    force: Annotated[
        bool, typer.Option("--force", metavar="", help="Write over what is there, and keep a copy of it.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", metavar="", help="Write nothing; print the files.")] = False,
    yes: Annotated[bool, typer.Option("--yes", metavar="", help="Run a template's own code without asking.")] = False,
    json: Json = False,
) -> None:
    """Write a controller and its test. For example: jobkit new-controller tiles --stage cut:fan-out --param px:int=512."""
    from .new_controller import Wanted
    from .new_controller import main as new_controller_main

    new_controller_main(
        Wanted(
            name=name,
            stages=stage or [],
            params=param or [],
            template=template,
            with_test=not no_test,
            interactive=interactive,
            force=force,
            dry_run=dry_run,
            yes=yes,
            json=json,
        )
    )


@app.command()
def deploy(
    folder: Annotated[Path, typer.Argument(metavar="APP", help="The Function App's folder.")],
    *,
    check: Annotated[
        bool, typer.Option("--check", metavar="", help="Write nothing; exit code 1 if the app has another runtime.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", metavar="", help="Write nothing; say what would be.")] = False,
    force: Annotated[bool, typer.Option("--force", metavar="", help="Write over what was changed by hand.")] = False,
    json: Json = False,
) -> None:
    """Put the runtime into a Function App, below vendor/. For example: jobkit deploy my-etl --check."""
    from .deploy import main as deploy_main

    deploy_main(folder, check=check, dry_run=dry_run, force=force, json=json)


@app.command()
def completion(
    shell: Annotated[str, typer.Argument(metavar="[bash|zsh|fish]", help="Your shell.")],
) -> None:
    """Print the script that completes jobkit's words in a shell. For example: jobkit completion bash."""
    from .completion import main as completion_main

    completion_main(shell)


@app.command(options_metavar="[OPTIONS]")
def deprecate(
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="PATH", help="Files and folders. By default those of [tool.jobkit.deprecate] paths."),
    ] = None,
    *,
    use: Annotated[str | None, typer.Option(metavar="NAME", help="What to use instead.")] = None,
    map_path: Annotated[
        str | None, typer.Option("--map", metavar="FILE", help='TOML: "old.module" = "new.module", one a line.')
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="DATE", help="Today by default; an existing marker keeps its date.")
    ] = None,
    removal: Annotated[
        str | None, typer.Option(metavar="WHEN", help="The date or version of the planned removal.")
    ] = None,
    reason: Annotated[str | None, typer.Option(metavar="TEXT", help="Why; a sentence for the reader.")] = None,
    style: Annotated[
        str | None, typer.Option(metavar="[both|warn|comment]", help="Comment and warning, or one. [default: both]")
    ] = None,
    symbols: Annotated[
        bool, typer.Option("--symbols", metavar="", help="Mark public classes and functions instead (PEP 702).")
    ] = False,
    target_python: Annotated[
        str | None, typer.Option(metavar="VERSION", help="The oldest Python of --symbols. [default: requires-python]")
    ] = None,
    include: Annotated[
        list[str] | None, typer.Option(metavar="GLOB", help="Take these alone, tests and generated ones too.")
    ] = None,
    exclude: Annotated[list[str] | None, typer.Option(metavar="GLOB", help="Leave these out.")] = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="KINDS", help="Such as controllers,services,repositories.")
    ] = None,
    from_entry: Annotated[
        list[str] | None, typer.Option(metavar="FILE", help="Take what imports reach from this file.")
    ] = None,
    unreachable: Annotated[
        bool, typer.Option("--unreachable", metavar="", help="With --from-entry: take what they do not reach.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", metavar="", help="Write nothing; exit code 1 if something would change.")
    ] = False,
    diff: Annotated[bool, typer.Option("--diff", metavar="", help="Write nothing; print what would change.")] = False,
    undo: Annotated[bool, typer.Option("--undo", metavar="", help="Take the markers out again, to the byte.")] = False,
    report: Annotated[
        bool, typer.Option("--report", metavar="", help="Tell who still uses what is deprecated below PATH.")
    ] = False,
    tree: Annotated[bool, typer.Option("--tree", metavar="", help="With --report: as a tree.")] = False,
    json: Json = False,
) -> None:
    """Mark old code as deprecated, and watch it go. For example: jobkit deprecate legacy/ --use controllers.tiles."""
    from .deprecate import Wanted
    from .deprecate import main as deprecate_main

    deprecate_main(
        Wanted(
            paths=paths or [],
            marker={
                "use": use,
                "map": map_path,
                "since": since,
                "removal": removal,
                "reason": reason,
                "style": style,
                "symbols": symbols or None,
                "target-python": target_python,
            },
            files={"include": include, "exclude": exclude, "only": only},
            entries=from_entry or [],
            unreachable=unreachable,
            check=check,
            diff=diff,
            undo=undo,
            report=report,
            tree=tree,
            json=json,
        )
    )


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


MessageIds = Annotated[
    list[str] | None, typer.Argument(metavar="[ID...]", help="Messages, by their ids or how these begin.")
]
QueueOption = Annotated[
    str | None, typer.Option("--queue", metavar="tasks|jobs", help="Messages that came from this queue.")
]
JobOption = Annotated[
    str | None, typer.Option("--job", metavar="ID", help="Messages of this job, by how its id begins.")
]
AllMessages = Annotated[bool, typer.Option("--all", metavar="", help="All messages.")]


@inspect_app.command("poison")
def inspect_poison(
    *,
    queue: QueueOption = None,
    job: JobOption = None,
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
    """Show poison messages and what they are about. For example: jobkit inspect poison --queue tasks."""
    from .poison import Chosen, show_poison
    from .screens import How

    how = How(json=json, watch=watch, svg=svg)
    show_poison(Chosen(ids=[], queue=queue, job=job, is_all=all_), how=how, store=store)


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


def main() -> NoReturn:
    """Run the command line and exit with its code (DESIGN section 6)."""
    end_with(lambda: app(prog_name="jobkit"))


def end_with(command: Callable[[], object]) -> NoReturn:
    """Do a command and exit with its code; an error is told in its own words."""
    for name in ("stdout", "stderr"):  # None where the shell has closed it
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: PTH123, SIM115 - as long as the process lives
    try:
        command()
    except Exception as exc:
        from jobkit.runtime.errors import JobkitError  # only where it is needed: pydantic comes with it

        from .output import say

        if not isinstance(exc, JobkitError):
            raise  # our own mistake
        if os.environ.get("JOBKIT_DEBUG"):
            import traceback

            traceback.print_exc()
        else:
            say(f"error: {exc}")
        sys.exit(exc.exit_code)
    sys.exit(0)
