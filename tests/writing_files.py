"""Writes files that a test gives as text."""

from __future__ import annotations

from pathlib import Path


class Write:
    """`write({path: content, …})` below a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, files: dict[str, str | bytes] | dict[str, str]) -> None:
        for name, content in files.items():
            path = self._folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
