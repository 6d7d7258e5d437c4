"""Look at one case by hand: `PYTHONPATH=tests python -m model CASE [RULE ...]`, from the project's root.

Explores the case without the rules and prints the shortest way into what breaks. Without arguments it lists the cases
and, of the rules that the tests leave out, in which case each is missed.
"""

from __future__ import annotations

# ruff: noqa: T201 - a command
import sys
from dataclasses import replace

from .cases import CASES
from .explorer import shortest
from .test_rules import RULES


def main(arguments: list[str]) -> int:
    """Do what the command line says; 0 when nothing breaks, 1 when something does, 2 for an unknown case or rule."""
    if not arguments:
        for name in CASES:
            missed = [rule for rule, (case, _) in RULES.items() if case == name]
            print(f"{name}: {', '.join(missed) or '-'}")
        return 0
    name, *rules = arguments
    unknown = [rule for rule in rules if rule not in RULES]
    if name not in CASES or unknown:
        print(f"no case {name!r}" if name not in CASES else f"no rule {unknown}", file=sys.stderr)
        return 2
    found = shortest(replace(CASES[name], without=frozenset(rules)), limit=30_000_000)
    for number, label in enumerate(found.trace, 1):
        print(f"{number:3} {label}")
    if found.violation is None:
        print(f"{found.states:,} states, {found.ends:,} ends, no violation")
        return 0
    print(
        f"broken after {len(found.trace)} steps, {found.states:,} states: {found.violation.name}: {found.violation.text}"
    )
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
