"""`jobkit new-controller`: from an idea to a running controller; and all that it refuses, the tree untouched."""

from __future__ import annotations

import errno
import re
import subprocess
import sys
from pathlib import Path

import pytest

from commands import InProcess, terminal

TILE_CITY = (
    "tile_city",
    *("--stage", "prepare", "--stage", "cut tiles:fan-out", "--stage", "mosaic:fan-in"),
    *("--param", "source:str", "--param", "tile_px:int=512"),
)
A_PROJECT = "[tool.jobkit]\n"
TESTABLE = A_PROJECT + '[tool.pytest.ini_options]\npythonpath = ["."]\n'
#: A template of the user's own: one file, with a variable of its own.
A_TEMPLATE = {
    "cookiecutter.json": '{"team": "the {{ cookiecutter.job_type }} team", "level": ["low", "high"]}',
    "{{cookiecutter.job_type}}/{{cookiecutter.controllers_folder}}/{{cookiecutter.controller_file}}": (
        "# {{ cookiecutter.team }}, {{ cookiecutter.level }}, {{ cookiecutter.stages[0].slug }}\n"
    ),
}


def write(folder: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def tree(folder: Path) -> dict[str, str]:
    """Every file that is no cache of Python's, with its text."""
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not {"__pycache__", ".git", ".jobkit"} & set(path.parts)
    }


@pytest.fixture
def project(folder: Path) -> Path:
    write(folder, {"pyproject.toml": TESTABLE})
    return folder


def test_the_minute_from_an_idea_to_a_running_controller(jobkit: InProcess, project: Path):
    first = jobkit("new-controller", "validate-raster", "--stage", "validate")
    second = jobkit("new-controller", *TILE_CITY)
    ran = jobkit("run", "tile_city", "--source", "a.tif", "--json")

    assert (first.code, first.out, first.err) == (
        0,
        "controllers/__init__.py\ncontrollers/validate_raster.py\ntests/test_validate_raster.py\n",
        "Try it: jobkit run validate_raster\nTest it: pytest tests/test_validate_raster.py\n",
    )
    assert (second.code, second.out, second.err) == (
        0,
        "controllers/tile_city.py\ntests/test_tile_city.py\n",
        "Try it: jobkit run tile_city --source text\nTest it: pytest tests/test_tile_city.py\n",
    )
    assert [
        (stage["name"], [result["value"] for result in stage["results"]]) for stage in ran.document["result"]["stages"]
    ] == [
        ("prepare", [{"text": "prepare: a.tif"}]),
        ("cut tiles", [{"text": f"cut_tiles: tile_city {number}"} for number in (1, 2, 3)]),
        ("mosaic", [{"text": "mosaic: 3 results"}]),
    ]


def test_the_test_that_it_writes_passes_in_a_project_that_says_nothing_to_pytest(
    jobkit: InProcess, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    write(folder, {"pyproject.toml": '[tool.jobkit]\ncontrollers = ["etl.jobs"]\n', "src/etl/__init__.py": ""})

    made = jobkit("new-controller", *TILE_CITY, "--json")
    ran = jobkit("run", "tile_city", "--source", "a.tif")

    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)  # CI's own
    tests = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert [file["path"] for file in made.document["files"]] == [
        "conftest.py",
        "src/etl/jobs/__init__.py",
        "src/etl/jobs/tile_city.py",
        "tests/test_tile_city.py",
    ]
    assert (folder / "conftest.py").read_text().endswith('sys.path.insert(0, str(Path(__file__).parent / "src"))\n')
    assert ran.code == 0
    assert (tests.returncode, tests.stdout.splitlines()[-1][:9]) == (0, "5 passed "), tests.stdout


def test_json_tells_what_was_made_and_how_to_run_it(jobkit: InProcess, project: Path):
    done = jobkit(
        "new-controller",
        "odd",
        "--no-test",
        "--json",
        *(
            "--param",
            "stage:str",
            "--param",
            "n:int,ge=5",
            "--param",
            "dry:bool",
            "--param",
            "names:list[str],min_length=2",
        ),
        *("--param", "day:date", "--param", "json_:float,gt=0,lt=1", "--param", "free:str=no"),
    )

    run = "--param-stage text --n 5 --dry --names text --names text --day 2026-01-31 --param-json 0.5"
    assert (done.code, done.err) == (0, "")
    assert done.document == {
        "schema": 1,
        "job_type": "odd",
        "project": str(project),
        "module": "controllers.odd",
        "files": [
            {"path": "controllers/__init__.py", "state": "new", "diff": "", "backup": None},
            {"path": "controllers/odd.py", "state": "new", "diff": "", "backup": None},
        ],
        "made": True,
        "run": f"jobkit run odd {run}",
    }
    assert jobkit("run", "odd", *run.split()).code == 0


def test_a_dry_run_prints_the_files_and_writes_none(jobkit: InProcess, project: Path):
    before = tree(project)

    shown, told = (jobkit("new-controller", *TILE_CITY, "--dry-run", *more) for more in ((), ("--json",)))
    untouched = tree(project)
    jobkit("new-controller", *TILE_CITY)

    made = {name: text for name, text in tree(project).items() if name not in before}
    assert (shown.code, shown.err, untouched) == (0, "Nothing was written.\n", before)
    assert shown.out == "".join(f"==> {name}\n{text}\n" for name, text in made.items())
    assert {file["path"]: file["content"] for file in told.document["files"]} == made
    assert (told.document["made"], told.document["run"]) == (False, None)


@pytest.mark.parametrize(
    ("files", "made"),
    [
        ({"host.json": "{}"}, ["conftest.py", "controllers/__init__.py", "controllers/one.py", "tests/test_one.py"]),
        (
            {
                "pyproject.toml": '[tool.jobkit]\ncontrollers = ["single", "more.jobs"]\n',
                "single.py": "",
                "more/jobs/keep.txt": "",
                "conftest.py": "",
            },
            ["more/jobs/one.py", "tests/test_one.py"],
        ),
        (
            {"pyproject.toml": TESTABLE + 'testpaths = ["checks/unit", "more"]\n', "controllers/__init__.py": ""},
            ["checks/unit/test_one.py", "controllers/one.py"],
        ),
        (
            {"pyproject.toml": A_PROJECT, "pytest.ini": "[pytest]\npythonpath = . src\ntestpaths = checks\n"},
            ["checks/test_one.py", "controllers/__init__.py", "controllers/one.py"],
        ),
        (
            {"pyproject.toml": '[tool.jobkit]\ncontrollers = ["lib_jobs.deep"]\n[tool.pytest]\npythonpath = ["."]\n'},
            ["lib_jobs/__init__.py", "lib_jobs/deep/__init__.py", "lib_jobs/deep/one.py", "tests/test_one.py"],
        ),
    ],
    ids=["host.json", "the first package", "testpaths", "pytest.ini", "a package yet to be made"],
)
def test_it_keeps_to_the_projects_own_layout(
    jobkit: InProcess, folder: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], made: list[str]
):
    write(folder, {**files, "deep/er/x.txt": ""})
    before = tree(folder)
    monkeypatch.chdir(folder / "deep" / "er")

    done = jobkit("new-controller", "one")

    assert (done.code, done.out) == (0, "".join(f"../../{name}\n" for name in made))
    assert sorted(set(tree(folder)) - set(before)) == made
    assert {name: tree(folder)[name] for name in before} == before
    assert jobkit("run", "one").code == 0


def test_what_is_there_is_never_written_over_without_force_which_keeps_a_copy(jobkit: InProcess, project: Path):
    jobkit("new-controller", "one")
    mine = (project / "controllers/one.py").read_text().replace("Say in this line", "Mine, not in this line")
    (project / "controllers/one.py").write_text(mine)
    before = tree(project)

    refused = jobkit("new-controller", "one")
    untouched = tree(project)
    again, told = jobkit("new-controller", "one", "--force"), jobkit("new-controller", "one")
    (project / "controllers/one.py").write_text(mine)
    twice = jobkit("new-controller", "one", "--force", "--json")

    assert (refused.code, untouched) == (1, before)
    assert [line for line in refused.out.splitlines() if line[0] in "+-"] == [
        "--- controllers/one.py (as it is)",
        "+++ controllers/one.py (new)",
        '-    """Mine, not in this line what the job does: `jobkit controllers` shows it.',
        '+    """Say in this line what the job does: `jobkit controllers` shows it.',
    ]
    assert refused.err == (
        "error: controllers/one.py is there already and would change as shown; nothing was written.\n"
        "Choose another name, or let --force write over it: a copy is kept (.bak).\n"
    )
    assert (again.code, again.out) == (0, "controllers/one.py (as it was: controllers/one.py.bak)\n")
    assert told.err.splitlines()[0] == "All of it is there already, just so."
    assert [file["backup"] for file in twice.document["files"]] == [str(project / "controllers/one.py.bak1"), None]
    after = tree(project)
    assert after.pop("controllers/one.py.bak") == after.pop("controllers/one.py.bak1") == mine
    assert after == before | {"controllers/one.py": mine.replace("Mine, not in this line", "Say in this line")}


def test_where_a_folder_cannot_be_made_nothing_is_written(jobkit: InProcess, project: Path):
    write(project, {"tests": "no folder"})
    before = tree(project)

    done = jobkit("new-controller", "one")

    assert (done.code, done.out) == (1, "")
    assert re.fullmatch(r"error: can't write \S+/tests/\.test_one\.py\.[0-9a-f]+\.jobkit: Not a directory\n", done.err)
    assert tree(project) == before
    assert not (project / "controllers").exists()


@pytest.mark.parametrize("failing", [1, 2, 3])
def test_when_one_of_the_files_cannot_be_put_in_its_place_none_is(
    jobkit: InProcess, project: Path, monkeypatch: pytest.MonkeyPatch, failing: int
):
    template = {
        "cookiecutter.json": "{}",
        "{{cookiecutter.job_type}}/conftest.py": "theirs = 3\n",
        "{{cookiecutter.job_type}}/controllers/one.py": "theirs = 4\n",
        "{{cookiecutter.job_type}}/new/file.txt": "theirs = 5\n",
    }
    write(project / "mine", template)
    write(project, {"controllers/one.py": "mine = 1\n", "conftest.py": "mine = 2\n"})
    before = tree(project)
    replaced: list[Path] = []
    really = Path.replace

    def replace(self: Path, target: Path) -> None:
        if ".jobkit" in self.name:
            replaced.append(target)
            if len(replaced) == failing:
                raise PermissionError(errno.EACCES, "Permission denied", str(target))
        really(self, target)

    monkeypatch.setattr(Path, "replace", replace)

    done = jobkit("new-controller", "one", "--template", "mine", "--force")

    assert (done.code, done.out) == (1, "")
    assert done.err == f"error: can't write {replaced[-1]}: Permission denied\n"
    assert tree(project) == before
    assert not (project / "new").exists()


def test_a_folder_in_the_place_of_a_file_is_told(jobkit: InProcess, project: Path):
    (project / "tests" / "test_one.py").mkdir(parents=True)

    done = jobkit("new-controller", "one")

    why = "is there and is no file; nothing was changed. Move it away, or choose another name."
    assert (done.code, done.err) == (1, f"error: {project / 'tests/test_one.py'} {why}\n")
    assert list(tree(project)) == ["pyproject.toml"]


FORM = "give a letter, then letters, digits, - and _, lower case, 40 at most"
HIDES = "from scripts beside it. Choose another"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a b", FORM),
        ("9lives", FORM),
        ("Tiles", FORM),
        ("ä", FORM),
        ("", FORM),
        ("a" * 41, FORM),
        ("sub/tiles", f"it is a path; {FORM}"),
        ("../tiles", f"it is a path; {FORM}"),
        ("tiles.py", f"it is a path; {FORM}"),
        ("import", "it is a keyword of Python. Choose another, such as import_job"),
        ("calendar", f"its module would hide Python's own module calendar {HIDES}"),
        ("rfc8785", f"its module would hide the installed module rfc8785 {HIDES}"),
        ("my_settings", f"its module would hide the project's module my_settings {HIDES}"),
        ("hello_worlds", "jobkit.runtime.controllers.HelloWorlds has that job type. Choose another"),
        ("other-job", "controllers.jobs.Other has that job type. Choose another"),
        ("whole", "controllers/whole is a package, of the same name as the module would be"),
    ],
)
def test_a_name_that_cannot_be_one_is_refused(jobkit: InProcess, project: Path, name: str, reason: str):
    other = (
        "from jobkit.runtime import BaseController, Params, TaskContext, stage\n"
        "class Other(BaseController[Params]):\n"
        "    job_type = 'other_job'\n"
        "    @stage('one')\n"
        "    def one(self, task: TaskContext[Params, None]) -> int: return 1\n"
    )
    write(project, {"controllers/jobs.py": other, "controllers/whole/__init__.py": "", "my_settings.py": ""})
    before = tree(project)

    done = jobkit("new-controller", "--", name)

    shown = name if reason.startswith(("give", "it is")) else name.replace("-", "_")
    assert (done.code, done.out, done.err) == (2, "", f"error: a controller can't be called {shown!r}: {reason}\n")
    assert tree(project) == before


KINDS = "only single, fan-out, fan-in, per-result."


@pytest.mark.parametrize(
    ("stages", "reason"),
    [
        (["cut:fanout"], f"there is no kind 'fanout', {KINDS} Did you mean 'fan-out'?"),
        (["cut:"], f"there is no kind '', {KINDS}"),
        ([":fan-out"], "the name needs a letter or digit"),
        (["日本"], "the name needs a letter or digit"),
        (["a\nb"], "give a name of up to 40 printable characters"),
        (["a" * 41], "give a name of up to 40 printable characters"),
        (["cut tiles", "Cut-Tiles:fan-out"], "its name is too much like that of 'cut tiles'"),
        (["all:fan-in"], "a fan-in stage works on the results of the one before it: it can't be the first"),
        (["all:per-result"], "a per-result stage works on the results of the one before it: it can't be the first"),
        ([f"s{number}" for number in range(100)], "99 stages are the most"),
    ],
)
def test_a_stage_that_cannot_be_one_is_refused(jobkit: InProcess, project: Path, stages: list[str], reason: str):
    done = jobkit("new-controller", "one", *(word for stage in stages for word in ("--stage", stage)))

    assert (done.code, done.out, done.err) == (2, "", f"error: --stage {stages[-1]!r}: {reason}\n")
    assert list(tree(project)) == ["pyproject.toml"]


GIVE = (
    "give NAME:TYPE[=DEFAULT][,BOUND=VALUE], such as source:str or tile_px:int=512,ge=1; "
    "bounds are ge, gt, le, lt, min_length, max_length"
)
NAME = "a name is a letter, then letters, digits and underscores, lower case, 40 at most"
NO_PACKAGE = "there is no package among them"
NO_PROJECT = (
    "error: no project at {folder} or above it: make one with jobkit new-app DIR, "
    "or put a [tool.jobkit] table into a pyproject.toml\n"
)
NO_PLACE = "Name a package there, in which each module is a controller's"
NO_TYPE = "only str, int, float, bool, date, Path and lists such as list[str]."
BY_HAND = "Any other type can be written into the controller."


@pytest.mark.parametrize(
    ("param", "reason"),
    [
        ("x", GIVE),
        ("x:int,about=1", GIVE),
        (":int", NAME),
        ("X:int", NAME),
        ("_x:int", NAME),
        ("a b:int", NAME),
        ("class:int", "'class' is a keyword of Python; give class_, its option is the same"),
        ("json:int", "'json' is a name that pydantic has for itself; give json_, its option is the same"),
        ("model_dump:int", "'model_dump' is a name that pydantic has for itself; choose another"),
        ("list:int", "'list' is the name of a type; give list_, its option is the same"),
        ("x:complex", f"there is no type 'complex' here, {NO_TYPE} {BY_HAND}"),
        ("x:list[bool]", f"there is no type 'list[bool]' here, {NO_TYPE} Did you mean 'list[float]'? {BY_HAND}"),
        ("x:int=many", "the default 'many' is not of type int"),
        ("x:date=today", "the default 'today' is not of type date"),
        ("x:list[int]=1,2", "the default '1,2' is not a JSON array of these"),
        (f"x:list[int]=[{'1, ' * 20}1]", "the list is too long for here: write it into the controller"),
        ("x:float=nan", "the default can't be part of a job's id: nan is not representable in JCS"),
        (
            "x:int=9007199254740993",
            "the default can't be part of a job's id: 9007199254740993 exceeds safe integer domain for JSON floats",
        ),
        ("x:int=5,ge=6", "the default: Input should be greater than or equal to 6"),
        ("x:int,ge=a", "the bound ge 'a' is not of type int"),
        ("x:int,ge=1,ge=2", "the bound ge is given twice"),
        ("x:int,ge=5,le=4", "no value is found that keeps to its bounds"),
        ("x:str,ge=1", "the type has no bound ge, only min_length, max_length"),
        ("x:bool,min_length=1", "the type has no bound min_length, nor any other"),
    ],
)
def test_a_parameter_that_cannot_be_one_is_refused(jobkit: InProcess, project: Path, param: str, reason: str):
    done = jobkit("new-controller", "one", "--param", param)

    assert (done.code, done.out, done.err) == (2, "", f"error: --param {param!r}: {reason}\n")
    assert list(tree(project)) == ["pyproject.toml"]


def test_two_parameters_of_one_name_are_refused(jobkit: InProcess, project: Path):
    done = jobkit("new-controller", "one", "--param", "tile_px:int", "--param", "tile-px:str")

    assert (done.code, done.err) == (2, "error: --param 'tile-px:str': there are two parameters 'tile_px'\n")


@pytest.mark.parametrize(
    ("files", "code", "answer"),
    [
        (
            {},
            3,
            NO_PROJECT,
        ),
        (
            {"pyproject.toml": A_PROJECT, "controllers.py": ""},
            1,
            f"error: [tool.jobkit] controllers = ['controllers']: {NO_PACKAGE}, only controllers.py. {NO_PLACE}\n",
        ),
        (
            {"pyproject.toml": "[tool.jobkit]\ncontrollers = []\n"},
            1,
            f"error: [tool.jobkit] controllers = []: it names no module. {NO_PLACE}\n",
        ),
        ({"pyproject.toml": A_PROJECT, "pytest.ini": "["}, 1, "error: can't read {folder}/pytest.ini: "),
    ],
    ids=["no project", "a module", "no module", "pytest.ini is none"],
)
def test_where_there_is_no_place_that_is_told(
    jobkit: InProcess, folder: Path, files: dict[str, str], code: int, answer: str
):
    write(folder, files)

    done = jobkit("new-controller", "one")

    assert (done.code, done.out) == (code, "")
    assert done.err.startswith(answer.format(folder=folder))
    assert tree(folder) == files


def test_controllers_that_do_not_load_are_told_and_stand_in_nobodys_way(jobkit: InProcess, project: Path):
    write(project, {"controllers/broken.py": "import nothing_like_it\n"})

    done = jobkit("new-controller", "one")

    assert done.code == 0
    assert done.err.splitlines()[0].startswith("warning: not loaded: controllers.broken: ModuleNotFoundError: ")
    assert done.err.splitlines()[1:] == ["Try it: jobkit run one", "Test it: pytest tests/test_one.py"]


def test_a_template_of_the_users_own_has_defaults_for_its_own_variables(jobkit: InProcess, project: Path):
    compiled = "{{cookiecutter.job_type}}/tests/__pycache__/test_it.cpython-311.pyc"  # whoever ran its tests has these
    write(project / "mine", {**A_TEMPLATE, compiled: ""})

    done = jobkit("new-controller", "one", "--stage", "first", "--template", "mine")

    assert (done.code, done.out) == (0, "controllers/__init__.py\ncontrollers/one.py\n")
    assert done.err == "warning: not loaded: controllers.one has no controller 'one'\n"
    assert (project / "controllers/one.py").read_text() == "# the one team, low, first\n"


HOOK = "open('hooked.txt', 'w').write('by a hook')\n"


def test_hooks_run_only_with_consent(jobkit: InProcess, project: Path):
    write(project / "mine", {**A_TEMPLATE, "hooks/post_gen_project.py": HOOK, "hooks/notes.txt": ""})
    before = tree(project)

    refused = jobkit("new-controller", "one", "--template", "mine")
    untouched = tree(project)
    agreed = jobkit("new-controller", "one", "--template", "mine", "--yes")

    assert (refused.code, refused.out, untouched) == (2, "", before)
    assert refused.err == (
        "template mine runs code of its own: hooks/post_gen_project.py\n"
        "error: --yes is needed where nobody can be asked (there is no terminal)\n"
    )
    assert (agreed.code, agreed.out) == (0, "controllers/__init__.py\ncontrollers/one.py\nhooked.txt\n")
    assert (project / "hooked.txt").read_text() == "by a hook"


def test_a_repository_is_cloned_and_nothing_of_it_is_rendered_without_consent(
    jobkit: InProcess, project: Path, tmp_path_factory: pytest.TempPathFactory
):
    repository = tmp_path_factory.mktemp("repository")
    write(repository, A_TEMPLATE)
    who = ("-c", "user.name=n", "-c", "user.email=n@example.org")
    for command in (("init", "-q"), ("add", "-A"), (*who, "commit", "-q", "-m", "first")):
        subprocess.run(["git", "-C", repository, *command], check=True, timeout=30)
    url = repository.as_uri()

    refused = jobkit("new-controller", "one", "--template", url)
    agreed = jobkit("new-controller", "one", "--template", url, "--yes")
    missing = jobkit("new-controller", "two", "--template", f"{url}/nowhere", "--yes")

    assert (refused.code, refused.err.splitlines()[0]) == (
        2,
        f"template {url} runs code of its own: its files, as Jinja templates",
    )
    assert (agreed.code, agreed.out) == (0, "controllers/__init__.py\ncontrollers/one.py\n")
    assert (missing.code, missing.out) == (1, "")
    assert missing.err.startswith(f"error: template {url}/nowhere: git could not clone it: ")


@pytest.mark.parametrize(
    ("files", "code", "reason"),
    [
        ({"x.txt": ""}, 3, "it has no cookiecutter.json. Give a folder with a cookiecutter.json, or the URL of a git"),
        ({"cookiecutter.json": "[]"}, 1, "cookiecutter.json must hold a JSON object\n"),
        ({"cookiecutter.json": "{"}, 1, "cookiecutter.json can't be read: "),
        ({**A_TEMPLATE, "{{cookiecutter.job_type}}/x": "{{ cookiecutter.what }}"}, 1, "Unable to create file 'x': "),
        ({**A_TEMPLATE, "{{cookiecutter.job_type}}/x": "a\n{% if %}"}, 1, "Expected an expression, got 'end of"),
        ({**A_TEMPLATE, "hooks/pre_gen_project.py": "raise SystemExit(3)"}, 1, "Hook script failed (exit status: 3)\n"),
    ],
    ids=["no template", "no object", "no JSON", "an unknown variable", "no Jinja", "a hook that fails"],
)
def test_a_template_that_is_wrong_is_told_and_nothing_is_left(
    jobkit: InProcess, project: Path, files: dict[str, str], code: int, reason: str
):
    write(project / "mine", files)
    before = tree(project)

    done = jobkit("new-controller", "one", "--template", "mine", "--yes")

    assert (done.code, done.out) == (code, "")
    assert done.err.startswith(f"error: template mine: {reason}")
    assert "Traceback" not in done.err
    assert tree(project) == before


def test_a_template_that_is_nowhere_is_told(jobkit: InProcess, project: Path):
    done = jobkit("new-controller", "one", "--template", "nowhere")

    give = "Give a folder with a cookiecutter.json, or the URL of a git repository"
    assert (done.code, done.err) == (3, f"error: template nowhere: there is no such folder. {give}\n")


def test_nothing_is_asked_without_a_terminal(jobkit: InProcess, project: Path):
    done = jobkit("new-controller", "one", "--interactive")

    assert (done.code, done.err) == (2, "error: --interactive needs a terminal: leave it out, nothing else asks\n")
    assert list(tree(project)) == ["pyproject.toml"]


def test_interactive_asks_at_a_terminal_for_what_was_not_given(project: Path):
    write(project / "mine", {**A_TEMPLATE, "hooks/post_gen_project.py": HOOK})
    typed = ["all:fan-in", "cut:fan-out", "", "n:int=3", "", "y", "us", "middling", "high"]

    code, shown = terminal(
        "new-controller", "one", "--interactive", "--template", "mine", typed="\n".join([*typed, ""])
    )

    assert code == 0, shown
    assert "a fan-in stage works on the results of the one before it: it can't be the first" in shown
    assert (project / "controllers/one.py").read_text() == "# us, high, cut\n"
