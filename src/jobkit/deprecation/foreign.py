"""Recognises other people's markers, so that none is doubled: comments, status lines, warnings, raises."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import libcst as cst
import libcst.matchers as m

from .places import Places
from .source import Source

_LABEL: Final = r"(?:note|warning|attention|important|caution|todo|fixme|status|state|lifecycle)"
#: A comment, or a line of the module's docstring, that says that this file is deprecated.
_SAYS_SO: Final = re.compile(
    rf"""(?ix)
    ^\W*(?:{_LABEL}\W+)*deprecated\b          # "DEPRECATED: use x", "!!! Deprecated !!!", "Status: deprecated"
    | \bthis\s+(?:\w+\s+){{0,2}}(?:is|was|has\s+been)\s+(?:now\s+)?(?:being\s+)?deprecated\b
    | ^\W*(?:the\s+)?[\w./]+\s+(?:module|file|package|script|controller|service|code)?\s*
      (?:is|was|has\s+been)\s+(?:now\s+)?deprecated\b
    """
)
_STATUS: Final = re.compile(
    r"(?i)^\W*(?:status|state|lifecycle)\W+deprecated\b|^\s*\.\. deprecated::|^\W*deprecated\b\s*(?:[:.!,(\-\u2013\u2014]|$|since\b|in\b|use\b)"
)
_WARNING_NAMES: Final = ("DeprecationWarning", "PendingDeprecationWarning")
_FUNCTION_NAMES: Final = ("warn", "warn_explicit")
_WARNING: Final[Any] = m.OneOf(
    *(m.Name(name) for name in _WARNING_NAMES), *(m.Attribute(attr=m.Name(name)) for name in _WARNING_NAMES)
)
_WARNING_OR_CALL: Final[Any] = m.OneOf(_WARNING, m.Call(func=_WARNING))
_WARN: Final[Any] = m.OneOf(
    *(m.Name(name) for name in _FUNCTION_NAMES), *(m.Attribute(attr=m.Name(name)) for name in _FUNCTION_NAMES)
)
_WARN_CALL: Final = m.Call(
    func=_WARN,
    args=[
        m.ZeroOrMore(),
        m.Arg(value=_WARNING_OR_CALL),
        m.ZeroOrMore(),
    ],
)
_STDLIB_CALL: Final = m.Call(func=m.Attribute(value=m.Name("warnings"), attr=m.Name("_deprecated")))
_RAISE: Final = m.Raise(exc=_WARNING_OR_CALL)
_STATUS_NAME: Final = m.Assign(targets=[m.AssignTarget(m.Name("__status__") | m.Name("__deprecated__"))])


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """A marker that is not ours."""

    #: From 1.
    line: int
    text: str


def find_foreign(source: Source, places: Places) -> Foreign | None:
    """Find the first marker of a module that somebody else has put there."""
    return next(_all(source, places), None)


def warns_deprecation(statement: cst.BaseStatement) -> bool:
    """Whether a statement itself, not a function in it, warns of a deprecation or raises one."""
    if isinstance(statement, cst.SimpleStatementLine):
        return any(_is_marker(small) for small in statement.body)
    if isinstance(statement, cst.With | cst.Try | cst.TryStar) and isinstance(statement.body, cst.IndentedBlock):
        return any(warns_deprecation(inner) for inner in statement.body.body)
    return False


def _all(source: Source, places: Places) -> Iterator[Foreign]:
    if b"eprecat" not in source.raw.lower():
        return
    top = places.body_lines[0] if places.body_lines else places.body_line
    for number in range(top):
        text = source.lines[number].strip()
        if text.startswith("#") and _SAYS_SO.search(text.lstrip("#! \t")):
            yield Foreign(line=number + 1, text=text)
    if places.has_head:
        yield from _in_head(source, places)
    for statement, first in zip(places.body, places.body_lines, strict=True):
        if warns_deprecation(statement):
            yield Foreign(line=first + 1, text=source.lines[first].strip())


def _in_head(source: Source, places: Places) -> Iterator[Foreign]:
    """Look at the docstring's lines, and at comments between it and the code."""
    lines: Sequence[str] = source.lines[places.body_lines[0] : places.code_line]
    is_comment = False
    for number, line in enumerate(lines, places.body_lines[0] + 1):
        text = line.strip()
        is_comment = text.startswith("#")
        if (_SAYS_SO if is_comment else _STATUS).search(text.strip("\"'#! \trRuU")):
            yield Foreign(line=number, text=text)


def _is_marker(small: cst.BaseSmallStatement) -> bool:
    if isinstance(small, cst.Expr):
        return m.matches(small.value, _WARN_CALL) or m.matches(small.value, _STDLIB_CALL)
    if m.matches(small, _STATUS_NAME):
        value = cst.ensure_type(small, cst.Assign).value
        return isinstance(value, cst.SimpleString) and "deprecated" in value.value.lower()
    return m.matches(small, _RAISE)
