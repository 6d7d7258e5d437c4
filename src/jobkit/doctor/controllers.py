"""The project's controllers: each imports, and no two have one job type."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from .finding import Finding, Findings, Group
from .subject import Broken, Subject

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
    for problem in found["problems"]:
        where = f" ({problem['where']})" if problem["where"] else ""
        yield _TELL.error("controllers", f"{problem['name']}: {problem['reason']}{where}", _fix(problem))
    if not found["problems"]:
        names = ", ".join(controller["job_type"] for controller in found["controllers"])
        yield _TELL.ok("controllers", f"{len(found['controllers'])}, no job type twice: {names}")


def _fix(problem: dict[str, Any]) -> str:
    reason = str(problem["reason"])
    if reason.startswith("ModuleNotFoundError: No module named"):
        module = reason.rpartition(" ")[2].strip("'")
        return f"install what has {module}, and add it to requirements.txt; or correct the import"
    if "have the job type" in reason:
        return "give one of the two another job_type; if one is a copy of the other, delete it"
    return f"correct {problem['where'] or problem['name']}, then: jobkit controllers"
