"""`jobkit new-controller`: a controller and its test, in the project's own places; both run at once."""

from __future__ import annotations

import importlib
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import typer

from jobkit.runtime.controller import BaseController
from jobkit.runtime.errors import OptionsContradict, WrongUsage
from jobkit.runtime.loader import Project, load
from jobkit.scaffold.controller import ControllerSpec, check_name, controller_files, job_type_of
from jobkit.scaffold.layout import Layout, NoProject, find_layout
from jobkit.scaffold.params import ParamSpec, parse_params
from jobkit.scaffold.placing import NewFile, State, put
from jobkit.scaffold.stages import parse_stages
from jobkit.scaffold.template import Template, open_template

from .asking import confirm, is_terminal
from .described import param_options
from .output import INTERRUPTED, foreign_output_on_stderr, print_json, say, write_out
from .session import here, load_controllers

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The command line."""

    name: str
    stages: list[str]
    params: list[str]
    template: str | None
    with_test: bool
    interactive: bool
    force: bool
    dry_run: bool
    yes: bool
    json: bool


def main(wanted: Wanted) -> None:
    """Run `jobkit new-controller`; exit code 1 when something else is in its place."""
    spec = _spec(wanted)
    project = here()
    if project is None:
        raise NoProject(folder=Path.cwd())
    path = tuple(sys.path)
    registry = load_controllers(project).registry
    layout = find_layout(project, path=path)
    check_name(spec.job_type, layout, registry)
    files = _render(wanted, spec, layout)
    differing = [file.name for file in files if file.state is State.DIFFERS]
    is_refused = bool(differing) and not wanted.force
    backups = {} if is_refused or wanted.dry_run else put(files)
    is_made = not is_refused and not wanted.dry_run
    command = _run_command(spec, project, layout) if is_made else None
    if wanted.json:
        print_json(_document(wanted, spec, layout, files, backups, is_made=is_made, command=command))
    else:
        _show(wanted, layout, files, backups, is_made=is_made)
    if is_refused:
        say(_refusal(differing))
        raise typer.Exit(1)
    if wanted.dry_run:
        say("Nothing was written.")
    elif all(file.state is State.SAME for file in files):
        say("All of it is there already, just so.")
    if command is not None and not wanted.json:
        say(f"Try it: {command}")
        _tell_test(spec, layout)


def _spec(wanted: Wanted) -> ControllerSpec:
    if wanted.interactive and not is_terminal():
        raise OptionsContradict(option="--interactive", reason="needs a terminal: leave it out, nothing else asks")
    job_type = job_type_of(wanted.name)
    stages, params = wanted.stages, wanted.params
    if wanted.interactive and not stages:
        stages = _ask_each("Stage (NAME or NAME:KIND, empty to end)", parse_stages)
    if wanted.interactive and not params:
        params = _ask_each("Parameter (NAME:TYPE[=DEFAULT], empty to end)", parse_params)
    return ControllerSpec(
        job_type=job_type,
        stages=parse_stages(stages),
        params=parse_params(params),
        with_test=wanted.with_test,
    )


def _ask_each(question: str, parse: Callable[[Sequence[str]], object]) -> list[str]:
    """Ask until the answer is empty; one that can't be read is told and asked again."""
    found: list[str] = []
    while answer := _ask(question, "", []):
        try:
            parse([*found, answer])
        except WrongUsage as exc:
            say(f"error: {exc}")
        else:
            found.append(answer)
    return found


def _ask(question: str, default: str, choices: list[str]) -> str:
    shown = f"{question} [{'|'.join(choices)}]" if choices else question
    while True:
        try:
            answer: str = typer.prompt(shown, default=default, show_default=bool(default), err=True)
        except typer.Abort:  # Ctrl-C, Ctrl-D
            raise typer.Exit(INTERRUPTED) from None
        if not choices or answer in choices:
            return answer.strip()


def _render(wanted: Wanted, spec: ControllerSpec, layout: Layout) -> list[NewFile]:
    with ExitStack() as stack:
        template = stack.enter_context(open_template(wanted.template))
        _agree(template, yes=wanted.yes)
        stack.enter_context(foreign_output_on_stderr())  # hooks may print
        return controller_files(spec, layout, template, ask=_ask if wanted.interactive else None)


def _agree(template: Template, *, yes: bool) -> None:
    if template.code and not yes:
        say(f"template {template.name} runs code of its own: {', '.join(template.code)}")
        confirm("Run it?", yes=yes)


def _run_command(spec: ControllerSpec, project: Project, layout: Layout) -> str | None:
    """Return the command that runs the new controller, now that it is loaded; None when it can't be."""
    own = f"{layout.package}.{spec.job_type}"
    importlib.invalidate_caches()
    for name in (layout.package, own):
        sys.modules.pop(name, None)
    with foreign_output_on_stderr():
        loaded = load(project)
    found = next((controller for controller in loaded.registry if controller.job_type == spec.job_type), None)
    if found is None:
        reasons = [str(problem) for problem in loaded.problems if problem.name in (layout.package, own)]
        say(f"warning: not loaded: {reasons[0] if reasons else f'{own} has no controller {spec.job_type!r}'}")
        return None
    return shlex.join(["jobkit", "run", spec.job_type, *_arguments(found, spec.params)])


def _arguments(controller: type[BaseController[Any]], params: Sequence[ParamSpec]) -> list[str]:
    flags = {option.key: option.flags[0].partition("/")[0] for option in param_options(controller)}
    found: list[str] = []
    for param in params:
        if param.is_required and param.name in flags:
            for value in param.samples:
                found += [flags[param.name]] if value is True else [flags[param.name], str(value)]
    return found


def _show(wanted: Wanted, layout: Layout, files: Sequence[NewFile], backups: dict[str, Path], *, is_made: bool) -> None:
    for file in files:
        name = _shown(layout.root / file.name)
        if wanted.dry_run and file.state is State.NEW:
            write_out(f"==> {name}\n{file.content.decode('utf-8', 'replace')}\n")
        elif not is_made:
            write_out(file.diff)
        elif file.name in backups:
            write_out(f"{name} (as it was: {_shown(backups[file.name])})\n")
        elif file.state is State.NEW:
            write_out(f"{name}\n")


def _tell_test(spec: ControllerSpec, layout: Layout) -> None:
    test = layout.tests / f"test_{spec.job_type}.py"
    if spec.with_test and test.exists():
        say(f"Test it: pytest {shlex.quote(_shown(test))}")


def _refusal(differing: Sequence[str]) -> str:
    names = ", ".join(differing)
    verb = "is" if len(differing) == 1 else "are"
    return (
        f"error: {names} {verb} there already and would change as shown; nothing was written.\n"
        "Choose another name, or let --force write over it: a copy is kept (.bak)."
    )


def _document(
    wanted: Wanted,
    spec: ControllerSpec,
    layout: Layout,
    files: Sequence[NewFile],
    backups: dict[str, Path],
    *,
    is_made: bool,
    command: str | None,
) -> dict[str, Any]:
    def describe(file: NewFile) -> dict[str, Any]:
        backup = backups.get(file.name)
        found: dict[str, Any] = {
            "path": file.name,
            "state": file.state.value,
            "diff": file.diff,
            "backup": None if backup is None else str(backup),
        }
        return found | {"content": file.content.decode("utf-8", "replace")} if wanted.dry_run else found

    return {
        "schema": 1,
        "job_type": spec.job_type,
        "project": str(layout.root),
        "module": f"{layout.package}.{spec.job_type}",
        "files": [describe(file) for file in files],
        "made": is_made,
        "run": command,
    }


def _shown(path: Path) -> str:
    """Write a path as it is from here."""
    return os.path.relpath(path)
