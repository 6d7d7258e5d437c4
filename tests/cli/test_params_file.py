"""Parameters from a file or from standard input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from commands import Done, InProcess, copy_samples


@pytest.fixture(autouse=True)
def _kinds(folder: Path) -> None:
    copy_samples(folder, "kinds")


def test_a_file_holds_parameters_and_options_override_them(jobkit: InProcess, folder: Path):
    (folder / "p.json").write_text('{"name": "from file", "tile_px": 100, "box": {"west": 1}}')

    params = jobkit("submit", "kinds", "--params", "p.json", "--tile-px", "200", "--json").document["params"]

    assert (params["name"], params["tile_px"], params["box"]) == ("from file", 200, {"west": 1.0, "east": 1.0})


def test_standard_input_holds_parameters(jobkit: InProcess):
    done = jobkit("submit", "kinds", "--params", "-", "--json", stdin='{"name": "é→", "zooms": [3]}')

    assert (done.document["params"]["name"], done.document["params"]["zooms"]) == ("é→", [3])


def test_the_same_parameters_are_the_same_job_wherever_they_come_from(jobkit: InProcess, folder: Path):
    (folder / "p.json").write_text('{"tile_px": 512.0, "name": "x"}')

    ids = {
        jobkit("submit", "kinds", *how, "--json").document["job_id"]
        for how in (["--name", "x"], ["--params", "p.json"], ["--name", "x", "--tile-px", "512"])
    }

    assert len(ids) == 1


def test_a_controller_of_plain_parameters_takes_any_object(jobkit: InProcess, folder: Path):
    (folder / "p.json").write_text('{"b": [1, null], "a": {"c": true}}')

    result = jobkit("run", "plain", "--params", "p.json", "--json").document["result"]

    assert [r["value"] for r in result["stages"][0]["results"]] == [{"a": {"c": True}, "b": [1, None]}]


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        (b"{", "is not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        (b"", "is not JSON: Expecting value: line 1 column 1 (char 0)"),
        (b"\xff", "is not JSON: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
        (b"[1]", "must hold a JSON object, and holds an array"),
        (b'"x"', "must hold a JSON object, and holds a text"),
        (b"1.5", "must hold a JSON object, and holds a number"),
        (b"true", "must hold a JSON object, and holds a truth value"),
        (b"null", "must hold a JSON object, and holds null"),
    ],
)
def test_a_file_that_holds_no_object_is_refused_by_name(jobkit: InProcess, folder: Path, content: bytes, answer: str):
    (folder / "p.json").write_bytes(content)

    done = jobkit("run", "kinds", "--params", "p.json")

    assert (done.code, done.out) == (2, "")
    assert done.err == f"error: wrong parameters for kinds: --params p.json {answer}\n"


@pytest.mark.parametrize(("path", "answer"), [("none.json", "No such file or directory"), (".", "Is a directory")])
def test_a_file_that_cannot_be_read_is_refused_by_name(jobkit: InProcess, path: str, answer: str):
    done = jobkit("run", "kinds", "--params", path)

    assert (done.code, done.err) == (2, f"error: wrong parameters for kinds: --params {path}: {answer}\n")


@pytest.mark.parametrize(
    ("name", "hint"), [("tile_pz", " Did you mean 'tile_px'?"), ("nam", " Did you mean 'name'?"), ("qqq", "")]
)
def test_an_unknown_field_is_answered_with_the_nearest_known_one(jobkit: InProcess, name: str, hint: str):
    done = jobkit("run", "kinds", "--params", "-", stdin=json.dumps({"name": "x", name: 1}))

    answer = f"error: wrong parameters for kinds: {name}: there is no such parameter.{hint}\n"
    assert (done.code, done.out, done.err) == (2, "", answer)


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        ('{"a": 9007199254740993}', "9007199254740993 exceeds safe integer domain for JSON floats"),
        ('{"a": NaN}', "params.a is nan"),
    ],
)
def test_a_value_that_no_id_can_be_made_of_is_refused(jobkit: InProcess, content: str, answer: str):
    done = jobkit("run", "plain", "--params", "-", stdin=content)

    assert (done.code, done.err) == (2, f"error: the parameters of plain can't be hashed to an id: {answer}\n")


def test_a_parameter_may_be_given_by_its_name_or_an_alias(jobkit: InProcess, folder: Path):
    (folder / "pyproject.toml").write_text("[tool.jobkit]\n")
    (folder / "controllers.py").write_text(
        "from pydantic import AliasChoices, AliasPath, Field\n"
        "from jobkit.runtime import BaseController, Params, stage\n\n\n"
        "class Given(Params):\n    tile_px: int = Field(alias='tilePx', ge=1)\n"
        "    crs: str = Field('4326', validation_alias=AliasChoices('srs', AliasPath('box', 'srs')))\n\n\n"
        "class Aliased(BaseController[Given]):\n    job_type = 'aliased'\n\n"
        "    @stage('One')\n    def one(self, task):\n        pass\n"
    )

    def run(*options: str, **params: Any) -> Done:
        return jobkit("submit", "aliased", *options, "--params", "-", "--json", stdin=json.dumps(params))

    by_alias, by_name = run(tilePx=3, srs="2056"), run(tile_px=3, crs="2056")
    by_option, nested = run("--tile-px", "3", tilePx=5, crs="2056"), run(tilePx=3, box={"srs": "2056"})

    assert by_alias.document["params"] == {"tile_px": 3, "crs": "2056"}
    assert [done.document for done in (by_name, by_option, nested)] == [by_alias.document] * 3
    wrong = run("--tile-px", "0")
    assert (wrong.code, wrong.out) == (2, "")
    assert wrong.err == (
        "error: wrong parameters for aliased: tile_px: input should be greater than or equal to 1 (got '0')\n"
    )
