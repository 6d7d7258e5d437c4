"""The documentation's examples are files that run, and every command has its place in the docs."""

import html
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from jobkit.cli.main import app, inspect_app

ROOT = Path(__file__).parents[2]


def test_the_readme_shows_the_example_project_to_the_letter():
    readme = (ROOT / "README.md").read_text("utf-8")
    shown = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)

    example = (ROOT / "examples/tiles/controllers/tiles.py").read_text("utf-8")

    assert ['"""The example of the README."""\n\n' + code for code in shown] == [example]


def test_the_example_project_runs_whole_and_its_second_stage_alone(tmp_path):
    whole = _run(tmp_path, "--width", "1000", "--tile-px", "300")
    alone = _run(tmp_path, "--width", "1000", "--tile-px", "300", "--stage", "check", "--from", whole["job_id"][:8])

    assert whole["result"] == {"pixels": 1000}
    assert [(s["name"], s["task_count"], s["completed"]) for s in whole["stages"]] == [("cut", 4, 4), ("check", 1, 1)]
    assert alone["result"] == {"pixels": 1000}
    assert [(s["number"], s["name"]) for s in alone["stages"]] == [(2, "check")]
    assert alone["job_id"] != whole["job_id"]


def test_the_page_on_testing_shows_the_example_projects_tests_to_the_letter():
    page = (ROOT / "docs/testing.md").read_text("utf-8")
    shown = re.findall(r"```python\n(.*?)```", page, re.DOTALL)

    example = (ROOT / "examples/tiles/tests/test_tiles.py").read_text("utf-8")

    assert ['"""The example of docs/testing.md."""\n\n' + code for code in shown] == [example]


def test_the_page_on_controllers_quotes_the_example_project_to_the_letter():
    page = (ROOT / "docs/controllers.md").read_text("utf-8")
    example = (ROOT / "examples/catalog/controllers/catalog.py").read_text("utf-8")

    shown = re.findall(r"```python\n(.*?)```", page, re.DOTALL)

    assert [code for code in shown if code not in example] == []
    assert len(shown) == 5


@pytest.mark.parametrize(("name", "passed"), [("tiles", "8 passed"), ("catalog", "8 passed")])
def test_an_example_projects_own_tests_pass(tmp_path, name, passed):
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-o", f"cache_dir={tmp_path}"]
    done = subprocess.run(command, cwd=ROOT / "examples" / name, capture_output=True, text=True, timeout=60)

    assert (done.returncode, done.stdout.splitlines()[-1].partition(" in ")[0]) == (0, passed), done.stdout


def test_the_recorded_minute_has_the_commands_of_its_script_and_is_in_the_readme():
    script = (ROOT / "docs/minute.sh").read_text("utf-8").splitlines()
    picture = (ROOT / "docs/images/minute.svg").read_text("utf-8")

    shown = html.unescape(re.sub(r"<[^>]*>", "", picture)).replace("\N{NO-BREAK SPACE}", " ").replace("\n", "")
    commands = [line for line in script if line and not line.startswith("#")]

    assert [command for command in commands if f"$ {command}" not in shown] == []
    assert "(docs/images/minute.svg)" in (ROOT / "README.md").read_text("utf-8")


def test_every_command_has_an_example_in_its_help_and_a_place_in_the_docs():
    cli = (ROOT / "docs/cli.md").read_text("utf-8")
    commands = {command.name or command.callback.__name__: command.callback for command in app.registered_commands}
    commands |= {
        command.callback.__name__.replace("_", " "): command.callback for command in inspect_app.registered_commands
    }

    without_example = [
        name for name, callback in commands.items() if "For example: jobkit " not in (callback.__doc__ or "")
    ]
    without_place = [name for name in commands if f"## jobkit {name}" not in cli]

    assert (without_example, without_place) == ([], [])


def _run(folder: Path, *arguments: str) -> dict:
    store = f"local:{folder / 'local.db'}"
    command = [sys.executable, "-m", "jobkit", "run", "tiles", *arguments, "--json", "--store", store]
    done = subprocess.run(command, cwd=ROOT / "examples/tiles", capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
