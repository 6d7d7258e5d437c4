"""`jobkit dev`: run a job afresh, in a process of its own, whenever the project's code is saved."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import typer

from jobkit.runtime.errors import InvalidSetting, JobkitError, WrongUsage

from .jobargs import JobArguments, run_job_command
from .joboptions import DEV_OPTIONS, RUN_OPTIONS
from .output import INTERRUPTED, say
from .run import GRACE_S, interrupts_by, run_job
from .session import here

LOOK_MS: Final = 100
QUIET_MS: Final = 50  # a save may come in several steps; they are one
KILL_S: Final = GRACE_S + 5.0
NOT_WATCHED: Final = frozenset({"__pycache__", "node_modules", "site-packages"})
MOST_NAMED: Final = 3


class NothingToWatch(WrongUsage):
    """Raised when there is no project here."""

    def __init__(self) -> None:
        """Say what makes one."""
        super().__init__(
            "there is no project here to watch: no folder above has a pyproject.toml with [tool.jobkit], or a host.json. "
            "Make one with: jobkit new-app DIR"
        )


def main(arguments: Sequence[str]) -> None:
    """Run `jobkit dev`."""
    if not arguments or arguments[0].startswith("-") or not {"-h", "--help"}.isdisjoint(arguments):
        run_job_command("dev", arguments, RUN_OPTIONS, lambda _: None, DEV_OPTIONS)
        return
    if "-" in arguments:
        reason = "each run would read it, and standard input can be read once: give a file"
        raise InvalidSetting(setting="--params or --from", value="-", reason=reason)
    project = here()
    if project is None:
        raise NothingToWatch
    # SIGHUP: the terminal was closed
    with interrupts_by("SIGTERM", "SIGHUP"), tempfile.TemporaryDirectory(prefix="jobkit-dev-") as folder:
        runs = _Runs(arguments, Path(folder))
        try:
            say(f"dev: watching {project.root}; Ctrl-C ends it")
            for changed in _saves(project.root):
                if changed:
                    say(f"\ndev: {_named(changed)} changed")
                if changed or not runs.begun:
                    runs.begin()
                else:
                    runs.look()
        except KeyboardInterrupt:
            runs.stop()
        finally:
            runs.kill()
    raise typer.Exit(INTERRUPTED)


def run_afresh(arguments: Sequence[str], own_store: str) -> None:
    """Run the job once, in this process."""

    def body(given: JobArguments) -> None:
        own = not (given.store or given.source)
        store = own_store if own else given.store or "local"
        run_job(replace(given, store=store, again=True, lasting=not own))

    run_job_command("dev", arguments, RUN_OPTIONS, body, DEV_OPTIONS)


class _Runs:
    """The runs, one after the other; what each of them has stored goes with the next one."""

    def __init__(self, arguments: Sequence[str], folder: Path) -> None:
        self._arguments = arguments
        self._folder = folder
        self._count = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._begun_at = 0.0

    @property
    def begun(self) -> bool:
        return self._count > 0

    def begin(self) -> None:
        """Begin a run; one that still goes on is stopped first."""
        self.stop()
        shutil.rmtree(self._folder / str(self._count), ignore_errors=True)
        self._count += 1
        self._begun_at = time.monotonic()
        store = f"local:{self._folder / str(self._count) / 'local.db'}"
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", "jobkit.cli.dev_run", store, *self._arguments],
            stdin=subprocess.PIPE,  # closed when this process has ended, however: then the other one ends too
            process_group=0,  # Ctrl-C is for this process, which tells the other
        )

    def look(self) -> None:
        """Tell that the run has ended, if it just has."""
        if self._process is None or (code := self._process.poll()) is None:
            return
        self.kill()
        took_s = time.monotonic() - self._begun_at
        say(f"dev: ended with exit code {code} after {took_s:.1f} s; save to run it again")

    def stop(self) -> None:
        """Let the run stop as on Ctrl-C: its tasks have some seconds to end."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(KILL_S)
            except (subprocess.TimeoutExpired, KeyboardInterrupt):
                say("dev: it does not stop and is killed")
        self.kill()

    def kill(self) -> None:
        """End the run at once, if it still goes on."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.kill()
            process.wait()
        if process.stdin is not None:
            process.stdin.close()


def _saves(root: Path) -> Iterator[list[Path]]:
    """Yield the files below `root` whose saving matters, as soon as they are saved, and nothing every tenth of a second.

    Raises JobkitError when it can't be watched.
    """
    from watchfiles import watch  # only for this command

    changes = watch(
        root,
        watch_filter=lambda _, path: is_code(Path(path).relative_to(root)),
        step=QUIET_MS,
        rust_timeout=LOOK_MS,
        yield_on_timeout=True,
        raise_interrupt=True,
        ignore_permission_denied=True,
    )
    try:
        for found in changes:
            yield sorted({Path(path).relative_to(root) for _, path in found})
    except OSError as exc:
        raise JobkitError(
            f"can't watch {root}: {exc}. WATCHFILES_FORCE_POLLING=1 does without the system's help"
        ) from exc


def is_code(path: Path) -> bool:
    """Whether a file, named from the project's root, is code or settings: no hidden one, nothing that is installed."""
    hidden = any(part.startswith(".") for part in path.parts)
    return not hidden and NOT_WATCHED.isdisjoint(path.parts) and (path.suffix == ".py" or path.name == "pyproject.toml")


def _named(paths: Iterable[Path]) -> str:
    names = [path.as_posix() for path in paths]
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more
