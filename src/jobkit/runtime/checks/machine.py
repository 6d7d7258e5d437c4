"""The machine: Python, and the packages that are needed."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Final

from .finding import Finding, Findings, Group

#: What jobkit is tested with, and Azure Functions runs.
OLDEST: Final = (3, 11)
NEWEST: Final = (3, 13)
_AT_LEAST: Final = re.compile(r"([A-Za-z0-9._-]+)\s*>=\s*([0-9][0-9.]*)")
_TELL: Final = Findings(Group.MACHINE)


def check_python(fix: str) -> Iterator[Finding]:
    """Tell whether jobkit and Azure Functions know this Python; `fix` is how another one is had."""
    yield judge_python(sys.version_info[:2], platform.python_version(), fix)


def judge_python(version: tuple[int, int], text: str, fix: str) -> Finding:
    """Judge a version of Python."""
    known = f"{OLDEST[0]}.{OLDEST[1]} to {NEWEST[0]}.{NEWEST[1]}"
    if OLDEST <= version <= NEWEST:
        return _TELL.ok("Python", text)
    if version > NEWEST:
        return _TELL.warning("Python", f"{text}; jobkit is tested with {known}, which Azure Functions runs", fix)
    return _TELL.error("Python", f"{text}; jobkit needs {known}", fix)


def judge_dependencies(wanted: Sequence[str], fix: str) -> Iterator[Finding]:
    """Judge what is installed by lines of requirements; `fix` is how one is had, with `{line}` where it belongs."""
    sound = True
    for line in wanted:
        match = _AT_LEAST.fullmatch(line)
        if match is None:
            sound = False
            yield _TELL.not_checked("dependencies", f"{line}: not of the form NAME>=VERSION", "see: pip check")
            continue
        name, least = match.groups()
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            sound = False
            yield _TELL.error("dependencies", f"{name} is not installed", fix.format(line=line))
            continue
        if _numbers(version) < _numbers(least):
            sound = False
            evidence = f"{name} {version} is installed, jobkit needs {least} or newer"
            yield _TELL.error("dependencies", evidence, fix.format(line=line))
    if sound:
        yield _TELL.ok("dependencies", f"all {len(wanted)} are there, none is too old")


def _numbers(version: str) -> tuple[int, ...]:
    """Return the release of a version, so that a newer one is greater."""
    release = re.match(r"[0-9.]*", version)
    numbers = [int(part) for part in (release.group() if release else "").split(".") if part]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
