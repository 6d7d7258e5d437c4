"""Values as Python source, as a formatter would write them, and how long a name in it may be."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Final, cast

#: Longer ones do not fit the lines of the generated code.
LONGEST_NAME: Final = 40


def literal(value: object) -> str:
    """Write a text, number, truth value, date, path, or list of them. The module has `datetime` as `dt`."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, dt.date):
        return f"dt.date({value.year}, {value.month}, {value.day})"
    if isinstance(value, Path):
        return f"Path({_text(str(value))})"
    if isinstance(value, list):
        return f"[{', '.join(map(literal, cast('list[object]', value)))}]"
    return repr(value)


def _text(text: str) -> str:
    quote = "'" if text.count('"') > text.count("'") else '"'
    return quote + "".join(_character(character, quote) for character in text) + quote


def _character(character: str, quote: str) -> str:
    if character in (quote, "\\"):
        return f"\\{character}"
    return character if character.isprintable() else character.encode("unicode_escape", "surrogatepass").decode()
