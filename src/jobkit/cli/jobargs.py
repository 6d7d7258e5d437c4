"""What `run` and `submit` share: finding the controller, its options, parameters from a file, earlier results."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from jobkit.runtime.errors import InvalidParams, InvalidSource
from jobkit.runtime.loader import Loaded, Project
from jobkit.runtime.repository import Repository
from jobkit.runtime.service import Service, Submitted

from .session import here, load_controllers


def option(name: str, annotation: Any, default: Any, *flags: str, **settings: Any) -> inspect.Parameter:
    """Describe one of a command's own options."""
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[annotation, typer.Option(*flags, **settings)],
    )


OWN_OPTIONS = (
    option(
        "params", str | None, None, "--params", metavar="FILE|-", help="Read parameters from a JSON file, or stdin."
    ),
    option(
        "stage",
        list[str] | None,
        None,
        "--stage",
        metavar="NAME",
        help="Run this stage alone (number, name or slug; repeat it for consecutive ones).",
    ),
    option(
        "source",
        str | None,
        None,
        "--from",
        metavar="JOB|FILE|-",
        help="Where that stage reads earlier results: a job, or a JSON array of results.",
    ),
    option("again", bool, False, "--again", help="Run afresh, although this job has been run."),
    option("store", str, "local", "--store", metavar="local[:PATH]", help="Where jobs are kept."),
    option("json", bool, False, "--json", help="Print one JSON document on stdout, and nothing else there."),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobArguments:
    """A command line that names a job."""

    command: str
    job_type: str
    arguments: list[str]
    params: dict[str, Any]
    stages: list[str]
    source: str | None
    again: bool
    store: str
    json: bool
    project: Project | None
    loaded: Loaded
    extra: dict[str, Any] = field(default_factory=dict[str, Any])

    def submit(self, service: Service) -> Submitted:
        """Submit the job."""
        source_job, source_list = self._source(service.repository)
        return service.submit(
            self.job_type,
            self.params,
            stages=self.stages,
            source_job=source_job,
            source_list=source_list,
            again=self.again,
        )

    def _source(self, repository: Repository) -> tuple[str | None, Any]:
        if self.source is None:
            return None, None
        if self.source == "-" or Path(self.source).is_file():
            name = "standard input" if self.source == "-" else self.source
            try:
                return None, json.loads(_read(self.source))
            except ValueError as exc:
                raise InvalidSource(source=name, reason=f"it is not JSON: {exc}") from exc
        if "/" in self.source or "." in self.source:
            raise InvalidSource(source=self.source, reason="there is no such file")
        return repository.resolve_job_id(self.source), None

    def go_on_command(self) -> str:
        """Return the command line that goes on with this job."""
        import shlex

        if "-" in self.arguments:
            return "jobkit worker"  # what came through stdin is gone; a worker goes on with whatever is left
        arguments = [argument for argument in self.arguments if argument != "--again"]
        return shlex.join(["jobkit", "run", self.job_type, *arguments])


def run_job_command(
    command: str,
    arguments: Sequence[str],
    extra_options: Sequence[inspect.Parameter],
    body: Callable[[JobArguments], None],
) -> None:
    """Parse `JOB_TYPE [OPTIONS]` and call the body."""
    project = here()
    loaded = load_controllers(project)
    if not arguments or arguments[0].startswith("-"):
        wanted_help = bool(arguments) and arguments[0] in ("-h", "--help")
        _say_usage(command, loaded, to_stdout=wanted_help)
        raise typer.Exit(0 if wanted_help else 2)
    job_type, rest = arguments[0], list(arguments[1:])
    controller = loaded.registry.get(job_type)

    def with_values(given: dict[str, Any], values: dict[str, Any]) -> None:
        own = {parameter.name: values[parameter.name] for parameter in OWN_OPTIONS}
        from_file = _read_params(job_type, own["params"])
        body(
            JobArguments(
                command=command,
                job_type=job_type,
                arguments=rest,
                params={**from_file, **given},
                stages=own["stage"] or [],
                source=own["source"],
                again=own["again"],
                store=own["store"],
                json=own["json"],
                project=project,
                loaded=loaded,
                extra={parameter.name: values[parameter.name] for parameter in extra_options},
            )
        )

    from .options import command_for

    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    settings = {"help_option_names": ["-h", "--help"]}
    app.command(context_settings=settings)(command_for(controller, [*OWN_OPTIONS, *extra_options], with_values))
    app(rest, prog_name=f"jobkit {command} {job_type}")


def _read_params(job_type: str, source: str | None) -> dict[str, Any]:
    if source is None:
        return {}
    name = "standard input" if source == "-" else source
    try:
        found: Any = json.loads(_read(source))
    except OSError as exc:
        raise InvalidParams(job_type=job_type, problems=[f"--params {name}: {exc.strerror or exc}"]) from exc
    except ValueError as exc:
        raise InvalidParams(job_type=job_type, problems=[f"--params {name} is not JSON: {exc}"]) from exc
    if not isinstance(found, dict):
        problem = f"--params {name} must hold a JSON object, not {type(found).__name__}"
        raise InvalidParams(job_type=job_type, problems=[problem])
    return found  # pyright: ignore[reportUnknownVariableType] - JSON


def _read(source: str) -> str:
    return sys.stdin.read() if source == "-" else Path(source).read_text("utf-8")


def _say_usage(command: str, loaded: Loaded, *, to_stdout: bool) -> None:
    out = sys.stdout if to_stdout else sys.stderr
    types = [controller.job_type for controller in loaded.registry]
    out.write(
        f"Usage: jobkit {command} JOB_TYPE [OPTIONS]\n\n"
        f"Job types: {', '.join(types)}\n"
        f"Options of one: jobkit {command} {types[0]} --help\n"
        f"Example: jobkit {command} hello_worlds --n 5\n"
    )
