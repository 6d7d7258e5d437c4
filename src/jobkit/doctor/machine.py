"""This machine: its Python, and all that jobkit with its command line needs."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator

from jobkit.runtime.checks import machine
from jobkit.runtime.checks.finding import Finding, Findings, Group

from .subject import Subject


def check_python(_: Subject) -> Iterator[Finding]:
    """Tell whether jobkit and Azure Functions know this Python."""
    newest = ".".join(map(str, machine.NEWEST))
    yield from machine.check_python(f"make a virtual environment with Python {newest}")


def check_dependencies(_: Subject) -> Iterator[Finding]:
    """Tell whether what jobkit needs is installed, and new enough."""
    try:
        wanted = importlib.metadata.requires("jobkit") or []
    except importlib.metadata.PackageNotFoundError:
        fix = "install it: pip install PATH_OF_JOBKIT"
        evidence = "jobkit runs from its source and is not installed"
        yield Findings(Group.MACHINE).not_checked("dependencies", evidence, fix)
        return
    lines = [line.partition(";")[0].strip() for line in wanted if "extra ==" not in line]
    yield from machine.judge_dependencies(lines, 'pip install "{line}"')
