"""`jobkit cancel`: what a user sees of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from commands import InProcess

HOW = "Whoever works on the queues ends them; what runs, runs to its end.\nIf nobody does: jobkit worker\n"


@pytest.fixture(autouse=True)
def ann(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobkit.cli.cancel.who", lambda: "ann@desk")
    monkeypatch.setattr("jobkit.cli.repair.who", lambda: "ann@desk")


def submit(jobkit: InProcess, n: int) -> str:
    return str(json.loads(jobkit("submit", "hello_worlds", "--n", str(n), "--json").out)["job_id"])


def test_a_cancelled_job_fails_with_who_and_why_and_shows_them(jobkit: InProcess):
    job = submit(jobkit, 3)

    done = jobkit("cancel", job[:6], "--reason", "wrong input", "--yes")
    ran = jobkit("run", "hello_worlds", "--n", "3", "--json")
    shown = jobkit("inspect", "job", job)

    line = f"job {job[:12]} hello_worlds, queued, at stage 1 Hello Worlds: to be cancelled\n"
    assert (done.code, done.out, done.err) == (0, line, HOW)
    document = json.loads(ran.out)
    assert (ran.code, document["status"], document["error"]["message"]) == (
        1,
        "failed",
        "cancelled by ann@desk: wrong input",
    )
    [audit] = json.loads(jobkit("inspect", "job", job, "--json").out)["audit"]
    assert {name: audit[name] for name in ("action", "by", "reason")} == {
        "action": "cancel",
        "by": "ann@desk",
        "reason": "wrong input",
    }
    facts = [line.split(maxsplit=1) for line in shown.out.splitlines() if line.startswith("cancel ")]
    assert facts == [["cancel", f"{audit['at'][:10]} {audit['at'][11:19]} UTC by ann@desk: wrong input"]]


def test_a_dry_run_cancels_nothing(jobkit: InProcess):
    job = submit(jobkit, 1)

    done = jobkit("cancel", job, "--dry-run", "--json")

    assert json.loads(done.out) == {
        "schema": 1,
        "jobs": [{"job_id": job, "status": "queued", "cancelled": False}],
        "refused": [],
    }
    assert json.loads(jobkit("run", "hello_worlds", "--n", "1", "--json").out)["status"] == "completed"


def test_jobs_that_have_ended_are_named_and_the_others_cancelled(jobkit: InProcess):
    ended = json.loads(jobkit("run", "hello_worlds", "--n", "2", "--json").out)["job_id"]
    waiting = submit(jobkit, 1)

    done = jobkit("cancel", ended, waiting, waiting[:8], "--yes")

    line = f"job {waiting[:12]} hello_worlds, queued, at stage 1 Hello Worlds: to be cancelled\n"
    error = f"error: job {ended[:12]} has ended (completed): there is nothing to cancel\n"
    assert (done.code, done.out, done.err) == (1, line, error + HOW)


def test_without_a_terminal_it_needs_yes(jobkit: InProcess):
    job = submit(jobkit, 1)

    done = jobkit("cancel", job)

    line = f"job {job[:12]} hello_worlds, queued, at stage 1 Hello Worlds\n"
    answer = "error: --yes is needed where nobody can be asked (there is no terminal)\n"
    assert (done.code, done.out, done.err) == (2, "", line + answer)


@pytest.mark.parametrize("ids", [("abc",), ("zz",)])
def test_a_job_that_there_is_not_is_refused_before_anything_is_done(jobkit: InProcess, folder: Path, ids: tuple[str]):
    job = submit(jobkit, 1)

    done = jobkit("cancel", job, *ids, "--yes")

    assert (done.code, done.out, done.err) == (3, "", f"error: no job {ids[0]!r} in this store\n")
    assert "audit" not in json.loads(jobkit("inspect", "job", job, "--json").out)


def test_a_repair_is_kept_with_its_findings(jobkit: InProcess, folder: Path):
    from jobkit.local import LocalStore

    job = submit(jobkit, 2)
    with LocalStore.open(folder / ".jobkit" / "local.db") as store:
        for delivery in store.queues.receive("jobs", limit=32, visibility_s=30):
            store.queues.delete("jobs", delivery)

    jobkit("repair", job, "--force", "--reason", "the queue was emptied")

    [audit] = json.loads(jobkit("inspect", "job", job, "--json").out)["audit"]
    assert (audit["action"].partition(":")[0], audit["by"], audit["reason"]) == (
        "repair",
        "ann@desk",
        "the queue was emptied",
    )
