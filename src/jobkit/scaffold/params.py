"""`--param "tile_px:int=512,ge=1"`: a parameter that is to be generated, with type, default and bounds."""

from __future__ import annotations

import datetime as dt
import keyword
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, cast

from pydantic import Field, PydanticUserError, TypeAdapter, ValidationError, create_model
from pydantic_core import to_jsonable_python

from jobkit.runtime.controller import Params
from jobkit.runtime.errors import NotHashable, WrongUsage, did_you_mean
from jobkit.runtime.identity import canonical_identity

from .literals import LONGEST_NAME

_ORDER: Final = ("ge", "gt", "le", "lt")
_LENGTH: Final = ("min_length", "max_length")
#: A type's word, what it is, and how the generated code writes it.
_SCALARS: Final[Mapping[str, tuple[Any, str]]] = {
    "str": (str, "str"),
    "int": (int, "int"),
    "float": (float, "float"),
    "bool": (bool, "bool"),
    "date": (dt.date, "dt.date"),
    "Path": (Path, "Path"),
}
_LISTS: Final[Mapping[str, tuple[Any, str]]] = {
    "list[str]": (list[str], "list[str]"),
    "list[int]": (list[int], "list[int]"),
    "list[float]": (list[float], "list[float]"),
    "list[date]": (list[dt.date], "list[dt.date]"),
    "list[Path]": (list[Path], "list[Path]"),
}
_TYPES: Final = {**_SCALARS, **_LISTS}
#: In the model's body they would stand for the field instead of the type.
_TYPE_NAMES: Final = ("bool", "dt", "float", "int", "list", "str")
_LONGEST_LIST: Final = 50  # as source; a longer one would have to be folded
_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")
_BOUND: Final = re.compile(rf",\s*({'|'.join((*_ORDER, *_LENGTH))})\s*=([^,]*)$")
_FORM: Final = re.compile(r"(?P<name>[^:=,]*):(?P<type>[^=,]*)(?P<rest>(?:=.*)?)", re.DOTALL)


class InvalidParam(WrongUsage):
    """Raised when a parameter can't be generated."""

    def __init__(self, *, param: str, reason: str) -> None:
        """Name the parameter as it was given, and what is wrong."""
        self.param, self.reason = param, reason
        super().__init__(f"--param {param!r}: {reason}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ParamSpec:
    """A parameter as it was asked for: `type` as its source, `sample` a value that fits."""

    name: str
    type: str
    is_required: bool
    #: None for one that must be given.
    default: Any
    bounds: Mapping[str, Any]
    sample: Any

    @property
    def samples(self) -> list[object]:
        """The sample, one by one if it is a list."""
        sample: object = self.sample
        return cast("list[object]", sample) if isinstance(sample, list) else [sample]

    @property
    def value(self) -> Any:
        """What a job has for it, unless told otherwise."""
        return self.sample if self.is_required else self.default


def parse_params(texts: Sequence[str]) -> tuple[ParamSpec, ...]:
    """Read parameters, `NAME:TYPE[=DEFAULT][,BOUND=VALUE]...`, in their order. Raises InvalidParam."""
    params: list[ParamSpec] = []
    for text in texts:
        param = _parse(text)
        if any(other.name == param.name for other in params):
            raise InvalidParam(param=text, reason=f"there are two parameters {param.name!r}")
        params.append(param)
    return tuple(params)


def _parse(text: str) -> ParamSpec:
    rest, given = text, dict[str, str]()
    while found := _BOUND.search(rest):
        if found[1] in given:
            raise InvalidParam(param=text, reason=f"the bound {found[1]} is given twice")
        given = {found[1]: found[2].strip(), **given}
        rest = rest[: found.start()]
    form = _FORM.fullmatch(rest)
    if form is None:
        raise InvalidParam(
            param=text,
            reason="give NAME:TYPE[=DEFAULT][,BOUND=VALUE], such as source:str or tile_px:int=512,ge=1; "
            f"bounds are {', '.join((*_ORDER, *_LENGTH))}",
        )
    name = form["name"].strip().replace("-", "_")
    _check_name(name, text)
    kind, source = _type_of(form["type"].strip(), text)
    bounds = _bounds(given, kind, text)
    is_required = not form["rest"]
    default = None if is_required else _default(form["rest"][1:], kind, text)
    annotation: Any = Annotated[kind, Field(**bounds)]
    adapter: TypeAdapter[Any] = TypeAdapter(annotation)
    if not is_required:
        try:
            adapter.validate_python(default)
        except ValidationError as exc:
            raise InvalidParam(param=text, reason=f"the default: {exc.errors()[0]['msg']}") from exc
    return ParamSpec(
        name=name,
        type=source,
        is_required=is_required,
        default=default,
        bounds=bounds,
        sample=_sample(kind, bounds, adapter, text),
    )


def _type_of(word: str, text: str) -> tuple[Any, str]:
    if word in _TYPES:
        return _TYPES[word]
    raise InvalidParam(
        param=text,
        reason=f"there is no type {word!r} here, only {', '.join(_SCALARS)} and lists such as list[str]."
        f"{did_you_mean(word, _TYPES)} Any other type can be written into the controller.",
    )


def _bounds(given: Mapping[str, str], kind: Any, text: str) -> dict[str, Any]:
    takes = _ORDER if kind in (int, float, dt.date) else () if kind in (bool, Path) else _LENGTH
    found: dict[str, Any] = {}
    for name, value in given.items():
        if name not in takes:
            only = f"only {', '.join(takes)}" if takes else "nor any other"
            raise InvalidParam(param=text, reason=f"the type has no bound {name}, {only}")
        found[name] = _read(value, int if name in _LENGTH else kind, f"the bound {name}", text)
    return found


def _default(given: str, kind: Any, text: str) -> Any:
    if _is_list(kind) and len(given) > _LONGEST_LIST:
        raise InvalidParam(param=text, reason="the list is too long for here: write it into the controller")
    return _read(given, kind, "the default", text)


def _read(given: str, kind: Any, what: str, text: str) -> Any:
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    try:
        value = adapter.validate_json(given) if _is_list(kind) else adapter.validate_python(given)
    except ValidationError as exc:
        form = "a JSON array of these" if _is_list(kind) else f"of type {getattr(kind, '__name__', kind)}"
        raise InvalidParam(param=text, reason=f"{what} {given!r} is not {form}") from exc
    try:
        canonical_identity(job_type="", version=1, params=to_jsonable_python(value), stages=None, source=None, run=1)
    except NotHashable as exc:
        raise InvalidParam(param=text, reason=f"{what} can't be part of a job's id: {exc.reason}") from exc
    return value


def _is_list(kind: Any) -> bool:
    return any(kind == each for each, _ in _LISTS.values())


def _check_name(name: str, text: str) -> None:
    """Refuse what is no field of a model."""
    if not _NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        reason = f"a name is a letter, then letters, digits and underscores, lower case, {LONGEST_NAME} at most"
        raise InvalidParam(param=text, reason=reason)
    if name in _TYPE_NAMES:
        taken = "is the name of a type"
    elif keyword.iskeyword(name):
        taken = "is a keyword of Python"
    elif not _is_free(name):
        taken = "is a name that pydantic has for itself"
    else:
        return
    instead = f"give {name}_, its option is the same" if _is_free(f"{name}_") else "choose another"
    raise InvalidParam(param=text, reason=f"{name!r} {taken}; {instead}")


def _is_free(name: str) -> bool:
    """Whether pydantic takes it as a field without a word."""
    fields: dict[str, Any] = {name: (int, ...)}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            create_model("Params", __base__=Params, **fields)
    except (UserWarning, NameError, ValueError, PydanticUserError):
        return False
    return True


def _sample(kind: Any, bounds: Mapping[str, Any], adapter: TypeAdapter[Any], text: str) -> Any:
    """Find a value within the bounds."""
    for candidate in _candidates(kind, bounds):
        try:
            return adapter.validate_python(candidate, strict=True)
        except ValidationError:
            continue
    raise InvalidParam(param=text, reason="no value is found that keeps to its bounds")


def _candidates(kind: Any, bounds: Mapping[str, Any]) -> list[Any]:
    if kind is bool:
        return [True]
    if kind is Path:
        return [Path("data")]
    least = int(bounds.get("min_length", 0))
    if kind is str:
        return ["text", "x" * least]
    if _is_list(kind):
        (inner,) = kind.__args__
        return [[_candidates(inner, {})[0]] * max(1, least), []]
    step: Any = dt.timedelta(days=1) if kind is dt.date else 1
    found: list[Any] = [dt.date(2026, 1, 31) if kind is dt.date else 1.0 if kind is float else 1]
    try:
        found += [bounds[name] for name in ("ge", "le") if name in bounds]
        found += [bounds["gt"] + step] if "gt" in bounds else []
        found += [bounds["lt"] - step] if "lt" in bounds else []
    except OverflowError:  # a date at the end of the calendar
        return found
    low, high = (bounds.get(one, bounds.get(other)) for one, other in (("ge", "gt"), ("le", "lt")))
    return [*found, (low + high) / 2] if kind is float and None not in (low, high) else found
