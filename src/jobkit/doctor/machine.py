"""The machine: Python and what jobkit needs."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import sys
from collections.abc import Iterator
from typing import Final

from .finding import Finding, Findings, Group
from .subject import Subject

#: What jobkit is tested with, and Azure Functions runs.
OLDEST: Final = (3, 11)
NEWEST: Final = (3, 13)
_AT_LEAST: Final = re.compile(r"([A-Za-z0-9._-]+)\s*>=\s*([0-9][0-9.]*)")
_TELL: Final = Findings(Group.MACHINE)


def check_python(_: Subject) -> Iterator[Finding]:
    """Tell whether jobkit and Azure Functions know this Python."""
    yield judge_python(sys.version_info[:2], platform.python_version())


def judge_python(version: tuple[int, int], text: str) -> Finding:
    """Judge a version of Python."""
    known = f"{OLDEST[0]}.{OLDEST[1]} to {NEWEST[0]}.{NEWEST[1]}"
    if OLDEST <= version <= NEWEST:
        return _TELL.ok("Python", text)
    fix = f"make a virtual environment with Python {NEWEST[0]}.{NEWEST[1]}"
    if version > NEWEST:
        return _TELL.warning("Python", f"{text}; jobkit is tested with {known}, which Azure Functions runs", fix)
    return _TELL.error("Python", f"{text}; jobkit needs {known}", fix)


def check_dependencies(_: Subject) -> Iterator[Finding]:
    """Tell whether what jobkit needs is installed, and new enough."""
    try:
        wanted = importlib.metadata.requires("jobkit") or []
    except importlib.metadata.PackageNotFoundError:
        fix = "install it: pip install PATH_OF_JOBKIT"
        yield _TELL.not_checked("dependencies", "jobkit runs from its source and is not installed", fix)
        return
    yield from judge_dependencies([line.partition(";")[0].strip() for line in wanted if "extra ==" not in line])


def judge_dependencies(wanted: list[str]) -> Iterator[Finding]:
    """Judge what is installed by lines of requirements."""
    sound = True
    for line in wanted:
        match = _AT_LEAST.fullmatch(line)
        if match is None:
            sound = False
            yield _TELL.not_checked("dependencies", f"{line}: not of the form NAME>=VERSION", "see: pip check")
            continue
        name, least = match.groups()
        fix = f'pip install "{line}"'
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            sound = False
            yield _TELL.error("dependencies", f"{name} is not installed", fix)
            continue
        if _numbers(version) < _numbers(least):
            sound = False
            yield _TELL.error("dependencies", f"{name} {version} is installed, jobkit needs {least} or newer", fix)
    if sound:
        yield _TELL.ok("dependencies", f"all {len(wanted)} are there, none is too old")


def _numbers(version: str) -> tuple[int, ...]:
    """Return the release of a version, so that a newer one is greater."""
    release = re.match(r"[0-9.]*", version)
    numbers = [int(part) for part in (release.group() if release else "").split(".") if part]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
