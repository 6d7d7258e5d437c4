"""Keeps the figures of the last report, so that the next one tells the progress."""

from __future__ import annotations

import datetime as dt
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from .uses import Report

FILE: Final = Path(".jobkit") / "deprecations.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a report came to: the count of uses of each deprecated name."""

    at: dt.datetime
    uses: dict[str, int]

    @property
    def use_count(self) -> int:
        """All uses."""
        return sum(self.uses.values())


def figures_of(report: Report, at: dt.datetime) -> Figures:
    """Add up a report."""
    uses: dict[str, int] = {}
    for item in report.items:
        uses[item.name] = uses.get(item.name, 0) + len(item.uses)
    return Figures(at=at, uses=uses)


def find_last(file: Path, of: str) -> Figures | None:
    """Find the figures of the last report of a path; a file that can't be read has none."""
    found = _reports(file).get(of)
    if not isinstance(found, dict):
        return None
    row = cast("dict[str, Any]", found)
    try:
        uses = {str(name): int(count) for name, count in dict(row["uses"]).items()}
        return Figures(at=dt.datetime.fromisoformat(row["at"]), uses=uses)
    except (KeyError, ValueError, TypeError):
        return None


def keep(file: Path, of: str, figures: Figures) -> None:
    """Replace the figures of a path, in one step. Raises OSError."""
    reports = _reports(file) | {of: {"at": figures.at.isoformat(), "uses": figures.uses}}
    file.parent.mkdir(exist_ok=True)
    temporary = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
    temporary.write_text(json.dumps({"schema": 1, "reports": reports}, indent=2) + "\n", "utf-8")
    os.replace(temporary, file)  # noqa: PTH105 - as atomic as Path.replace, and told apart from str.replace


def _reports(file: Path) -> dict[str, object]:
    try:
        document: Any = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    found: Any = cast("dict[str, Any]", document).get("reports") if isinstance(document, dict) else None
    return dict(cast("dict[str, object]", found)) if isinstance(found, dict) else {}
