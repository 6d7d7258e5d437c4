"""The app's functions, as Microsoft's worker finds them: it imports, the names differ, no route or queue is another's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from jobkit.runtime.messages import POISON_SUFFIX
from jobkit.runtime.processing import QUEUES

from .finding import Finding, Findings, Group
from .subject import FUNCTION_APP, Broken, Subject

#: The functions without which no job moves, and no poison message is seen.
NEEDED: Final = ("process_job", "process_task", "process_job_poison", "process_task_poison", "submit_job")
#: The host refuses a function whose route begins so, whatever the route prefix is.
RESERVED: Final = ("admin", "runtime")
#: A queue with a longer name has no room for `-poison` in the 63 characters of a queue's name.
MOST_QUEUE_CHARS: Final = 63 - len(POISON_SUFFIX)
_TELL: Final = Findings(Group.APP)
_REGISTER: Final = "app.register_functions(blueprint())"
_CHECKED_WITH: Final = ("routes", "queues")


def check_functions(subject: Subject) -> Iterator[Finding]:
    """Index the app in a process of its own; one that fails there has no functions at all in Azure."""
    if not (subject.folder / FUNCTION_APP).is_file():
        fix = f"write one (jobkit new-app makes an app to look at) with: {_REGISTER}"
        yield _TELL.error("functions", f"there is no {FUNCTION_APP}: the app has no functions", fix)
        yield from _rest_not_checked(f"{FUNCTION_APP} is missing")
        return
    found = subject.functions
    if isinstance(found, Broken):
        fix = f"see what it does: python -c 'import function_app' in {subject.folder}"
        yield _TELL.error("functions", f"{FUNCTION_APP} can't be imported: {found.reason}", fix)
        yield from _rest_not_checked(f"{FUNCTION_APP} can't be imported")
    elif found["failed"]:
        yield _failed(found)
        yield from _rest_not_checked("the functions can't be indexed")
    else:
        yield from judge_functions(found["functions"], hub=subject.hub)


def judge_functions(functions: list[dict[str, Any]], *, hub: str | None) -> Iterator[Finding]:
    """Judge functions by their names and bindings. Without a hub jobkit listens to no queue, which the settings tell."""
    names = {function["name"] for function in functions}
    missing = [name for name in NEEDED if name not in names and (hub or name == "submit_job")]
    if missing:
        yield _TELL.error("functions", f"jobkit's are not registered: {', '.join(missing)}", f"add: {_REGISTER}")
    else:
        yield _TELL.ok("functions", f"{len(functions)} with their own names, jobkit's among them")
    yield from _routes(functions)
    yield from _queues(functions, hub)


def _failed(found: dict[str, Any]) -> Finding:
    if found["failed"] == "apps":
        if not found["apps"]:
            evidence = f"{FUNCTION_APP} has no FunctionApp: the worker finds no functions"
            return _TELL.error("functions", evidence, f"add: app = func.FunctionApp(), and {_REGISTER}")
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


def _routes(functions: list[dict[str, Any]]) -> Iterator[Finding]:
    broken = False
    seen: Counter[tuple[str, str]] = Counter()
    for function in functions:
        trigger = _trigger(function, "httpTrigger")
        if trigger is None:
            continue
        route = str(trigger.get("route") or function["name"]).strip("/").lower()
        if route.startswith(RESERVED):
            broken = True
            evidence = f"{function['name']}: the route {route!r} is the host's own ({', '.join(RESERVED)})"
            yield _TELL.error(
                "routes", evidence, "give it a route that begins otherwise: the host refuses the function"
            )
        for method in trigger.get("methods") or ["any"]:
            seen[str(getattr(method, "value", method)).upper(), route] += 1
    for (method, route), count in seen.items():
        if count > 1:
            broken = True
            yield _TELL.error("routes", f"{count} functions have {method} {route!r}", "give one of them another route")
    if not broken:
        yield _TELL.ok("routes", f"{len(seen)}, none of them twice or reserved")


def _queues(functions: list[dict[str, Any]], hub: str | None) -> Iterator[Finding]:
    own = {f"{hub}-{queue}" for queue in QUEUES}
    listened: list[str] = []
    broken = False
    for function in functions:
        trigger = _trigger(function, "queueTrigger")
        if trigger is None:
            continue
        name, queue = function["name"], str(trigger.get("queueName", ""))
        if queue in listened:
            broken = True
            evidence = f"two functions listen to {queue}: each gets some of its messages"
            yield _TELL.error("queues", evidence, "give one of them a queue of its own")
        listened.append(queue)
        if queue not in own and len(queue) > MOST_QUEUE_CHARS:
            broken = True
            evidence = f"{name}: {queue} is longer than {MOST_QUEUE_CHARS} characters, so it has no poison queue"
            yield _TELL.warning("queues", evidence, "give the queue a shorter name, or its failing messages never rest")
        if function["retries"]:
            broken = True
            evidence = f"{name} has a retry policy, and its queue's maxDequeueCount beside it: tries multiply"
            yield _TELL.warning("queues", evidence, "take @app.retry away; a stage's max_attempts says how often")
    if not broken:
        yield _TELL.ok("queues", f"{len(listened)} listened to, each by one function")


def _trigger(function: dict[str, Any], kind: str) -> dict[str, Any] | None:
    return next((binding for binding in function["bindings"] if binding.get("type") == kind), None)


def _rest_not_checked(why: str) -> Iterator[Finding]:
    for name in _CHECKED_WITH:
        yield _TELL.not_checked(name, why, "mend the functions first")
