"""What completion has found out, kept in a file until something changes that it was made of.

Nothing is imported but the standard library's lightest: a shell waits for it at each press of a key.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

#: What was found out: JSON data.
Node = Mapping[str, Any]
#: What tells whether files and folders have changed, by their paths; None for one that is not there.
Looks = Mapping[str, list[int] | None]


class Made(NamedTuple):
    """What was found out, and the looks of what it was made of."""

    content: Node
    looks: Looks


class Kept(NamedTuple):
    """What was found out before, and how what it was made of looks now."""

    content: Node
    now: Looks
    is_fresh: bool


def looks_of(paths: Iterable[str]) -> dict[str, list[int] | None]:
    """Look at files and folders."""
    return {path: _look(path) for path in paths}


def _look(path: str) -> list[int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - some hundred of them at each press of a key
    except OSError:
        return None
    return [found.st_mtime_ns, found.st_size, found.st_ino]


def place_of(*which: str) -> Path:
    """Return the file that belongs to these words."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    name = hashlib.sha256("\0".join(which).encode()).hexdigest()[:32]
    return Path(cache) / "jobkit" / f"completion-{name}.json"


def read(place: Path) -> Kept | None:
    """Return what was kept, if anything was."""
    try:
        found: Any = json.loads(place.read_bytes())
        content: Node = found["content"]
        looks: Looks = found["looks"]
        now = looks_of(looks)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Kept(content, now, now == looks)


def write(place: Path, made: Made, before: Looks) -> None:
    """Keep what was found out; `before` are looks from before it was made, so that a change meanwhile is none missed."""
    looks = {path: before.get(path, look) for path, look in made.looks.items()}
    new = place.with_name(f"{place.name}.{os.getpid()}")
    with contextlib.suppress(OSError):  # then it is made again each time
        place.parent.mkdir(parents=True, exist_ok=True)
        new.write_text(json.dumps({"content": made.content, "looks": looks}), encoding="utf-8")
        new.replace(place)
