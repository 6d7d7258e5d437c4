"""Cookiecutter as a library: a template and answers in, a folder of files out; nothing is asked."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def render(template: Path, answers: Mapping[str, Any], place: Path) -> Path:
    """Render a template into a new folder below `place`, and return that folder."""
    # It takes as long to import as all the rest.
    from cookiecutter.generate import generate_files  # pyright: ignore[reportMissingTypeStubs] - it has no types

    log = logging.getLogger("cookiecutter")
    if not log.handlers:
        log.addHandler(logging.NullHandler())  # what goes wrong is raised too
    made = Path(generate_files(template, {"cookiecutter": dict(answers)}, output_dir=place))
    for left in list(made.rglob("__pycache__")):  # pip compiles an installed template's files
        shutil.rmtree(left)
    return made


def files_below(folder: Path) -> list[str]:
    """Return the files of a folder, as paths below it, in order."""
    return [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]
