"""`jobkit doctor`: what a user sees of it."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from commands import InProcess
from jobkit import __version__
from jobkit.local import LocalStore
from jobkit.runtime.repository import Repository
from jobkit.runtime.storage.ports import Entity
from jobkit.scaffold.app import make_app

NOTHING_THERE = """\
machine
  ok           Python: PYTHON
  ok           dependencies: all N are there, none is too old
app
  ok           controllers: 1, no job type twice: hello_worlds
  not checked  Function App: no project here or above
               fix: name its folder, jobkit doctor APP, or make one: jobkit new-app DIR
settings
  ok           JOBKIT_HUB: jobkit, the default
storage
  ok           reachable: FOLDER/.jobkit/local.db is not there yet: the first job makes it
  not checked  writable, clock, round trip: there is no store yet
               fix: jobkit run hello_worlds, then again
jobs
  ok           poison messages: none: there is no store yet
  ok           jobs: none: there is no store yet
FOLDER: 2 not checked, 7 ok
"""
NEVER = "AccountName=mine;AccountKey=c2VjcmV0"
GONE = (
    f"DefaultEndpointsProtocol=http;{NEVER};TableEndpoint=http://127.0.0.1:9/mine;QueueEndpoint=http://127.0.0.1:9/mine"
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "my-etl"
    make_app(folder)
    return folder


@pytest.fixture
def app(made: Path, folder: Path) -> Path:
    return Path(shutil.copytree(made, folder / "my-etl"))


def files(folder: Path) -> dict[str, bytes]:
    """What is in a folder, but for what Python itself leaves there."""
    found = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def states(document: Any) -> list[tuple[str, str]]:
    """What is not ok, by name and state."""
    return [(each["name"], each["state"]) for each in document["findings"] if each["state"] != "ok"]


def test_in_an_empty_folder_it_tells_what_it_could_not_check_and_leaves_nothing(jobkit: InProcess, folder: Path):
    done = jobkit("doctor")

    lines = done.out.replace(str(folder), "FOLDER").splitlines(keepends=True)
    lines[1] = lines[1].partition(": ")[0] + ": PYTHON\n"
    lines[2] = " ".join("N" if word.isdigit() else word for word in lines[2].split(" "))
    assert (done.code, done.err, "".join(lines)) == (0, "", NOTHING_THERE)
    assert files(folder) == {}


def test_a_file_that_is_damaged_where_nothing_has_asked_yet_is_told(jobkit: InProcess, folder: Path):
    jobkit("run", "hello_worlds", "--n", "300")
    path = folder / ".jobkit" / "local.db"
    data = bytearray(path.read_bytes())
    data[-8192:] = b"\xa5" * 8192
    path.write_bytes(data)

    found = jobkit("doctor", "--json")

    (file,) = [each for each in found.document["findings"] if each["name"] == "file"]
    assert (found.code, file["state"]) == (5, "error")
    assert file["evidence"].startswith("damaged (")
    assert file["fix"] == (
        f"save what is still read (jobkit inspect job ID --json), then move {path} away: the next job makes a new one"
    )


def test_it_fits_a_narrow_terminal_when_its_output_is_folded(jobkit: InProcess, monkeypatch: pytest.MonkeyPatch):
    from jobkit.cli import output

    monkeypatch.setattr(output, "PIPE_WIDTH", 80)

    assert max(map(len, jobkit("doctor").out.splitlines())) <= 80


def test_a_made_app_is_sound_in_every_group(jobkit: InProcess, app: Path):
    jobkit("run", "hello_worlds", "--n", "1", "--store", f"local:{app}/.jobkit/local.db")

    done = jobkit("doctor", "my-etl", "--store", f"local:{app}/.jobkit/local.db", "--json")

    document = done.document
    assert (done.code, done.err, states(document)) == (0, "", [("settings in Azure", "not checked")])
    assert {name: value for name, value in document.items() if name != "findings"} == {
        "schema": 1,
        "folder": str(app),
        "store": f"{app}/.jobkit/local.db",
        "verdict": {"error": 0, "warning": 0, "not checked": 1, "ok": 24},
        "mended": [],
    }
    assert [each["name"] for each in document["findings"]] == [
        "Python",
        "dependencies",
        "controllers",
        "functions",
        "routes",
        "queues",
        "host.json",
        "host.json queues",
        "host.json threads",
        "host.json times",
        ".funcignore",
        "runtime",
        "requirements",
        "backups",
        "JOBKIT_HUB",
        "FUNCTIONS_WORKER_RUNTIME",
        "AzureWebJobsStorage",
        "settings in Azure",
        "file",
        "reachable",
        "writable",
        "clock",
        "round trip",
        "poison messages",
        "jobs",
    ]
    assert document["findings"][17] == {
        "group": "settings",
        "name": "settings in Azure",
        "state": "not checked",
        "evidence": "what the deployed app has can't be seen from here",
        "fix": "POST /api/doctor of the app; az functionapp config appsettings list",
        "can_mend": False,
    }


def test_it_runs_to_its_end_when_everything_is_broken_and_fix_does_what_is_safe(jobkit: InProcess, app: Path):
    broken = {
        "host.json": json.dumps({"version": "2.0", "extensions": {"queues": {"messageEncoding": "none"}}}),
        "local.settings.json": "{",
        "function_app.py": "1 / 0\n",
        ".funcignore": "",
        "requirements.txt": "pydantic\n",
        "vendor/jobkit/VENDORED.json": "{",
        "controllers/broken.py": "import\n",
        ".jobkit/local.db": "no database",
    }
    (app / ".jobkit").mkdir()
    for name, text in broken.items():
        (app / name).write_text(text)
    os.chdir(app)
    before = files(app)

    dry = jobkit("doctor", "--json", "--fix", "--dry-run")

    assert (dry.code, files(app)) == (1, before)
    assert (
        states(dry.document)
        == [
            ("controllers", "error"),
            ("functions", "error"),
            ("routes", "not checked"),
            ("queues", "not checked"),
            ("host.json", "error"),
            ("host.json queues", "error"),
            ("host.json queues", "error"),
            ("host.json queues", "warning"),
            ("host.json threads", "warning"),
            ("host.json times", "warning"),
            (".funcignore", "warning"),
            (".funcignore", "not checked"),
            ("runtime", "not checked"),
            ("local.settings.json", "error"),
            ("JOBKIT_HUB", "warning"),
            ("FUNCTIONS_WORKER_RUNTIME", "error"),
            ("AzureWebJobsStorage", "error"),
            ("settings in Azure", "not checked"),
            ("reachable", "error"),
            ("writable, clock, round trip", "not checked"),
            ("poison messages", "not checked"),
            ("jobs", "not checked"),
        ][:13]
        + states(dry.document)[13:]
    )

    done = jobkit("doctor", "--json", "--fix")

    mended = [(each["name"], each["done"], each["error"]) for each in done.document["mended"]]
    assert mended == [
        ("host.json", "extensionBundle set in host.json", None),
        ("host.json queues", "extensions.queues.messageEncoding set in host.json", None),
        ("host.json queues", "extensions.queues.visibilityTimeout set in host.json", None),
        ("host.json queues", "extensions.queues.maxPollingInterval set in host.json", None),
        ("host.json threads", None, mended[4][2]),
        (".funcignore", "added to .funcignore: local.settings.json", None),
    ]
    assert "JSONDecodeError" in str(mended[4][2])
    assert done.code == 1
    assert ("host.json queues", "error") not in states(done.document)


def test_what_fix_did_is_told_and_the_screen_is_that_of_afterwards(jobkit: InProcess, app: Path):
    shutil.rmtree(app / "vendor")

    done = jobkit("doctor", "my-etl", "--fix")

    line = f"  ok           runtime: vendor/jobkit is jobkit {__version__}, up to date"
    assert (done.code, line in done.out.splitlines()) == (0, True)
    assert re.fullmatch(r"app, runtime: \d+ files written to vendor/jobkit\n", done.err)


def test_a_store_that_can_not_be_reached_has_its_own_exit_code_and_no_secret_is_told(
    jobkit: InProcess, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("AzureWebJobsStorage", GONE)

    began_at = time.monotonic()

    done = jobkit("doctor", "--store", "azure", "--json")

    assert time.monotonic() - began_at < 30  # the SDK's own tries would take 46 s
    assert (done.code, states(done.document)) == (
        5,
        [
            ("Function App", "not checked"),
            ("reachable", "error"),
            ("writable, clock, round trip", "not checked"),
            ("poison messages", "not checked"),
            ("jobs", "not checked"),
        ],
    )
    assert "c2VjcmV0" not in done.out + done.err


@pytest.mark.parametrize("settings", [{}, {"AzureWebJobsStorage": "AccountKey=c2VjcmV0"}, {"JOBKIT_HUB": "9"}])
def test_settings_that_name_no_store_are_told_by_name(
    jobkit: InProcess, folder: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str]
):
    monkeypatch.delenv("AzureWebJobsStorage", raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)

    done = jobkit("doctor", "--store", "azure", "--json")

    assert (done.code, ("reachable", "error") in states(done.document)) == (1, True)
    assert "c2VjcmV0" not in done.out + done.err


def test_the_rows_of_one_job(jobkit: InProcess, folder: Path):
    job_id = jobkit("run", "hello_worlds", "--n", "2", "--json").document["job_id"]
    sound = jobkit("doctor", "--job", job_id[:6])
    with LocalStore.open(folder / ".jobkit" / "local.db") as store:
        row = store.tables.get("jobs", job_id, "stage-01")
        store.tables.update(
            "jobs", Entity(partition=job_id, row="stage-01", properties={"state": "sealed"}), etag=row.etag
        )

    broken = jobkit("doctor", "--job", job_id, "--json")
    unknown = jobkit("doctor", "--job", "0123")

    assert sound.code == 0
    assert (
        f"jobs\n  ok           job {job_id[:12]}: hello_worlds, completed: 2 stages and 4 tasks are as they must be\n"
        in sound.out
    )
    assert (broken.code, [each["evidence"] for each in broken.document["findings"][1:]]) == (
        1,
        ["the stages are ['sealed', 'closed']", "the job completed with 1 of 2 stages closed"],
    )
    assert (unknown.code, unknown.out, unknown.err) == (3, "", "error: no job '0123' in this store\n")


def test_a_job_of_another_local_store_waits_for_a_worker_and_for_no_function_app(jobkit: InProcess):
    store = ("--store", "local:other.db")
    job_id = jobkit("submit", "hello_worlds", "--n", "2", *store, "--json").document["job_id"]

    found = jobkit("doctor", "--job", job_id, *store, "--json").document["findings"]

    [waiting] = [each for each in found if each["state"] == "warning"]
    waited = "waiting, no worker: the message that plans stage 1 has waited S s in queue jobs and no process works on this store"
    assert re.sub(r"\d+ s in", "S s in", waiting["evidence"]) == waited
    assert waiting["fix"] == "jobkit worker --store local:other.db"


def test_fix_mends_one_job_and_looks_at_it_again(jobkit: InProcess, folder: Path):
    job_id = jobkit("run", "hello_worlds", "--n", "1", "--json").document["job_id"]
    with LocalStore.open(folder / ".jobkit" / "local.db") as store:
        repository = Repository(store.tables)
        job = repository.get_chain(job_id).job
        repository.index.add(job, recent=False)
        row = store.tables.get("jobs", job_id, "job")
        earlier = {"updated_at": "2024-02-29T12:00:00.000000Z"}
        store.tables.update("jobs", Entity(partition=job_id, row="job", properties=earlier), etag=row.etag)

    done = jobkit("doctor", "--job", job_id, "--fix", "--json")

    assert done.document["mended"] == [
        {
            "group": "jobs",
            "name": f"job {job_id[:12]}",
            "done": "send its completion again, which calls on_complete",
            "error": None,
        }
    ]


def test_what_can_not_be_meant(jobkit: InProcess, folder: Path):
    (folder / "pyproject.toml").write_text("[tool.jobkit]\ncontroller = []\n")

    done = [
        jobkit("doctor", "nowhere"),
        jobkit("doctor", "--store", "cloud"),
    ]
    project = jobkit("doctor", "--json")

    assert [(each.code, each.out) for each in done] == [(3, ""), (2, "")]
    assert "is no folder" in done[0].err
    assert (project.code, states(project.document)[:2]) == (1, [("project", "error"), ("controllers", "not checked")])
