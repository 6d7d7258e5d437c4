"""Runs the command line: in this process where that will do, else in one of its own."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ
from typing import Any

import pytest

from jobkit.cli.main import main
from waiting import WITHIN_S, wait_until

SAMPLES = Path(__file__).parent / "cli" / "samples"
JOBKIT = (sys.executable, "-m", "jobkit")


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)


class InProcess:
    """`jobkit(*arguments)` in this process, as if it were the whole of one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capfd = capfd

    def __call__(self, *arguments: str, stdin: str = "") -> Done:
        self._monkeypatch.setattr(sys, "argv", ["jobkit", *arguments])
        self._monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        self._monkeypatch.setenv("JOBKIT_DEBUG", "")
        self._capfd.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        out, err = self._capfd.readouterr()
        code = left.value.code
        assert code is None or isinstance(code, int)
        return Done(code or 0, out, err)


class Spawned:
    """A `jobkit` of its own process, whose output can be looked at while it runs."""

    def __init__(self, folder: Path, number: int, arguments: Sequence[str], stdin: str) -> None:
        self._out = folder / f"out-{number}.txt"
        self._err = folder / f"err-{number}.txt"
        (folder / "in.txt").write_text(stdin)
        with self._out.open("w") as out, self._err.open("w") as err, (folder / "in.txt").open() as given:
            self.process = subprocess.Popen(
                [*JOBKIT, *arguments], stdin=given, stdout=out, stderr=err, start_new_session=True
            )

    @property
    def err(self) -> str:
        return self._err.read_text()

    def says(self, text: str) -> None:
        """Wait until it has said something on stderr."""
        self.until(lambda: text in self.err, f"it says {text!r}")

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until the condition holds; fail when the process ends before."""
        wait_until(lambda: condition() or self.process.poll() is not None, f"{what}; so far: {self.err}", every_s=0.01)
        assert condition(), f"ended with {self.process.poll()} before {what}: {self.err}"

    def interrupt(self, number: signal.Signals = signal.SIGINT) -> None:
        self.process.send_signal(number)

    def done(self) -> Done:
        """Wait for its end."""
        code = self.process.wait(WITHIN_S)
        return Done(code, self._out.read_text(), self.err)


def terminal(*arguments: str, columns: int = 80, typed: str = "", **env: str) -> tuple[int, str]:
    """Run a command on a terminal at which somebody types; return its exit code and all that was written there."""
    ours, theirs = pty.openpty()
    ioctl(theirs, TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    settings = {"TERM": "xterm-256color", **env}
    process = subprocess.Popen(
        [*JOBKIT, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, **settings}
    )
    os.close(theirs)
    os.write(ours, typed.encode())
    written = b""
    try:
        while piece := os.read(ours, 65_536):
            written += piece
    except OSError:  # how Linux says that the other end is closed
        pass
    os.close(ours)
    return process.wait(60), written.decode().replace("\r\n", "\n")


def copy_samples(folder: Path, *names: str) -> None:
    """Make the folder a project that has these samples as controllers."""
    (folder / "pyproject.toml").write_text("[tool.jobkit]\n")
    (folder / "controllers").mkdir(exist_ok=True)
    for name in names:
        shutil.copy(SAMPLES / f"{name}.py", folder / "controllers" / f"{name}.py")


def still(text: str) -> str:
    """The text without what differs from time to time: durations, dates, and the widths that come of them."""
    text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( UTC|Z)", "DATE", text)
    text = re.sub(r"\b[\d,.]+ (ms|s)\b( \([\d,.]+ a second\))?", "TIME", text)
    return re.sub(r" {2,}", "  ", text)
