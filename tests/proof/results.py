"""What the parts came to: a line of JSON for each in docs/proof.jsonl, a table of all in docs/proof.md."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

KINDS = ("schedules", "pairs of faults", "model", "kills", "operators")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One part that was run to its end at a commit; times in seconds."""

    part: str
    explored: int
    distinct: int
    broken: tuple[str, ...]
    cpu_s: int
    wall_s: int
    commit: str

    def line(self) -> str:
        """Say it in one line."""
        distinct = f", {self.distinct:,} distinct" if self.distinct else ""
        return (
            f"{self.part}: {self.explored:,} explored{distinct}, {len(self.broken)} broken, "
            f"{self.cpu_s} s of CPU, {self.wall_s} s, at {self.commit}"
        )


class Results:
    """The results that a checkout has."""

    def __init__(self, docs: Path) -> None:
        self._kept, self._shown = docs / "proof.jsonl", docs / "proof.md"

    def read(self) -> dict[str, Result]:
        """Return the last result of each part."""
        if not self._kept.exists():
            return {}
        found = [json.loads(line) for line in self._kept.read_text().splitlines()]
        return {each["part"]: Result(**{**each, "broken": tuple(each["broken"])}) for each in found}

    def add(self, result: Result, parts: Sequence[str]) -> None:
        """Append a result, and write the table of all of them."""
        with self._kept.open("a") as kept:
            kept.write(json.dumps(asdict(result)) + "\n")
        self._shown.write_text(table(self.read(), parts))


def table(results: dict[str, Result], parts: Sequence[str]) -> str:
    """Write a page of all parts; what has not been run says so."""
    done = [results[name] for name in parts if name in results]
    out = [
        "# The proof, part by part",
        "",
        "Written by `make proof`; [protocol.md](protocol.md) says what is tried. A part counts for the commit that it ran",
        "at. Distinct schedules are counted within a part; no two parts run one job with one number of tasks.",
        "",
        "| what | parts run | explored | distinct schedules | broken | CPU |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for kind in KINDS:
        of_kind = [each for each in done if each.part.split(":")[0] == kind]
        total = sum(name.split(":")[0] == kind for name in parts)
        out.append(f"| {kind} | {len(of_kind)} of {total} | {_sums(of_kind)} |")
    everything = f"{sum(len(each.broken) for each in done)} | {sum(each.cpu_s for each in done):,} s"
    out += [f"| all | {len(done)} of {len(parts)} | | | {everything} |", ""]
    out += ["| part | | explored | distinct | broken | CPU | commit |", "| --- | --- | --- | --- | --- | --- | --- |"]
    for number, name in enumerate(parts, 1):
        each = results.get(name)
        if each is None:
            out.append(f"| {number} | {name} | not run | | | | |")
        else:
            out.append(f"| {number} | {name} | {_sums([each])} | {each.commit} |")
    broken = [f"- {each.part}: {text}" for each in done for text in each.broken]
    return "\n".join([*out, *(["", "Broken:", "", *broken] if broken else [])]) + "\n"


def _sums(results: Iterable[Result]) -> str:
    every = list(results)
    explored, distinct = sum(each.explored for each in every), sum(each.distinct for each in every)
    broken, cpu_s = sum(len(each.broken) for each in every), sum(each.cpu_s for each in every)
    return f"{explored:,} | {f'{distinct:,}' if distinct else ''} | {broken} | {cpu_s:,} s"


def commit_of(root: Path) -> str:
    """Return the commit of what is run; empty when product or tests are not as any commit has them."""
    changed = _git(root, "status", "--porcelain", "--", "src", "tests")
    return "" if changed else _git(root, "rev-parse", "--short=10", "HEAD")


def _git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True).stdout.strip()
