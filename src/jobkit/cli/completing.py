"""What may follow on a command line that is being typed, for a shell's completion.

A shell waits for it at each press of a key, so that nothing is imported but the standard library: what there is to
offer comes from a catalogue that `catalogue.py` has made and that is kept until a file changes that it was made of.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import sqlite3
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn

from jobkit import __version__

#: Set by the shell's script to the shell's name; then jobkit completes, and runs no command.
SHELL: Final = "_JOBKIT_COMPLETE"
#: The words so far, without the command's own; the last one is being typed.
WORDS: Final = "_JOBKIT_WORDS"
BETWEEN: Final = "\x1f"
GIVE_UP_S: Final = 10
MOST_JOBS: Final = 50
ID_CHARS: Final = 12

#: A command, an option's value or an argument, as the catalogue has them (JSON).
Node = Mapping[str, Any]


NOTHING: Final[Node] = {"help": "", "options": [], "arguments": [], "commands": {}}


class Candidate(NamedTuple):
    """A word that may follow, and what it means."""

    word: str
    help: str = ""


def main() -> NoReturn:
    """Write what may follow the words in the environment, in the shell's own form; nothing at all when that fails."""
    out = os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (1, 2):  # users' controllers may print
        os.dup2(nowhere, descriptor)
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, GIVE_UP_S)  # a store on a hanging disk, an import that waits: this ends it
    with contextlib.suppress(Exception):
        found = candidates(os.environ.get(WORDS, "").split(BETWEEN), Path.cwd())
        with os.fdopen(out, "wb") as writing:
            writing.write(_written(found, os.environ[SHELL]).encode())
    os._exit(0)  # whatever threads the controllers' imports have started


def candidates(words: Sequence[str], folder: Path) -> list[Candidate]:
    """Return what the last word may become."""
    catalogue = _kept(folder)
    if catalogue is None:
        from .catalogue import make

        catalogue = make(folder)
        _keep(catalogue, folder)
    place = _Place(catalogue["command"])
    for word in words[:-1]:
        place.take(word)
    return [found for found in place.offers(words[-1], catalogue["jobs"], folder) if found.word.startswith(words[-1])]


class _Place:
    """Where on a command line we are: in which command, and whether an option waits for its value."""

    def __init__(self, command: Node) -> None:
        self._command = command
        self._waiting: Node | None = None
        self._given: dict[str, str] = {}
        self._arguments = 0

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
        elif self._command["commands"]:
            self._command = NOTHING  # no such command, or no such job type
        else:
            self._arguments += 1

    def offers(self, typed: str, jobs: Node, folder: Path) -> Iterator[Candidate]:
        """Yield what the word that is being typed may become; it is for the caller to look how it begins."""
        if self._waiting is not None:
            yield from self._values(self._waiting["value"], jobs, folder)
        elif typed.startswith("-"):
            name, has_value, _ = typed.partition("=")
            option = self._option(name) if has_value else None
            if option is not None and option["value"] is not None:
                for value in self._values(option["value"], jobs, folder):
                    yield Candidate(f"{name}={value.word}", value.help)
            yield from self._options(typed)
        else:
            for word, command in self._command["commands"].items():
                yield Candidate(word, command["help"])
            arguments: Sequence[Node] = self._command["arguments"]
            if arguments:
                last = arguments[min(self._arguments, len(arguments) - 1)]
                if self._arguments < len(arguments) or last["repeated"]:
                    yield from self._values(last["value"], jobs, folder)

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

    def _values(self, value: Node, jobs: Node, folder: Path) -> Iterator[Candidate]:
        yield from (Candidate(*choice) for choice in value["choices"])
        if value["is_job"]:
            yield from _jobs(jobs, self._given.get("--store", "local"), folder)


def _jobs(jobs: Node, store: str, folder: Path) -> Iterator[Candidate]:
    """Yield the newest jobs of a local store. An account is not asked: that takes longer than a key may."""
    kind, _, given = store.partition(":")
    path = folder / given if given else Path(jobs["path"])
    if kind != "local" or not path.is_file():
        return
    with contextlib.closing(
        sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=0.1)
    ) as connection:
        for (body,) in connection.execute(jobs["query"], [*jobs["values"], MOST_JOBS]):
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


# The catalogue is kept in a file for each folder that somebody completes in.


def fingerprint(paths: Iterable[str]) -> dict[str, list[int] | None]:
    """Return what tells whether a file or folder has changed; None for one that is not there."""
    return {path: _look(path) for path in paths}


def _look(path: str) -> list[int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - some hundred of them at each press of a key
    except OSError:
        return None
    return [found.st_mtime_ns, found.st_size, found.st_ino]


def _kept(folder: Path) -> Node | None:
    """Return the catalogue that was kept for a folder, unless something has changed that it was made of."""
    try:
        kept: Node = json.loads(_file(folder).read_text("utf-8"))
        made_of: Mapping[str, list[int] | None] = kept["made_of"]
    except (OSError, ValueError, KeyError):
        return None
    return kept if fingerprint(made_of) == made_of else None


def _keep(catalogue: Node, folder: Path) -> None:
    path = _file(folder)
    new = path.with_name(f"{path.name}.{os.getpid()}")
    with contextlib.suppress(OSError):  # then it is made again each time
        path.parent.mkdir(parents=True, exist_ok=True)
        new.write_text(json.dumps(catalogue), encoding="utf-8")
        new.replace(path)


def _file(folder: Path) -> Path:
    """Return where the catalogue is kept: one for each folder, jobkit, Python environment and hub."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    which = [str(folder), __version__, sys.prefix, os.environ.get("JOBKIT_HUB", ""), os.environ.get("PYTHONPATH", "")]
    name = hashlib.sha256("\0".join(which).encode()).hexdigest()[:32]
    return Path(cache) / "jobkit" / f"completion-{name}.json"
