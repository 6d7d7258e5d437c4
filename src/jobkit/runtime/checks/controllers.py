"""The controllers: each imports, and no two have one job type."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from jobkit.runtime.loader import Problem

from .finding import Finding, Findings, Group

_TELL: Final = Findings(Group.APP)


def judge_controllers(job_types: Sequence[str], problems: Sequence[Problem]) -> Iterator[Finding]:
    """Tell what could not be loaded, one by one."""
    for problem in problems:
        yield _TELL.error("controllers", str(problem), _fix(problem))
    if not problems:
        yield _TELL.ok("controllers", f"{len(job_types)}, no job type twice: {', '.join(job_types)}")


def _fix(problem: Problem) -> str:
    reason = problem.reason
    if reason.startswith("ModuleNotFoundError: No module named"):
        module = reason.rpartition(" ")[2].strip("'")
        return f"install what has {module}, and add it to requirements.txt; or correct the import"
    if "have the job type" in reason:
        return "give one of the two another job_type; if one is a copy of the other, delete it"
    return f"correct {problem.where or problem.name}, then: jobkit controllers"
