"""What a project adds to a command line, as JSON data for `completing.py`: where its jobs are, and its controllers.

Nothing here needs typer, rich or a store: what is made at the first press of a key after a save is made of these.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jobkit.runtime.controller import BaseController
from jobkit.runtime.loader import Loaded, Project, find_project, load
from jobkit.runtime.settings import LOCAL_SETTINGS, hub_name, read_settings

from .described import Form, ParamOption, param_options, summary_of
from .kept import Made, Node, looks_of
from .stores import store_path


def make_jobs(folder: Path) -> Made:
    """Write down where the jobs are of the project that a folder belongs to."""
    project = find_project(folder)
    hub = hub_name(read_settings(os.environ, None if project is None else project.root))
    return Made({"hub": hub, "path": str(store_path("local", project))}, looks_of(_settings(folder, project)))


def make_controllers(folder: Path, known: Node) -> Made:
    """Import the controllers and write down what may be typed for each, by job type.

    Those that are `known` stay as they are while their module can't be imported.
    """
    project = find_project(folder)
    loaded = load(project)
    broken = [problem.name for problem in loaded.problems]
    controllers = {controller.job_type: _controller(controller) for controller in loaded.registry}
    for job_type, controller in known.items():
        if any(f"{controller['module']}.".startswith(f"{name}.") for name in broken):
            controllers.setdefault(job_type, controller)
    return Made(dict(sorted(controllers.items())), looks_of(sorted({*_files(folder, project, loaded)})))


def _controller(controller: type[BaseController[Any]]) -> dict[str, Any]:
    return {
        "help": summary_of(controller),
        "module": controller.__module__,
        "options": [_option(option) for option in param_options(controller)],
        "stages": [[stage.slug, stage.name] for stage in controller.stages],
    }


def _option(option: ParamOption) -> Node:
    pairs = [flag.partition("/") for flag in option.flags]
    return {
        "flags": [flag for flag, _, _ in pairs],
        "negations": [negation for _, _, negation in pairs if negation],
        "repeated": option.form is Form.LIST,
        "help": option.help_line,
        "value": None if option.form is Form.FLAG else {"choices": [[c] for c in option.choices], "kind": ""},
    }


def _settings(folder: Path, project: Project | None) -> Iterator[str]:
    """Yield the files that say what project a folder belongs to, and with what settings; some may not be there yet."""
    for place in (folder, *folder.parents):
        yield str(place / "pyproject.toml")
        yield str(place / "host.json")
        if project is not None and place == project.root:
            yield str(place / LOCAL_SETTINGS)
            return


def _files(folder: Path, project: Project | None, loaded: Loaded) -> Iterator[str]:
    """Yield the files and folders that the controllers depend on; some may not be there yet."""
    yield from _settings(folder, project)
    inside = None if project is None else f"{project.root}{os.sep}"
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and (name.partition(".")[0] == "jobkit" or (inside and _is_own(file, inside))):
            yield file
    yield from filter(None, (sys.modules[controller.__module__].__file__ for controller in loaded.registry))
    yield from {path for path in sys.path if path.rstrip(os.sep).endswith("site-packages")}  # entry points
    if project is None:
        return
    for place in (
        base.joinpath(*n.split(".")) for base in (project.root, project.root / "src") for n in project.modules
    ):
        yield from (str(place), f"{place}.py")
        for path in place.rglob("*"):  # one that could not be imported too
            if path.suffix == ".py" or (path.is_dir() and path.name != "__pycache__"):
                yield str(path)
    yield from (problem.where.rpartition(":")[0] for problem in loaded.problems if problem.where)


def _is_own(file: str, inside: str) -> bool:
    return file.startswith(inside) and "site-packages" not in file
