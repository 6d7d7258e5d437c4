"""What the package says of itself, and that the gates are the same on a desk and in CI."""

import re
import subprocess
import sys
from pathlib import Path

import jobkit

ROOT = Path(__file__).parents[2]


def test_the_command_tells_the_version():
    done = subprocess.run([sys.executable, "-m", "jobkit", "--version"], capture_output=True, text=True, timeout=60)

    assert (done.returncode, done.stdout, done.stderr) == (0, f"jobkit {jobkit.__version__}\n", "")


def test_type_checkers_may_read_the_package():
    assert (Path(jobkit.__file__).parent / "py.typed").is_file()


def test_ci_runs_every_command_of_make_check():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    goals = re.search(r"^check: (.*?) *##", makefile, re.MULTILINE)
    recipes = dict(re.findall(r"^(\w+):.*\n((?:\t.*\n)+)", makefile, re.MULTILINE))

    commands = [line for goal in goals[1].split() for line in recipes[goal].replace("\t", "").splitlines()]
    steps = re.findall(r'^ *step "[^"]+" (.*)$', (ROOT / ".ci/run").read_text("utf-8"), re.MULTILINE)

    matrix = "pytest -n0 tests/scaffold/matrix.py"
    gates = ["ruff format --check", "ruff check", "mypy", "pyright", "lint-imports --no-cache", "pytest", matrix]
    assert commands == gates
    assert [
        command
        for command in commands
        if command not in {step.replace('"$work/venv/bin/pytest"', "pytest") for step in steps}
    ] == []


def test_every_silenced_check_in_the_product_says_which_and_why():
    silenced = re.compile(r"# (?:noqa|type: ignore|pyright: ignore)")
    reasoned = re.compile(r"# (?:noqa: [A-Z]+\d+(?:, [A-Z]+\d+)*|(?:type|pyright): ignore\[[\w, -]+\]) [-#] \S")

    lines = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sorted((ROOT / "src").rglob("*.py"))
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if len(silenced.findall(line)) != len(reasoned.findall(line))
    ]

    assert lines == []
