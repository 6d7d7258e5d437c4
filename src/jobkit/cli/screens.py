"""Screens: shown once, watched until what they show has ended, drawn into a file, or printed as a JSON document."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import typer
from rich.console import Console, RenderableType

from jobkit.runtime.clock import Clock, SystemClock
from jobkit.runtime.errors import OptionsContradict, StoreUnavailable
from jobkit.runtime.model import JobRecord, Status

from .output import INTERRUPTED, is_piped, print_json, say, show

EVERY_S: Final = 1.0
SHARE: Final = 4  # reading takes at most a fifth of the time, however large what is read
LINE_EVERY: Final = timedelta(seconds=5)
PATIENCE: Final = timedelta(seconds=30)  # a watch goes on while the store does not answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What a screen shows at one moment.

    Attributes:
        view: Makes what is shown; told whether all of it is wanted, as in a pipe, or what fits a screen.
        document: Makes the JSON document.
        line: The same on one line, for a watch where there is no terminal.
        ended: The exit code with which a watch ends; None while what is shown can still change.
    """

    view: Callable[[bool], RenderableType]
    document: Callable[[], Any]
    line: str
    ended: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """What was asked for: one of these at most."""

    json: bool = False
    watch: bool = False
    svg: Path | None = None

    def check(self) -> None:
        """Raise OptionsContradict when it can't be meant; call it before anything is opened."""
        if self.watch and self.json:
            raise OptionsContradict(
                option="--watch", reason="shows a screen again and again; --json prints one document"
            )
        if self.svg is not None and (self.watch or self.json):
            other = "--watch" if self.watch else "--json"
            raise OptionsContradict(option="--svg", reason=f"draws a screen as it is now: leave out {other}")


def present(read: Callable[[], Frame], how: How, *, title: str, clock: Clock | None = None) -> None:
    """Show what `read` reads, in the way that was asked for; a watch calls it again until it has ended.

    Ends the command with the frame's exit code after a watch, and with 130 after Ctrl-C.
    """
    how.check()
    if how.watch:
        code = _watch(read, clock or SystemClock())
        if code:
            raise typer.Exit(code)
        return
    frame = read()
    if how.json:
        print_json(frame.document())
    elif how.svg is not None:
        from .pictures import draw  # only for those who draw

        draw(frame.view(False), how.svg, title=title)
        say(f"{how.svg} written")
    else:
        show(frame.view(is_piped()))


def _watch(read: Callable[[], Frame], clock: Clock) -> int:
    """Show each frame until one has ended; return its exit code, or that of Ctrl-C."""
    frames = _Frames(read, clock)
    on_terminal = not is_piped() and not Console().is_dumb_terminal
    try:
        last = _watch_on_terminal(frames) if on_terminal else _watch_by_lines(frames, clock)
    except KeyboardInterrupt:
        return INTERRUPTED
    show(last.view(is_piped()))
    return last.ended or 0


def exit_code(job: JobRecord) -> int | None:
    """Return the exit code with which a job has ended; None while it has not."""
    return int(job.status is Status.FAILED) if job.status.ended else None


class _Frames:
    """Reads frame after frame; while the store does not answer, the last one is kept for a time."""

    def __init__(self, read: Callable[[], Frame], clock: Clock) -> None:
        self._read = read
        self._clock = clock
        self._read_at = clock.now()
        self._pause_s = 0.0
        self.trouble = ""

    def first(self) -> Frame:
        """Read the first frame. Raises StoreUnavailable."""
        return self._timed()

    def next(self, last: Frame) -> Frame:
        """Wait, and read the next frame. Raises StoreUnavailable when that has failed for long."""
        self._clock.sleep(self._pause_s)
        try:
            frame = self._timed()
        except StoreUnavailable as exc:
            if self._clock.now() - self._read_at > PATIENCE:
                raise
            self.trouble = f"not read since {self._read_at:%H:%M:%S} UTC: {exc}"
            return last
        self.trouble = ""
        return frame

    def _timed(self) -> Frame:
        started = self._clock.now()
        frame = self._read()
        self._read_at = self._clock.now()
        self._pause_s = max(EVERY_S, SHARE * (self._read_at - started).total_seconds())
        return frame


def _watch_on_terminal(frames: _Frames) -> Frame:
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    console = Console(highlight=False)
    frame = frames.first()
    interrupted = True
    with Live(console=console, auto_refresh=False, transient=True, vertical_overflow="ellipsis") as live:
        try:
            while frame.ended is None:
                parts = [frame.view(False), Text(frames.trouble, style="yellow")]
                live.update(Group(*parts[: 2 if frames.trouble else 1]), refresh=True)
                frame = frames.next(frame)
            interrupted = False
            live.update(Text())  # at its end it draws all, also what is taller than the terminal and would stay
        finally:
            live.transient = not interrupted  # Ctrl-C leaves what was seen
    return frame


def _watch_by_lines(frames: _Frames, clock: Clock) -> Frame:
    """Tell on stderr what changes, not too often; what it came to is shown on stdout."""
    frame = frames.first()
    told, told_at = "", clock.now() - LINE_EVERY
    while frame.ended is None:
        line = frames.trouble or frame.line
        if line != told and clock.now() - told_at >= LINE_EVERY:
            told, told_at = line, clock.now()
            say(line)
        frame = frames.next(frame)
    sys.stderr.flush()
    return frame
