"""A controller's parameters as command-line options: each field one, with its type, default, help and check."""

from __future__ import annotations

import enum
import inspect
import json
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Union, cast, get_args, get_origin

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from jobkit.runtime.controller import BaseController
from jobkit.runtime.errors import InvalidParams

_SCALARS: Final = {int: "INTEGER", float: "FLOAT", str: "TEXT", Path: "PATH"}
_BOUNDS: Final = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<", "min_length": "length >=", "max_length": "length <="}
#: Names that `run` and `submit` have for themselves: such a field becomes `--param-NAME`.
RESERVED: Final = frozenset(
    {"again", "concurrency", "debug", "from", "help", "instances", "json", "params", "stage", "store", "timeout"}
)


class _Form(enum.Enum):
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
    form: _Form
    metavar: str
    default: str
    help: str

    def read(self, job_type: str, given: Any) -> Any:
        """Turn what the command line gave into a value for pydantic. Raises InvalidParams for broken JSON."""
        if self.form is not _Form.JSON:
            return given
        try:
            return json.loads(given)
        except ValueError as exc:
            raise InvalidParams(
                job_type=job_type,
                problems=[f"{self.key}: {self.flags[0]} takes JSON, and {given!r:.60} is none: {exc}"],
            ) from exc


def param_options(controller: type[BaseController[Any]]) -> list[ParamOption]:
    """Return the options of a controller's parameters (none for plain `dict` parameters)."""
    model = controller.params_type
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return []
    return [_option(name, info) for name, info in model.model_fields.items()]


def command_for(
    controller: type[BaseController[Any]],
    own: Sequence[inspect.Parameter],
    body: Callable[[dict[str, Any], dict[str, Any]], None],
) -> Callable[..., None]:
    """Make a function that typer can turn into a command: the parameters' options, then the command's own.

    `body` gets the parameters that were given and the values of the own options.
    """
    options = param_options(controller)
    names = {f"param_{number}": option for number, option in enumerate(options)}

    def command(**values: Any) -> None:
        given = {
            option.key: option.read(controller.job_type, values[name])
            for name, option in names.items()
            if values[name] is not None
        }
        body(given, {name: value for name, value in values.items() if name not in names})

    parameters = [_parameter(name, option) for name, option in names.items()]
    command.__doc__ = inspect.cleandoc(controller.__doc__ or controller.job_type)
    command.__signature__ = inspect.Signature([*parameters, *own])  # type: ignore[attr-defined] # typer reads it
    command.__annotations__ = {p.name: p.annotation for p in (*parameters, *own)}
    return command


def _parameter(name: str, option: ParamOption) -> inspect.Parameter:
    annotation: Any = {_Form.FLAG: bool | None, _Form.LIST: list[str] | None}.get(option.form, str | None)
    info = typer.Option(
        *option.flags,
        help=option.help,
        metavar=None if option.form is _Form.FLAG else option.metavar,
        show_default=option.default,
        rich_help_panel="Parameters",
    )
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[annotation, info])


def _option(name: str, info: FieldInfo) -> ParamOption:
    form, metavar = _form_of(info.annotation)
    base = f"param-{name}" if name in RESERVED else name
    flags = [f"--{base.replace('_', '-')}"]
    if "_" in base:
        flags.append(f"--{base}")
    if form is _Form.FLAG:
        flags = [f"{flag}/--no-{flag[2:]}" for flag in flags]
    alias = info.validation_alias if isinstance(info.validation_alias, str) else info.alias
    return ParamOption(
        key=alias or name,
        flags=tuple(flags),
        form=form,
        metavar=metavar,
        default=_default_of(info),
        help=" ".join([info.description or "", *(f"({bound})" for bound in _bounds_of(info))]).strip(),
    )


def _form_of(annotation: Any) -> tuple[_Form, str]:
    """Return how a type is given on the command line, and its word in the help."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _form_of(arguments[0])
    if origin in (Union, types.UnionType):
        rest = [part for part in arguments if part is not type(None)]
        return _form_of(rest[0]) if len(rest) == 1 else (_Form.SCALAR, "VALUE")
    if annotation is bool:
        return _Form.FLAG, ""
    if origin is Literal:
        return _Form.SCALAR, f"[{'|'.join(map(str, arguments))}]"
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return _Form.SCALAR, f"[{'|'.join(str(member.value) for member in annotation)}]"
    if annotation in _SCALARS:
        return _Form.SCALAR, _SCALARS[annotation]
    if origin in (list, tuple, set, frozenset) and arguments:
        inner, word = _form_of(arguments[0])
        same = len(arguments) == 1 or arguments[1:] == (...,)
        return (_Form.LIST, word) if inner is _Form.SCALAR and same else (_Form.JSON, "JSON")
    if origin is not None or annotation in (dict, list, Any) or _is_model(annotation):
        return _Form.JSON, "JSON"
    return _Form.SCALAR, str(getattr(cast("object", annotation), "__name__", "value")).upper()


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _default_of(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    if info.default_factory is not None or info.default is PydanticUndefined:
        return "computed"
    default = info.default.value if isinstance(info.default, enum.Enum) else info.default
    return f"{'none' if default is None else default}"


def _bounds_of(info: FieldInfo) -> list[str]:
    found: list[str] = []
    for item in info.metadata:
        for name, sign in _BOUNDS.items():
            bound = getattr(item, name, None)
            if bound is not None:
                found.append(f"{sign} {bound}")
    return found
