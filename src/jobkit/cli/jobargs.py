"""What `run` and `submit` share: finding the controller, its options, parameters from a file, earlier results."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

import typer
from pydantic import BaseModel

from jobkit.runtime.aliases import by_names, roots_of
from jobkit.runtime.controller import BaseController
from jobkit.runtime.errors import InvalidParams, InvalidSource, did_you_mean
from jobkit.runtime.loader import Loaded, Project
from jobkit.runtime.repository import Repository
from jobkit.runtime.service import Service, Submitted

from .joboptions import OWN_OPTIONS, OwnOption
from .options import job_app
from .output import say, write_out
from .session import here, load_controllers
from .stores import store_option

_JSON_WORDS: Final = {list: "an array", str: "a text", bool: "a truth value", type(None): "null"}


@dataclass(frozen=True, slots=True, kw_only=True)
class JobArguments:
    """A command line that names a job."""

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
    #: Whether the store outlives the command, so that an unfinished job can be gone on with.
    lasting: bool = True

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
        if self.source == "-" or _is_there(self.source):
            name = "standard input" if self.source == "-" else self.source
            try:
                return None, json.loads(_read(self.source))
            except OSError as exc:
                raise InvalidSource(source=name, reason=exc.strerror or str(exc)) from exc
            except (ValueError, RecursionError) as exc:
                raise InvalidSource(source=name, reason=f"it is not JSON: {exc}") from exc
        if "/" in self.source or "." in self.source:
            raise InvalidSource(source=self.source, reason="there is no such file")
        return repository.resolve_job_id(self.source), None

    @property
    def store_option(self) -> str:
        """What another command needs to use the same store; nothing for the default one."""
        return store_option(self.store)

    def go_on_command(self) -> str:
        """Return the command line that goes on with this job."""
        if "-" in self.arguments:
            return f"jobkit worker{self.store_option}"  # what came through stdin is gone; a worker goes on with whatever is left
        arguments = [argument for argument in self.arguments if argument != "--again"]
        return shlex.join(["jobkit", "run", self.job_type, *arguments])


def run_job_command(
    command: str,
    arguments: Sequence[str],
    extra_options: Sequence[OwnOption],
    body: Callable[[JobArguments], None],
    own_options: Sequence[OwnOption] = OWN_OPTIONS,
) -> None:
    """Parse `JOB_TYPE [OPTIONS]` and call the body. Those of the own options that a command lacks have their defaults."""
    project = here()
    loaded = load_controllers(project)
    if not arguments or arguments[0].startswith("-"):
        if arguments and arguments[0] in ("-h", "--help"):
            write_out(_usage(command, loaded))
            raise typer.Exit
        say((f"The job type comes before {arguments[0]}.\n" if arguments else "") + _usage(command, loaded).rstrip())
        raise typer.Exit(2)
    job_type, rest = arguments[0], list(arguments[1:])
    controller = loaded.registry.get(job_type)

    def with_values(given: dict[str, Any], values: dict[str, Any]) -> None:
        own = {option.name: values.get(option.name, option.default) for option in OWN_OPTIONS}
        if own["params"] == "-" and own["source"] == "-":
            raise InvalidSource(source="standard input", reason="--params has it: give one of them as a file")
        from_file = _read_params(controller, own["params"])
        body(
            JobArguments(
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
                extra={option.name: values[option.name] for option in extra_options},
            )
        )

    app = job_app(command, controller, [*own_options, *extra_options], with_values)
    app(rest, prog_name=f"jobkit {command} {job_type}")


def _read_params(controller: type[BaseController[Any]], source: str | None) -> dict[str, Any]:
    if source is None:
        return {}
    job_type = controller.job_type
    name = "standard input" if source == "-" else source
    try:
        found: Any = json.loads(_read(source))
    except OSError as exc:
        raise InvalidParams(job_type=job_type, problems=[f"--params {name}: {exc.strerror or exc}"]) from exc
    except (ValueError, RecursionError) as exc:
        raise InvalidParams(job_type=job_type, problems=[f"--params {name} is not JSON: {exc}"]) from exc
    if not isinstance(found, dict):
        problem = f"--params {name} must hold a JSON object, and holds {_JSON_WORDS.get(type(found), 'a number')}"  # pyright: ignore[reportUnknownArgumentType] - JSON
        raise InvalidParams(job_type=job_type, problems=[problem])
    params = cast("dict[str, Any]", found)
    model = controller.params_type
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return params
    params = by_names(model, params)
    if problems := _unknown_names(model, params):
        raise InvalidParams(job_type=job_type, problems=problems)
    return params


def _unknown_names(model: type[BaseModel], params: dict[str, Any]) -> list[str]:
    if model.model_config.get("extra") != "forbid":
        return []
    known = {*model.model_fields, *(root for field in model.model_fields.values() for root in roots_of(field))}
    return [f"{name}: there is no such parameter.{did_you_mean(name, known)}" for name in params if name not in known]


def _is_there(path: str) -> bool:
    try:
        return Path(path).exists()
    except OSError:
        return False  # too long for a name, say


def _read(source: str) -> str:
    return sys.stdin.read() if source == "-" else Path(source).read_text("utf-8")


def _usage(command: str, loaded: Loaded) -> str:
    types = [controller.job_type for controller in loaded.registry]
    return (
        f"Usage: jobkit {command} JOB_TYPE [OPTIONS]\n\n"
        f"Job types: {', '.join(types)}\n"
        f"Options of one: jobkit {command} {types[0]} --help\n"
        f"Example: jobkit {command} hello_worlds --n 5\n"
    )
