"""The stamp of a vendored runtime: which jobkit wrote it, the hash of what was written, and what that needs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from .errors import StoreDamaged

#: Where an app has its runtime.
PLACE: Final = Path("vendor") / "jobkit"
STAMP: Final = "VENDORED.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What a stamp tells; `requires` are lines of requirements, none in a stamp of before there were any."""

    version: str
    sha256: str
    requires: tuple[str, ...] = ()


def read_stamp(place: Path) -> Stamp | None:
    """Read a runtime's stamp; None where there is none. Raises StoreDamaged."""
    path = place / STAMP
    if not path.is_file():
        return None
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
        requires = tuple(map(str, found.get("requires", ())))
        return Stamp(version=str(found["version"]), sha256=str(found["sha256"]), requires=requires)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise StoreDamaged(store=str(path), reason=f"is no stamp of jobkit: {exc!r}") from exc


def write_stamp(place: Path, stamp: Stamp) -> None:
    """Write a runtime's stamp. Raises OSError."""
    (place / STAMP).write_text(json.dumps(asdict(stamp), indent=2) + "\n", encoding="utf-8")


def files_below(place: Path) -> dict[str, bytes]:
    """Return the files of a runtime, its stamp left out, by their path in it."""
    found = [path for path in sorted(place.rglob("*")) if path.is_file() and "__pycache__" not in path.parts]
    return {path.relative_to(place).as_posix(): path.read_bytes() for path in found if path.name != STAMP}


def hash_files(files: Mapping[str, bytes]) -> str:
    """Return the hash of a runtime's files, whatever their line ends."""
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        text = content.replace(b"\r\n", b"\n")  # git may give the files other line ends
        digest.update(f"{name}\n{hashlib.sha256(text).hexdigest()}\n".encode())
    return digest.hexdigest()
