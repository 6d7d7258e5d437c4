"""Doctor on controllers: what does not import, hangs or dies is told, and doctor goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobkit.doctor.controllers import check_controllers
from jobkit.doctor.subject import Subject

Make = Callable[..., Subject]
Tell = Callable[..., list[Any]]

TWICE = """\
from controllers.greetings import Greetings

class Again(Greetings):
    job_type = "greetings"
"""


def test_all_that_import_are_listed(subject: Make, told: Tell):
    assert told(check_controllers(subject())) == [
        ("controllers", "ok", "2, no job type twice: greetings, hello_worlds")
    ]


def test_each_that_does_not_is_told_with_its_line(subject: Make, told: Tell, app: Path):
    (app / "controllers" / "broken.py").write_text("x = 1\nx =\n")
    (app / "controllers" / "lacking.py").write_text("print('to nobody')\nimport rasterio_of_nobody\n")
    (app / "controllers" / "leaving.py").write_text("import sys\nsys.exit(3)\n")
    (app / "controllers" / "twice.py").write_text(TWICE)

    found = list(check_controllers(subject()))

    place = app / "controllers"
    assert [(finding.state.value, finding.evidence) for finding in found] == [
        ("error", f"controllers.broken: SyntaxError: invalid syntax ({place / 'broken.py'}:2)"),
        (
            "error",
            (
                "controllers.lacking: ModuleNotFoundError: No module named 'rasterio_of_nobody' "
                f"({place / 'lacking.py'}:2)"
            ),
        ),
        ("error", f"controllers.leaving: SystemExit: 3 ({place / 'leaving.py'}:2)"),
        (
            "error",
            (
                "controllers.twice: two controllers have the job type 'greetings': controllers.greetings.Greetings and "
                "controllers.twice.Again. Rename one of them."
            ),
        ),
    ]
    assert [finding.fix.partition(",")[0] for finding in found] == [
        f"correct {place / 'broken.py'}:2",
        "install what has rasterio_of_nobody",
        f"correct {place / 'leaving.py'}:2",
        "give one of the two another job_type; if one is a copy of the other",
    ]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import time\ntime.sleep(60)\n", "it did not end within 0.4 s"),
        (
            "import os\nprint('out of memory', flush=True)\nos._exit(7)\n",
            "its process ended with exit code 7: out of memory",
        ),
    ],
)
def test_one_that_hangs_or_takes_its_process_along_costs_nothing_else(
    subject: Make, told: Tell, app: Path, code: str, reason: str
):
    (app / "controllers" / "bad.py").write_text(code)
    sick = subject()
    sick.limit_s = 0.4 if "sleep" in code else 30

    assert told(check_controllers(sick)) == [("controllers", "error", f"they can't be imported: {reason}")]
