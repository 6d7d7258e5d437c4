"""All that a command line may hold, as JSON data, for `completing.py`: commands, options, values, and the controllers'."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import typer

import jobkit
from jobkit.local.schema import ROWS
from jobkit.runtime import rows
from jobkit.runtime.controller import BaseController
from jobkit.runtime.loader import Loaded, Project, find_project, load
from jobkit.runtime.model import Status
from jobkit.runtime.settings import LOCAL_SETTINGS, hub_name, read_settings

from .completing import Node, fingerprint
from .joboptions import DEV_OPTIONS, OWN_OPTIONS, RUN_OPTIONS
from .main import app
from .options import job_app, summary_of
from .stores import store_path

#: The commands of a job type, with their options.
JOB_COMMANDS: Final[dict[str, Sequence[inspect.Parameter]]] = {
    "run": (*OWN_OPTIONS, *RUN_OPTIONS),
    "submit": OWN_OPTIONS,
    "dev": (*DEV_OPTIONS, *RUN_OPTIONS),
}
_STORES: Final = [["local", "a file of this project"], ["azure", "the storage account of AzureWebJobsStorage"]]
#: What the words in the help stand for that name a job.
_JOBS: Final = frozenset({"ID", "JOB"})
_STORE: Final = "local[:PATH]|azure"
_HELP: Final = {"flags": ["--help"], "negations": [], "repeated": False, "help": "Show the help.", "value": None}


def make(folder: Path) -> Node:
    """Import the controllers of the project that a folder belongs to, and write down all that may be typed there."""
    project = find_project(folder)
    loaded = load(project)
    types = [[controller.job_type, summary_of(controller)] for controller in loaded.registry]
    command = _command(typer.main.get_command(app), types)
    for name, options in JOB_COMMANDS.items():
        command["commands"][name]["arguments"] = []
        command["commands"][name]["commands"] = {
            controller.job_type: _job_command(name, controller, options, types) for controller in loaded.registry
        }
    hub = hub_name(read_settings(os.environ, None if project is None else project.root))
    return {
        "made_of": fingerprint(sorted(set(_made_of(folder, project, loaded)))),
        "command": command,
        "jobs": {
            "path": str(store_path("local", project)),
            "query": ROWS,
            "values": [f"{hub}-{rows.INDEX}", rows.INDEX_JOBS, rows.RECENT, rows.after(rows.RECENT)],
        },
    }


def _command(command: Any, types: list[list[str]]) -> dict[str, Any]:
    """Write down a command of typer's, and those below it."""
    options = [_option(parameter, types) for parameter in command.params if parameter.param_type_name == "option"]
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    return {
        "help": _first_sentence(command.help or ""),
        "options": [*options, _HELP],
        "arguments": [
            {"repeated": parameter.nargs == -1, "value": _value(parameter.metavar or "", types)}
            for parameter in arguments
        ],
        "commands": {name: _command(child, types) for name, child in getattr(command, "commands", {}).items()},
    }


def _option(option: Any, types: list[list[str]]) -> dict[str, Any]:
    return {
        "flags": option.opts,
        "negations": option.secondary_opts,
        "repeated": option.multiple,
        "help": option.help or "",
        "value": None if option.is_flag else _value(option.metavar or "", types),
    }


def _value(metavar: str, types: list[list[str]]) -> dict[str, Any]:
    """Write down what a value may be, by the word that the help has for it."""
    word = metavar.strip("[].")
    choices: list[list[str]] = []
    if word == "JOB_TYPE":
        choices = types
    elif word == "STATUS":
        choices = [[status.value] for status in Status]
    elif metavar == _STORE:
        choices = _STORES
    elif metavar.startswith("[") and "|" in word:
        choices = [[choice] for choice in word.split("|")]
    return {"choices": choices, "is_job": not _JOBS.isdisjoint(word.split("|"))}


def _job_command(
    name: str, controller: type[BaseController[Any]], options: Sequence[inspect.Parameter], types: list[list[str]]
) -> dict[str, Any]:
    made = job_app(name, controller, options, lambda _given, _own: None)
    command = _command(typer.main.get_command(made), types)
    for option in command["options"]:
        if option["flags"] == ["--stage"]:
            option["value"]["choices"] = [[stage.slug, stage.name] for stage in controller.stages]
    return command | {"help": summary_of(controller)}


def _first_sentence(text: str) -> str:
    return text.partition(" For example: ")[0].strip()


def _made_of(folder: Path, project: Project | None, loaded: Loaded) -> Iterator[str]:
    """Yield the files and folders that the catalogue depends on; some may not be there yet."""
    for place in (folder, *folder.parents):
        yield str(place / "pyproject.toml")
        yield str(place / "host.json")
        if project is not None and place == project.root:
            break
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and (name.partition(".")[0] == jobkit.__name__ or _is_of(project, Path(file))):
            yield file
    yield from filter(None, (sys.modules[controller.__module__].__file__ for controller in loaded.registry))
    yield from map(str, {Path(path) for path in sys.path if Path(path).name == "site-packages"})  # entry points
    if project is None:
        return
    yield str(project.root / LOCAL_SETTINGS)
    for name in project.modules:
        place = project.root.joinpath(*name.split("."))
        yield from (str(place), f"{place}.py")
        for path in place.rglob("*"):  # one that could not be imported too
            if path.suffix == ".py" or (path.is_dir() and path.name != "__pycache__"):
                yield str(path)
    yield from (problem.where.rpartition(":")[0] for problem in loaded.problems if problem.where)


def _is_of(project: Project | None, file: Path) -> bool:
    return project is not None and file.is_relative_to(project.root) and "site-packages" not in file.parts
