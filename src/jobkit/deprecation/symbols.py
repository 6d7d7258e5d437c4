"""Finds a module's public classes and functions, and the decorators on them: where PEP 702's goes, where ours are."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import libcst as cst
import libcst.matchers as m
from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider

from .foreign import warns_deprecation
from .marker import DEPRECATED, date_in
from .places import Own
from .source import Source, Unreadable

_OURS: Final = m.Decorator(decorator=m.Call(func=m.Name(DEPRECATED)))
_THEIRS: Final = m.Decorator(
    decorator=m.OneOf(
        *(
            name | m.Call(func=name)
            for name in (m.Name("deprecated"), m.Name("deprecate"), m.Attribute(attr=m.Name("deprecated")))
        )
    )
)
_OVERLOAD: Final = m.Decorator(decorator=m.Name("overload") | m.Attribute(attr=m.Name("overload")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Symbol:
    """A public class or function; the decorator goes before `line`, from 0."""

    name: str
    line: int
    #: Whether somebody else has marked it.
    is_foreign: bool
    #: Whether that is by a decorator.
    is_decorated: bool
    own: Own | None


def find_symbols(source: Source) -> list[Symbol]:
    """Find what is defined publicly at module level, in `if`, `try` and `with` too. Raises Unreadable."""
    try:
        wrapper = MetadataWrapper(cst.parse_module(source.normal(0, len(source.lines))), unsafe_skip_copy=True)
        positions = wrapper.resolve(PositionProvider)
    except (cst.ParserSyntaxError, RecursionError) as exc:
        raise Unreadable(f"libcst can't read it: {type(exc).__name__}") from exc
    found: list[Symbol] = []
    for node in _definitions(wrapper.module.body):
        own = [d for d in node.decorators if m.matches(d, _OURS)]
        dates = [date_in(wrapper.module.code_for_node(decorator)) for decorator in own]
        if node.name.value.startswith("_") or any(m.matches(d, _OVERLOAD) for d in node.decorators):
            continue
        is_decorated = any(m.matches(d, _THEIRS) for d in node.decorators)
        first = node.decorators[0] if node.decorators and isinstance(node, cst.ClassDef) else node
        found.append(
            Symbol(
                name=node.name.value,
                line=positions[first].start.line - 1,
                is_foreign=is_decorated or _warns(node),
                is_decorated=is_decorated,
                own=_own(positions[own[0]], dates[0]) if own else None,
            )
        )
    return found


def _own(position: CodeRange, date: dt.date | None) -> Own:
    return Own(first=position.start.line - 1, last=position.end.line, date=date)


def _definitions(body: Sequence[cst.BaseStatement]) -> Iterator[cst.ClassDef | cst.FunctionDef]:
    for statement in body:
        if isinstance(statement, cst.ClassDef | cst.FunctionDef):
            yield statement
        elif isinstance(statement, cst.If | cst.Else | cst.Try | cst.TryStar | cst.With):
            yield from _definitions(_block(statement))
            rest = [getattr(statement, name, None) for name in ("orelse", "finalbody")]
            handlers: Sequence[cst.CSTNode] = getattr(statement, "handlers", ())
            for part in [*handlers, *rest]:
                if isinstance(part, cst.If | cst.Else | cst.Finally | cst.ExceptHandler | cst.ExceptStarHandler):
                    yield from _definitions([part] if isinstance(part, cst.If) else _block(part))


def _block(node: cst.CSTNode) -> Sequence[cst.BaseStatement]:
    block = getattr(node, "body", None)
    return block.body if isinstance(block, cst.IndentedBlock) else ()


def _warns(node: cst.ClassDef | cst.FunctionDef) -> bool:
    return isinstance(node, cst.FunctionDef) and any(warns_deprecation(statement) for statement in _block(node))
