"""`jobkit repair`: what a user sees of it."""

from __future__ import annotations

import json
from pathlib import Path

from commands import InProcess
from jobkit.local import LocalStore

N2 = ("submit", "hello_worlds", "--n", "2")


def job_id(jobkit: InProcess) -> str:
    return str(json.loads(jobkit(*N2, "--json").out)["job_id"])


def lose_messages(folder: Path) -> None:
    with LocalStore.open(folder / ".jobkit" / "local.db") as store:
        for delivery in store.queues.receive("jobs", limit=32, visibility_s=30):
            store.queues.delete("jobs", delivery)


def test_a_job_whose_message_was_lost_is_found_and_mended_at_the_second_look(jobkit: InProcess, folder: Path):
    job = job_id(jobkit)
    lose_messages(folder)

    looks = [jobkit("repair", job[:6]) for _ in range(2)]

    head = f"job {job[:12]} hello_worlds, queued:"
    assert [(done.code, done.err) for done in looks] == [(0, "")] * 2
    assert looks[0].out == (
        f"{head} nothing is broken that can be told yet\n"
        "  Noted what it looks like: run this again when it has not moved for a while; "
        "what has not moved by then is taken for lost (--force: now).\n"
    )
    assert looks[1].out == (
        f"{head}\n"
        "  not planned: stage 1 'Hello Worlds': nobody plans it, and nothing has moved since the last look\n"
        "    done: send its planning again\n"
    )
    assert "hello_worlds completed" in jobkit("run", "hello_worlds", "--n", "2").out
    assert jobkit("repair", job).out == f"job {job[:12]} hello_worlds, completed: nothing is broken\n"


def test_force_does_not_wait_and_a_dry_run_changes_nothing(jobkit: InProcess, folder: Path):
    job = job_id(jobkit)
    lose_messages(folder)

    dry = jobkit("repair", job, "--force", "--dry-run", "--json")
    patient = jobkit("repair", job, "--dry-run")
    done = jobkit("repair", job, "--force", "--json")

    finding = {
        "name": "not planned",
        "stage": 1,
        "evidence": "stage 1 'Hello Worlds': nobody plans it, and what waits is to be taken for lost",
        "mend": "send its planning again",
    }
    for found, mended in ((dry, False), (done, True)):
        assert (found.code, json.loads(found.out)) == (
            0,
            {
                "schema": 1,
                "jobs": [
                    {"job_id": job, "status": "queued", "settled": True, "findings": [{**finding, "done": mended}]}
                ],
                "refused": [],
            },
        )
    assert "Run this without --dry-run, then again when" in patient.out
    with LocalStore.open(folder / ".jobkit" / "local.db") as store:
        assert store.queues.length("jobs") == 1


def test_a_job_whose_message_waits_is_not_broken_however_often_one_looks(jobkit: InProcess, folder: Path):
    job = job_id(jobkit)

    looks = [jobkit("repair", job, "--store", "local:.jobkit/local.db") for _ in range(3)]

    waits = (
        f"job {job[:12]} hello_worlds, queued: nothing is broken that can be told yet\n"
        "  What has not moved since the last look may wait for its turn in a queue. "
        "See for what: jobkit inspect job ID --store local:.jobkit/local.db\n"
    )
    assert [done.out for done in looks[1:]] == [waits] * 2
    with LocalStore.open(folder / ".jobkit" / "local.db") as store:
        assert store.queues.length("jobs") == 1


def test_of_several_ids_one_that_there_is_not_changes_none(jobkit: InProcess, folder: Path):
    job = job_id(jobkit)
    lose_messages(folder)

    done = jobkit("repair", job, "0000", "--force")

    assert (done.code, done.out, done.err) == (3, "", "error: no job '0000' in this store\n")
    with LocalStore.open(folder / ".jobkit" / "local.db") as store:
        assert store.queues.length("jobs") == 0


def test_without_a_store_that_is_said_and_none_is_made(jobkit: InProcess, folder: Path):
    done = jobkit("repair", "c9b3")

    why = f"error: there is no store at {folder / '.jobkit' / 'local.db'}: no job has been submitted to it\n"
    assert (done.code, done.err, list(folder.iterdir())) == (3, why, [])
