"""The two consoles: what was asked for on stdout, everything else on stderr."""

from __future__ import annotations

import json
import sys
from typing import Any, Final

from rich.console import Console

PIPE_WIDTH: Final = 10_000  # nothing is cut or folded where no terminal sets a width


def out() -> Console:
    """Return the console for what was asked for."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH, soft_wrap=False)


def err() -> Console:
    """Return the console for progress and messages."""
    return Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else PIPE_WIDTH)


def print_json(document: Any) -> None:
    """Print one JSON document on stdout."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2) + "\n")


def say(text: str) -> None:
    """Tell something on stderr."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
