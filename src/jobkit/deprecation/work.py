"""Does one file after the other, or thousands on all cores."""

from __future__ import annotations

import contextlib
import difflib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .codemod import Change, mark, unmark
from .marker import Marker, may_be_ours
from .outcome import Outcome, Status
from .relevance import why_irrelevant
from .selection import Candidate
from .source import Unreadable, read_source
from .writing import check_writable, is_empty, read_bytes, replace_file

#: So many files are done while other processes would still be starting.
FEW: Final = 100
#: Files that a process takes at once: little enough that Ctrl-C waits for no more than a second or two.
CHUNK: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A file and what is to be done with it; no marker means: take ours out."""

    candidate: Candidate
    only: tuple[str, ...] = ()
    module: str = ""
    marker: Marker | None = None
    writes: bool = True
    wants_diff: bool = False


def do_all(tasks: Sequence[Task], *, processes: int | None = None) -> Generator[Outcome]:
    """Do the tasks, in any order. When this is closed or interrupted, what was begun is ended and nothing more begun."""
    count = processes or len(
        os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    )
    if len(tasks) <= FEW or count == 1:
        yield from map(do_one, tasks)
        return
    chunks = [tasks[start : start + CHUNK] for start in range(0, len(tasks), CHUNK)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, mp_context=context, initializer=_ignore_interrupts) as pool:
        with _interrupts_ignored():
            for _ in range(count):
                pool.submit(_ignore_interrupts)  # each starts a process, which inherits that
        yield from _in_turn(chunks, lambda chunk: pool.submit(_do_chunk, chunk), at_once=count * 2)


def do_one(task: Task) -> Outcome:
    """Do one file; whatever is wrong with it is its outcome."""
    path = task.candidate.path
    try:
        if path.name == "__init__.py" and is_empty(path):
            return Outcome(path=path, status=Status.SKIPPED, reason="empty __init__.py")
        if task.marker is None and not may_be_ours(read_bytes(path)):
            return Outcome(path=path, status=Status.UNMARKED)
        was = check_writable(path)
        source = read_source(read_bytes(path))
        if task.marker and (passed_over := why_irrelevant(source, task.candidate, task.only)):
            return Outcome(path=path, status=Status.SKIPPED, reason=passed_over)
        change = mark(source, task.marker, task.module) if task.marker else unmark(source)
        status, reason = _status_of(change, task)
        if task.writes and change.after != change.before:
            replace_file(path, change.after, was=was)
    except Unreadable as exc:
        return Outcome(path=path, status=Status.LEFT, reason=str(exc))
    except (RecursionError, MemoryError) as exc:
        return Outcome(path=path, status=Status.LEFT, reason=f"it nests too deep: {type(exc).__name__}")
    return Outcome(
        path=path,
        status=status,
        reason=reason,
        line=change.foreign.line if change.foreign else None,
        diff=_diff(path, change) if task.wants_diff else "",
    )


def _status_of(change: Change, task: Task) -> tuple[Status, str]:
    if change.foreign:
        return Status.FOREIGN, change.foreign.text
    if change.is_bare:
        what = "no public class or function" if task.marker and task.marker.symbols else "defines nothing"
        return Status.SKIPPED, what
    if change.before == change.after:
        return (Status.UNCHANGED if change.had_own else Status.UNMARKED), ""
    if task.marker is None:
        return Status.UNDONE, ""
    return (Status.UPDATED if change.had_own else Status.MARKED), ""


def _in_turn(
    chunks: Sequence[Sequence[Task]], submit: Callable[[Sequence[Task]], Future[list[Outcome]]], *, at_once: int
) -> Iterator[Outcome]:
    """Keep some chunks in the processes, so that an interrupt leaves few to wait for."""
    waiting = list(reversed(chunks))
    running: set[Future[list[Outcome]]] = set()
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                running.add(submit(waiting.pop()))
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield from future.result()
    finally:
        for future in running:
            future.cancel()


def _do_chunk(tasks: Sequence[Task]) -> list[Outcome]:
    return [do_one(task) for task in tasks]


def _ignore_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the command itself decides when they end


@contextlib.contextmanager
def _interrupts_ignored() -> Generator[None]:
    """Ignore Ctrl-C for the moment in which processes start."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _diff(path: Path, change: Change) -> str:
    """Return a unified diff; bytes that are no UTF-8 are shown escaped."""
    before, after = (
        raw.decode("utf-8", "backslashreplace").splitlines(keepends=True) for raw in (change.before, change.after)
    )
    lines = difflib.unified_diff(before, after, f"a/{path.as_posix().lstrip('/')}", f"b/{path.as_posix().lstrip('/')}")
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
