"""A controller as the command line shows it: its summary, an example, its parameters as options.

Each field of the parameters is an option, with its type, default, help and check. Nothing here needs typer, which takes
longer to import than completing a word may.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import types
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Union, cast, get_args, get_origin, is_typeddict

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined, to_jsonable_python

from jobkit.runtime.controller import BaseController
from jobkit.runtime.errors import InvalidParams

from .joboptions import OWN_OPTIONS, RUN_OPTIONS

_SCALARS: Final = {int: "INTEGER", float: "FLOAT", str: "TEXT", Path: "PATH"}
_BOUNDS: Final = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<", "min_length": "length >=", "max_length": "length <="}
#: The options that the commands have for themselves: such a field becomes `--param-NAME`.
RESERVED: Final = frozenset({"--debug", "--help", *(option.flag for option in (*OWN_OPTIONS, *RUN_OPTIONS))})


class Form(enum.Enum):
    """How an option is given."""

    #: One text, which pydantic reads.
    SCALAR = "scalar"
    #: A flag with its negation.
    FLAG = "flag"
    #: The option may be repeated.
    LIST = "list"
    #: One text that is JSON.
    JSON = "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParamOption:
    """One field as an option."""

    key: str
    flags: tuple[str, ...]
    form: Form
    metavar: str
    #: The default as text; None for a field that must be given.
    default: str | None
    help: str
    #: What the texts of an enum or a Literal stand for: pydantic does not take "2" for 2 there.
    choices: Mapping[str, Any]

    @property
    def help_line(self) -> str:
        """Return the help with the default."""
        default = "[required]" if self.default is None else f"[default: {self.default}]"
        return f"{self.help} {default}".strip()

    def read(self, job_type: str, given: Any) -> Any:
        """Turn what the command line gave into a value for pydantic. Raises InvalidParams for broken JSON."""
        if self.form is Form.LIST:
            return [self.choices.get(text, text) for text in given]
        if self.form is not Form.JSON:
            return self.choices.get(given, given)
        try:
            return json.loads(given)
        except (ValueError, RecursionError) as exc:
            raise InvalidParams(
                job_type=job_type,
                problems=[f"{self.key}: {self.flags[0]} takes JSON, and {given!r:.60} is none: {exc}"],
            ) from exc


def param_options(controller: type[BaseController[Any]]) -> list[ParamOption]:
    """Return the options of a controller's parameters (none for plain `dict` parameters)."""
    model = controller.params_type
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return []
    taken = set(RESERVED)
    options: list[ParamOption] = []
    for name, info in model.model_fields.items():
        options.append(_option(name, info, taken))
        taken.update(flag for flags in options[-1].flags for flag in flags.split("/"))
    return options


def example_of(command: str, controller: type[BaseController[Any]]) -> str:
    """Return a command line of a job: with the parameters that must be given, else with the first that takes a text."""
    options = param_options(controller)
    shown = [option for option in options if option.default is None]
    if not shown:
        shown = [option for option in options if option.form is Form.SCALAR and option.default not in ("none", '""')][
            :1
        ]
    words = [f"{option.flags[0]} {option.default or option.metavar}" for option in shown]
    return " ".join(["jobkit", command, controller.job_type, *words])


def summary_of(controller: type[BaseController[Any]]) -> str:
    """Return the first line of a controller's docstring."""
    return (controller.__doc__ or "").strip().partition("\n")[0]


def _option(name: str, info: FieldInfo, taken: set[str]) -> ParamOption:
    form, metavar = _form_of(info.annotation)
    base = name.strip("_") or name  # `class_`, `json_`: named so only because Python or pydantic needs the plain name
    while not taken.isdisjoint(flag for flags in _flags_of(base, form) for flag in flags.split("/")):
        base = f"param-{base}"
    bounds = ", ".join(_bounds_of(info))
    return ParamOption(
        key=name,
        flags=_flags_of(base, form),
        form=form,
        metavar=metavar,
        default=_default_of(info),
        help=" ".join(part for part in (info.description, f"({bounds})" if bounds else None) if part),
        choices={str(value): value for value in sorted(_choices_of(info.annotation), key=_is_text)},
    )


def _flags_of(base: str, form: Form) -> tuple[str, ...]:
    flags = dict.fromkeys((f"--{base.replace('_', '-')}", f"--{base}"))
    return tuple(f"{flag}/--no-{flag[2:]}" if form is Form.FLAG else flag for flag in flags)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _choices_of(annotation: Any) -> list[Any]:
    """Return the values of an enum or a Literal, which may be within a list or optional; of any other type nothing."""
    if get_origin(annotation) is Literal:
        return list(get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return [member.value for member in annotation]
    arguments = [part for part in get_args(annotation) if part not in (type(None), ...)]
    return _choices_of(arguments[0]) if len(arguments) == 1 or get_origin(annotation) is Annotated else []


def _form_of(annotation: Any) -> tuple[Form, str]:
    """Return how a type is given on the command line, and its word in the help."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _form_of(arguments[0])
    if origin in (Union, types.UnionType):
        rest = [part for part in arguments if part is not type(None)]
        return _form_of(rest[0]) if len(rest) == 1 else (Form.SCALAR, "VALUE")
    if annotation is bool:
        return Form.FLAG, ""
    if origin is Literal:
        return Form.SCALAR, f"[{'|'.join(map(str, arguments))}]"
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return Form.SCALAR, f"[{'|'.join(str(member.value) for member in annotation)}]"
    if annotation in _SCALARS:
        return Form.SCALAR, _SCALARS[annotation]
    if origin in (list, tuple, set, frozenset) and arguments:
        inner, word = _form_of(arguments[0])
        same = len(arguments) == 1 or arguments[1:] == (...,)
        return (Form.LIST, f"{word}...") if inner is Form.SCALAR and same else (Form.JSON, "JSON")
    if origin is not None or annotation in (dict, list, Any) or _is_structure(annotation):
        return Form.JSON, "JSON"
    return Form.SCALAR, str(getattr(cast("object", annotation), "__name__", "value")).upper()


def _is_structure(annotation: Any) -> bool:
    if not isinstance(annotation, type):
        return False
    found = cast("type[object]", annotation)
    return issubclass(found, BaseModel) or dataclasses.is_dataclass(found) or is_typeddict(found)


def _default_of(info: FieldInfo) -> str | None:
    """Write a default as it can be given; None when there is none."""
    if info.is_required():
        return None
    if info.default_factory is not None or info.default is PydanticUndefined:
        return "computed"
    default = to_jsonable_python(info.default, fallback=str)
    if default is None:
        return "none"
    return default if isinstance(default, str) and default else json.dumps(default, ensure_ascii=False)


def _bounds_of(info: FieldInfo) -> list[str]:
    found: list[str] = []
    for item in info.metadata:
        for name, sign in _BOUNDS.items():
            bound = getattr(item, name, None)
            if bound is not None:
                found.append(f"{sign} {bound}")
    return found
