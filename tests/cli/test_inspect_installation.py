"""`jobkit inspect`, `inspect jobs`, `inspect queues`: what a user sees of a whole store."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from commands import InProcess, copy_samples

SCREENS = ([], ["jobs"], ["queues"])
REFUSED = [
    (["--json", "jobs"], 2, "--json goes after the screen: jobkit inspect jobs --json"),
    (["--store", "azure", "queues"], 2, "--store goes after the screen: jobkit inspect queues --store"),
    (["jobs", "--status", "complete"], 2, "status 'complete': must be one of queued, processing, completed, failed."),
    (["jobs", "--since", "soon"], 2, "since 'soon': give how long ago"),
    (["jobs", "--param", "n"], 2, "param 'n': give NAME=VALUE"),
    (["jobs", "--sort", "age"], 2, "sort 'age': must be one of created, updated, took, type."),
    (["jobs", "--after", "0000"], 3, "no job '0000' in this store"),
    (["jobs", "--watch", "--json"], 2, "--watch"),
]


def ids(document: Any) -> list[str]:
    return [job["job_id"] for job in document["jobs"]]


@pytest.fixture
def store(jobkit: InProcess, folder: Path) -> list[str]:
    """hello_worlds with n = 1 (completed), a failed job, n = 2 and 3 (queued); their ids, newest first."""
    copy_samples(folder, "failing")
    made = [
        jobkit("run", "hello_worlds", "--n", "1", "--json"),
        jobkit("run", "failing", "--how", "sum", "--json"),
        jobkit("submit", "hello_worlds", "--n", "2", "--json"),
        jobkit("submit", "hello_worlds", "--n", "3", "--json"),
    ]
    return [done.document["job_id"] for done in reversed(made)]


def test_at_a_glance_there_is_what_runs_what_has_ended_and_the_queues(jobkit: InProcess, store: list[str]):
    done = jobkit("inspect")

    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0].startswith("2 active jobs at ")
    assert lines[2:4] == ["Active jobs", lines[3]]
    assert [line.split()[:2] for line in lines[4:6]] == [[job_id, "hello_worlds"] for job_id in store[:2]]
    assert lines[7] == "Ended last"
    assert [line.split()[:3] for line in lines[9:11]] == [
        [store[2], "failing", "failed"],
        [store[3], "hello_worlds", "completed"],
    ]
    assert lines[13].split()[:4] == ["jobs", "2", "2", "0"]
    assert lines[18].startswith("Instances   no process works on this store; ")
    assert lines[19].startswith("Throughput  ")


def test_json_has_the_same(jobkit: InProcess, store: list[str]):
    document = jobkit("inspect", "--json").document

    assert list(document) == [
        "schema",
        "at",
        "warnings",
        "active",
        "ended",
        "unread",
        "looked_at",
        "queues",
        "kept_poison",
        "instances",
        "throughput",
    ]
    assert (document["active"]["count"], document["active"]["count_is_exact"]) == (2, True)
    assert ids(document["active"]) == store[:2]
    assert [(job["job_id"], job["status"], job["completed"]) for job in document["ended"]] == [
        (store[2], "failed", 3),
        (store[3], "completed", 2),
    ]
    assert {queue["name"]: queue["messages"] for queue in document["queues"]} == {
        "jobs": 2,
        "tasks": 0,
        "jobs-poison": 0,
        "tasks-poison": 0,
    }
    assert document["instances"]["processes"] == 0
    assert sum(document["throughput"]["tasks"]) == pytest.approx(5)


def test_jobs_are_listed_newest_first_and_filtered(jobkit: InProcess, store: list[str]):
    def listed(*options: str) -> list[str]:
        return ids(jobkit("inspect", "jobs", "--json", *options).document)

    assert listed() == store
    assert listed("--status", "completed", "--status", "failed") == store[2:]
    assert listed("--type", "failing") == [store[2]]
    assert listed("--param", "n=2") == [store[1]]
    assert listed("--since", "1h", "--type", "hello_worlds", "--reverse") == [store[3], store[1], store[0]]
    assert listed("--sort", "type") == [store[2], store[0], store[1], store[3]]
    assert listed("--since", "2999-01-01") == []


def test_a_listed_job_is_as_everywhere_without_its_stages_and_result(jobkit: InProcess, store: list[str]):
    whole = jobkit("inspect", "job", store[2], "--json").document
    (listed,) = jobkit("inspect", "jobs", "--type", "failing", "--json").document["jobs"]

    assert listed == {name: whole[name] for name in listed}
    assert set(whole) - set(listed) >= {"result", "stages"}


def test_the_command_that_is_told_shows_the_next_page(jobkit: InProcess, store: list[str]):
    first = jobkit("inspect", "jobs", "--limit", "3", "--since", "2 d".replace(" ", ""))
    (line,) = [line for line in first.out.splitlines() if line.startswith("Next page: ")]

    second = jobkit(*shlex.split(line.removeprefix("Next page: "))[1:])

    assert line == f"Next page: jobkit inspect jobs --since 2d --limit 3 --after {store[2][:12]}"
    assert [row.split()[0] for row in first.out.splitlines()[1:4]] == store[:3]
    assert [row.split()[0] for row in second.out.splitlines()[1:]] == store[3:]
    assert jobkit("inspect", "jobs", "--limit", "3", "--json").document["next"] == store[2]


def test_no_job_that_matches_is_no_error(jobkit: InProcess):
    jobkit("submit", "hello_worlds", "--n", "2")

    done = jobkit("inspect", "jobs", "--type", "nothing_of_the_kind")

    assert (done.code, done.out, done.err) == (0, "No job matches.\n", "")


def test_queues_show_what_waits(jobkit: InProcess, store: list[str]):
    done = jobkit("inspect", "queues")
    none = jobkit("inspect", "queues", "--limit", "0")
    document = jobkit("inspect", "queues", "--limit", "1", "--json").document

    assert (done.code, done.err) == (0, "")
    waiting = [line.split() for line in done.out.splitlines() if "plan" in line.split()]
    assert [words[-3:] for words in waiting] == [["plan", store[1], "1"], ["plan", store[0], "1"]]
    assert "visible message" not in none.out
    (message,) = document["queues"][0]["peeked"]
    assert (message["kind"], message["job_id"], message["stage"], message["tasks"]) == ("plan", store[1], 1, None)


def test_each_screen_can_be_drawn(jobkit: InProcess, folder: Path):
    job_id = jobkit("submit", "hello_worlds", "--n", "2", "--json").document["job_id"]

    for words in SCREENS:
        done = jobkit("inspect", *words, "--svg", "screen.svg")

        picture = (folder / "screen.svg").read_text()
        assert (done.code, done.out) == (0, "")
        assert (picture.startswith("<svg "), job_id[:12] in picture) == (True, True)


@pytest.mark.parametrize("words", SCREENS, ids=" ".join)
def test_where_there_is_no_store_there_is_nothing_and_none_is_made(jobkit: InProcess, folder: Path, words: list[str]):
    done = jobkit("inspect", *words)

    place = folder / ".jobkit" / "local.db"
    assert (done.code, done.out) == (3, "")
    assert done.err == f"error: there is no store at {place}: no job has been submitted to it\n"
    assert list(folder.iterdir()) == []


def test_what_can_not_be_meant_is_refused(jobkit: InProcess):
    jobkit("submit", "hello_worlds", "--n", "2")

    for words, code, message in REFUSED:
        done = jobkit("inspect", *words)

        assert (done.code, done.out) == (code, "")
        assert message in done.err
        assert len(done.err.splitlines()) == 1
