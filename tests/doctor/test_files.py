"""Doctor on an app's files: .funcignore, the vendored runtime, requirements, backups; and what --fix does of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobkit import __version__
from jobkit.doctor.files import check_backups, check_runtime
from jobkit.doctor.funcignore import check_funcignore, judge_funcignore
from jobkit.doctor.subject import Subject
from jobkit.runtime.stamp import files_below, hash_files

Make = Callable[..., Subject]
Tell = Callable[..., list[Any]]
CURRENT = ("runtime", "ok", f"vendor/jobkit is jobkit {__version__}, up to date")
LISTED = ("requirements", "ok", "all that the runtime needs is listed")


def mend(findings: list[Any]) -> list[str]:
    return [finding.mend() for finding in findings if finding.mend is not None]


def test_a_module_that_is_imported_and_hidden(subject: Make, told: Tell, app: Path):
    (app / "geometry").mkdir()
    (app / "geometry" / "tiles.py").write_text("SIZE = 512\n")
    (app / "controllers" / "tiling.py").write_text("from geometry.tiles import SIZE\n")
    with (app / ".funcignore").open("a") as file:
        file.write("geometry/\nvendor\nlocal.*\n")

    found = told(check_funcignore(subject()))

    lines = (app / ".funcignore").read_text().splitlines()
    assert [(name, state, evidence.partition(" and ")[0]) for name, state, evidence in found] == [
        (
            ".funcignore",
            "error",
            f"line {lines.index('geometry/') + 1}, 'geometry/', hides what the app needs: geometry/tiles.py",
        ),
        (
            ".funcignore",
            "error",
            (
                f"line {lines.index('vendor') + 1}, 'vendor', hides what the app needs: "
                "vendor/jobkit/VENDORED.json, vendor/jobkit/__init__.py, vendor/jobkit/py.typed"
            ),
        ),
    ]


def test_settings_that_would_be_deployed_are_kept_back_by_fix(told: Tell, app: Path):
    path = app / ".funcignore"
    path.write_text("tests/")
    (app / ".env").write_text("KEY=1")

    found = list(judge_funcignore(["tests/"], {"host.json"}, path))

    evidence = "it does not keep back local.settings.json, .env, which may hold keys"
    assert told(found) == [(".funcignore", "warning", evidence)]
    assert mend(found) == ["added to .funcignore: local.settings.json, .env"]
    assert path.read_text() == "tests/\nlocal.settings.json\n.env\n"
    assert told(judge_funcignore(path.read_text().splitlines(), {"host.json"}, path)) == [
        (".funcignore", "ok", "1 files that the app needs go along, settings stay here")
    ]


def test_an_app_without_one_gets_one(subject: Make, told: Tell, app: Path):
    (app / ".funcignore").unlink()

    found = list(check_funcignore(subject()))

    evidence = "there is none: local.settings.json and whatever else lies here may be deployed"
    assert told(found) == [(".funcignore", "warning", evidence)]
    mend(found)
    lines = (app / ".funcignore").read_text().splitlines()
    assert [each.state.value for each in judge_funcignore(lines, {"host.json"}, app / ".funcignore")] == ["ok"]


def test_what_modules_need_is_not_checked_where_they_do_not_import(subject: Make, told: Tell, app: Path):
    (app / "function_app.py").write_text("1 / 0\n")

    found = told(check_funcignore(subject()))

    assert [(state, evidence) for _, state, evidence in found][1:] == [
        (
            "not checked",
            "which modules the functions need is not known: only files of the app's own folders were looked for",
        )
    ]


def test_a_runtime_that_is_right(subject: Make, told: Tell):
    assert told(check_runtime(subject())) == [CURRENT, LISTED]


@pytest.mark.parametrize("how", ["missing", "another"])
def test_a_runtime_that_is_not_this_one_is_deployed_by_fix(subject: Make, told: Tell, app: Path, how: str):
    from jobkit.deploy import vendored

    place = app / "vendor" / "jobkit"
    if how == "missing":
        place.rename(app / "vendor" / "elsewhere")
    else:
        (place / "runtime" / "old.py").write_text("")
        found_hash = hash_files(files_below(place))  # as its version would have stamped it
        (place / "VENDORED.json").write_text(f'{{"version": "0.0.9", "sha256": "{found_hash}"}}')

    found = list(check_runtime(subject()))

    was = "is not there" if how == "missing" else f"is of jobkit 0.0.9, not the files of this {__version__}"
    assert told(found) == [("runtime", "error", f"vendor/jobkit {was}"), LISTED]
    assert mend(found) == [f"{len(vendored.runtime_files()) + 1} files written to vendor/jobkit"]
    assert told(check_runtime(subject())) == [CURRENT, LISTED]


def test_a_runtime_that_was_changed_by_hand_is_left_to_the_user(subject: Make, told: Tell, app: Path):
    (app / "vendor" / "jobkit" / "runtime" / "mine.py").write_text("")

    found = list(check_runtime(subject()))

    assert told(found) == [("runtime", "error", "vendor/jobkit was changed by hand since it was written"), LISTED]
    assert mend(found) == []


def test_requirements_that_lack_something_get_it(subject: Make, told: Tell, app: Path):
    path = app / "requirements.txt"
    path.write_text("\n".join(line for line in path.read_text().splitlines() if not line.startswith("azure-i")))

    found = list(check_runtime(subject()))

    line = next(text for _, _, text in told(found) if "lacks" in text).rpartition(" ")[2]
    assert line.startswith("azure-identity>=")
    assert mend(found) == [f"added to requirements.txt: {line}"]
    assert told(check_runtime(subject())) == [CURRENT, LISTED]


def test_backups_that_editors_and_merges_left(subject: Make, told: Tell, app: Path):
    assert told(check_backups(subject())) == [("backups", "ok", "none")]
    for name in ("tiles.py.orig", "tiles.py~", "tiles.bak.py", ".tiles.py.swp", "tiles.old"):
        (app / "controllers" / name).write_text("")
    (app / ".venv").mkdir()
    (app / ".venv" / "theirs.orig").write_text("")
    (app / "vendor" / ".jobkit-old").mkdir()

    found = list(check_backups(subject()))

    names = [".tiles.py.swp", "tiles.bak.py", "tiles.old", "tiles.py.orig", "tiles.py~"]
    assert told(found) == [
        ("backups", "warning", "left behind: " + ", ".join(f"controllers/{name}" for name in names)),
        ("backups", "warning", "a jobkit deploy that was killed left vendor/.jobkit-old"),
    ]
    assert mend(found) == ["deleted: .jobkit-old"]
    assert sorted(path.name for path in (app / "vendor").iterdir()) == ["jobkit"]
