"""What jobkit asks of a controller's definition. No methods of `BaseController`: those names are the user's."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from pydantic import BaseModel, TypeAdapter, ValidationError

from .controller import BaseController
from .errors import InvalidParams, InvalidSelection, did_you_mean
from .identity import NotInId
from .model import slug_of
from .payload import describe_validation
from .stage import Stage

J = TypeVar("J")

_ADAPTERS: WeakKeyDictionary[type, TypeAdapter[Any]] = WeakKeyDictionary()


def validate_params(controller: type[BaseController[J]], given: Any) -> J:
    """Read parameters, by names or aliases, and fill in defaults. Raises InvalidParams with a line for each wrong field."""
    return _validated(controller, given, by_alias=True)


def read_params(controller: type[BaseController[J]], params_json: str) -> J:
    """Read parameters that a job's row holds, by names alone. Raises InvalidParams when they fit the code no more."""
    return _validated(controller, json.loads(params_json), by_alias=False)


def _validated(controller: type[BaseController[J]], given: Any, *, by_alias: bool) -> J:
    try:
        valid: J = params_adapter(controller).validate_python(given, by_alias=by_alias, by_name=True)
    except ValidationError as exc:
        raise InvalidParams(job_type=controller.job_type, problems=describe_validation(exc)) from exc
    return valid


def params_adapter(controller: type[BaseController[Any]]) -> TypeAdapter[Any]:
    """Return the adapter of the parameters' type, made once for each class."""
    adapter = _ADAPTERS.get(controller)
    if adapter is None:
        _ADAPTERS[controller] = adapter = TypeAdapter(controller.params_type)
    return adapter


def fields_not_in_id(controller: type[BaseController[Any]]) -> set[str]:
    """Return the names of the parameters that are marked `NotInId`."""
    model = controller.params_type
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return set()
    return {name for name, info in model.model_fields.items() if NotInId in info.metadata}


def number_of(controller: type[BaseController[Any]], stage: Stage[Any, Any, Any]) -> int:
    """Return a stage's number, from 1. Raises ValueError when it is none of this controller."""
    for number, own in enumerate(controller.stages, 1):
        if own is stage:
            return number
    raise ValueError(f"{stage.name!r} is no stage of {controller.__name__}")


def select_stages(controller: type[BaseController[Any]], chosen: Sequence[str]) -> tuple[int, ...]:
    """Find stages by number, name or slug. Raises InvalidSelection unless they exist and follow one another."""
    numbers: list[int] = []
    for text in chosen:
        stages = enumerate(controller.stages, 1)
        found = [n for n, s in stages if text in (str(n), s.name, s.attribute) or slug_of(text) == s.slug]
        if not found:
            names = [s.name for s in controller.stages]
            listed = ", ".join(f"{n} {name!r}" for n, name in enumerate(names, 1))
            hint = did_you_mean(text, [*names, *(s.slug for s in controller.stages)])
            reason = f"there is no {text!r}.{hint} There are {listed}."
            raise InvalidSelection(job_type=controller.job_type, reason=reason)
        numbers.append(found[0])
    numbers = sorted(set(numbers))
    if numbers != list(range(numbers[0], numbers[-1] + 1)):
        raise InvalidSelection(job_type=controller.job_type, reason=f"{numbers} do not follow one another")
    return tuple(numbers)
