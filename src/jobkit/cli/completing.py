"""What may follow on a command line that is being typed, for a shell's completion.

A shell waits for it at each press of a key, so that nothing is imported but the standard library: what there is to
offer is kept in files (`kept.py`) until something changes that it was made of, by `catalogue.py` (jobkit's own commands)
or `project_catalogue.py` (what the project adds). Only the latter runs the project's code, and only where it is asked.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple, NoReturn

from jobkit import __version__

from .kept import Looks, Node, place_of, read, write
from .making import apart

#: Set by the shell's script to the shell's name; then jobkit completes, and runs no command.
SHELL: Final = "_JOBKIT_COMPLETE"
#: The words so far, without the command's own; the last one is being typed.
WORDS: Final = "_JOBKIT_WORDS"
BETWEEN: Final = "\x1f"
GIVE_UP_S: Final = 10
#: How long importing the controllers may take; what takes longer is there for a later press of a key.
WAIT_S: Final = 0.24
#: The same where nothing is known from before.
FIRST_WAIT_S: Final = 5.0
MOST_JOBS: Final = 50
ID_CHARS: Final = 12

NOTHING: Final[Node] = {"help": "", "options": [], "arguments": [], "commands": {}}

#: Runs the project's code to make something for a folder, within so many seconds.
Maker = Callable[[Callable[[], Node], Path, float], Node | None]


class Candidate(NamedTuple):
    """A word that may follow, and what it means."""

    word: str
    help: str = ""


def main() -> NoReturn:
    """Write what may follow the words in the environment, in the shell's own form; nothing at all when that fails."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, GIVE_UP_S)  # a store on a hanging disk: this ends it
    with contextlib.suppress(Exception):
        shell = os.environ[SHELL]
        words = os.environ.get(WORDS, "").split(BETWEEN)
        found = candidates(_rejoined(words) if shell == "bash" else words, Path.cwd())
        with os.fdopen(1, "wb") as writing:
            writing.write(_written(found, shell).encode())
    os._exit(0)  # nothing that was imported has an end to wait for


def _rejoined(words: Iterable[str]) -> list[str]:
    """Put together what bash has taken for three words: `local:jobs.db`."""
    whole: list[str] = []
    is_after_colon = False
    for word in words:
        is_colon = word.strip(":") == "" != word
        if whole and (is_colon or is_after_colon):
            whole[-1] += word
        else:
            whole.append(word)
        is_after_colon = is_colon
    return whole


def candidates(words: Sequence[str], folder: Path, maker: Maker = apart) -> list[Candidate]:
    """Return what the last word may become."""
    place = _Place(_Catalogue(folder, maker))
    for word in words[:-1]:
        place.take(word)
    return [found for found in place.offers(words[-1]) if found.word.startswith(words[-1])]


class _Catalogue:
    """What there is to offer; each part is read, or made if need be, when it is asked for."""

    def __init__(self, folder: Path, maker: Maker) -> None:
        self.folder = folder
        self._maker = maker
        self._installation = (__version__, sys.prefix)

    @cached_property
    def own(self) -> Node:
        """The commands that jobkit has, and how a local store is asked for its newest jobs."""
        place = place_of("own", *self._installation)
        kept = read(place)
        if kept is not None and kept.is_fresh:
            return kept.content
        from .catalogue import make

        made = make()
        write(place, made, {})
        return made.content

    @cached_property
    def jobs(self) -> Node:
        """Where the project's jobs are; nothing if its settings can't be read and never were."""
        place = place_of("jobs", *self._installation, str(self.folder), os.environ.get("JOBKIT_HUB", ""))
        kept = read(place)
        if kept is not None and kept.is_fresh:
            return kept.content
        from jobkit.runtime.errors import JobkitError

        from .project_catalogue import make_jobs

        try:
            made = make_jobs(self.folder)
        except JobkitError:
            return {} if kept is None else kept.content
        write(place, made, {})
        return made.content

    @cached_property
    def controllers(self) -> Node:
        """The project's controllers by job type, as they are known if they can't be had in time."""
        place = place_of("controllers", *self._installation, str(self.folder), os.environ.get("PYTHONPATH", ""))
        kept = read(place)
        if kept is not None and kept.is_fresh:
            return kept.content
        known: Node = {} if kept is None else kept.content
        before: Looks = {} if kept is None else kept.now

        def make() -> Node:
            from .project_catalogue import make_controllers

            made = make_controllers(self.folder, known)
            write(place, made, before)
            return made.content

        found = self._maker(make, self.folder, FIRST_WAIT_S if kept is None else WAIT_S)
        return known if found is None else found


class _Place:
    """Where on a command line we are: in which command, and whether an option waits for its value."""

    def __init__(self, catalogue: _Catalogue) -> None:
        self._catalogue = catalogue
        self._command: Node = catalogue.own["command"]
        self._waiting: Node | None = None
        self._given: dict[str, str] = {}
        self._arguments = 0
        self._stages: Sequence[Sequence[str]] = ()

    def take(self, word: str) -> None:
        """Go on by a whole word."""
        if word == "=":  # bash takes --store=local for three words
            return
        if self._waiting is not None:
            self._given[self._waiting["flags"][0]] = word
            self._waiting = None
        elif word.startswith("-") and word != "-":
            name, has_value, value = word.partition("=")
            option = self._option(name)
            if option is None:
                return
            self._given[option["flags"][0]] = value
            if option["value"] is not None and not has_value:
                self._waiting = option
        elif word in self._command["commands"]:
            self._command = self._command["commands"][word]
            self._given = {}
        elif "job_options" in self._command:
            self._take_job_type(word)
        elif self._command["commands"]:
            self._command = NOTHING  # there is no such command
        else:
            self._arguments += 1

    def _take_job_type(self, word: str) -> None:
        controller = self._catalogue.controllers.get(word)
        options = self._command["job_options"]
        self._command = NOTHING
        if controller is not None:
            self._command = {**NOTHING, "options": [*controller["options"], *options]}
            self._stages = controller["stages"]

    def offers(self, typed: str) -> Iterator[Candidate]:
        """Yield what the word that is being typed may become; it is for the caller to look how it begins."""
        if self._waiting is not None:
            yield from self._values(self._waiting["value"])
        elif typed.startswith("-"):
            name, has_value, _ = typed.partition("=")
            option = self._option(name) if has_value else None
            if option is not None and option["value"] is not None:
                for value in self._values(option["value"]):
                    yield Candidate(f"{name}={value.word}", value.help)
            yield from self._options(typed)
        elif "job_options" in self._command:
            yield from self._job_types()
        else:
            for word, command in self._command["commands"].items():
                yield Candidate(word, command["help"])
            arguments: Sequence[Node] = self._command["arguments"]
            if arguments:
                last = arguments[min(self._arguments, len(arguments) - 1)]
                if self._arguments < len(arguments) or last["repeated"]:
                    yield from self._values(last["value"])

    def _option(self, flag: str) -> Node | None:
        return next((o for o in self._command["options"] if flag in (*o["flags"], *o["negations"])), None)

    def _options(self, typed: str) -> Iterator[Candidate]:
        for option in self._command["options"]:
            flags: Sequence[str] = option["flags"]
            if flags[0] in self._given and not option["repeated"]:
                continue
            for names in (flags, option["negations"]):  # --tile-px and --tile_px are one
                name = next((name for name in names if name.startswith(typed) and name.startswith("--")), None)
                if name is not None:
                    yield Candidate(name, option["help"])

    def _values(self, value: Node) -> Iterator[Candidate]:
        yield from (Candidate(*choice) for choice in value["choices"])
        if value["kind"] == "job":
            yield from self._jobs()
        elif value["kind"] == "job_type":
            yield from self._job_types()
        elif value["kind"] == "stage":
            yield from (Candidate(*stage) for stage in self._stages)

    def _job_types(self) -> Iterator[Candidate]:
        for job_type, controller in self._catalogue.controllers.items():
            yield Candidate(job_type, controller["help"])

    def _jobs(self) -> Iterator[Candidate]:
        """Yield the newest jobs of a local store. An account is not asked: that takes longer than a key may."""
        kind, _, given = self._given.get("--store", "local").partition(":")
        if kind != "local":
            return
        jobs = self._catalogue.jobs
        if not jobs:
            return
        path = self._catalogue.folder / given if given else Path(jobs["path"])
        if path.is_file():
            yield from _newest(path, jobs["hub"], self._catalogue.own["newest"])


def _newest(path: Path, hub: str, how: Node) -> Iterator[Candidate]:
    import sqlite3  # only where jobs are asked for

    uri = f"{path.absolute().as_uri()}?mode=ro"
    values = [f"{hub}-{how['table']}", *how["values"], MOST_JOBS]
    with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=0.1)) as connection:
        for (body,) in connection.execute(how["query"], values):
            job = json.loads(body)
            created_at = str(job["created_at"])[:16].replace("T", " ")
            yield Candidate(job["job_id"][:ID_CHARS], f"{job['job_type']}, {created_at} UTC")


def _written(found: Iterable[Candidate], shell: str) -> str:
    """Write candidates, a line each, as the shell's script reads them."""
    if shell == "zsh":
        return "".join(
            f"{word.replace(':', chr(92) + ':')}:{_one_line(text)}\n"
            if text
            else f"{word.replace(':', chr(92) + ':')}\n"
            for word, text in found
        )
    if shell == "fish":
        return "".join(f"{word}\t{_one_line(text)}\n" for word, text in found)
    return "".join(f"{word}\n" for word, _ in found)


def _one_line(text: str) -> str:
    return " ".join(text.split())
