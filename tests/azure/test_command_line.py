"""The command line on an azure store: Azurite, by the settings that Functions reads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from azurite import KEY, connection_string, new_account


class Jobkit:
    """`jobkit` in a folder, on a hub of its own."""

    def __init__(self, folder: Path) -> None:
        account, hub = new_account()
        self.folder = folder
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AzureWebJobs")},
            "JOBKIT_HUB": hub,
            "AzureWebJobsStorage": account.connection_string,
        }

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "jobkit", *arguments]
        return subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=90
        )


@pytest.fixture
def jobkit(tmp_path: Path) -> Jobkit:
    return Jobkit(tmp_path)


@pytest.mark.parametrize(("n", "instances"), [(0, 1), (5, 1), (101, 2)])
def test_a_run_in_azure_comes_to_the_same_as_a_local_one(jobkit: Jobkit, n: int, instances: int):
    options = ["run", "hello_worlds", "--n", str(n), "--instances", str(instances), "--json"]

    there = jobkit(*options, "--store", "azure")
    here = jobkit(*options)

    found, expected = json.loads(there.stdout), json.loads(here.stdout)
    assert (there.returncode, found["status"], found["result"]) == (0, "completed", expected["result"])
    assert [s["completed"] for s in found["stages"]] == [n, n]
    assert f"{2 * n} tasks run" in there.stderr


def test_a_job_is_submitted_shown_and_worked_on_from_anywhere(jobkit: Jobkit):
    job_id = json.loads(jobkit("submit", "hello_worlds", "--n", "3", "--store", "azure", "--json").stdout)["job_id"]
    waiting = jobkit("inspect", "job", job_id[:8], "--store", "azure", "--json")
    again = jobkit("submit", "hello_worlds", "--n", "3", "--store", "azure")
    worker = subprocess.Popen(
        [sys.executable, "-m", "jobkit", "worker", "--store", "azure"],
        cwd=jobkit.folder,
        env=jobkit.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        deadline = time.monotonic() + 60
        while True:
            shown = json.loads(jobkit("inspect", "job", job_id, "--store", "azure", "--json").stdout)
            if shown["status"] == "completed":
                break
            assert time.monotonic() < deadline, shown
    finally:
        worker.terminate()
        said = worker.communicate(timeout=30)[0]

    assert json.loads(waiting.stdout)["status"] == "queued"
    assert again.stdout.splitlines()[0] == f"job {job_id} already there, queued"
    assert [s["completed"] for s in shown["stages"]] == [3, 3]
    assert said.startswith(
        f"worker: 16 tasks at once on the azure store, hub {jobkit.environment['JOBKIT_HUB']}; Ctrl-C"
    )
    repaired = jobkit("repair", job_id, "--store", "azure")
    assert repaired.stdout == f"job {job_id[:12]} hello_worlds, completed: nothing is broken\n"
    assert len(said.splitlines()) < 40, "the SDKs' log of every call"
    assert KEY not in said


def test_a_whole_installation_is_looked_at_as_a_local_one_is(jobkit: Jobkit):
    jobkit("run", "hello_worlds", "--n", "1", "--store", "azure")
    job_id = json.loads(jobkit("submit", "hello_worlds", "--n", "2", "--store", "azure", "--json").stdout)["job_id"]

    found = json.loads(jobkit("inspect", "--store", "azure", "--json").stdout)

    assert ([job["job_id"] for job in found["active"]["jobs"]], found["warnings"]) == ([job_id], [])
    assert [(job["status"], job["completed"]) for job in found["ended"]] == [("completed", 2)]
    assert sum(found["throughput"]["tasks"]) == pytest.approx(2)
    assert (found["instances"]["processes"], len(found["instances"]["seen"])) == (None, 1)
    assert [(queue["messages"], queue["visible"], queue["in_flight"]) for queue in found["queues"]] == [
        (1, 1, 0),
        *[(0, 0, 0)] * 3,
    ]


def test_two_hubs_in_one_account_do_not_see_each_other(jobkit: Jobkit, tmp_path: Path):
    other = Jobkit(tmp_path)
    job_id = json.loads(jobkit("run", "hello_worlds", "--n", "1", "--store", "azure", "--json").stdout)["job_id"]

    done = other("inspect", "job", job_id, "--store", "azure")

    assert (done.returncode, done.stderr) == (3, f"error: no job {job_id!r} in this store\n")


def test_the_settings_may_stand_in_local_settings_json(jobkit: Jobkit):
    settings = {"Values": {"AzureWebJobsStorage": jobkit.environment.pop("AzureWebJobsStorage")}}
    (jobkit.folder / "local.settings.json").write_text(json.dumps(settings))
    (jobkit.folder / "host.json").write_text("{}")

    done = jobkit("run", "hello_worlds", "--n", "1", "--store", "azure")

    assert (done.returncode, "2 tasks run" in done.stderr) == (0, True)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            None,
            (
                "error: AzureWebJobsStorage=(not set): give a connection string (UseDevelopmentStorage=true for "
                "Azurite), or AzureWebJobsStorage__accountName, in the environment or in local.settings.json\n"
            ),
        ),
        ("nonsense", "error: AzureWebJobsStorage=…: is no connection string\n"),
    ],
)
def test_without_an_account_the_error_says_what_to_set(jobkit: Jobkit, value: str | None, message: str):
    del jobkit.environment["AzureWebJobsStorage"]
    if value is not None:
        jobkit.environment["AzureWebJobsStorage"] = value

    done = jobkit("run", "hello_worlds", "--store", "azure")

    assert (done.returncode, done.stdout, done.stderr) == (2, "", message)


def test_an_account_that_never_answers_is_named_within_half_a_minute(jobkit: Jobkit):
    jobkit.environment["AzureWebJobsStorage"] = connection_string(1, 1)
    started = time.monotonic()

    done = jobkit("submit", "hello_worlds", "--store", "azure")

    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr == (
        "error: store azure at http://127.0.0.1:1: no answer (ServiceRequestError); "
        "is it running, and is AzureWebJobsStorage right?\n"
    )
    assert time.monotonic() - started < 30


def test_a_wrong_key_is_refused_and_not_repeated(jobkit: Jobkit):
    right = jobkit.environment["AzureWebJobsStorage"]
    jobkit.environment["AzureWebJobsStorage"] = right.replace(KEY, "c2VjcmV0c2VjcmV0")

    done = jobkit("submit", "hello_worlds", "--store", "azure")

    assert (done.returncode, done.stdout) == (5, "")
    assert "has the key or identity of AzureWebJobsStorage the right?" in done.stderr
    assert "c2VjcmV0" not in done.stderr
