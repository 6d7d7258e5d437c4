"""What became of a file."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from pathlib import Path


class Status(enum.Enum):
    """What was done, or with --check and --diff would be."""

    #: It had no marker and has one now.
    MARKED = "marked"
    #: Its marker said something else.
    UPDATED = "updated"
    #: Its marker was taken out.
    UNDONE = "undone"
    #: Its marker says that already.
    UNCHANGED = "already marked"
    #: It has no marker that could be taken out.
    UNMARKED = "no marker"
    #: Somebody else has marked it.
    FOREIGN = "marked by others"
    #: It is none of the relevant files.
    SKIPPED = "skipped"
    #: It should be marked and can't be; it is as it was.
    LEFT = "left"


CHANGES = frozenset({Status.MARKED, Status.UPDATED, Status.UNDONE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A file, its status, and the reason or the other marker's text."""

    path: Path
    status: Status
    reason: str = ""
    #: The line of somebody else's marker, from 1.
    line: int | None = None
    diff: str = ""
