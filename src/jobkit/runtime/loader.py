"""Finds a project and its controllers, for the command line and for the Function App alike.

A module that does not import is kept as a problem with its name and line, and never takes the others down.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import pkgutil
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Final, cast

from .controller import BaseController
from .controllers import HelloWorlds
from .errors import DuplicateJobType, InvalidSetting, did_you_mean
from .registry import Registry

DEFAULT_MODULES: Final = ("controllers",)
#: What a Function App's folder has.
HOST_FILE: Final = "host.json"
ENTRY_POINTS: Final = "jobkit.controllers"
#: What [tool.jobkit] may hold; `deprecate` is read by that command alone.
_SETTINGS: Final = ("controllers", "deprecate")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A module, entry point or controller that could not be loaded, and where the fault lies."""

    name: str
    reason: str
    where: str = ""

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}{f' ({self.where})' if self.where else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """The user's project: its root, the names of the modules that hold controllers, and [tool.jobkit] as it stands."""

    root: Path
    modules: tuple[str, ...] = DEFAULT_MODULES
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A registry and what could not be brought into it."""

    registry: Registry
    problems: tuple[Problem, ...]


def find_project(start: Path) -> Project | None:
    """Find the nearest folder, from `start` upwards, with [tool.jobkit] in its pyproject.toml or with a host.json.

    Raises InvalidSetting for a pyproject.toml that can't be read or a `controllers` that is no list of names.
    """
    for folder in (start, *start.parents):
        pyproject = folder / "pyproject.toml"
        if pyproject.is_file():
            table = _jobkit_table(pyproject)
            if table is not None:
                return Project(root=folder, modules=_modules(table, pyproject), settings=table)
        if (folder / HOST_FILE).is_file():
            return Project(root=folder)
    return None


def load(project: Project | None) -> Loaded:
    """Import a project's controllers, and those that installed packages offer as entry points."""
    if project is None:
        return load_modules(())
    for folder in _import_folders(project):
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
    # the default need not exist
    return load_modules([n for n in project.modules if n != DEFAULT_MODULES[0] or _is_there(project.root, n)])


def load_modules(names: Iterable[str]) -> Loaded:
    """Import the controllers of modules and of their submodules, and those of entry points."""
    problems: list[Problem] = []
    found: list[type[BaseController[Any]]] = []
    for name in names:
        for module in _import_all(name, problems):
            found.extend(_controllers_of(module))
    found.extend(_from_entry_points(problems))
    registry = Registry([HelloWorlds])
    for controller in found:
        try:
            registry.add(controller)
        except DuplicateJobType as exc:
            problems.append(Problem(name=controller.__module__, reason=str(exc)))
    if problems:
        registry.note = "Not loaded: " + ", ".join(dict.fromkeys(problem.name for problem in problems)) + "."
    return Loaded(registry=registry, problems=tuple(problems))


def _import_folders(project: Project) -> list[Path]:
    """Return the root, and its `src` where that alone has one of the modules."""
    source = project.root / "src"
    tops = [name.partition(".")[0] for name in project.modules]
    is_needed = any(_is_there(source, top) and not _is_there(project.root, top) for top in tops)
    return [project.root, source] if is_needed else [project.root]


def _is_there(root: Path, name: str) -> bool:
    return (root / name).is_dir() or (root / f"{name}.py").is_file()


def _import_all(name: str, problems: list[Problem]) -> Iterator[ModuleType]:
    """Import a module and each of its submodules on its own."""
    module = _import(name, problems)
    if module is None:
        return
    yield module
    for info in pkgutil.iter_modules(getattr(module, "__path__", ()), f"{name}."):
        yield from _import_all(info.name, problems)


def _import(name: str, problems: list[Problem]) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except BaseException as exc:
        if isinstance(exc, KeyboardInterrupt):
            raise
        problems.append(Problem(name=name, reason=_reason(exc), where=_where(exc)))
        return None


def _reason(exc: BaseException) -> str:
    text = exc.msg if isinstance(exc, SyntaxError) else exc  # its place is told anyway
    return f"{type(exc).__name__}: {text}"


def _where(exc: BaseException) -> str:
    """Name the last line of the user's that was running."""
    if isinstance(exc, SyntaxError) and exc.filename:
        return f"{exc.filename}:{exc.lineno}"
    own = Path(__file__).parent
    frames = [
        frame
        for frame in traceback.extract_tb(exc.__traceback__)
        if not frame.filename.startswith("<")
        and Path(frame.filename).parent != own
        and "importlib" not in frame.filename
    ]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""


def _controllers_of(module: ModuleType) -> list[type[BaseController[Any]]]:
    names = [
        name for name, value in vars(module).items() if inspect.isclass(value) and value.__module__ == module.__name__
    ]
    classes: list[Any] = [getattr(module, name) for name in sorted(names)]
    return [
        found for found in classes if issubclass(found, BaseController) and hasattr(cast("object", found), "job_type")
    ]


def _from_entry_points(problems: list[Problem]) -> Iterator[type[BaseController[Any]]]:
    for point in importlib.metadata.entry_points(group=ENTRY_POINTS):
        try:
            value: Any = point.load()
        except BaseException as exc:
            if isinstance(exc, KeyboardInterrupt):
                raise
            name = f"entry point {point.name}"
            problems.append(Problem(name=name, reason=_reason(exc), where=_where(exc)))
            continue
        if isinstance(value, ModuleType):
            yield from _controllers_of(value)
        elif isinstance(value, type) and issubclass(value, BaseController):
            yield value
        else:
            problems.append(Problem(name=f"entry point {point.name}", reason="it is neither a controller nor a module"))


def _jobkit_table(pyproject: Path) -> dict[str, Any] | None:
    try:
        text = pyproject.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise InvalidSetting(setting="pyproject.toml", value=str(pyproject), reason=f"can't be read: {exc}") from exc
    if "jobkit" not in text:
        return None
    import tomllib  # only where a pyproject.toml speaks of jobkit

    try:
        tool: Any = tomllib.loads(text).get("tool", {})
    except tomllib.TOMLDecodeError as exc:
        raise InvalidSetting(setting="pyproject.toml", value=str(pyproject), reason=f"is not TOML: {exc}") from exc
    table: Any = cast("dict[str, Any]", tool).get("jobkit") if isinstance(tool, dict) else None
    return cast("dict[str, Any]", table) if isinstance(table, dict) else None


def _modules(table: dict[str, Any], pyproject: Path) -> tuple[str, ...]:
    for name in table:
        if name not in _SETTINGS:
            reason = f"there is no such setting.{did_you_mean(name, _SETTINGS)}"
            raise InvalidSetting(setting=f"[tool.jobkit] {name} in {pyproject}", value=table[name], reason=reason)
    names: Any = table.get("controllers", list(DEFAULT_MODULES))
    if not isinstance(names, list) or not all(map(_is_module_name, cast("list[object]", names))):
        raise InvalidSetting(
            setting=f"[tool.jobkit] controllers in {pyproject}",
            value=str(cast("object", names)),
            reason='must be a list of module names, such as ["controllers"]',
        )
    return tuple(cast("list[str]", names))


def _is_module_name(name: object) -> bool:
    return isinstance(name, str) and all(part.isidentifier() for part in name.split("."))
