"""How checks are done: each to its end whatever is broken, those of a store once it is open; and what they come to."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

from jobkit.runtime.documents import SCHEMA

from . import storage
from .finding import Finding, Findings, Group, State
from .jobs import check_active, check_poison
from .settings import without_secrets
from .storage import Access, Opened

#: The states as a verdict counts them, the worst one first.
VERDICT: Final = (State.ERROR, State.WARNING, State.NOT_CHECKED, State.OK)


def guarded(group: Group, name: str, check: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """Do a check to its end; what it could not check for an error of its own is told as that."""
    found: list[Finding] = []
    try:
        found.extend(check())
    except Exception as exc:  # noqa: BLE001 - one check that fails must not cost the others
        fix = "mend what the error names, and run this again"
        found.append(Findings(group).not_checked(name, f"{type(exc).__name__}: {exc}", fix))
    return found


def open_store(access: Access, stack: contextlib.ExitStack) -> tuple[Opened | None, list[Finding]]:
    """Open the store and ask it something; None where that fails, and the findings that tell of it."""
    try:
        opened = stack.enter_context(access.open())
        return opened, list(storage.check_reachable(access, opened))
    except Exception as exc:  # noqa: BLE001 - a store that is broken in whatever way is a finding, and no end
        return None, list(storage.tell_unreachable(access, exc))


def examine_store(access: Access, *, write: bool, most: timedelta | None = None) -> list[Finding]:
    """Check the store and its jobs, of these no further one after `most`. Without `write` nothing is, not even in passing."""
    with contextlib.ExitStack() as stack:
        opened, found = open_store(access, stack)
        if opened is None:
            return found
        until = None if most is None else opened.service.clock.now() + most
        if write:
            found += guarded(Group.STORAGE, "writable", partial(storage.check_writable, opened))
            found += guarded(Group.STORAGE, "round trip", partial(storage.check_message, access, opened))
        else:
            found.append(storage.not_written("nothing was to be written", access.to_write))
        found += guarded(Group.JOBS, "poison messages", partial(check_poison, access, opened))
        found += guarded(Group.JOBS, "jobs", partial(check_active, access, opened, write=write, until=until))
        return found


def cleaned(findings: Iterable[Finding], settings: Mapping[str, str]) -> list[Finding]:
    """Return findings in the order of their groups, with no secret in their texts."""
    safe = (
        replace(one, evidence=without_secrets(one.evidence, settings), fix=without_secrets(one.fix, settings))
        for one in findings
    )
    return sorted(safe, key=lambda one: list(Group).index(one.group))


def count_states(findings: Iterable[Finding]) -> dict[State, int]:
    """Count findings by their state."""
    counts = Counter(finding.state for finding in findings)
    return {state: counts[state] for state in VERDICT}


def doctor_document(
    findings: Sequence[Finding], *, folder: Path | None, store: str, mended: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    """Write an examination as JSON data."""
    return {
        "schema": SCHEMA,
        "folder": None if folder is None else str(folder),
        "store": store,
        "verdict": {state.value: count for state, count in count_states(findings).items()},
        "findings": [
            {
                "group": finding.group.value,
                "name": finding.name,
                "state": finding.state.value,
                "evidence": finding.evidence,
                "fix": finding.fix or None,
                "can_mend": finding.mend is not None,
            }
            for finding in findings
        ],
        "mended": list(mended),
    }
