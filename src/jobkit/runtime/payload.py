"""JSON in and out: what tasks, fan-outs and `aggregate` give, as compact JSON text that comes back as it was."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, cast, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from .errors import NotJson, PayloadTooLarge, RowDamaged

MAX_PAYLOAD_BYTES = 256 * 1024  # parameters or result of a task; both fit into one entity of 1 MiB
MAX_PROBLEMS = 20  # that one message lists
MAX_RESULT_BYTES = 8 * 1024 * 1024  # of a job's result

_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def to_json(value: Any) -> str:
    """Write plain JSON data compactly (NaN and infinities are refused by ValueError)."""
    return _ENCODER.encode(value)


def check_size(text: str, *, what: str, limit_bytes: int = MAX_PAYLOAD_BYTES) -> str:
    """Return the text, or raise PayloadTooLarge when its UTF-8 form takes more than the limit."""
    size = len(text) if text.isascii() else len(text.encode())
    if size > limit_bytes:
        raise PayloadTooLarge(what=what, size_bytes=size, limit_bytes=limit_bytes)
    return text


class Codec:
    """Writes values of one annotated type as JSON and reads them back.

    A type that says nothing of its inside (`Any`, `dict[str, Any]`, no annotation) is written as plain JSON: models
    and dataclasses in it become objects and tuples lists. Every other type goes through pydantic and must come back
    equal.
    """

    def __init__(self, annotation: Any) -> None:
        """Take the annotation as `typing.get_type_hints` gives it."""
        self._annotation = annotation
        self.is_plain = _says_nothing(annotation)

    @cached_property
    def _adapter(self) -> TypeAdapter[Any]:
        return TypeAdapter(self._annotation)

    def encode(self, value: Any, *, what: str) -> str:
        """Write a value. Raises NotJson naming the place, with `what` for the whole."""
        if self.is_plain:
            return to_json(plain_json(value, what=what))
        try:
            text = self._adapter.dump_json(value, warnings="error", by_alias=False).decode()
        except (PydanticSerializationError, UnicodeEncodeError) as exc:
            raise NotJson(what=what, where=self.type_name, reason=f"was declared, and the value is not: {exc}") from exc
        try:
            same = bool(self.decode(text) == value)
        except ValueError as exc:
            why = "; ".join(describe_validation(exc)) if isinstance(exc, ValidationError) else str(exc)
            reason = f"does not come back from JSON as {self.type_name}: {why}"
            raise NotJson(what=what, where=type(value).__name__, reason=reason) from exc
        if not same:
            raise NotJson(
                what=what, where=type(value).__name__, reason=f"comes back from JSON changed (as {text[:200]})"
            )
        return text

    def decode(self, text: str) -> Any:
        """Read what `encode` wrote, or users by aliases. Raises ValueError (of pydantic) when the type has changed since."""
        return json.loads(text) if self.is_plain else self._adapter.validate_json(text, by_alias=True, by_name=True)

    @property
    def type_name(self) -> str:
        """The annotation as a message names it."""
        if get_origin(self._annotation) is not None:
            return str(self._annotation)
        return getattr(self._annotation, "__name__", str(self._annotation))


def plain_json(value: Any, *, what: str, where: str = "it") -> Any:
    """Return the value as JSON data. Raises NotJson that names the first place that can't be."""
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, str):
        if not _is_unicode(value):
            raise NotJson(what=what, where=where, reason="is text with a lone surrogate")
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise NotJson(what=what, where=where, reason=f"is {value}")
        return float(value)
    if isinstance(value, BaseModel):
        return plain_json(value.model_dump(mode="json"), what=what, where=where)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain_json(dataclasses.asdict(value), what=what, where=where)
    if isinstance(value, (list, tuple)):
        items = cast("Sequence[Any]", value)
        return [plain_json(item, what=what, where=f"{where}[{n}]") for n, item in enumerate(items)]
    if isinstance(value, dict):
        fields = cast("Mapping[object, Any]", value)
        for name in fields:
            if not isinstance(name, str):
                raise NotJson(what=what, where=where, reason=f"has the key {name!r}, which is no text")
        return {
            plain_json(name, what=what, where=f"a key of {where}"): plain_json(item, what=what, where=f"{where}.{name}")
            for name, item in fields.items()
        }
    raise NotJson(what=what, where=where, reason=f"is of type {type(value).__name__}")


def describe_validation(error: ValidationError, prefix: str = "") -> list[str]:
    """Write one line for each field that pydantic found wrong: its name, what is wrong, what was given."""
    lines: list[str] = []
    errors = error.errors(include_url=False)
    for item in errors[:MAX_PROBLEMS]:
        where = ".".join(str(part) for part in item["loc"]) or "the whole"
        given = "" if item["type"] in ("missing", "extra_forbidden") else f" (got {item['input']!r:.80})"
        lines.append(f"{prefix}{where}: {item['msg'][:1].lower()}{item['msg'][1:]}{given}")
    if len(errors) > MAX_PROBLEMS:
        lines.append(f"and {len(errors) - MAX_PROBLEMS:,} more")
    return lines


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _says_nothing(annotation: Any) -> bool:
    if annotation in (Any, object, dict, list, None, type(None)):
        return True
    if get_origin(annotation) in (dict, list):
        return all(part in (Any, object, str) for part in get_args(annotation)) and get_args(annotation)[-1] is not str
    return False


def stored_json(text: str, *, job_id: str, name: str) -> Any:
    """Read JSON that a job's row holds. Raises RowDamaged when somebody has changed it into something else."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise RowDamaged(partition=job_id, row="job", reason=f"its {name} is no JSON") from exc
