"""The Function App examines itself, `GET` and `POST /api/doctor`: each outcome, on every store."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import azure.functions as func
import pytest

from driver import Driver
from jobkit import __version__
from jobkit.runtime.errors import InvalidSetting, StoreUnavailable
from jobkit.runtime.functions import blueprint, doctor_routes
from jobkit.runtime.functions.answers import BadRequest
from jobkit.runtime.loader import Loaded, Problem
from jobkit.runtime.processing import QUEUES
from jobkit.runtime.registry import Registry
from jobkit.scaffold.app import make_app
from samples import two_stages

Drive = Callable[..., Driver]
SETTINGS = {
    "AzureWebJobsStorage__accountName": "mine",
    "JOBKIT_HUB": "myetl",
    "PYTHON_THREADPOOL_THREAD_COUNT": "32",
    "WEBSITE_SITE_NAME": "my-etl",
}
SOUND = [
    ("machine", "Python", "ok"),
    ("machine", "dependencies", "ok"),
    ("app", "controllers", "ok"),
    ("app", "functions", "ok"),
    ("app", "routes", "ok"),
    ("app", "queues", "ok"),
    ("app", "runtime", "ok"),
    ("app", "runtime", "not checked"),
    ("app", "host.json", "ok"),
    ("app", "host.json queues", "ok"),
    ("app", "host.json threads", "ok"),
    ("app", "host.json times", "ok"),
    ("app", ".funcignore", "ok"),
    ("app", "backups", "ok"),
    ("settings", "JOBKIT_HUB", "ok"),
    ("settings", "AzureWebJobsStorage", "ok"),
    ("storage", "reachable", "ok"),
    ("storage", "writable", "ok"),
    ("storage", "clock", "ok"),
    ("storage", "round trip", "ok"),
    ("jobs", "poison messages", "ok"),
    ("jobs", "jobs", "ok"),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "my-etl"
    make_app(folder)
    (folder / "local.settings.json").unlink()  # as .funcignore has it
    return folder


@pytest.fixture
def deployed(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An app of the test's own, as it is in Azure: its folder, its settings, its module."""
    folder = Path(shutil.copytree(made, tmp_path / "wwwroot"))
    monkeypatch.delenv("AzureWebJobsStorage", raising=False)
    for name, value in {**SETTINGS, "AzureWebJobsScriptRoot": str(folder)}.items():
        monkeypatch.setenv(name, value)
    module: Any = ModuleType("function_app")
    module.app = func.FunctionApp()
    module.app.register_functions(blueprint())
    module.app.get_functions()  # as the worker did when it indexed the app
    monkeypatch.setitem(sys.modules, "function_app", module)
    return folder


def loaded(driver: Driver, *problems: Problem) -> Loaded:
    return Loaded(registry=Registry(driver.controllers), problems=problems)


def app_of(driver: Driver, folder: Path, **changes: Any) -> Any:
    """What the functions of a process share, on the driver's store."""
    parts = {
        "loaded": loaded(driver),
        "hub": "myetl",
        "service": driver.service,
        "store": driver.store,
        "find_account": None,
    }
    return SimpleNamespace(**{**parts, "place": folder / "vendor" / "jobkit", **changes})


def ask(app: Any, *, write: bool = True, query: dict[str, str] | None = None) -> Any:
    request = func.HttpRequest("POST" if write else "GET", "/api/doctor", params=query or {}, body=b"")
    answer = doctor_routes.examine_app(app, request, write=write)
    assert answer.status_code == 200
    return json.loads(answer.get_body())


def not_ok(document: Any) -> list[tuple[str, str, str]]:
    return [(f["name"], f["state"], f["evidence"]) for f in document["findings"] if f["state"] != "ok"]


def test_a_sound_app_is_told_group_by_group_and_its_store_left_as_it_was(drive: Drive, deployed: Path):
    driver = drive(two_stages())
    driver.finish("two_stages", {"n": 1})
    before = driver.everything()

    document = ask(app_of(driver, deployed))

    assert [(f["group"], f["name"], f["state"]) for f in document["findings"]] == SOUND
    assert {name: value for name, value in document.items() if name != "findings"} == {
        "schema": 1,
        "folder": str(deployed),
        "store": "the azure store",
        "verdict": {"error": 0, "warning": 0, "not checked": 1, "ok": 21},
        "mended": [],
    }
    assert document["findings"][6:8] == [
        {
            "group": "app",
            "name": "runtime",
            "state": "ok",
            "evidence": f"vendor/jobkit is jobkit {__version__}, as it was written",
            "fix": None,
            "can_mend": False,
        },
        {
            "group": "app",
            "name": "runtime",
            "state": "not checked",
            "evidence": "whether it is the newest can't be seen from inside the app",
            "fix": "jobkit deploy APP --check",
            "can_mend": False,
        },
    ]
    assert [f["evidence"] for f in document["findings"][12:16]] == [
        "no local.settings.json or .env was deployed",
        "none",
        "myetl, in the app's settings",
        "an identity, for https://mine.table.core.windows.net and https://mine.queue.core.windows.net",
    ]
    assert driver.everything() == before


def test_get_writes_nothing_and_says_what_it_could_not_check(drive: Drive, deployed: Path):
    driver = drive(two_stages())
    driver.submit("two_stages", {"n": 1})
    before = driver.everything()

    document = ask(app_of(driver, deployed), write=False)

    assert not_ok(document)[1:] == [
        ("writable, clock, round trip", "not checked", "nothing was to be written"),
        ("jobs", "not checked", "1 active job: only a later look can tell whether they move"),
    ]
    assert [f["fix"] for f in document["findings"][-3:]] == ["POST /api/doctor", None, "the same again in 10 minutes"]
    assert driver.everything() == before


def test_what_was_deployed_wrongly(drive: Drive, deployed: Path, monkeypatch: pytest.MonkeyPatch):
    driver = drive(two_stages())
    stamp = deployed / "vendor" / "jobkit" / "VENDORED.json"
    needs = {"requires": ["pydantic>=9000", "nobody-has-this>=1.0"]}
    stamp.write_text(json.dumps(json.loads(stamp.read_text()) | needs))
    (deployed / "vendor" / "jobkit" / "runtime" / "clock.py").write_text("mine")
    (deployed / "local.settings.json").write_text("{}")
    (deployed / "function_app.py.orig").write_text("")
    (deployed / "vendor" / ".jobkit-old").mkdir()
    host = json.loads((deployed / "host.json").read_text())
    host["extensions"]["queues"]["messageEncoding"] = "none"
    (deployed / "host.json").write_text(json.dumps(host))
    sys.modules["function_app"].app.route(route="admin/keys")(lambda req: "")  # type: ignore[attr-defined]
    monkeypatch.setenv("JOBKIT_RETENTION", "for ever")
    monkeypatch.setenv("AzureWebJobs.process_task.Disabled", "true")
    monkeypatch.setenv("AzureFunctionsJobHost__functionTimeout", "soon")
    problem = Problem(
        name="controllers.tiles", reason="ModuleNotFoundError: No module named 'rasterio'", where="t.py:3"
    )

    document = ask(app_of(driver, deployed, loaded=loaded(driver, problem)))

    found = not_ok(document)
    assert found[0][2].endswith(" is installed, jobkit needs 9000 or newer")
    assert [("dependencies", "error"), *((name, state, text) for name, state, text in found[1:])] == [
        ("dependencies", "error"),
        ("dependencies", "error", "nobody-has-this is not installed"),
        ("controllers", "error", "controllers.tiles: ModuleNotFoundError: No module named 'rasterio' (t.py:3)"),
        ("routes", "error", "<lambda>: the route 'admin/keys' is the host's own (admin, runtime)"),
        ("runtime", "error", "vendor/jobkit was changed by hand since it was written"),
        ("runtime", "not checked", "whether it is the newest can't be seen from inside the app"),
        (
            "host.json queues",
            "error",
            "messageEncoding is 'none', and jobkit's messages are base64: all end in the poison queue",
        ),
        ("host.json times", "error", "functionTimeout is 'soon', no time"),
        (".funcignore", "warning", "it did not keep back local.settings.json, which may hold keys"),
        ("backups", "warning", "left behind: function_app.py.orig"),
        ("backups", "warning", "a jobkit deploy that was killed left vendor/.jobkit-old"),
        ("JOBKIT_RETENTION", "error", "JOBKIT_RETENTION=for ever: must be a time such as 30d, 12h or 8w"),
        ("disabled functions", "warning", "turned off by AzureWebJobs.NAME.Disabled: process_task"),
    ]
    assert document["findings"][1]["fix"] == 'put "pydantic>=9000" into requirements.txt, and deploy the app'
    assert {f["can_mend"] for f in document["findings"]} == {False}
    assert document["verdict"] == {"error": 8, "warning": 4, "not checked": 1, "ok": 13}


class Broken:
    """An app whose store can't be had."""

    def __init__(self, app: Any, error: Exception) -> None:
        self._app, self._error = app, error

    def __getattr__(self, name: str) -> Any:
        if name in ("service", "store") or (name == "hub" and isinstance(self._error, InvalidSetting)):
            raise self._error
        return getattr(self._app, name)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            StoreUnavailable(store="mine", reason="no answer to AccountName=mine;AccountKey=c2VjcmV0"),
            "store mine: no answer to AccountName=mine;AccountKey=…",
        ),
        (InvalidSetting(setting="JOBKIT_HUB", value="No!", reason="is none"), "JOBKIT_HUB=No!: is none"),
    ],
)
def test_a_store_that_can_not_be_reached_is_told_and_the_rest_too(
    drive: Drive, deployed: Path, error: Exception, told: str
):
    document = ask(Broken(app_of(drive(two_stages()), deployed), error))

    assert not_ok(document)[1:] == [
        ("reachable", "error", told),
        ("writable, clock, round trip", "not checked", "the store can't be reached"),
        ("poison messages", "not checked", "the store can't be reached"),
        ("jobs", "not checked", "the store can't be reached"),
    ]
    assert document["verdict"] == {"error": 1, "warning": 0, "not checked": 4, "ok": 15}


def test_poison_that_waits_and_a_job_that_does_not_move(drive: Drive, deployed: Path, monkeypatch: pytest.MonkeyPatch):
    driver = drive(two_stages())
    app = app_of(driver, deployed)
    job_id = driver.submit("two_stages", {"n": 3})
    for queue in QUEUES:
        for delivery in driver.store.queues.receive(queue, limit=32, visibility_s=30):
            driver.store.queues.delete(queue, delivery)
    driver.store.queues.send("tasks-poison", "foreign")

    looks = [ask(app)["findings"][-2:]]
    driver.clock.advance(11 * 60)
    looks.append(ask(app, write=False)["findings"][-2:])
    monkeypatch.setattr(doctor_routes, "MOST", timedelta(0))
    looks.append(ask(app)["findings"][-2:])

    poison = (
        "poison messages",
        "warning",
        "1 in tasks-poison",
        "see what they are: jobkit inspect poison --store azure",
    )
    evidence = "two_stages, not planned: stage 1 'Square': nobody plans it, and nothing has moved since the last look"
    later = "1 active job: only a later look can tell whether they move"
    assert [[(f["name"], f["state"], f["evidence"], f["fix"]) for f in look] for look in looks] == [
        [poison, ("jobs", "not checked", later, "the same again in 10 minutes")],
        [poison, (f"job {job_id[:12]}", "error", evidence, f"jobkit repair {job_id[:12]} --store azure")],
        [
            poison,
            (
                "jobs",
                "not checked",
                "1 more active jobs were not looked at",
                "jobkit repair --all --dry-run --store azure",
            ),
        ],
    ]


def test_what_is_not_known_here_is_not_checked(drive: Drive, deployed: Path, monkeypatch: pytest.MonkeyPatch):
    driver = drive(two_stages())
    monkeypatch.delitem(sys.modules, "function_app")
    monkeypatch.setenv("AzureWebJobsScriptRoot", str(deployed / "nowhere"))
    elsewhere = deployed / "controllers"

    document = ask(app_of(driver, deployed, place=elsewhere))

    folder = "the app's folder is not known: AzureWebJobsScriptRoot names none with a host.json"
    module = "no module function_app was imported here"
    needs = f"what the runtime needs is not known: no jobkit deploy has left that in {elsewhere}"
    assert document["folder"] is None
    assert not_ok(document) == [
        ("dependencies", "not checked", needs),
        ("functions", "not checked", module),
        ("routes", "not checked", module),
        ("queues", "not checked", module),
        ("runtime", "not checked", f"jobkit runs from {elsewhere}, which no jobkit deploy has written"),
        ("host.json", "not checked", folder),
        (".funcignore", "not checked", folder),
        ("backups", "not checked", folder),
    ]


def test_a_runtime_that_stands_before_the_apps_own_and_a_laptop(
    drive: Drive, deployed: Path, monkeypatch: pytest.MonkeyPatch
):
    driver = drive(two_stages())
    monkeypatch.delenv("WEBSITE_SITE_NAME")
    installed = Path(shutil.copytree(deployed / "vendor" / "jobkit", deployed / "packages"))

    document = ask(app_of(driver, deployed, place=installed))

    assert not_ok(document) == [
        ("runtime", "warning", f"jobkit runs from {installed}, and not from the app's vendor/jobkit"),
        ("runtime", "not checked", "whether it is the newest can't be seen from inside the app"),
        (
            ".funcignore",
            "not checked",
            f"the app does not run in Azure: that settings lie in {deployed} is no fault",
        ),
    ]


def test_a_query_is_refused(drive: Drive, deployed: Path):
    with pytest.raises(BadRequest) as refused:
        ask(app_of(drive(two_stages()), deployed), query={"job": "3f9c"})

    assert str(refused.value) == "?job=: there is no such field. There are none here."
