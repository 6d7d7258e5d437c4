"""The `jobkit` command: its commands, and what becomes of errors."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from jobkit import __version__

from .inspect_commands import inspect_app
from .job_commands import cancel, purge, repair, retry
from .option_types import Json, StoreOption
from .poison_commands import poison_app

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
app.add_typer(inspect_app, name="inspect")
app.add_typer(poison_app, name="poison")


def _version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"jobkit {__version__}\n")
        raise typer.Exit


@app.callback()
def start(
    *,
    debug: Annotated[bool, typer.Option("--debug", metavar="", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", metavar="", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Take what holds for all commands."""


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


for _command in (repair, retry, cancel, purge):
    app.command()(_command)


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


def main() -> NoReturn:
    """Run the command line and exit with its code (DESIGN section 6)."""
    end_with(lambda: app(_without_debug(sys.argv[1:]), prog_name="jobkit"))


def _without_debug(words: list[str]) -> list[str]:
    """Take `--debug` from a command line, before or after the command: no option of it takes that as its value."""
    options = words[: words.index("--")] if "--" in words else words
    if "--debug" in options:
        os.environ["JOBKIT_DEBUG"] = "1"
    return [*(word for word in options if word != "--debug"), *words[len(options) :]]


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

        told = str(exc) if isinstance(exc, JobkitError) else _of_the_system(exc)
        if told is None:
            raise  # our own mistake
        if os.environ.get("JOBKIT_DEBUG"):
            import traceback

            traceback.print_exc()
        else:
            say(f"error: {told}")
        sys.exit(exc.exit_code if isinstance(exc, JobkitError) else 1)
    sys.exit(0)


def _of_the_system(exc: Exception) -> str | None:
    """Say what the system said of a file; None for any other error."""
    if isinstance(exc, OSError) and exc.filename is not None:
        return f"{exc.filename}: {exc.strerror}"
    if isinstance(exc, FileNotFoundError) and exc.errno is not None:
        return "the current folder is not there any more: cd into another"
    return None
