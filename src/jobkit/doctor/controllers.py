"""The project's controllers, imported in a process of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from jobkit.runtime.checks.controllers import judge_controllers
from jobkit.runtime.checks.finding import Broken, Finding, Findings, Group
from jobkit.runtime.loader import Problem

from .subject import Subject

_TELL: Final = Findings(Group.APP)


def check_controllers(subject: Subject) -> Iterator[Finding]:
    """Import the controllers in a process of their own, and tell what could not be."""
    if subject.trouble:
        yield _TELL.error("project", subject.trouble, "correct it in pyproject.toml")
        yield _TELL.not_checked("controllers", "where they are is not known", "mend the project first")
        return
    found = subject.controllers
    if isinstance(found, Broken):
        fix = "see what importing them does: jobkit --debug controllers"
        yield _TELL.error("controllers", f"they can't be imported: {found.reason}", fix)
        return
    job_types = [controller["job_type"] for controller in found["controllers"]]
    yield from judge_controllers(job_types, [Problem(**problem) for problem in found["problems"]])
