"""Asks git whether files have changes that are not committed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path


def count_uncommitted(paths: Sequence[Path]) -> int:
    """Count files with uncommitted changes below the paths; 0 without git or outside a repository."""
    git = shutil.which("git")
    if git is None:
        return 0
    found = 0
    for path in paths:
        folder = path if path.is_dir() else path.parent
        command = [git, "-C", str(folder), "status", "--porcelain", "-z", "--", str(path.absolute())]
        try:
            done = subprocess.run(command, capture_output=True, timeout=60, check=False)  # noqa: S603 - git itself
        except (OSError, subprocess.TimeoutExpired):
            continue
        found += sum(1 for entry in done.stdout.split(b"\0") if entry) if done.returncode == 0 else 0
    return found
