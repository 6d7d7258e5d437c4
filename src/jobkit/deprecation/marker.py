"""What a marker says, as text: the banner, the warning, the decorator; and how its date is read back."""

from __future__ import annotations

import datetime as dt
import enum
import json
import re
from dataclasses import dataclass
from typing import Final

#: The names that inserted code binds: nobody else has them, no `import *` exports them, and by them it is known again.
WARNINGS: Final = "_jobkit_warnings"
DEPRECATED: Final = "_jobkit_deprecated"

_BANNER: Final = re.compile(r"# DEPRECATED since (\d{4}-\d\d-\d\d)(: .*|\.)")
_SINCE: Final = re.compile(r" is deprecated since (\d{4}-\d\d-\d\d)[:.]")


class Style(enum.Enum):
    """What is put into a module."""

    #: The comment and the warning.
    BOTH = "both"
    #: `warnings.warn` alone.
    WARN = "warn"
    #: The comment alone.
    COMMENT = "comment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """What a module's marker is to say; `since` is None where an existing date, or else today, will do."""

    style: Style = Style.BOTH
    since: dt.date | None = None
    today: dt.date
    use: str = ""
    removal: str = ""
    reason: str = ""
    template: str = ""
    #: Mark public classes and functions instead of the module.
    symbols: bool = False
    #: Where `deprecated` is imported from: `warnings` from Python 3.13 on, else `typing_extensions`.
    symbols_from: str = "typing_extensions"

    def text(self, since: dt.date, module: str) -> str:
        """Return what follows "DEPRECATED" or "is deprecated"."""
        if self.template:
            body = self.template.format(
                use=self.use, removal=self.removal, reason=self.reason, since=since.isoformat(), module=module
            )
        else:
            parts = [
                f"use {self.use} instead." if self.use else "",
                f"Planned removal: {self.removal}." if self.removal else "",
                _sentence(self.reason),
            ]
            body = " ".join(part for part in parts if part)
        return f"since {since.isoformat()}" + (f": {body.strip()}" if body.strip() else ".")


def banner_line(text: str) -> str:
    """Write the comment at a file's top."""
    return f"# DEPRECATED {text}"


def warn_lines(text: str, *, plain: bool) -> list[str]:
    """Write the statements that warn the importer, formatted as black would; `plain` allows ASCII alone."""
    return [
        f"import warnings as {WARNINGS}",
        "",
        f"{WARNINGS}.warn(",
        f'    f"{{__name__}} is deprecated {_in_f_string(text, plain=plain)}",',
        "    DeprecationWarning,",
        "    stacklevel=2,",
        ")",
    ]


def decorator_line(name: str, text: str, *, plain: bool) -> str:
    """Write the decorator of a class or function."""
    return f"@{DEPRECATED}({json.dumps(f'{name} is deprecated {text}', ensure_ascii=plain)})"


def import_line(origin: str) -> str:
    """Write the import of the decorator."""
    return f"from {origin} import deprecated as {DEPRECATED}"


def may_be_ours(raw: bytes) -> bool:
    """Whether a file's bytes can have a marker of ours: cheaply, and never no when they have."""
    return b"# DEPRECATED since " in raw or WARNINGS.encode() in raw or DEPRECATED.encode() in raw


def is_banner(line: str) -> bool:
    """Whether a comment is a banner of ours; others write differently, and theirs are left alone."""
    return _BANNER.fullmatch(line) is not None


def date_in(text: str) -> dt.date | None:
    """Find the date that a banner, a warning or a decorator of ours gives."""
    found = _BANNER.fullmatch(text) or _SINCE.search(text)
    try:
        return dt.date.fromisoformat(found[1]) if found else None
    except ValueError:
        return None


def _sentence(text: str) -> str:
    return text if not text or text.endswith((".", "!", "?")) else f"{text}."


def _in_f_string(text: str, *, plain: bool) -> str:
    return json.dumps(text, ensure_ascii=plain)[1:-1].replace("{", "{{").replace("}", "}}")
