"""Where a project keeps its controllers and its tests, and whether pytest finds the one from the other."""

from __future__ import annotations

import configparser
import sys
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from jobkit.runtime.errors import JobkitError, NotFound
from jobkit.runtime.loader import Project

#: Where pytest looks for its settings, in its order, and the table or section in each.
_PYTEST_FILES: Final = (
    ("pytest.toml", "pytest"),
    (".pytest.toml", "pytest"),
    ("pytest.ini", "pytest"),
    (".pytest.ini", "pytest"),
    ("pyproject.toml", "tool.pytest"),
    ("pyproject.toml", "tool.pytest.ini_options"),
    ("tox.ini", "pytest"),
    ("setup.cfg", "tool:pytest"),
)


class NoProject(NotFound):
    """Raised when there is no project to write into."""

    def __init__(self, *, folder: Path) -> None:
        """Name the folder, and the ways to a project."""
        super().__init__(
            f"no project at {folder} or above it: make one with jobkit new-app DIR, "
            "or put a [tool.jobkit] table into a pyproject.toml"
        )


class NoPlace(JobkitError):
    """Raised when a project has no package that a controller's module could go into."""

    def __init__(self, *, names: tuple[str, ...], reason: str) -> None:
        """Name the modules that the project has."""
        super().__init__(
            f"[tool.jobkit] controllers = {list(names)}: {reason}. Name a package there, in which each module is a controller's"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The places of a new controller; `new_packages` are the folders that become packages with it."""

    root: Path
    package: str
    folder: Path
    #: What must be on the path so that the package can be imported.
    base: Path
    new_packages: tuple[Path, ...]
    tests: Path
    #: Whether tests can import the package as they are; if not, a conftest.py does that.
    is_testable: bool


def find_layout(project: Project, *, path: Collection[str]) -> Layout:
    """Find the first package among the project's modules, or where it would be. Raises NoPlace, JobkitError.

    `path` is Python's own, without what jobkit has put there: what is on it pytest finds too.
    """
    root = project.root
    package, folder = _find_package(project)
    base = folder.parents[len(package.split(".")) - 1]
    parts = package.split(".")
    missing = [base.joinpath(*parts[:count]) for count in range(1, len(parts) + 1)]
    settings = _pytest_settings(root)
    tests = [path for path in _words(settings.get("testpaths")) if not set(path) & set("*?[")]
    return Layout(
        root=root,
        package=package,
        folder=folder,
        base=base,
        new_packages=tuple(path for path in missing if not path.exists()),
        tests=root / (tests[0] if tests else "tests"),
        is_testable=any((root / path).resolve() == base.resolve() for path in _words(settings.get("pythonpath")))
        or (root / "conftest.py").exists()
        or (base != root and str(base) in path),
    )


def _find_package(project: Project) -> tuple[str, Path]:
    files: list[str] = []
    for name in project.modules:
        for base in (project.root, project.root / "src"):
            path = base.joinpath(*name.split("."))
            if path.is_dir():
                return name, path
            if path.with_suffix(".py").is_file():
                files.append(str(path.with_suffix(".py").relative_to(project.root)))
        if found := _imported_from(name, project.root):
            return name, found
    if files:
        raise NoPlace(names=project.modules, reason=f"there is no package among them, only {', '.join(files)}")
    if not project.modules:
        raise NoPlace(names=project.modules, reason="it names no module")
    name = project.modules[0]
    source = project.root / "src"
    return name, (source if (source / name.split(".")[0]).is_dir() else project.root).joinpath(*name.split("."))


def _imported_from(name: str, root: Path) -> Path | None:
    """Return the folder of a package that has been imported from elsewhere within the project."""
    module = sys.modules.get(name)
    folders = [Path(path) for path in getattr(module, "__path__", ())]
    return next((folder for folder in folders if folder.is_relative_to(root)), None)


def _pytest_settings(root: Path) -> Mapping[str, Any]:
    for name, table in _PYTEST_FILES:
        path = root / name
        if path.is_file():
            found = _toml_table(path, table) if path.suffix == ".toml" else _ini_section(path, table)
            if found is not None:
                return found
    return {}


def _toml_table(path: Path, table: str) -> Mapping[str, Any] | None:
    try:
        found: Any = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as exc:
        raise JobkitError(f"can't read {path}: {exc}") from exc
    for part in table.split("."):
        found = cast("dict[str, Any]", found).get(part) if isinstance(found, dict) else None
    if not isinstance(found, dict):
        return None
    settings = cast("dict[str, Any]", found)
    return None if set(settings) == {"ini_options"} else settings


def _ini_section(path: Path, section: str) -> Mapping[str, Any] | None:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(path.read_text("utf-8"))
    except (OSError, ValueError, configparser.Error) as exc:
        raise JobkitError(f"can't read {path}: {exc}") from exc
    return dict(parser[section]) if section in parser else None


def _words(value: Any) -> list[str]:
    if isinstance(value, str):
        return value.split()
    return [str(each) for each in cast("list[object]", value)] if isinstance(value, list) else []
