"""Where controllers come from: a project's root, its modules, entry points; and what does not load is told by name."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from commands import InProcess, copy_samples

CONTROLLER = """
from jobkit.runtime import BaseController, Params, TaskContext, stage

class P(Params):
    pass

class {name}(BaseController[P]):
    '''{doc}'''
    job_type = "{job_type}"

    @stage("One")
    def one(self, task: TaskContext[P, None]) -> int:
        return 1
"""


def write(folder: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def controller(job_type: str, *, name: str = "Own", doc: str = "Does one thing.") -> str:
    return CONTROLLER.format(name=name, job_type=job_type, doc=doc)


def job_types(jobkit: InProcess) -> list[str]:
    done = jobkit("controllers", "--json")
    assert (done.code, done.err) == (0, "")
    return [found["job_type"] for found in done.document["controllers"]]


def test_without_a_project_there_is_the_built_in_controller(jobkit: InProcess):
    done = jobkit("controllers")

    assert (done.code, done.err) == (0, "")
    assert (
        done.out
        == """\
hello_worlds  version 1
  Greets n worlds, then has n worlds reply.
  stages: 1 Hello Worlds → 2 Worlds Reply
    --n  INTEGER  default 5  How many worlds to greet. (>= 0)
"""
    )


def test_json_lists_controllers_with_stages_and_the_schema_of_their_parameters(jobkit: InProcess):
    assert jobkit("controllers", "--json").document == {
        "schema": 1,
        "controllers": [
            {
                "job_type": "hello_worlds",
                "version": 1,
                "description": "Greets n worlds, then has n worlds reply.",
                "stages": [
                    {"number": 1, "name": "Hello Worlds", "slug": "hello_worlds", "max_attempts": 1},
                    {"number": 2, "name": "Worlds Reply", "slug": "worlds_reply", "max_attempts": 1},
                ],
                "params": {
                    "additionalProperties": False,
                    "description": "How much to greet.",
                    "properties": {
                        "n": {
                            "default": 5,
                            "description": "How many worlds to greet.",
                            "minimum": 0,
                            "title": "N",
                            "type": "integer",
                        }
                    },
                    "title": "HelloParams",
                    "type": "object",
                },
            }
        ],
        "problems": [],
    }


@pytest.mark.parametrize("marker", ["pyproject.toml", "host.json"])
def test_the_root_is_the_nearest_folder_upwards_that_is_marked_and_the_store_lies_there(
    jobkit: InProcess, folder: Path, monkeypatch: pytest.MonkeyPatch, marker: str
):
    write(
        folder,
        {
            marker: "[tool.jobkit]\n" if marker == "pyproject.toml" else "{}",
            "controllers.py": controller("own"),
            "deep/er/pyproject.toml": "[tool.other]\nname = 'jobkit'\n",
        },
    )
    monkeypatch.chdir(folder / "deep" / "er")

    assert job_types(jobkit) == ["hello_worlds", "own"]
    assert jobkit("run", "own").code == 0
    assert sorted(path.name for path in folder.iterdir() if path.name.startswith(".")) == [".jobkit"]
    assert list((folder / "deep" / "er").glob(".*")) == []


def test_modules_below_src_are_found_as_they_are_not_installed(jobkit: InProcess, folder: Path):
    write(
        folder,
        {
            "pyproject.toml": '[tool.jobkit]\ncontrollers = ["etl.jobs"]\n',
            "src/etl/__init__.py": "",
            "src/etl/jobs.py": controller("own"),
        },
    )

    assert job_types(jobkit) == ["hello_worlds", "own"]


def test_modules_are_named_in_pyproject_and_each_submodule_is_looked_at(jobkit: InProcess, folder: Path):
    write(
        folder,
        {
            "pyproject.toml": '[tool.jobkit]\ncontrollers = ["jobs", "more.of_them"]\n',
            "jobs/__init__.py": controller("first"),
            "jobs/sub/__init__.py": "",
            "jobs/sub/deep.py": controller("second"),
            "more/of_them.py": controller("third"),
            "controllers/not_named.py": controller("fourth"),
        },
    )

    assert job_types(jobkit) == ["first", "hello_worlds", "second", "third"]


def test_a_controller_of_ones_own_takes_the_place_of_a_built_in_one(jobkit: InProcess, folder: Path):
    write(folder, {"host.json": "{}", "controllers.py": controller("hello_worlds", doc="My own.")})

    assert "hello_worlds  version 1\n  My own.\n" in jobkit("controllers").out


BROKEN = {
    "host.json": "{}",
    "controllers/__init__.py": "",
    "controllers/a_good_one.py": controller("good"),
    "controllers/first_twin.py": controller("twin", name="First"),
    "controllers/leaves.py": "import sys\nsys.exit('bye')\n",
    "controllers/missing.py": "import os\nimport not_there_at_all\n",
    "controllers/second_twin.py": controller("twin", name="Second"),
    "controllers/syntax.py": "def f(:\n",
    "controllers/wrong.py": controller("wrong").replace('"One"', '"One", max_attempts=0'),
}
PROBLEMS = [
    ("controllers.leaves", "SystemExit: bye", "controllers/leaves.py:2"),
    ("controllers.missing", "ModuleNotFoundError: No module named 'not_there_at_all'", "controllers/missing.py:2"),
    ("controllers.syntax", "SyntaxError: invalid syntax", "controllers/syntax.py:1"),
    (
        "controllers.wrong",
        "InvalidController: Own, stage 'One', option max_attempts: is 0, must be a whole number from 1 to 100",
        "controllers/wrong.py:7",
    ),
    (
        "controllers.second_twin",
        (
            "two controllers have the job type 'twin': "
            "controllers.first_twin.First and controllers.second_twin.Second. Rename one of them."
        ),
        "",
    ),
]


def test_modules_that_do_not_load_are_told_by_name_and_line_and_the_others_live(jobkit: InProcess, folder: Path):
    write(folder, BROKEN)

    done = jobkit("controllers", "--json")

    assert done.code == 1
    assert [found["job_type"] for found in done.document["controllers"]] == ["good", "hello_worlds", "twin"]
    assert done.document["problems"] == [
        {"name": name, "reason": reason, "where": f"{folder}/{where}" if where else ""}
        for name, reason, where in PROBLEMS
    ]
    assert done.err == "".join(
        f"warning: not loaded: {name}: {reason}{f' ({folder}/{where})' if where else ''}\n"
        for name, reason, where in PROBLEMS
    )
    assert jobkit("run", "good").code == 0


def test_an_unknown_job_type_is_answered_with_the_nearest_one_and_what_did_not_load(jobkit: InProcess, folder: Path):
    write(folder, BROKEN)

    done = jobkit("run", "god")

    answer = "no controller has the job type 'god'. Did you mean 'good'?"
    not_loaded = ", ".join(name for name, _, _ in PROBLEMS)
    assert (done.code, done.out, done.err.splitlines()[-1]) == (
        3,
        "",
        f"error: {answer} Not loaded: {not_loaded}. See them with: jobkit controllers",
    )


PYPROJECT = "pyproject.toml=FOLDER/pyproject.toml"
NO_NAMES = 'must be a list of module names, such as ["controllers"]'


@pytest.mark.parametrize(
    ("content", "setting", "reason"),
    [
        (b"[tool.jobkit", PYPROJECT, "is not TOML: "),
        (
            b"[tool.jobkit]\nx = '\xff'",
            PYPROJECT,
            "can't be read: 'utf-8' codec can't decode byte 0xff in position 19: ",
        ),
        (b"[tool.jobkit]\ncontrollers = 'jobs'", "[tool.jobkit] controllers in FOLDER/pyproject.toml=jobs", NO_NAMES),
        (
            b"[tool.jobkit]\ncontrollers = ['a/b']",
            "[tool.jobkit] controllers in FOLDER/pyproject.toml=['a/b']",
            NO_NAMES,
        ),
        (
            b"[tool.jobkit]\ncontrolers = ['jobs']",
            "[tool.jobkit] controlers in FOLDER/pyproject.toml=['jobs']",
            "there is no such setting. Did you mean 'controllers'?",
        ),
    ],
    ids=["broken", "no text", "no list", "no names", "unknown"],
)
def test_a_pyproject_that_cannot_be_meant_is_answered_with_its_path(
    jobkit: InProcess, folder: Path, content: bytes, setting: str, reason: str
):
    (folder / "pyproject.toml").write_bytes(content)

    done = jobkit("controllers")

    told = done.err.replace(str(folder), "FOLDER")
    if reason.endswith(": "):  # what follows are Python's words
        told = told.partition(reason)[0] + reason + "\n"
    assert (done.code, done.out, told) == (2, "", f"error: {setting}: {reason}\n")


def test_a_named_module_that_is_not_there_is_told_and_the_default_one_need_not_exist(jobkit: InProcess, folder: Path):
    write(folder, {"pyproject.toml": '[tool.jobkit]\ncontrollers = ["nowhere"]\n'})
    named = jobkit("controllers")
    write(folder, {"pyproject.toml": "[tool.jobkit]\n"})
    by_default = jobkit("controllers")

    warning = "warning: not loaded: nowhere: ModuleNotFoundError: No module named 'nowhere'\n"
    assert (named.code, named.err) == (1, warning)
    assert (by_default.code, by_default.err) == (0, "")


def test_installed_packages_offer_controllers_as_entry_points(jobkit: InProcess, folder: Path, tmp_path: Path):
    site = tmp_path / "site"
    points = {
        "of_class": "installed_jobs:Own",
        "of_module": "more_jobs",
        "of_nothing": "installed_jobs:P",
        "broken": "installed_jobs:Missing",
    }
    write(
        site,
        {
            "installed_jobs.py": controller("installed"),
            "more_jobs.py": controller("installed_too"),
            "installed_jobs-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: installed-jobs\nVersion: 1.0\n",
            "installed_jobs-1.0.dist-info/entry_points.txt": "[jobkit.controllers]\n"
            + "".join(f"{name} = {value}\n" for name, value in points.items()),
        },
    )
    sys.path.append(str(site))  # a fixture puts it back

    done = jobkit("controllers", "--json")

    problems: list[dict[str, Any]] = done.document["problems"]
    assert [found["job_type"] for found in done.document["controllers"]] == [
        "hello_worlds",
        "installed",
        "installed_too",
    ]
    assert [(problem["name"], problem["reason"]) for problem in problems] == [
        ("entry point of_nothing", "it is neither a controller nor a module"),
        ("entry point broken", "AttributeError: module 'installed_jobs' has no attribute 'Missing'"),
    ]


def test_what_modules_print_while_they_are_imported_is_not_on_stdout(jobkit: InProcess, folder: Path):
    copy_samples(folder, "failing")

    done = jobkit("controllers", "--json")

    assert [found["job_type"] for found in done.document["controllers"]] == ["failing", "hello_worlds"]
    assert done.err == "printed while it is imported\n"
