"""What chaos did, and what the tasks it hit came to: a file that every instance adds lines to, and what is in it.

A line is written as a whole, so whatever an instance told before it died is there.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jobkit.runtime.model import task_id

from .shares import Disturbance, Shares

SAMPLE_CHARS: Final = 200  # of what a run came to
_FAULT: Final = "fault"
_RUN: Final = "run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    """What one run of a task's code came to: the digest of all of it, and its beginning."""

    digest: str
    sample: str

    @classmethod
    def of(cls, text: str) -> Came:
        """Keep a text."""
        digest = hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:16]
        return cls(digest=digest, sample=text if len(text) <= SAMPLE_CHARS else f"{text[:SAMPLE_CHARS]}…")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rerun:
    """An attempt of a task whose code ran more than once, and what it came to, in the order of their ends."""

    stage: int
    index: int
    attempt: int
    came: tuple[Came, ...]

    @property
    def differs(self) -> bool:
        """Whether two of the runs came to different things."""
        return len({came.digest for came in self.came}) > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ChaosReport:
    """What was injected, how often, and which tasks ran more than once because of it."""

    injected: dict[Disturbance, int]
    reruns: tuple[Rerun, ...]

    def document(self, shares: Shares, job_id: str) -> dict[str, Any]:
        """Write it as JSON data."""
        return {
            "seed": shares.seed,
            "shares": {kind.value: share for kind, share in shares.shares.items()},
            "injected": {kind.value: count for kind, count in self.injected.items()},
            "ran_more_than_once": [
                {
                    "task_id": task_id(job_id, rerun.stage, rerun.index),
                    "stage": rerun.stage,
                    "index": rerun.index,
                    "attempt": rerun.attempt,
                    "runs": len(rerun.came),
                    "differs": rerun.differs,
                    "came_to": [came.sample for came in rerun.came],
                }
                for rerun in self.reruns
            ],
        }


class ChaosLog:
    """Adds lines to the file. Threads and processes may do so together."""

    def __init__(self, path: Path) -> None:
        """Open the file, or create it."""
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def fault(self, kind: Disturbance) -> None:
        """Note that a fault has happened."""
        self._add([_FAULT, kind.value])

    def run(self, stage: int, index: int, attempt: int, came: Came) -> None:
        """Note what a run of a task's code came to."""
        self._add([_RUN, stage, index, attempt, came.digest, came.sample])

    def _add(self, line: list[Any]) -> None:
        os.write(self._file, json.dumps(line).encode() + b"\n")

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def read_log(path: Path, shares: Shares) -> ChaosReport:
    """Read what all instances have added."""
    faults: Counter[str] = Counter()
    runs: dict[tuple[int, int, int], list[Came]] = {}
    for line in path.read_text("utf-8").splitlines():
        try:
            kind, *rest = json.loads(line)
        except ValueError:
            continue  # a full disk has cut it off
        if kind == _FAULT:
            faults[rest[0]] += 1
        else:
            stage, index, attempt, digest, sample = rest
            runs.setdefault((stage, index, attempt), []).append(Came(digest=digest, sample=sample))
    return ChaosReport(
        injected={kind: faults[kind.value] for kind in shares.shares},
        reruns=tuple(
            Rerun(stage=stage, index=index, attempt=attempt, came=tuple(came))
            for (stage, index, attempt), came in sorted(runs.items())
            if len(came) > 1
        ),
    )
