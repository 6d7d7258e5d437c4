"""The app's functions: jobkit's are among them, and no route or queue is another's or reserved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from jobkit.runtime.messages import POISON_SUFFIX
from jobkit.runtime.processing import QUEUES

from .finding import Finding, Findings, Group

#: The functions without which no job moves, and no poison message is seen.
NEEDED: Final = ("process_job", "process_task", "process_job_poison", "process_task_poison", "submit_job")
#: The host refuses a function whose route begins so, whatever the route prefix is.
RESERVED: Final = ("admin", "runtime")
#: A queue with a longer name has no room for `-poison` in the 63 characters of a queue's name.
MOST_QUEUE_CHARS: Final = 63 - len(POISON_SUFFIX)
#: What function_app.py needs.
REGISTER: Final = "app.register_functions(blueprint())"
_TELL: Final = Findings(Group.APP)
_CHECKED_WITH: Final = ("routes", "queues")


def judge_functions(functions: list[dict[str, Any]], *, hub: str | None) -> Iterator[Finding]:
    """Judge functions by their names and bindings. Without a hub jobkit listens to no queue, which the settings tell."""
    names = {function["name"] for function in functions}
    missing = [name for name in NEEDED if name not in names and (hub or name == "submit_job")]
    if missing:
        yield _TELL.error("functions", f"jobkit's are not registered: {', '.join(missing)}", f"add: {REGISTER}")
    else:
        yield _TELL.ok("functions", f"{len(functions)} with their own names, jobkit's among them")
    yield from _routes(functions)
    yield from _queues(functions, hub)


def rest_not_checked(why: str) -> Iterator[Finding]:
    """Tell what can't be checked where the functions are not known."""
    for name in _CHECKED_WITH:
        yield _TELL.not_checked(name, why, "mend the functions first")


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
