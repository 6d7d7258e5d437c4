"""Whatever stands in options and params files: accepted, or refused by name with exit code 2; never a traceback."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commands import Done, InProcess, copy_samples

QUICK = settings(
    max_examples=int(os.environ.get("JOBKIT_TEST_EXAMPLES", "60")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
NAMES = ("name", "tile_px", "box", "zooms", "when", "kind", "unknown")
FLAGS = ("--name", "--tile-px", "--box", "--zooms", "--stage", "--from", "--params", "--nonsense")


@pytest.fixture(autouse=True)
def _kinds(folder: Path) -> None:
    copy_samples(folder, "kinds")


def check(done: Done) -> None:
    assert "Traceback" not in done.err, done.err
    if done.code == 0:
        assert json.loads(done.out)["status"] == "queued"
    else:
        assert (done.code in (2, 3), done.out) == (True, ""), (done.code, done.err)
        assert done.err.strip()


@QUICK
@given(flag=st.sampled_from(FLAGS), value=TEXT)
def test_any_value_of_an_option(jobkit: InProcess, flag: str, value: str):
    check(jobkit("submit", "kinds", f"{flag}={value}", "--json"))


@QUICK
@given(text=TEXT | st.dictionaries(st.sampled_from(NAMES), JSON, max_size=3).map(json.dumps) | JSON.map(json.dumps))
def test_any_params_file(jobkit: InProcess, text: str):
    check(jobkit("submit", "kinds", "--params", "-", "--json", stdin=text))


@QUICK
@given(words=st.lists(TEXT | st.sampled_from(["run", "submit", "inspect", "job", "--json", "--n", "0"]), max_size=4))
def test_any_command_line(jobkit: InProcess, words: list[str]):
    done = jobkit(*(word for word in words if word != "run"))

    assert "Traceback" not in done.err, done.err
    assert done.code in (0, 2, 3)


@pytest.mark.parametrize("command", ["deploy", "deprecate", "doctor", "new-app", "run hello_worlds --params"])
def test_a_path_that_the_system_refuses_is_told(jobkit: InProcess, command: str):
    done = jobkit(*command.split(), "x" * 300)

    assert (done.code in (1, 2), done.out) == (True, "")
    assert "Traceback" not in done.err
    assert done.err.rstrip(".\n").endswith("File name too long")


def test_a_folder_that_was_removed_under_the_shell_is_told(
    jobkit: InProcess, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    (folder / "gone").mkdir()
    monkeypatch.chdir(folder / "gone")
    (folder / "gone").rmdir()

    done = jobkit("controllers")

    assert (done.code, done.out) == (1, "")
    assert done.err == "error: the current folder is not there any more: cd into another\n"
