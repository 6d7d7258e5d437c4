"""Asks a Python process of its own: what users' code does there (hang, exit, print, crash) harms nobody here."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from jobkit.runtime.errors import JobkitError

MOST_S: Final = 60.0
_TAIL_CHARS: Final = 300
_PROGRAM: Final = Path(__file__).with_name("program.py")


class NoAnswer(JobkitError):
    """Raised when the process ended, or was ended, without an answer."""


def ask(
    arguments: list[str], *, folder: Path, environment: Mapping[str, str], limit_s: float = MOST_S, code: int = 0
) -> str:
    """Run Python with these arguments and return what it wrote to the file that its last argument names.

    Its output and what it has on its mind otherwise go nowhere. Raises NoAnswer when it takes longer than `limit_s`,
    ends with an exit code that is neither 0 nor `code`, or writes nothing.
    """
    with tempfile.TemporaryDirectory(prefix="jobkit-doctor-") as place:
        answer, said = Path(place) / "answer.json", Path(place) / "said.txt"
        with said.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 - our own program, or one that the user has installed
                [sys.executable, *arguments, str(answer)],
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
            try:
                ended = process.wait(limit_s)
            except subprocess.TimeoutExpired:
                raise NoAnswer(f"it did not end within {limit_s:g} s") from None
            finally:
                if process.poll() is None:
                    _kill(process)
        if ended in (0, code) and answer.is_file():
            return answer.read_text(encoding="utf-8")
        tail = said.read_text(encoding="utf-8", errors="replace").strip()[-_TAIL_CHARS:].rpartition("\n")[2]
        raise NoAnswer(f"its process ended with exit code {ended}" + (f": {tail}" if tail else ""))


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process, and what it has started."""
    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


def ask_program(subject: str, *, folder: Path, environment: Mapping[str, str], limit_s: float = MOST_S) -> Any:
    """Have `program.py` look at a folder's `functions` or `controllers`; return its answer. Raises NoAnswer."""
    # -P: without it this folder would be the first on the path, and its modules stand in the way of the user's
    text = ask(["-P", str(_PROGRAM), subject], folder=folder, environment=environment, limit_s=limit_s)
    try:
        return json.loads(text)
    except ValueError as exc:
        raise NoAnswer(f"its answer is no JSON: {exc}") from exc
