"""Which earlier stages a stage reads the results of, as far as the code of its own functions shows it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from types import CodeType
from typing import Any

from .stage import Stage


def shows_reading(stage: Stage[Any, Any, Any], earlier: Stage[Any, Any, Any]) -> bool:
    """Whether a function of the stage asks for the results of an earlier one: `job.results(self.cut)`.

    What a function leaves to others is not seen.
    """
    names = {"results", earlier.attribute}
    functions = (stage.fan_out_function, stage.task_function, stage.options.skip_if)
    return any(names.issubset(code.co_names) for function in functions for code in _codes(function))


def _codes(function: Callable[..., Any] | None) -> Iterator[CodeType]:
    """Yield a function's code and that of the functions within it."""
    found = [getattr(inspect.unwrap(function), "__code__", None)] if function is not None else []
    while found:
        code = found.pop()
        if isinstance(code, CodeType):
            yield code
            found += code.co_consts
