"""What the user wants, from [tool.jobkit.deprecate], from a map of replacements and from options: checked, and named."""

from __future__ import annotations

import datetime as dt
import re
import string
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, cast

from jobkit.runtime.errors import InvalidSetting, did_you_mean

from .kinds import KINDS
from .marker import Marker, Style

_TEXTS: Final = frozenset({"style", "since", "removal", "use", "reason", "template", "map", "target-python"})
_LISTS: Final = frozenset({"paths", "include", "exclude", "only"})
_FLAGS: Final = frozenset({"symbols"})
_FIELDS: Final = frozenset({"use", "removal", "reason", "since", "module"})


def check_table(found: Any, pyproject: Path) -> dict[str, Any]:
    """Check what [tool.jobkit.deprecate] holds in this file; None is an empty table. Raises InvalidSetting."""
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise InvalidSetting(
            setting=f"[tool.jobkit] deprecate in {pyproject}", value=str(found), reason="must be a table"
        )
    table = cast("dict[str, Any]", found)
    for name, value in table.items():
        _check_entry(name, value, pyproject)
    return {name: value.isoformat() if isinstance(value, dt.date) else value for name, value in table.items()}


def read_map(path: Path) -> dict[str, str]:
    """Read a map file, `"old.module" = "new.module"` in TOML. Raises InvalidSetting."""
    table = _toml(path, "--map")
    for name, value in _flat(table):
        if not isinstance(value, str) or not all(part.isidentifier() for part in name.split(".")):
            raise InvalidSetting(
                setting="--map", value=str(path), reason=f'{name}: must be "old.module" = "new.module", on one line'
            )
        check_text(f"--map {name}", value)
    return {name: str(value) for name, value in _flat(table)}


def style_of(text: str) -> Style:
    """Raises InvalidSetting."""
    known = [style.value for style in Style]
    if text not in known:
        reason = f"must be one of {', '.join(known)}.{did_you_mean(text, known)}"
        raise InvalidSetting(setting="--style", value=text, reason=reason)
    return Style(text)


def date_of(setting: str, text: str) -> dt.date:
    """Raises InvalidSetting."""
    try:
        return dt.datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=dt.UTC).date()
    except ValueError:
        raise InvalidSetting(setting=setting, value=text, reason="must be a date such as 2025-08-28") from None


def check_text(setting: str, text: str) -> str:
    """Return a text that fits into one line. Raises InvalidSetting."""
    if not text.isprintable():
        raise InvalidSetting(setting=setting, value=repr(text), reason="must be one line of printable characters")
    return text.strip()


def check_template(template: str) -> str:
    """Raises InvalidSetting for a template with other fields than those of a marker."""
    check_text("template", template)
    try:
        names = [field[1] for field in string.Formatter().parse(template) if field[1] is not None]
        plain = template.format(**dict.fromkeys(_FIELDS, "x"))
    except (ValueError, KeyError, IndexError, AttributeError) as exc:
        known = ", ".join(f"{{{name}}}" for name in sorted(_FIELDS))
        reason = f"its fields are {known} ({type(exc).__name__}: {exc})"
        raise InvalidSetting(setting="template", value=template, reason=reason) from exc
    if not set(names) <= _FIELDS or not plain:
        raise InvalidSetting(setting="template", value=template, reason=f"its fields are {', '.join(sorted(_FIELDS))}")
    return template


def kinds_of(texts: Iterable[str]) -> tuple[str, ...]:
    """Read `--only`, kinds with commas between them. Raises InvalidSetting."""
    kinds = [kind.strip().lower() for text in texts for kind in text.split(",") if kind.strip()]
    for kind in kinds:
        if kind not in KINDS:
            reason = f"must be of {', '.join(KINDS)}.{did_you_mean(kind, KINDS)}"
            raise InvalidSetting(setting="--only", value=kind, reason=reason)
    return tuple(dict.fromkeys(kinds))


def symbols_origin(target: str) -> str:
    """Return where `deprecated` comes from for a Python such as "3.12" or ">=3.11,<4". Raises InvalidSetting."""
    found = re.search(r"(?:>=|~=|==|\^|^)\s*3\.(\d+)", target.strip())
    if found is None:
        raise InvalidSetting(setting="--target-python", value=target, reason="must be a version such as 3.12")
    return "warnings" if int(found[1]) >= 13 else "typing_extensions"


def required_python(pyproject: Path) -> str | None:
    """Find `requires-python` in a pyproject.toml."""
    project: Any = _toml(pyproject, "pyproject.toml").get("project", {}) if pyproject.is_file() else {}
    found: Any = cast("dict[str, Any]", project).get("requires-python") if isinstance(project, dict) else None
    return found if isinstance(found, str) else None


def marker_of(options: Mapping[str, Any], *, today: dt.date, origin: str) -> Marker:
    """Make a marker of options and settings that are already merged. Raises InvalidSetting."""
    texts = {name: check_text(f"--{name}", options.get(name) or "") for name in ("use", "removal", "reason")}
    since = options.get("since")
    return Marker(
        style=style_of(options.get("style") or Style.BOTH.value),
        since=date_of("--since", since) if since else None,
        today=today,
        use=texts["use"],
        removal=texts["removal"],
        reason=texts["reason"],
        template=check_template(options["template"]) if options.get("template") else "",
        symbols=bool(options.get("symbols")),
        symbols_from=origin,
    )


def _check_entry(name: str, value: Any, pyproject: Path) -> None:
    known = _TEXTS | _LISTS | _FLAGS
    setting = f"[tool.jobkit.deprecate] {name} in {pyproject}"
    if name not in known:
        raise InvalidSetting(
            setting=setting, value=value, reason=f"there is no such setting.{did_you_mean(name, known)}"
        )
    if name in _LISTS:
        is_right, kind = _is_list_of_texts(value), "a list of texts"
    elif name in _FLAGS:
        is_right, kind = isinstance(value, bool), "true or false"
    else:
        is_date = name in ("since", "removal") and type(value) is dt.date
        is_right, kind = isinstance(value, str) or is_date, "a text"
    if not is_right:
        raise InvalidSetting(setting=setting, value=value, reason=f"must be {kind}")


def _is_list_of_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(entry, str) for entry in cast("list[object]", value))


def _toml(path: Path, setting: str) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as exc:
        raise InvalidSetting(setting=setting, value=str(path), reason=f"can't be read: {exc.strerror}") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise InvalidSetting(setting=setting, value=str(path), reason=f"is not TOML: {exc}") from exc


def _flat(table: Mapping[str, Any], before: str = "") -> Iterable[tuple[str, object]]:
    """Return a table's entries by dotted names: `old.module = "new"` without quotes is a table in a table."""
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(cast("dict[str, Any]", value), f"{before}{name}.")
        else:
            yield f"{before}{name}", value
