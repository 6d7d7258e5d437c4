"""What docs/deprecate.md shows is what the command does; the hook runs it."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from commands import InProcess
from jobkit.cli.main import app
from jobkit.deprecation.settings import check_table
from jobkit.runtime.loader import find_project
from writing_files import Write

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/deprecate.md").read_text("utf-8")
LEGACY = '#!/usr/bin/env python3\n"""Orders, the old way."""\n\nfrom __future__ import annotations\n\nimport os\n'


@pytest.fixture(autouse=True)
def project(write: Write) -> None:
    write({"legacy/orders_controller.py": LEGACY, "legacy/tiles_controller.py": "x = 1\n"})


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)


def commands() -> list[list[str]]:
    return [shlex.split(line, comments=True) for block in blocks("sh") for line in block.splitlines()]


def test_the_marked_file_is_shown_to_the_letter(jobkit: InProcess, folder: Path):
    jobkit(*commands()[2][1:], "--since", "2025-08-28")

    assert blocks("python") == [(folder / "legacy/orders_controller.py").read_text()]


def test_every_command_and_table_of_the_page_works(jobkit: InProcess, write: Write, folder: Path):
    replaced, table = blocks("toml")
    write({"replaced.toml": replaced, "pyproject.toml": table})

    codes = [jobkit(*command[1:]).code for command in commands()]

    assert codes == [1, *[0] * (len(codes) - 1)]
    project = find_project(folder)
    assert project is not None
    assert set(check_table(project.settings["deprecate"], folder / "pyproject.toml")) == {
        "paths",
        "map",
        "removal",
        "template",
    }


def test_the_page_names_every_option():
    [command] = [
        found for found in app.registered_commands if found.callback and found.callback.__name__ == "deprecate"
    ]
    done = subprocess.run(
        [sys.executable, "-m", "jobkit", "deprecate", "--help"], capture_output=True, text=True, timeout=60
    )

    options = set(re.findall(r"^  (--[a-z-]+)", done.stdout, re.MULTILINE))

    assert command is not None
    assert len(options) > 15
    assert {option for option in options if f"`{option}" not in PAGE} == set()


def test_the_hook_runs_the_check_on_the_paths_of_the_settings(jobkit: InProcess, write: Write):
    write({"pyproject.toml": '[tool.jobkit.deprecate]\npaths = ["legacy"]\n'})
    hook = dict(re.findall(r"^(?:- |  )(\w+): (.*)$", (ROOT / ".pre-commit-hooks.yaml").read_text(), re.MULTILINE))

    before = jobkit(*hook["entry"].split()[1:])
    jobkit("deprecate")
    after = jobkit(*hook["entry"].split()[1:])

    assert (hook["id"], hook["language"], hook["pass_filenames"]) == ("jobkit-deprecate", "python", "false")
    assert (before.code, after.code) == (1, 0)
