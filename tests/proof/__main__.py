"""Runs the proof in parts: `make proof` those that have no result yet, `make proof PART=3/139` one, `PART=list` none.

`make proof PART=3/139 SEED=17` runs one seed of a part of schedules again, and records nothing.
"""

from __future__ import annotations

# ruff: noqa: T201 - a command
import os
import resource
import sys
import time

from .parts import ROOT, Part, all_parts
from .results import Result, Results, commit_of


def main(arguments: list[str]) -> int:
    """Do what the command line says; 0 when nothing broke, 1 when something did, 2 for an unknown part."""
    parts = all_parts()
    names = [part.name for part in parts]
    results = Results(ROOT / "docs")
    wanted = arguments[0] if arguments else ""
    if wanted == "list":
        done = results.read()
        for number, name in enumerate(names, 1):
            print(done[name].line() if name in done else f"{name}: not run", f"(part {number}/{len(parts)})")
        return 0
    number, _, of = wanted.partition("/")
    if wanted and not (of == str(len(parts)) and number.isdecimal() and 1 <= int(number) <= len(parts)):
        print(f"no part {wanted}: they are 1/{len(parts)} to {len(parts)}/{len(parts)}", file=sys.stderr)
        return 2
    if len(arguments) > 1:
        return _again(parts[int(number) - 1], arguments[1])
    chosen = [parts[int(number) - 1]] if wanted else [part for part in parts if part.name not in results.read()]
    broken = False
    commit = commit_of(ROOT)  # of what was imported, whatever is checked out later
    for part in chosen:
        try:
            result = _run(part, commit)
        except KeyboardInterrupt:
            print(f"{part.name}: left, and not recorded; `make proof` goes on with it", file=sys.stderr)
            return 130
        print(f"part {names.index(part.name) + 1}/{len(parts)} {result.line()}", *result.broken, sep="\n", flush=True)
        broken |= bool(result.broken)
        if result.commit == "changed":
            print("not recorded: src or tests have changes that are not committed", file=sys.stderr)
        else:
            results.add(result, names)
    return int(broken)


def _again(part: Part, seed: str) -> int:
    if part.run_seed is None or not seed.isdecimal():
        print(f"no seed {seed!r} of {part.name}: schedules alone have them, and they are numbers", file=sys.stderr)
        return 2
    came = part.run_seed(int(seed))
    print(*(came.broken or [f"seed {seed}: nothing broke"]), sep="\n")
    return int(bool(came.broken))


def _run(part: Part, commit: str) -> Result:
    cpu, began = _cpu_s(), time.monotonic()
    came = part.run()
    return Result(
        part=part.name,
        explored=came.explored,
        distinct=came.distinct,
        broken=came.broken,
        cpu_s=round(_cpu_s() - cpu),
        wall_s=round(time.monotonic() - began),
        commit=commit if commit and commit_of(ROOT) == commit else "changed",
    )


def _cpu_s() -> float:
    """Return what this process and those that it has started have used."""
    return sum(
        used.ru_utime + used.ru_stime
        for used in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    )


if __name__ == "__main__":
    os.nice(10)  # it takes hours, beside other work
    sys.exit(main(sys.argv[1:]))
