"""The two streams: what was asked for on stdout, everything else, foreign output included, on stderr."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from collections.abc import Generator
from typing import Any, Final

from rich.console import Console, RenderableType

from jobkit.runtime.errors import JobkitError

INTERRUPTED: Final = 130  # the exit code after Ctrl-C
PIPE_WIDTH: Final = 10_000  # nothing is cut or folded where no terminal sets a width


def err() -> Console:
    """Return the console for progress and messages."""
    return Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else PIPE_WIDTH)


def is_piped() -> bool:
    """Whether stdout is no terminal: then nothing is left out."""
    return not sys.stdout.isatty()


def show(renderable: RenderableType) -> None:
    """Print what was asked for on stdout. Raises JobkitError when it can't be written."""
    text = io.StringIO()
    piped = is_piped()
    Console(
        file=text, highlight=False, force_terminal=None if piped else True, width=PIPE_WIDTH if piped else None
    ).print(renderable)
    write_out("\n".join(line.rstrip(" ") for line in text.getvalue().split("\n")))


def print_json(document: Any) -> None:
    """Print one JSON document on stdout. Raises JobkitError when it can't be written."""
    is_utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    write_out(json.dumps(document, ensure_ascii=not is_utf8, indent=2) + "\n")


def write_out(text: str) -> None:
    """Write to stdout; that its reader has gone is no failure. Raises JobkitError when it can't be written."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except UnicodeEncodeError:
        write_out(text.encode(sys.stdout.encoding, "backslashreplace").decode(sys.stdout.encoding))
    except OSError as exc:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes what is left at exit
        if not isinstance(exc, BrokenPipeError):
            raise JobkitError(f"can't write to standard output: {exc.strerror}") from exc


def say(text: str) -> None:
    """Tell something on stderr; a job does not end because nobody listens."""
    try:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())  # Python flushes what is left at exit


@contextlib.contextmanager
def foreign_output_on_stderr() -> Generator[None]:
    """Send what users' code prints, and the programs that it starts, to stderr: stdout has what was asked for."""
    sys.stdout.flush()
    try:
        kept = os.dup(1)
    except OSError:  # closed
        yield
        return
    os.dup2(2, 1)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
