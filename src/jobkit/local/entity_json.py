"""Turns the properties of an entity into JSON text and back, keeping every type exactly."""

from __future__ import annotations

import base64
import contextlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import pydantic_core

from jobkit.runtime.storage.ports import Value

# What JSON has no word for is an array in the text: SQLite's json_patch replaces arrays, and would merge objects.
_BYTES: Final = "bytes"
_FLOAT: Final = "float"
_PLAIN: Final = frozenset({str, int, bool})  # what pydantic's encoder, four times as fast, writes as the other does


def _tagged(value: object) -> list[str]:
    if isinstance(value, bytes):
        return [_BYTES, base64.b64encode(value).decode("ascii")]
    raise TypeError(f"a property can't be of type {type(value).__name__}")


_encode = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":"), default=_tagged
).encode


def to_json(properties: Mapping[str, Value]) -> str:
    """Encode properties."""
    if _PLAIN.issuperset(map(type, properties.values())):
        with contextlib.suppress(ValueError):  # a lone surrogate, which SQLite refuses by name
            return pydantic_core.to_json(dict(properties)).decode()
    try:
        return _encode(dict(properties))
    except ValueError:
        finite = {
            name: [_FLOAT, repr(value)] if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in properties.items()
        }
        return _encode(finite)


def from_json(text: str, select: Sequence[str] | None = None) -> dict[str, Value]:
    """Decode what `to_json` made, or only the properties named by `select`."""
    stored: dict[str, Any] = pydantic_core.from_json(text)
    if select is not None:
        stored = {name: stored[name] for name in select if name in stored}
    for name, value in stored.items():
        if type(value) is list:
            stored[name] = _untagged(*cast("tuple[str, str]", value))
    return stored


def _untagged(kind: str, content: str) -> Value:
    return base64.b64decode(content) if kind == _BYTES else float(content)
