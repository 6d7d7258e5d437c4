"""Each field of a controller's parameters is an option: of every kind, and with an answer to every wrong value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from commands import InProcess, copy_samples

DEFAULTS: dict[str, Any] = {
    "name": "x",
    "tile_px": 512,
    "share": 0.5,
    "dry_run": False,
    "keep": True,
    "maybe": None,
    "colour": "red",
    "level": 1,
    "mode": "fast",
    "zoom": 1,
    "tags": [],
    "zooms": [],
    "numbers": [],
    "pair": [1, 2],
    "box": None,
    "boxes": [],
    "extra": {},
    "anything": None,
    "since": None,
    "wait": "PT1S",
    "price": "1.50",
    "path": "a/b",
    "class_": "none of Python's",
    "stage": "a field",
    "timeout": 3,
    "param_timeout": 4,
    "note": "",
}

KINDS_HELP = """\
Usage: jobkit run kinds [OPTIONS]

  Shows its parameters.

  [red]Nothing[/red] more.

Options:
  --name TEXT                     Who [bold]it[/bold] is for [px]. (length >=
                                  1) [required]
  --tile-px, --tile_px INTEGER    Edge of a tile. (>= 64, <= 4096) [default:
                                  512]
  --share FLOAT                   [default: 0.5]
  --dry-run, --dry_run / --no-dry-run, --no-dry_run
                                  [default: false]
  --keep / --no-keep              [default: true]
  --maybe / --no-maybe            [default: none]
  --colour [red|green]            [default: red]
  --level [1|9]                   [default: 1]
  --mode [fast|slow]              [default: fast]
  --zoom [1|2|3]                  [default: 1]
  --tags TEXT...                  [default: []]
  --zooms [1|2|3]...              [default: []]
  --numbers INTEGER...            [default: computed]
  --pair JSON                     [default: [1, 2]]
  --box JSON                      [default: none]
  --boxes JSON                    [default: []]
  --extra JSON                    [default: {}]
  --anything JSON                 [default: none]
  --since DATE                    [default: none]
  --wait TIMEDELTA                [default: PT1S]
  --price DECIMAL                 [default: 1.50]
  --path PATH                     [default: a/b]
  --class TEXT                    [default: none of Python's]
  --param-stage TEXT              [default: a field]
  --param-timeout INTEGER         [default: 3]
  --param-param-timeout, --param-param_timeout INTEGER
                                  [default: 4]
  --note TEXT                     [default: ""]
"""


@pytest.fixture(autouse=True)
def _kinds(folder: Path) -> None:
    copy_samples(folder, "kinds")


def test_what_is_not_given_has_its_default(jobkit: InProcess):
    done = jobkit("run", "kinds", "--name", "x", "--json")

    assert done.document["params"] == DEFAULTS
    assert done.document["result"] == DEFAULTS


@pytest.mark.parametrize(
    ("given", "changed"),
    [
        (["--tile-px", "64"], {"tile_px": 64}),
        (["--tile_px=4096"], {"tile_px": 4096}),
        (["--share", "1e-3"], {"share": 0.001}),
        (["--dry-run", "--no-keep", "--maybe"], {"dry_run": True, "keep": False, "maybe": True}),
        (["--dry_run", "--no-maybe"], {"dry_run": True, "maybe": False}),
        (["--colour", "green", "--level", "9"], {"colour": "green", "level": 9}),
        (["--mode", "slow", "--zoom", "3"], {"mode": "slow", "zoom": 3}),
        (["--tags", "a", "--tags", "b,c"], {"tags": ["a", "b,c"]}),
        (["--zooms", "1", "--zooms", "3"], {"zooms": [1, 3]}),
        (["--numbers", "7", "--numbers", "7"], {"numbers": [7]}),
        (["--pair", "[3, 4]", "--box", '{"west": -1}'], {"pair": [3, 4], "box": {"west": -1.0, "east": 1.0}}),
        (["--boxes", '[{"west": 2, "east": 3}]'], {"boxes": [{"west": 2.0, "east": 3.0}]}),
        (["--extra", '{"a": 1}', "--anything", '[1, {"b": null}]'], {"extra": {"a": 1}, "anything": [1, {"b": None}]}),
        (["--since", "2024-02-29", "--wait", "PT90S"], {"since": "2024-02-29", "wait": "PT1M30S"}),
        (["--price", "2.50", "--path", "/tiles/x y"], {"price": "2.50", "path": "/tiles/x y"}),
        (["--class", "é→", "--note", "-"], {"class_": "é→", "note": "-"}),
        (["--param-stage", "s"], {"stage": "s"}),
        (["--param-timeout", "9", "--param-param_timeout", "8"], {"timeout": 9, "param_timeout": 8}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_every_kind_of_field_can_be_given(jobkit: InProcess, given: list[str], changed: dict[str, Any]):
    done = jobkit("submit", "kinds", "--name", "x", *given, "--json")

    assert (done.code, done.err) == (0, "")
    assert done.document["params"] == DEFAULTS | changed


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        ([], "name: field required"),
        (["--name", ""], "name: string should have at least 1 character (got '')"),
        (["--tile-px", "63"], "tile_px: input should be greater than or equal to 64 (got '63')"),
        (["--tile-px", "4097"], "tile_px: input should be less than or equal to 4096 (got '4097')"),
        (
            ["--tile-px", "many"],
            "tile_px: input should be a valid integer, unable to parse string as an integer (got 'many')",
        ),
        (["--colour", "blue"], "colour: input should be 'red' or 'green' (got 'blue')"),
        (["--level", "2"], "level: input should be 1 or 9 (got '2')"),
        (["--mode", "f"], "mode: input should be 'fast' or 'slow' (got 'f')"),
        (["--zoom", "4"], "zoom: input should be 1, 2 or 3 (got '4')"),
        (
            ["--numbers", "1", "--numbers", "x"],
            "numbers.1: input should be a valid integer, unable to parse string as an integer (got 'x')",
        ),
        (["--pair", "[1]"], "pair.1: field required"),
        (
            ["--box", "{"],
            (
                "box: --box takes JSON, and '{' is none: "
                "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"
            ),
        ),
        (["--box", '{"east": 2}'], "box.west: field required"),
        (
            ["--since", "yesterday"],
            "since: input should be a valid date or datetime, input is too short (got 'yesterday')",
        ),
        (
            ["--tile-px", "1", "--zoom", "9"],
            "tile_px: input should be greater than or equal to 64 (got '1'); zoom: input should be 1, 2 or 3 (got '9')",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_value_is_answered_with_its_field_and_what_is_allowed(jobkit: InProcess, given: list[str], answer: str):
    name = [] if not given or "--name" in given else ["--name", "x"]
    done = jobkit("run", "kinds", *name, *given)

    assert (done.code, done.out, done.err) == (2, "", f"error: wrong parameters for kinds: {answer}\n")


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_a_number_that_no_id_can_be_made_of_is_refused_by_name(jobkit: InProcess, value: str):
    done = jobkit("run", "kinds", "--name", "x", "--share", value)

    answer = f"error: the parameters of kinds can't be hashed to an id: params.share is {value}\n"
    assert (done.code, done.out, done.err) == (2, "", answer)


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        (["--tile-pxs", "7"], "Error: No such option: --tile-pxs (Possible options: --tile-px, --tile_px)"),
        (["--name"], "Error: Option '--name' requires an argument."),
        (["--keep=yes"], "Error: Option '--keep' does not take a value."),
        (["5"], "Error: Got unexpected extra argument(s) (5)"),
        (
            ["--concurrency", "0"],
            "Error: Invalid value for '--concurrency': Input should be greater than or equal to 1",
        ),
        (["--instances", "65"], "Error: Invalid value for '--instances': Input should be less than or equal to 64"),
        (["--timeout", "-1"], "Error: Invalid value for '--timeout': Input should be greater than or equal to 0"),
        (
            ["--timeout", "soon"],
            "Error: Invalid value for '--timeout': Input should be a valid number, unable to parse string as a number",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_option_is_answered_with_exit_code_2(jobkit: InProcess, given: list[str], answer: str):
    done = jobkit("run", "kinds", *given)

    assert (done.code, done.out, done.err.splitlines()[-1]) == (2, "", answer)


def test_help_lists_each_field_with_its_type_check_and_default_before_the_options_of_run(jobkit: InProcess):
    done = jobkit("run", "kinds", "--help")

    fields, _, own = done.out.partition("  --params FILE|-")
    assert (done.code, done.err, fields) == (0, "", KINDS_HELP)
    assert [line.split()[0] for line in own.splitlines() if line.startswith("  -")] == [
        "--stage",
        "--from",
        "--again",
        "--store",
        "--json",
        "--instances",
        "--concurrency",
        "--timeout",
        "--chaos",
        "--seed",
        "-h,",
    ]
    assert own.splitlines()[-1] == "  For example: jobkit run kinds --name TEXT"


def test_what_is_not_in_the_id_does_not_make_another_job(jobkit: InProcess):
    first = jobkit("submit", "kinds", "--name", "x", "--note", "a", "--json").document
    second = jobkit("submit", "kinds", "--name", "x", "--note", "b", "--json").document

    assert (second["job_id"], second["params"]["note"]) == (first["job_id"], "a")


def test_a_field_with_the_name_of_any_option_of_run_gives_way(jobkit: InProcess, folder: Path):
    (folder / "pyproject.toml").write_text("[tool.jobkit]\n")
    (folder / "controllers.py").write_text(
        "from jobkit.runtime import BaseController, Params, stage\n\n\n"
        "class Given(Params):\n    seed: int\n    chaos: str\n    debug: bool\n\n\n"
        "class Seeded(BaseController[Given]):\n    job_type = 'seeded'\n\n"
        "    @stage('One')\n    def one(self, task):\n        pass\n"
    )

    done = jobkit("run", "seeded", "--param-seed", "3", "--param-chaos", "x", "--param-debug", "--json")

    assert done.document["params"] == {"seed": 3, "chaos": "x", "debug": True}
