"""`jobkit purge`: what a user sees of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from commands import InProcess
from driver import EVERYTHING, TABLES
from jobkit.cli.asking import who
from jobkit.local.store import LocalStore


def run(jobkit: InProcess, n: int, command: str = "run") -> str:
    return str(json.loads(jobkit(command, "hello_worlds", "--n", str(n), "--json").out)["job_id"])


def rows(folder: Path) -> int:
    with LocalStore.open(folder / ".jobkit" / "local.db") as local:
        tables = local.store.tables
        return sum(1 for table in TABLES for _ in tables.query(table, EVERYTHING, select=()))


def test_what_has_ended_is_deleted_and_what_has_not_is_kept(jobkit: InProcess, folder: Path):
    ended = [run(jobkit, n) for n in (1, 2, 101)]
    queued = run(jobkit, 3, "submit")

    dry = jobkit("purge", "--older-than", "0s", "--dry-run", "--json")
    done = jobkit("purge", "--older-than", "0s", "--yes")
    again = jobkit("purge", "--older-than", "0s", "--yes", "--json")

    document = dry.document
    listed = [(job.pop("job_id"), job.pop("ended_at")[-1], job) for job in document.pop("jobs")]
    assert listed == [(job, "Z", {"job_type": "hello_worlds", "status": "completed"}) for job in reversed(ended)]
    assert document == {"schema": 1, "purged": 3, "rows": None, "refused": [], "dry_run": True}
    assert (done.code, done.out, done.err) == (0, "3 jobs deleted, 224 rows\n", "")
    assert again.document == {"schema": 1, "purged": 0, "rows": 0, "refused": [], "dry_run": False}
    assert rows(folder) == 3 + 2
    assert jobkit("run", "hello_worlds", "--n", "3", "--json").document["job_id"] == queued


def test_nothing_is_deleted_that_is_not_old_enough(jobkit: InProcess, folder: Path):
    run(jobkit, 1)

    done = jobkit("purge", "--older-than", "1h", "--yes")

    assert (done.code, done.out, done.err) == (0, "", "No job matches.\n")


def test_jobs_are_named_and_those_that_have_not_ended_are_kept(jobkit: InProcess, folder: Path):
    ended, queued = run(jobkit, 1), run(jobkit, 2, "submit")

    listed = jobkit("purge", ended[:9], queued, "--dry-run")
    done = jobkit("purge", ended[:9], queued, "--yes")

    kept = f"error: job {queued[:12]} is kept: it has not ended (queued)\n"
    assert listed.out.startswith(f"job {ended[:12]} hello_worlds, completed, ended ")
    assert (listed.code, listed.err) == (1, f"1 job would be deleted\n{kept}")
    assert (done.code, done.out, done.err) == (1, "1 job deleted, 6 rows\n", kept)
    assert jobkit("inspect", "job", ended).code == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--older-than is missing: how long ago jobs must have ended, such as 30d"),
        (["--status", "failed"], "--older-than is missing: how long ago jobs must have ended, such as 30d"),
        (["3f9c", "--older-than", "30d"], "--older-than goes with no ids: give one of them"),
        (["3f9c", "--type", "tiles"], "a filter goes with no ids: give one of them"),
        (["--older-than", "0s", "--status", "queued"], "status 'queued': only jobs that have ended are deleted"),
        (
            ["--older-than", "a while"],
            "--older-than 'a while': give how long ago (30m, 12h, 2d, 1w), a date (2026-11-26) or a time (2026-11-26T03:00Z)",
        ),
        (["--older-than", "0s"], "--yes is needed where nobody can be asked (there is no terminal)"),
    ],
)
def test_what_can_not_be_meant_is_refused(jobkit: InProcess, folder: Path, arguments: list[str], said: str):
    run(jobkit, 1)

    done = jobkit("purge", *arguments)

    assert (done.code, done.out, done.err) == (2, "", f"error: {said}\n")
    assert rows(folder) == 6


def test_without_a_store_there_is_nothing_to_delete(jobkit: InProcess, folder: Path):
    done = jobkit("purge", "--older-than", "30d", "--yes")

    assert done.code == 3
    assert not (folder / ".jobkit").exists()


def test_ctrl_c_says_how_far_it_came(jobkit: InProcess, folder: Path, monkeypatch: pytest.MonkeyPatch):
    for n in (1, 2):
        run(jobkit, n)
    left = iter([True])

    def interrupted(purging: object, job: object, tell: object, *, reason: str) -> bool:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return True

    monkeypatch.setattr("jobkit.runtime.purging.Purging.purge", interrupted)
    done = jobkit("purge", "--older-than", "0s", "--yes")
    left = iter([True])
    as_json = jobkit("purge", "--older-than", "0s", "--yes", "--json")

    said = "interrupted: 1 job deleted, 0 rows; the same command goes on with what is left\n"
    assert (done.code, done.out, done.err) == (130, "", said)
    assert (as_json.code, as_json.err) == (130, said)
    assert as_json.document == {"schema": 1, "purged": 1, "rows": 0, "refused": [], "dry_run": False}


def test_a_job_that_is_deleted_in_part_says_who_began_it_and_why(
    jobkit: InProcess, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    job_id = run(jobkit, 1)

    def interrupted(removal: object, job: object, each: object) -> Iterator[int]:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("jobkit.runtime.removal.Removal.remove", interrupted)
        assert jobkit("purge", job_id, "--yes", "--reason", "no longer needed").code == 130
    shown = jobkit("inspect", "job", job_id)
    (audit,) = jobkit("inspect", "job", job_id, "--json").document["audit"]
    done = jobkit("purge", job_id, "--yes", "--reason", "what was left")

    assert (audit["action"], audit["by"], audit["reason"]) == ("purge", who(), "no longer needed")
    assert f"by {who()}: no longer needed" in " ".join(shown.out.split())
    assert (done.code, done.out, done.err) == (0, "1 job deleted, 6 rows\n", "")
    assert rows(folder) == 0
