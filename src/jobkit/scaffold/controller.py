"""`new-controller`: what a project is asked before it gets another controller, and the files that it gets."""

from __future__ import annotations

import importlib.util
import keyword
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jobkit.runtime.errors import WrongUsage
from jobkit.runtime.registry import Registry

from .answers import controller_answers
from .layout import Layout
from .literals import LONGEST_NAME
from .params import ParamSpec
from .placing import NewFile, look_at
from .stages import StageSpec
from .template import Ask, Template

_NAME: Final = re.compile(rf"[a-z][a-z0-9_]{{0,{LONGEST_NAME - 1}}}")
_PACKAGE: Final = '"""Controllers: each module here is imported on its own."""\n'
_CONFTEST: Final = '''\
"""Lets tests import the controllers, as `jobkit run` does."""

import sys
from pathlib import Path

sys.path.insert(0, str({folder}))
'''


class InvalidControllerName(WrongUsage):
    """Raised when a controller can't have the name."""

    def __init__(self, *, name: str, reason: str) -> None:
        """Name it, and what is wrong with it."""
        self.name, self.reason = name, reason
        super().__init__(f"a controller can't be called {name!r}: {reason}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerSpec:
    """A controller as it was asked for."""

    job_type: str
    stages: tuple[StageSpec, ...]
    params: tuple[ParamSpec, ...]
    with_test: bool


def job_type_of(name: str) -> str:
    """Return the job type, and the name of the module, for a name in which - stands for _. Raises InvalidControllerName."""
    job_type = name.replace("-", "_")
    if keyword.iskeyword(job_type):
        raise InvalidControllerName(name=name, reason=f"it is a keyword of Python. Choose another, such as {name}_job")
    if not _NAME.fullmatch(job_type):
        what = "it is a path; " if set(name) & set("/\\.") else ""
        reason = f"{what}give a letter, then letters, digits, - and _, lower case, {LONGEST_NAME} at most"
        raise InvalidControllerName(name=name, reason=reason)
    return job_type


def check_name(job_type: str, layout: Layout, registry: Registry) -> None:
    """Refuse a job type that another controller has, and a module that would hide another. Raises InvalidControllerName."""
    own = f"{layout.package}.{job_type}"
    for known in registry:
        if known.job_type == job_type and known.__module__ != own:
            where = f"{known.__module__}.{known.__qualname__}"
            raise InvalidControllerName(name=job_type, reason=f"{where} has that job type. Choose another")
    package = layout.folder / job_type
    if package.is_dir():
        raise InvalidControllerName(
            name=job_type,
            reason=f"{package.relative_to(layout.root)} is a package, of the same name as the module would be",
        )
    hidden = "Python's own" if job_type in sys.stdlib_module_names else _top_level_module(job_type, layout)
    if hidden:
        raise InvalidControllerName(
            name=job_type,
            reason=f"its module would hide {hidden} module {job_type} from scripts beside it. Choose another",
        )


def controller_files(spec: ControllerSpec, layout: Layout, template: Template, *, ask: Ask | None) -> list[NewFile]:
    """Render a controller, and look at what is in its place; nothing is written. Raises BadTemplate, JobkitError."""
    answers: Mapping[str, Any] = controller_answers(
        spec.job_type, spec.stages, spec.params, layout, with_test=spec.with_test
    )
    files = template.render(answers, ask=ask)
    for folder in layout.new_packages:
        files.setdefault(_below(layout.root, folder / "__init__.py"), _PACKAGE.encode())
    has_test = any(name.endswith(".py") and _is_within(layout, name) for name in files)
    if has_test and not layout.is_testable:
        files.setdefault("conftest.py", _conftest(layout).encode())
    return look_at(layout.root, files)


def _top_level_module(name: str, layout: Layout) -> str:
    """Say whose top-level module has the name; nothing when nobody's has."""
    try:
        found = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return ""
    if found is None or not found.origin or Path(found.origin).parent == layout.folder:
        return ""
    return "the project's" if Path(found.origin).is_relative_to(layout.root) else "the installed"


def _is_within(layout: Layout, name: str) -> bool:
    return (layout.root / name).is_relative_to(layout.tests)


def _conftest(layout: Layout) -> str:
    parts: Sequence[str] = layout.base.relative_to(layout.root).parts
    return _CONFTEST.format(folder=" / ".join(["Path(__file__).parent", *(f'"{part}"' for part in parts)]))


def _below(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()
