"""All that a command line may hold but what a project's controllers add, as JSON data for `completing.py`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Final

import typer

import jobkit
from jobkit.local.schema import ROWS
from jobkit.runtime import rows
from jobkit.runtime.model import Status

from .joboptions import DEV_OPTIONS, OWN_OPTIONS, RUN_OPTIONS, OwnOption
from .kept import Made, Node, looks_of
from .main import app

#: The commands of a job type, with the options that they have of their own.
_JOB_COMMANDS: Final[dict[str, Sequence[OwnOption]]] = {
    "run": (*OWN_OPTIONS, *RUN_OPTIONS),
    "submit": OWN_OPTIONS,
    "dev": (*DEV_OPTIONS, *RUN_OPTIONS),
}
_STORES: Final = [["local", "a file of this project"], ["azure", "the storage account of AzureWebJobsStorage"]]
_STORE: Final = "local[:PATH]|azure"
_HELP: Final = {"flags": ["--help"], "negations": [], "repeated": False, "help": "Show the help.", "value": None}


def make() -> Made:
    """Write down the commands, and how a local store is asked for its newest jobs."""
    command = _command(typer.main.get_command(app))
    for name, options in _JOB_COMMANDS.items():
        command["commands"][name] |= {"arguments": [], "job_options": [*map(_own_option, options), _HELP]}
    newest = {
        "query": ROWS,
        "table": rows.INDEX,
        "values": [rows.INDEX_JOBS, rows.RECENT, rows.after(rows.RECENT)],
    }
    return Made({"command": command, "newest": newest}, looks_of(own_files()))


def own_files() -> set[str]:
    """Return the files of jobkit that have been imported: an editable installation has one version for many states."""
    modules = [module for name, module in list(sys.modules.items()) if name.partition(".")[0] == jobkit.__name__]
    return {file for module in modules if (file := getattr(module, "__file__", None))}


def _command(command: Any) -> dict[str, Any]:
    """Write down a command of typer's, and those below it."""
    options = [_option(parameter) for parameter in command.params if parameter.param_type_name == "option"]
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    return {
        "help": (command.help or "").partition(" For example: ")[0].strip(),
        "options": [*options, _HELP],
        "arguments": [
            {"repeated": parameter.nargs == -1, "value": _value(parameter.metavar or "")} for parameter in arguments
        ],
        "commands": {name: _command(child) for name, child in getattr(command, "commands", {}).items()},
    }


def _option(option: Any) -> Node:
    return {
        "flags": option.opts,
        "negations": option.secondary_opts,
        "repeated": option.multiple,
        "help": option.help or "",
        "value": None if option.is_flag else _value(option.metavar or ""),
    }


def _own_option(option: OwnOption) -> Node:
    return {
        "flags": [option.flag],
        "negations": [],
        "repeated": option.annotation == list[str] | None,
        "help": option.help,
        "value": None if option.annotation is bool else _value("STAGE" if option.name == "stage" else option.metavar),
    }


def _value(metavar: str) -> Node:
    """Write down what a value may be, by the word that the help has for it."""
    word = metavar.strip("[].")
    names = word.split("|")
    choices: list[list[str]] = []
    if word == "STATUS":
        choices = [[status.value] for status in Status]
    elif metavar == _STORE:
        choices = _STORES
    elif metavar.startswith("[") and "|" in word:
        choices = [[choice] for choice in names]
    kind = "job" if {"ID", "JOB"}.intersection(names) else {"JOB_TYPE": "job_type", "STAGE": "stage"}.get(word, "")
    return {"choices": choices, "kind": kind}
