"""What new-controller makes, held to our own bar: format, lint, strict types, its own tests, `jobkit run`.

Needs the tools of the `dev` extra, so that pytest does not collect it by itself: `make generated` runs it, and CI. All
combinations are made in one project, and each tool looks at it once.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from commands import InProcess
from jobkit.runtime.loader import find_project
from jobkit.scaffold.controller import ControllerSpec, controller_files, job_type_of
from jobkit.scaffold.layout import find_layout
from jobkit.scaffold.params import parse_params
from jobkit.scaffold.placing import State, put
from jobkit.scaffold.stages import parse_stages
from jobkit.scaffold.template import open_template

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
PYPROJECT = f"""\
[tool.jobkit]

[tool.ruff]
extend = {json.dumps(str(ROOT / "pyproject.toml"))}
src = ["."]

[tool.ruff.lint.extend-per-file-ignores]
"tests/**" = ["S101"] # asserts

[tool.pyright]
pythonVersion = "3.11"
typeCheckingMode = "strict"
enableTypeIgnoreComments = false

[tool.pytest.ini_options]
pythonpath = ["."]
filterwarnings = ["error"]
"""


#: Formatted at each of these widths: what is made fits the narrowest.
TOOLS = {
    **{
        f"ruff format, {columns} columns": ("ruff", "format", "--no-cache", "--diff", "--line-length", columns)
        for columns in ("79", "88", "120")
    },
    "ruff check": ("ruff", "check", "--no-cache"),
    "mypy": ("mypy", "--config-file", str(ROOT / "pyproject.toml"), "controllers", "tests"),
    "pyright": ("pyright", "--pythonpath", sys.executable),
    "pytest": ("pytest", "-q", "-n0", "-p", "no:cacheprovider"),
}


@dataclass(frozen=True)
class Case:
    """What new-controller is asked for, what `run` is given, and how many tasks each stage then has."""

    name: str
    stages: str = ""
    params: tuple[str, ...] = ()
    run: str = ""
    tasks: tuple[int, ...] = (1,)
    test: bool = True


CASES = (
    Case("validate-raster", "validate"),
    Case(
        "tile_city",
        "prepare,cut tiles:fan-out,mosaic:fan-in",
        ("source:str", "tile_px:int=512"),
        "--source a.tif",
        (1, 3, 1),
    ),
    Case("bare"),
    Case("bare_untested", test=False),
    # kinds, chained
    Case("lone_single", "only:single"),
    Case("lone_fan_out", "each:fan-out", tasks=(3,)),
    Case("two_singles", "first,second", tasks=(1, 1)),
    Case("single_per_result", "first,second:per-result", tasks=(1, 1)),
    Case("single_fan_in", "first,second:fan-in", tasks=(1, 1)),
    Case("out_out", "first:fan-out,second:fan-out", tasks=(3, 3)),
    Case("out_per_per_in", "a:fan-out,b:per-result,c:per-result,d:fan-in", tasks=(3, 3, 3, 1)),
    Case("in_in", "a:fan-out,b:fan-in,c:fan-in,d:per-result", tasks=(3, 1, 1, 1)),
    Case("in_out_in", "a:fan-out,b:fan-in,c:fan-out,d:fan-in", ("note:str",), "--note x", (3, 1, 3, 1)),
    Case("per_untested", "a:fan-out,b:per-result", ("n:int=3",), tasks=(3, 3), test=False),
    Case("in_untested", "a:fan-out,b:fan-in", ("n:int",), "--n 4", tasks=(3, 1), test=False),
    # types, defaults and bounds
    Case(
        "of_str",
        "",
        ("text:str", "note:str=none, really", "least:str,min_length=9", "most:str=,max_length=3"),
        "--text a --least aaaaaaaaa",
    ),
    Case("of_int", "", ("n:int,ge=5,le=9", "m:int=-3,lt=0", "o:int,gt=100", "p:int,le=-5"), "--n 5 --o 101 --p -6"),
    Case("of_float", "", ("x:float,gt=0,lt=1", "y:float=1e-7", "z:float=2"), "--x 0.5"),
    Case("of_bool", "", ("dry:bool", "deep:bool=true", "wide:bool=false"), "--no-dry"),
    Case(
        "of_date",
        "s:fan-out",
        ("day:date", "since:date=2026-01-31,ge=2000-01-01", "date:date=2026-02-28"),
        "--day 2026-03-01",
        (3,),
    ),
    Case("of_path", "", ("source:Path", "target:Path=out/a b"), "--source in"),
    Case(
        "of_dates_and_paths",
        "s:fan-out,t:fan-in",
        ("day:date,gt=2026-05-05", "place:Path"),
        "--day 2026-06-01 --place x",
        (3, 1),
    ),
    Case(
        "of_lists",
        "",
        ("names:list[str]", "bands:list[int]=[3, 2, 1],max_length=9", "none:list[float]=[]"),
        "--names a --names b",
    ),
    Case(
        "of_list_of_dates",
        "",
        ("days:list[date],min_length=2", 'places:list[Path]=["a"]'),
        "--days 2026-01-01 --days 2026-01-02",
    ),
    Case("only_defaults", "a:fan-out,b:per-result", ("n:int=1",), tasks=(3, 3)),
    Case(
        "of_quotes",
        "",
        ("""double:str=say "hi" """, "single:str=it's", """both:str=it's "\\ both""", "lines:str=a\nb\t{c}"),
    ),
    # names of parameters that `run`, pydantic or Python have for themselves
    Case(
        "taken_params",
        "",
        ("stage:str", "json_:int=1", "class_:str=x", "timeout:int=5", "from_:str=y", "id:int=1"),
        "--param-stage x --param-json 2 --class z --param-timeout 1 --param-from q",
    ),
    # names of stages and controllers
    Case("taken_stages", "class,import,stage,aggregate,list,job_type,on complete", tasks=(1,) * 7),
    Case(
        "odd_stages",
        '2nd pass,say "hi",Prüfen,x2 a:fan-out,x10 b:per-result,{brace},match',
        ("n:int=1",),
        tasks=(1, 1, 1, 3, 3, 1, 1),
    ),
    Case("twin_stages", "cut:fan-out,cut items:per-result,cut item,cut1 2,cut 12", tasks=(3, 3, 1, 1, 1)),
    Case("exception", "warning"),
    Case("job_context", "task context:fan-out,params:fan-in", tasks=(3, 1)),
    Case("params", "base model", ("field:str=a",)),
    Case("cut_item", "cut:fan-out", tasks=(3,)),
    Case("x2", "y10:fan-out,y9:per-result", tasks=(3, 3)),
    Case("a", "b:fan-out", ("c:int=1",), tasks=(3,)),
    Case(
        "a" * 40,
        f"{'b' * 40}:fan-out,{'c' * 40}:per-result,{'d' * 40}:fan-in",
        (f"{'e' * 40}:str",),
        f"--{'e' * 40} x",
        (3, 3, 1),
    ),
    Case("_".join("abcdefghijklmnopqrst"), "u v w x y z:fan-out,z y x:fan-in", tasks=(3, 1), test=False),
    Case(
        "middling_long_name_of_a_job",
        "a middling long stage:fan-out,another middling one:per-result,end of it:fan-in",
        ('long_name_of_a_parameter:list[str]=["one", "two"],min_length=1',),
        tasks=(3, 3, 1),
    ),
    Case(
        "many_stages",
        ",".join(f"s {number}:{('fan-out', 'per-result', 'fan-in')[number % 3]}" for number in range(12)),
        tasks=(3, 3, 1) * 4,
    ),
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with all of them."""
    root = tmp_path_factory.mktemp("generated")
    (root / "pyproject.toml").write_text(PYPROJECT)
    with open_template(None) as template:
        for case in CASES:
            found = find_project(root)
            assert found is not None
            spec = ControllerSpec(
                job_type=job_type_of(case.name),
                stages=parse_stages(case.stages.split(",") if case.stages else []),
                params=parse_params(case.params),
                with_test=case.test,
            )
            files = controller_files(spec, find_layout(found, path=()), template, ask=None)
            assert {file.state for file in files} == {State.NEW}
            put(files)
    return root


@pytest.fixture(scope="module")
def complaints(project: Path) -> Iterator[Callable[[str], str]]:
    """What each tool of our own environment has to complain about: they are started together, and look at all of it once."""
    env = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}  # CI's own
    started = {
        name: subprocess.Popen(
            [BIN / command[0], *command[1:]],
            cwd=project,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for name, command in TOOLS.items()
    }

    def wait_for(name: str) -> str:
        out, _ = started[name].communicate(timeout=110)
        return out if started[name].returncode else ""

    yield wait_for
    for process in started.values():
        process.kill()
        process.communicate()


def test_there_are_enough_of_them():
    assert len(CASES) >= 30
    assert len({case.name for case in CASES}) == len(CASES)


def test_each_is_listed_and_runs(
    project: Path,
    complaints: Callable[[str], str],  # the tools begin meanwhile
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
):
    monkeypatch.chdir(project)
    monkeypatch.setattr(sys, "path", list(sys.path))
    jobkit = InProcess(monkeypatch, capfd)
    listed = jobkit("controllers", "--json")
    types = {found["job_type"] for found in listed.document["controllers"]}
    assert (listed.code, listed.document["problems"]) == (0, [])
    assert types == {"hello_worlds", *(job_type_of(case.name) for case in CASES)}

    ended: dict[str, Any] = {}
    for case in CASES:
        done = jobkit("run", job_type_of(case.name), *shlex.split(case.run), "--json")
        stages = [stage["completed"] for stage in done.document["stages"]] if done.out else done.err
        ended[case.name] = (done.code, stages)

    assert ended == {case.name: (0, list(case.tasks)) for case in CASES}


@pytest.mark.parametrize("name", TOOLS)
def test_a_tool_has_nothing_to_complain_about(complaints: Callable[[str], str], name: str):
    assert complaints(name) == ""


def test_all_but_those_without_a_test_have_one(project: Path):
    made = {path.name for path in (project / "tests").glob("test_*.py")}

    assert made == {f"test_{job_type_of(case.name)}.py" for case in CASES if case.test}
