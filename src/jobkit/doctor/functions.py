"""The app's functions, as Microsoft's worker finds them in a process of its own: it imports, and the names differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from jobkit.runtime.checks.finding import Broken, Finding, Findings, Group
from jobkit.runtime.checks.functions import REGISTER, judge_functions, rest_not_checked
from jobkit.runtime.checks.indexed import FUNCTION_APP

from .subject import Subject

_TELL: Final = Findings(Group.APP)


def check_functions(subject: Subject) -> Iterator[Finding]:
    """Index the app in a process of its own; one that fails there has no functions at all in Azure."""
    if not (subject.folder / FUNCTION_APP).is_file():
        fix = f"write one (jobkit new-app makes an app to look at) with: {REGISTER}"
        yield _TELL.error("functions", f"there is no {FUNCTION_APP}: the app has no functions", fix)
        yield from rest_not_checked(f"{FUNCTION_APP} is missing")
        return
    found = subject.functions
    if isinstance(found, Broken):
        fix = f"see what it does: python -c 'import function_app' in {subject.folder}"
        yield _TELL.error("functions", f"{FUNCTION_APP} can't be imported: {found.reason}", fix)
        yield from rest_not_checked(f"{FUNCTION_APP} can't be imported")
    elif found["failed"]:
        yield _failed(found)
        yield from rest_not_checked("the functions can't be indexed")
    else:
        yield from judge_functions(found["functions"], hub=subject.hub)


def _failed(found: dict[str, Any]) -> Finding:
    if found["failed"] == "apps":
        if not found["apps"]:
            evidence = f"{FUNCTION_APP} has no FunctionApp: the worker finds no functions"
            return _TELL.error("functions", evidence, f"add: app = func.FunctionApp(), and {REGISTER}")
        evidence = (
            f"{FUNCTION_APP} has {len(found['apps'])} FunctionApps ({', '.join(found['apps'])}): the worker wants one"
        )
        return _TELL.error("functions", evidence, "keep one, and make the others func.Blueprint that it registers")
    where = f" ({found['where']})" if found["where"] else ""
    if found["failed"] == "import":
        fix = f"correct {found['where'] or FUNCTION_APP}: in Azure an app that does not import has no functions at all"
    elif "unique" in found["error"]:
        fix = "rename one of the two; in Azure an app with a doubled name has no functions at all"
    else:
        fix = f"correct the function in {FUNCTION_APP}"
    return _TELL.error("functions", f"{found['error']}{where}", fix)
