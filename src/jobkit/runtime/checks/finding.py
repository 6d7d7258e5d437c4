"""What a check comes to: a state, what shows it, and what mends it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Group(StrEnum):
    """What findings are about, in the order in which they are shown."""

    MACHINE = "machine"
    APP = "app"
    SETTINGS = "settings"
    STORAGE = "storage"
    JOBS = "jobs"


class State(StrEnum):
    """What was found."""

    OK = "ok"
    #: It works, and not as well or as safely as it could.
    WARNING = "warning"
    #: Something does not work.
    ERROR = "error"
    #: Nothing is known: what it takes to check is missing or broken.
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at.

    `fix` is a command or a sentence, and empty only for what is ok. `mend` does it, where that is safe and local, and
    returns what was done. `unreachable` marks the store that can't be reached, which has an exit code of its own.
    """

    group: Group
    name: str
    state: State
    evidence: str
    fix: str = ""
    mend: Callable[[], str] | None = field(default=None, compare=False)
    unreachable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """Why something could not be found out."""

    reason: str


def listed(names: Sequence[str], most: int) -> str:
    """Name the first ones, and say how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


class Findings:
    """What one check tells, in its group."""

    def __init__(self, group: Group) -> None:
        """Tell of this group."""
        self.group = group

    def ok(self, name: str, evidence: str) -> Finding:
        """Tell what is as it should be."""
        return Finding(group=self.group, name=name, state=State.OK, evidence=evidence)

    def warning(self, name: str, evidence: str, fix: str, mend: Callable[[], str] | None = None) -> Finding:
        """Tell what works, and could do better."""
        return Finding(group=self.group, name=name, state=State.WARNING, evidence=evidence, fix=fix, mend=mend)

    def error(
        self,
        name: str,
        evidence: str,
        fix: str,
        mend: Callable[[], str] | None = None,
        *,
        unreachable: bool = False,
    ) -> Finding:
        """Tell what does not work."""
        return Finding(
            group=self.group,
            name=name,
            state=State.ERROR,
            evidence=evidence,
            fix=fix,
            mend=mend,
            unreachable=unreachable,
        )

    def not_checked(self, name: str, evidence: str, fix: str) -> Finding:
        """Tell why nothing is known."""
        return Finding(group=self.group, name=name, state=State.NOT_CHECKED, evidence=evidence, fix=fix)
