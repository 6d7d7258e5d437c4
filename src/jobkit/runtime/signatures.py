"""Whether users' functions can be called as jobkit calls them, told when the class is made and not in a job."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

#: The methods that a controller may have, as they are to be written and by which keywords they are called.
_METHODS = (("aggregate", "(self, job)", ()), ("on_complete", "(self, job, *, status)", ("status",)))


def call_problem(function: object, expected: str, positional: int, keywords: Sequence[str] = ()) -> str:
    """Return why a function can't be called with so many arguments and these keywords; empty when it can."""
    if not callable(function):
        return f"is {function!r}, must be a function {expected}"
    try:
        signature = inspect.signature(function)
    except ValueError:  # a built-in that does not tell
        return ""
    try:
        signature.bind(*[None] * positional, **dict.fromkeys(keywords))
    except TypeError:
        return f"must take {expected}, not {signature}"
    return ""


def method_problems(controller: type) -> Iterator[str]:
    """Yield what is wrong with the methods that a controller class has of its own, beside its stages."""
    for name, expected, keywords in _METHODS:
        function: Any = getattr(controller, name)
        is_bound = not inspect.isfunction(function) or isinstance(
            inspect.getattr_static(controller, name), staticmethod
        )
        if problem := call_problem(function, expected, 1 if is_bound else 2, keywords):
            yield f"{name} {problem}"
        elif inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            yield f"{name} must be a plain function, not async"
        elif inspect.isgeneratorfunction(function):
            yield f"{name} yields: it must be a plain function"
