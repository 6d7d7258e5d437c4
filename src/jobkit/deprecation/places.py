"""Finds where a marker goes, and where ours are: libcst reads a file's beginning, answers are line numbers from 0."""

from __future__ import annotations

import ast
import datetime as dt
import re
from dataclasses import dataclass
from typing import Final

import libcst as cst
import libcst.matchers as m

from .marker import DEPRECATED, WARNINGS, date_in, is_banner
from .source import CODING, Source, Unreadable

_IMPORT_WARNINGS: Final = m.Import(names=[m.ImportAlias(name=m.Name("warnings"), asname=m.AsName(m.Name(WARNINGS)))])
_WARN: Final = m.Expr(m.Call(func=m.Attribute(value=m.Name(WARNINGS), attr=m.Name("warn"))))
_IMPORT_DEPRECATED: Final = m.ImportFrom(
    names=[m.ImportAlias(name=m.Name("deprecated"), asname=m.AsName(m.Name(DEPRECATED)))]
)
_FUTURE: Final = m.ImportFrom(module=m.Name("__future__"))
#: What every statement has that can be a marker.
_MARKED: Final = re.compile(rb"(?i)eprecat|_jobkit_")
_DOCSTRING: Final = m.Expr(m.SimpleString() | m.ConcatenatedString())


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """A statement of ours, `first` to `last` exclusive, and the date it gives."""

    first: int
    last: int
    date: dt.date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where things are in a file."""

    #: Before this line goes the banner.
    banner_line: int
    #: Before this line go the statements.
    body_line: int
    #: Whether a docstring or `__future__` import stands right above `body_line`.
    has_head: bool
    #: The first line of code below those; only comments and blank lines are between.
    code_line: int
    banner: Own | None
    import_warnings: Own | None
    warn: Own | None
    import_deprecated: Own | None
    #: The statements that libcst has read, for other people's markers.
    body: tuple[cst.BaseStatement, ...]
    #: The first line of each of them.
    body_lines: tuple[int, ...]


def find_places(source: Source) -> Places:
    """Find the places of a file. Raises Unreadable where it has none."""
    code_line = _code_line(source)
    read_to = _relevant_end(source, code_line)
    try:
        module = cst.parse_module(source.normal(0, read_to))
        starts, ends = _lines_of(module)
    except (cst.ParserSyntaxError, RecursionError) as exc:
        raise Unreadable(f"libcst can't read it: {type(exc).__name__}") from exc
    head = _head_length(module)
    first_start = starts[0] if starts else read_to
    banner_line = _below_coding(source)
    found = _Found(module, starts, ends)
    return Places(
        banner_line=banner_line,
        body_line=ends[head - 1] if head else first_start,
        has_head=head > 0,
        code_line=code_line,
        banner=_banner(source, banner_line),
        import_warnings=found.one(_IMPORT_WARNINGS),
        warn=found.one(_WARN),
        import_deprecated=found.one(_IMPORT_DEPRECATED),
        body=tuple(module.body),
        body_lines=tuple(starts),
    )


def is_head(position: int, statement: ast.stmt) -> bool:
    """Whether a statement belongs above the warning: the docstring, or a `__future__` import."""
    if isinstance(statement, ast.ImportFrom):
        return statement.module == "__future__" and not statement.level
    return (
        position == 0
        and isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def first_line(statement: ast.stmt) -> int:
    """Return a statement's first line, decorators included, from 1."""
    decorators: list[ast.expr] = getattr(statement, "decorator_list", [])
    return min([statement.lineno, *(decorator.lineno for decorator in decorators)])


def _code_line(source: Source) -> int:
    """Return the first line of code below docstring and `__future__` imports."""
    body = source.tree.body
    head = 0
    while head < len(body) and is_head(head, body[head]):
        head += 1
    end = first_line(body[head]) - 1 if head < len(body) else len(source.lines)
    if head and head < len(body) and (body[head - 1].end_lineno or 0) > end:
        raise Unreadable("other code shares a line with its docstring or __future__ import: put it on its own line")
    return end


def _relevant_end(source: Source, end: int) -> int:
    """Return up to which line the file must be read: its head, and what may be a marker. The rest costs time."""
    if not _MARKED.search(source.raw):
        return end
    for statement in source.tree.body:
        first, last = first_line(statement) - 1, statement.end_lineno or 0
        if not isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and any(
            _MARKED.search(line) for line in source.raw_lines[first:last]
        ):
            end = max(end, last)
    return end


def _lines_of(module: cst.Module) -> tuple[list[int], list[int]]:
    """Return where each statement starts, its comments above it left out, and where it ends."""
    starts: list[int] = []
    ends: list[int] = []
    line = len(module.header)
    for statement in module.body:
        leading: int = len(getattr(statement, "leading_lines", ()))
        starts.append(line + leading)
        line += module.code_for_node(statement).count("\n")
        ends.append(line)
    return starts, ends


def _head_length(module: cst.Module) -> int:
    length = 0
    for position, statement in enumerate(module.body):
        if not isinstance(statement, cst.SimpleStatementLine):
            break
        heads = [
            m.matches(small, _FUTURE) or (position == index == 0 and m.matches(small, _DOCSTRING) and _is_text(small))
            for index, small in enumerate(statement.body)
        ]
        if not all(heads):
            break
        length += 1
    return length


def _is_text(small: cst.BaseSmallStatement) -> bool:
    """Whether a string is one of text: b"" and f"" are no docstrings."""
    value = cst.ensure_type(small, cst.Expr).value
    return isinstance(value, cst.SimpleString | cst.ConcatenatedString) and isinstance(value.evaluated_value, str)


def _below_coding(source: Source) -> int:
    """Return the line below shebang and coding line."""
    line = 1 if source.lines and source.lines[0].startswith("#!") else 0
    for number, text in enumerate(source.lines[:2]):
        if CODING.match(text):
            return number + 1
        if text.strip() and not text.lstrip(" \t\f").startswith("#"):
            break  # a coding line counts below comments and blank lines alone
    return line


def _banner(source: Source, line: int) -> Own | None:
    if line < len(source.lines):
        text = source.lines[line].rstrip("\r\n")
        if is_banner(text):
            return Own(first=line, last=line + 1, date=date_in(text))
    return None


class _Found:
    """Looks for statements of ours."""

    def __init__(self, module: cst.Module, starts: list[int], ends: list[int]) -> None:
        self._module, self._starts, self._ends = module, starts, ends

    def one(self, matcher: m.BaseMatcherNode) -> Own | None:
        """Find the statement that matches. Raises Unreadable when it has been edited so that it can't be taken out."""
        found: Own | None = None
        for statement, first, last in zip(self._module.body, self._starts, self._ends, strict=True):
            if not isinstance(statement, cst.SimpleStatementLine):
                continue
            hits = [small for small in statement.body if m.matches(small, matcher)]
            if hits and (len(statement.body) > 1 or found is not None):
                raise Unreadable("its marker has been edited by hand: take it out by hand")
            if hits:
                found = Own(first=first, last=last, date=date_in(self._module.code_for_node(hits[0])))
        return found
