"""Decides whether an entity's properties meet the conditions of a query."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jobkit.runtime.storage.ports import Condition, Value

_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}


def _kind(value: object) -> type:
    """Return what a value can be compared with: a bool is no number, an int and a float are."""
    return float if isinstance(value, int | float) and not isinstance(value, bool) else type(value)


def meets(properties: Mapping[str, Value], where: Sequence[Condition]) -> bool:
    """Tell whether all conditions hold. A missing property, or one of another type, meets none."""
    for name, op, value in where:
        stored = properties.get(name)
        if type(stored) is not type(value) and (stored is None or _kind(stored) is not _kind(value)):
            return False
        if not _COMPARE[op](stored, value):
            return False
    return True
