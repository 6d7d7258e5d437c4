"""Puts markers into a file's bytes and takes them out again, by whole lines; nothing else is touched.

mark    source, marker ─> bytes with that marker, whatever marker of ours was there
unmark  source ─> bytes without our marker: those of before, to the last one
"""

from __future__ import annotations

import ast
import datetime as dt
from dataclasses import dataclass

from .foreign import Foreign, find_foreign
from .marker import Marker, Style, banner_line, decorator_line, import_line, warn_lines
from .places import Own, Places, find_places
from .source import CODING, Source, Unreadable, line_end, parse, read_source
from .symbols import Symbol, find_symbols
from .verify import verify


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What came of a file's bytes; equal bytes are no change."""

    before: bytes
    after: bytes
    #: Whether there was a marker of ours.
    had_own: bool
    #: Somebody else's marker, which is why nothing was done.
    foreign: Foreign | None = None
    #: Whether there was nothing to be marked.
    is_bare: bool = False


def mark(source: Source, marker: Marker, module: str) -> Change:
    """Mark a file as `marker` says. Raises Unreadable for one that can't be marked, or whose marking can't be verified."""
    raw = source.raw
    places = find_places(source)
    symbols = _own_symbols(source) if places.import_deprecated else []
    dates = [own.date for own in _owns(places, symbols)]
    if not dates and (foreign := find_foreign(source, places)):
        return Change(before=raw, after=raw, had_own=False, foreign=foreign)
    since = marker.since or next((date for date in dates if date), None) or marker.today
    base = read_source(_without(source, places, symbols)) if dates else source
    after = _with(base, marker, since, module)
    if after is None:
        return Change(before=raw, after=raw, had_own=bool(dates), is_bare=True)
    if after == raw or (dates and _says_the_same(source, read_source(after))):
        return Change(before=raw, after=raw, had_own=True)
    marked = read_source(after)
    verify(source.tree, marked.tree)
    if _without(marked, find_places(marked), _own_symbols(marked) if marker.symbols else []) != base.raw:
        raise Unreadable("its marker could not be taken out again to the byte")
    return Change(before=raw, after=after, had_own=bool(dates))


def unmark(source: Source) -> Change:
    """Take our marker out. Raises Unreadable for a file that can't be read or verified."""
    raw = source.raw
    places = find_places(source)
    symbols = _own_symbols(source) if places.import_deprecated else []
    if not _owns(places, symbols):
        return Change(before=raw, after=raw, had_own=False)
    after = _without(source, places, symbols)
    verify(source.tree, parse(after))
    return Change(before=raw, after=after, had_own=True)


def _own_symbols(source: Source) -> list[Symbol]:
    return [symbol for symbol in find_symbols(source) if symbol.own]


def _owns(places: Places, symbols: list[Symbol]) -> list[Own]:
    owns = [places.banner, places.warn, places.import_warnings, places.import_deprecated]
    return [own for own in (*owns, *(symbol.own for symbol in symbols)) if own]


def _with(source: Source, marker: Marker, since: dt.date, module: str) -> bytes | None:
    """Return the bytes of an unmarked file with a marker; None when it has no public symbol to be marked."""
    text = marker.text(since, module)
    plain = not _can_hold(source, text)
    places = find_places(source)
    insertions: list[tuple[int, list[str]]] = []
    if marker.symbols:
        symbols = [symbol for symbol in find_symbols(source) if not symbol.is_foreign]
        if not symbols:
            return None
        insertions.append((places.body_line, _spaced([import_line(marker.symbols_from)], places)))
        for symbol in symbols:
            indent = _indent(source.lines[symbol.line])
            insertions.append((symbol.line, [indent + decorator_line(symbol.name, text, plain=plain)]))
    else:
        if places.body_line >= len(source.lines):
            return None
        if marker.style is not Style.WARN:
            banner = banner_line(text)
            if CODING.match(banner):
                raise Unreadable("its banner would be read as a coding line: say it in other words")
            insertions.append((places.banner_line, [banner]))
        if marker.style is not Style.COMMENT:
            insertions.append((places.body_line, _spaced(warn_lines(text, plain=plain), places)))
    return _splice(source, insertions)


def _splice(source: Source, insertions: list[tuple[int, list[str]]]) -> bytes:
    """Insert lines, each before a line of the file and with the line end that is used there."""
    parts = [source.bom]
    done = 0
    for line, texts in sorted(insertions, key=lambda insertion: insertion[0]):
        parts += source.raw_lines[done:line]
        done = line
        newline = line_end(source.lines[line - 1]) if line else source.newline
        parts += [(text + newline).encode(source.codec, "backslashreplace") for text in texts]
    parts += source.raw_lines[done:]
    return b"".join(parts)


def _without(source: Source, places: Places, symbols: list[Symbol]) -> bytes:
    """Return the bytes without our lines, and without the blank ones that came with them."""
    gone = {line for own in _owns(places, symbols) for line in range(own.first, own.last)}
    statements = [own for own in (places.import_warnings, places.warn) if own]
    if len(statements) > 1 and _is_blank(source, statements[0].last, statements[1].first):
        gone.update(range(statements[0].last, statements[1].first))
    if places.import_deprecated:
        statements.append(places.import_deprecated)
    if statements:
        beside = min(own.first for own in statements) - 1 if places.has_head else max(own.last for own in statements)
        if 0 <= beside < len(source.lines) and not source.lines[beside].strip("\r\n"):
            gone.add(beside)
    return source.bom + b"".join(line for number, line in enumerate(source.raw_lines) if number not in gone)


def _spaced(lines: list[str], places: Places) -> list[str]:
    """Set statements apart: from the docstring above, or from the code below."""
    return ["", *lines] if places.has_head else [*lines, ""]


def _is_blank(source: Source, first: int, last: int) -> bool:
    return first <= last and not "".join(source.lines[first:last]).strip()


def _indent(line: str) -> str:
    body = line[: len(line) - len(line.lstrip(" \t\f"))]
    return body.rpartition("\f")[2]


def _can_hold(source: Source, text: str) -> bool:
    try:
        return text.encode(source.codec).decode(source.codec) == text
    except UnicodeError:
        return False


def _says_the_same(one: Source, other: Source) -> bool:
    """Whether two markings differ in their layout alone: a formatter has been there."""
    return _said(one) == _said(other)


def _said(source: Source) -> list[object]:
    places = find_places(source)
    banner = source.lines[places.banner.first].strip() if places.banner else None
    return [banner, ast.dump(source.tree)]
