"""The parts of `make proof`, and the page that tells what they came to."""

from __future__ import annotations

from pathlib import Path

from proof.__main__ import main
from proof.parts import ROOT, all_parts
from proof.results import Result, Results, table

NAMES = [part.name for part in all_parts()]


def test_each_part_has_a_name_of_its_own():
    assert len(set(NAMES)) == len(NAMES)


def test_the_page_tells_what_the_results_say():
    assert (ROOT / "docs" / "proof.md").read_text() == table(Results(ROOT / "docs").read(), NAMES)


def test_a_part_that_is_run_again_counts_once_and_what_broke_is_shown(tmp_path: Path):
    results = Results(tmp_path)
    first = Result(part="model: b", explored=9, distinct=0, broken=("ends: a cycle",), cpu_s=2, wall_s=3, commit="aa")
    again = Result(part="model: b", explored=1200, distinct=0, broken=(), cpu_s=4, wall_s=5, commit="bb")
    other = Result(
        part="schedules: a", explored=9, distinct=8, broken=("seed 9: stuck",), cpu_s=1, wall_s=1, commit="bb"
    )

    for result in (first, again, other):
        results.add(result, ["schedules: a", "model: b", "model: c"])

    assert (tmp_path / "proof.md").read_text().splitlines()[5:] == [
        "| what | parts run | explored | distinct schedules | broken | CPU |",
        "| --- | --- | --- | --- | --- | --- |",
        "| schedules | 1 of 1 | 9 | 8 | 1 | 1 s |",
        "| pairs of faults | 0 of 0 | 0 |  | 0 | 0 s |",
        "| model | 1 of 2 | 1,200 |  | 0 | 4 s |",
        "| kills | 0 of 0 | 0 |  | 0 | 0 s |",
        "| operators | 0 of 0 | 0 |  | 0 | 0 s |",
        "| all | 2 of 3 | | | 1 | 5 s |",
        "",
        "| part | | explored | distinct | broken | CPU | commit |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        "| 1 | schedules: a | 9 | 8 | 1 | 1 s | bb |",
        "| 2 | model: b | 1,200 |  | 0 | 4 s | bb |",
        "| 3 | model: c | not run | | | | |",
        "",
        "Broken:",
        "",
        "- schedules: a: seed 9: stuck",
    ]


def test_a_seed_of_a_part_runs_again_alone_and_is_not_recorded(capsys):
    before = (ROOT / "docs" / "proof.jsonl").read_text()

    assert main([f"1/{len(NAMES)}", "17"]) == 0
    assert capsys.readouterr().out == "seed 17: nothing broke\n"
    assert main([f"{len(NAMES)}/{len(NAMES)}", "17"]) == 2
    assert capsys.readouterr().err == f"no seed '17' of {NAMES[-1]}: schedules alone have them, and they are numbers\n"
    assert (ROOT / "docs" / "proof.jsonl").read_text() == before


def test_a_part_of_another_number_of_parts_is_refused(capsys):
    assert main([f"1/{len(NAMES) + 1}"]) == 2
    assert (
        capsys.readouterr().err == f"no part 1/{len(NAMES) + 1}: they are 1/{len(NAMES)} to {len(NAMES)}/{len(NAMES)}\n"
    )
