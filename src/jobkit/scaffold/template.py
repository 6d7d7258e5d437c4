"""Which template is rendered: jobkit's own, a folder or a git repository; and what code of its own it would run."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from jobkit.runtime.errors import JobkitError, NotFound

from .rendering import files_below, render

OWN: Final = Path(__file__).parents[1] / "templates" / "controller"
_SETTINGS: Final = "cookiecutter.json"
#: A place that git clones from: a URL, or user@host:path.
_REMOTE: Final = re.compile(r"[a-z][a-z0-9+.-]*://.+|[\w.-]+@[\w.-]+:.+", re.IGNORECASE)
_HOOKS: Final = ("pre_gen_project", "post_gen_project")
_CLONE_S: Final = 120.0

#: Asks for a template's own variable: its name, its default, and what it may be (empty: any text).
Ask = Callable[[str, str, list[str]], str]


class BadTemplate(JobkitError):
    """Raised when a template can't be rendered; nothing was written."""

    def __init__(self, *, template: str, reason: str) -> None:
        """Name the template and what is wrong with it."""
        self.template, self.reason = template, reason
        super().__init__(f"template {template}: {reason}")


class NoTemplate(NotFound):
    """Raised when there is no template where one was named."""

    def __init__(self, *, template: str, reason: str) -> None:
        """Name the place, and what is there."""
        super().__init__(
            f"template {template}: {reason}. Give a folder with a {_SETTINGS}, or the URL of a git repository"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A template's folder, its own variables, and what of its own code it would run: what somebody must agree to."""

    name: str
    folder: Path
    settings: Mapping[str, Any]
    code: tuple[str, ...]

    def render(self, answers: Mapping[str, Any], *, ask: Ask | None) -> dict[str, bytes]:
        """Render it; `ask` is asked for its own variables, without it they have their defaults.

        Return the files by their names below the project's root. Its hooks run: see `code`. Raises BadTemplate.
        """
        from cookiecutter.exceptions import (  # pyright: ignore[reportMissingTypeStubs] - it has no types
            CookiecutterException,
            UndefinedVariableInTemplate,
        )
        from jinja2 import TemplateError

        try:
            with tempfile.TemporaryDirectory(prefix="jobkit-") as place:
                found = render(self.folder, {**self._own_answers(answers, ask), **answers}, Path(place))
                return {name: (found / name).read_bytes() for name in files_below(found)}
        except UndefinedVariableInTemplate as exc:
            raise BadTemplate(template=self.name, reason=f"{exc.message}: {exc.error.message}") from exc
        except (CookiecutterException, TemplateError, OSError, UnicodeDecodeError) as exc:
            raise BadTemplate(template=self.name, reason=_reason(exc)) from exc

    def _own_answers(self, answers: Mapping[str, Any], ask: Ask | None) -> dict[str, Any]:
        from cookiecutter.prompt import render_variable  # pyright: ignore[reportMissingTypeStubs] - it has no types
        from cookiecutter.utils import create_env_with_context  # pyright: ignore[reportMissingTypeStubs] - as above

        found: dict[str, Any] = {}
        env = create_env_with_context({"cookiecutter": dict(self.settings)})
        for name, raw in self.settings.items():
            if name in answers or name.startswith("_"):
                found[name] = raw
                continue
            default, choices = _default_of(render_variable(env, raw, {**answers, **found}))
            found[name] = ask(name, default, choices) if ask is not None and isinstance(default, str) else default
        return found


@contextlib.contextmanager
def open_template(given: str | None) -> Generator[Template]:
    """Open jobkit's own template, a folder's, or a repository's, which is cloned for as long. Raises NoTemplate, BadTemplate."""
    if given is None:
        yield _read("jobkit's own", OWN, is_foreign=False)
        return
    if Path(given).is_dir():
        yield _read(given, Path(given).resolve(), is_foreign=False)
        return
    if not _REMOTE.fullmatch(given):
        raise NoTemplate(template=given, reason="there is no such folder")
    with tempfile.TemporaryDirectory(prefix="jobkit-") as place:
        _clone(given, Path(place) / "template")
        yield _read(given, Path(place) / "template", is_foreign=True)


def _read(name: str, folder: Path, *, is_foreign: bool) -> Template:
    try:
        settings: Any = json.loads((folder / _SETTINGS).read_text("utf-8"))
    except FileNotFoundError as exc:
        raise NoTemplate(template=name, reason=f"it has no {_SETTINGS}") from exc
    except (OSError, ValueError) as exc:
        raise BadTemplate(template=name, reason=f"{_SETTINGS} can't be read: {exc}") from exc
    if not isinstance(settings, dict):
        raise BadTemplate(template=name, reason=f"{_SETTINGS} must hold a JSON object")
    variables = cast("dict[str, Any]", settings)
    hooks = [f"hooks/{path.name}" for path in sorted((folder / "hooks").glob("*")) if path.stem in _HOOKS]
    extensions = [str(each) for each in variables.get("_extensions", [])]
    rendered = ["its files, as Jinja templates"] if is_foreign else []
    return Template(name=name, folder=folder, settings=variables, code=(*hooks, *extensions, *rendered))


def _default_of(rendered: object) -> tuple[object, list[str]]:
    """Return a variable's default and its choices; the first of them is the default."""
    if not isinstance(rendered, list):
        return rendered, []
    choices = [str(choice) for choice in cast("list[object]", rendered)]
    return (choices or [""])[0], choices


def _reason(exc: Exception) -> str:
    line = getattr(exc, "lineno", None)  # of a TemplateSyntaxError, which has its file too
    return str(exc).partition("\n")[0] + (f" ({getattr(exc, 'name', None)}, line {line})" if line else "")


def _clone(url: str, place: Path) -> None:
    git = shutil.which("git")
    if git is None:
        raise BadTemplate(template=url, reason="git is missing: install it, or give a folder")
    # Nothing is asked: neither by git nor by ssh.
    env = {
        **os.environ,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_SSH_COMMAND": os.environ.get("GIT_SSH_COMMAND", "ssh -oBatchMode=yes"),
    }
    command = [git, "clone", "--quiet", "--depth=1", "--", url, str(place)]
    try:
        done = subprocess.run(  # noqa: S603 - git itself
            command,
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=_CLONE_S,
            env=env,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise BadTemplate(template=url, reason=f"git could not clone it: {exc}") from exc
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise BadTemplate(template=url, reason=f"git could not clone it: {lines[-1]}")
