"""Starts `child.py` on a store's file, and ends it in every case."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

CHILD = Path(__file__).with_name("child.py")


class Child:
    """A running child: read what it says, tell it to go on, kill it."""

    def __init__(self, file: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(CHILD), str(file), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )

    def says(self) -> str:
        """Return the next line; fail if the child ended instead."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the child ended with {self.process.wait()}"
        return line.rstrip("\n")

    def go_on(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def child(file: Path, *arguments: str) -> Iterator[Child]:
    started = Child(file, *arguments)
    try:
        yield started
    finally:
        started.kill()
        for pipe in (started.process.stdin, started.process.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
