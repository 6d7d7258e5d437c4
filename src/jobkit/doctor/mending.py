"""The safe fixes of files: lines added to a text, one value set in a JSON file, all else left as it is."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jobkit.runtime.checks.host_file import Mends


def lines_added(path: Path, lines: Sequence[str]) -> Callable[[], str]:
    """Return what adds lines to a file, which it makes if there is none."""

    def mend() -> str:
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        if text and not text.endswith("\n"):
            text += "\n"
        path.write_text(text + "".join(f"{line}\n" for line in lines), encoding="utf-8")
        return f"added to {path.name}: {', '.join(lines)}"

    return mend


def value_set(path: Path, place: Sequence[str], value: Any) -> Callable[[], str]:
    """Return what sets the value at a place of a JSON file, whose objects it makes where they are missing."""

    def mend() -> str:
        document: Any = json.loads(path.read_text(encoding="utf-8-sig"))
        at = document
        for name in place[:-1]:
            at = at.setdefault(name, {})
        at[place[-1]] = value
        path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        return f"{'.'.join(place)} set in {path.name}"

    return mend


def values_set(folder: Path) -> Mends:
    """Return what makes the fixes of a folder's JSON files, of those that are there."""

    def mends(file: str, place: Sequence[str], value: Any) -> Callable[[], str] | None:
        path = folder / file
        return value_set(path, place, value) if path.is_file() else None

    return mends
