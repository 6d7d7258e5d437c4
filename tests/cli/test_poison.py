"""`jobkit inspect poison`, `jobkit poison requeue` and `jobkit poison drop`: what a user sees of them."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from commands import Done, InProcess
from jobkit.local import LocalStore
from jobkit.local.sqlite_queues import SqliteQueues
from jobkit.runtime.poison import poison_id
from jobkit.runtime.repository import Repository
from jobkit.runtime.storage.ports import Delivery, Entity
from poison_cases import received

HOW = "Whoever works on the queues runs it.\nIf nobody does: jobkit worker\n"
FOREIGN = '{"order": 1}'
ID = poison_id("tasks", FOREIGN)
NEXT = "--status queued --type hello_worlds --param n=2 --since 1h"
LINE = f"message {ID[:8]} of tasks: foreign: it is not a message of jobkit: {FOREIGN}"


@pytest.fixture(autouse=True)
def ann(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobkit.cli.poison.who", lambda: "ann@desk")


def put(folder: Path, queue: str, *texts: str) -> None:
    with LocalStore.open(folder / ".jobkit" / "local.db") as store:
        for text in texts:
            store.queues.send(queue, text)


def poisoned_plan(jobkit: InProcess, folder: Path) -> str:
    """Submit a job whose first message waits in the poison queue; return the job's id."""
    job = str(json.loads(jobkit("submit", "hello_worlds", "--n", "2", "--json").out)["job_id"])
    with LocalStore.open(folder / ".jobkit" / "local.db") as store:
        [plan] = store.queues.receive("jobs", limit=1, visibility_s=30)
        store.queues.send("jobs-poison", plan.body)
        store.queues.delete("jobs", plan)
    return job


def aged(done: Done) -> str:
    """What was printed, with all ages alike."""
    return re.sub(r" +[\d.]+ m?s  (?=taken|never)", "  AGE  ", done.out)


def test_what_waits_is_shown_with_what_it_is_about(jobkit: InProcess, folder: Path):
    job = poisoned_plan(jobkit, folder)
    put(folder, "tasks-poison", FOREIGN)

    shown = jobkit("inspect", "poison")
    of_job = jobkit("inspect", "poison", "--job", job[:6], "--json").document

    plan = of_job["messages"][0]["id"]
    assert (shown.code, shown.err) == (0, "")
    assert aged(shown) == (
        f"{plan[:8]}  jobs   waiting  AGE  never taken\n"
        f"    plan of stage 1, job {job[:12]} hello_worlds\n"
        "    the job is queued, its stage is unplanned\n"
        f"{ID[:8]}  tasks  waiting  AGE  never taken\n"
        f"    foreign: it is not a message of jobkit: {FOREIGN}\n"
        "\n"
        "To try again: jobkit poison requeue ID. To give up: jobkit poison drop ID.\n"
    )
    [message] = of_job["messages"]
    assert {name: message[name] for name in message if name not in ("id", "at", "body")} == {
        "queue": "jobs",
        "kept": False,
        "deliveries": 0,
        "kind": "plan",
        "job_id": job,
        "job_type": "hello_worlds",
        "stage": 1,
        "index": None,
        "size": None,
        "state": "the job is queued, its stage is unplanned",
        "helps": True,
        "error": None,
        "reason": None,
    }
    assert (of_job["unseen"], of_job["cut"], of_job["left_out"]) == ({"tasks": 0, "jobs": 0}, [], 0)


def test_a_plan_is_requeued_and_the_job_runs(jobkit: InProcess, folder: Path):
    job = poisoned_plan(jobkit, folder)

    dry = jobkit("poison", "requeue", "--job", job, "--dry-run")
    done = jobkit("poison", "requeue", "--job", job, "--reason", "mended")
    ran = jobkit("run", "hello_worlds", "--n", "2", "--json")

    line = rf"message \w{{8}} of jobs: plan of stage 1, job {job[:12]} hello_worlds \(the job is queued, .*\): "
    assert (dry.code, dry.err, bool(re.fullmatch(line + "would be requeued\n", dry.out))) == (0, "", True)
    assert (done.code, done.err, bool(re.fullmatch(line + "requeued\n", done.out))) == (0, HOW, True)
    assert ran.document["status"] == "completed"
    [audit] = jobkit("inspect", "job", job, "--json").document["audit"]
    assert (audit["action"], audit["by"], audit["reason"]) == ("poison requeue: 1 message", "ann@desk", "mended")


def test_a_plan_is_dropped_and_the_job_fails_by_name(jobkit: InProcess, folder: Path):
    job = poisoned_plan(jobkit, folder)

    done = jobkit("poison", "drop", "--queue", "jobs", "--yes", "--json", "--reason", "wrong")
    ran = jobkit("run", "hello_worlds", "--n", "2", "--json")

    [message] = done.document["messages"]
    assert (done.code, done.err, message["job_id"], message["dropped"], message["left"]) == (0, "", job, True, None)
    assert (ran.code, ran.document["error"]["message"]) == (
        1,
        "the plan message was given up: dropped by ann@desk: wrong",
    )


def test_a_foreign_message_goes_when_it_is_dropped_and_only_with_yes(jobkit: InProcess, folder: Path):
    put(folder, "tasks-poison", FOREIGN)

    dry = jobkit("poison", "drop", ID[:5], "--dry-run")
    asked = jobkit("poison", "drop", "--all")
    done = jobkit("poison", "drop", "--all", "--yes")
    after = jobkit("inspect", "poison")

    assert (dry.code, dry.out, dry.err) == (0, f"{LINE}: would be dropped\n", "")
    needs = "error: --yes is needed where nobody can be asked (there is no terminal)\n"
    assert (asked.code, asked.out, asked.err) == (2, "", f"{LINE}\n{needs}")
    assert (done.code, done.out, done.err) == (0, f"{LINE}: dropped\n", "")
    assert (after.code, after.out) == (0, "no poison messages\n")


def test_beyond_32_the_rest_is_counted_and_all_shows_it(jobkit: InProcess, folder: Path):
    put(folder, "tasks-poison", *map(str, range(40)))

    first, whole = jobkit("inspect", "poison"), jobkit("inspect", "poison", "--all", "--json").document
    dropped = jobkit("poison", "drop", "--all", "--yes", "--json").document

    assert first.out.splitlines()[-2] == (
        "not looked at: 8 more in tasks-poison. To see them: jobkit inspect poison --all (takes each for a moment)"
    )
    assert (len(whole["messages"]), whole["unseen"]) == (40, {"tasks": 0, "jobs": 0})
    assert [each["dropped"] for each in dropped["messages"]] == [True] * 40


def test_a_filter_over_jobs_chooses_what_is_shown_and_dropped(jobkit: InProcess, folder: Path):
    job = poisoned_plan(jobkit, folder)
    put(folder, "tasks-poison", FOREIGN, *map(str, range(40)))

    fits = ("--type", "hello_worlds", "--status", "queued", "--param", "n=2", "--since", "1h")
    shown = jobkit("inspect", "poison", *fits)
    other = jobkit("inspect", "poison", "--status", "failed", "--store", "local:.jobkit/local.db")
    no_such = jobkit("poison", "drop", "--param", "n=3", "--yes")
    dropped = jobkit("poison", "drop", *fits, "--yes")
    named = jobkit("inspect", "poison", ID[:6], "--all", "--json").document

    assert re.sub(r" +[\d.]+ m?s  ", "  AGE  ", shown.out[shown.out.index(" ") :]) == (
        "  jobs   waiting  AGE  never taken\n"
        f"    plan of stage 1, job {job[:12]} hello_worlds\n"
        "    the job is queued, its stage is unplanned\n"
        "\n"
        "1 of the 33 messages that were looked at\n"
        "left out, for they have no job: 32 foreign messages\n"
        f"not looked at: 9 more in tasks-poison. To see them: jobkit inspect poison {NEXT} --all (takes each for a moment)\n"
        "To try again: jobkit poison requeue ID. To give up: jobkit poison drop ID.\n"
    )
    assert other.out == (
        "no poison message fits (33 messages looked at)\n"
        "left out, for they have no job: 32 foreign messages\n"
        "not looked at: 9 more in tasks-poison. To see them: jobkit inspect poison --status failed --all "
        "--store local:.jobkit/local.db (takes each for a moment)\n"
    )
    left_out = "left out, for they have no job: 41 foreign messages\n"
    assert (no_such.code, no_such.out, no_such.err) == (0, "no poison message fits (42 messages looked at)\n", left_out)
    assert (dropped.code, dropped.out.endswith(f"job {job[:12]} hello_worlds: dropped\n")) == (0, True)
    assert (dropped.out.count("\n"), dropped.err) == (1, left_out)
    assert [each["body"] for each in named["messages"]] == [FOREIGN]
    assert (named["seen"], jobkit("inspect", "job", job, "--json").document["status"]) == (41, "failed")


def test_a_row_that_is_damaged_hides_no_other_and_is_told_with_exit_code_1(jobkit: InProcess, folder: Path):
    put(folder, "tasks-poison", FOREIGN)
    with LocalStore.open(folder / ".jobkit" / "local.db") as store:
        store.tables.insert("index", Entity(partition="poison", row="jobs-poison-1", properties={"queue": "x"}))

    shown = jobkit("inspect", "poison")
    by_id = jobkit("poison", "drop", ID, "--yes", "--dry-run")
    by_all = jobkit("poison", "drop", "--all", "--yes")

    damaged = "store row poison / jobs-poison-1: it is damaged: it has no 'reason'\n"
    assert (shown.code, shown.err, shown.out.splitlines()[0]) == (0, "", f"warning: {damaged.strip()}")
    assert f"    foreign: it is not a message of jobkit: {FOREIGN}\n" in shown.out
    assert (by_id.code, by_id.out, by_id.err) == (0, f"{LINE}: would be dropped\n", "")
    assert (by_all.code, by_all.out, by_all.err) == (1, f"{LINE}: dropped\n", f"error: {damaged}")


def test_what_is_left_is_told_with_exit_code_1(jobkit: InProcess, folder: Path):
    with LocalStore.open(folder / ".jobkit" / "local.db") as store:
        Repository(store.tables).keep_poison("tasks-poison", received("x" * 50_000), "too long", datetime.now(UTC))

    done = jobkit("poison", "requeue", "--all")

    assert (done.code, done.out) == (1, "")
    assert done.err.endswith(": left as it is: queue message: 50,000 bytes, the limit is 49,152\n")


def test_a_screen_is_drawn_and_a_watch_takes_nothing(jobkit: InProcess, folder: Path):
    put(folder, "tasks-poison", FOREIGN)

    drawn = jobkit("inspect", "poison", "--svg", "poison.svg")
    watched = jobkit("inspect", "poison", "--watch", "--all")
    one_watched = jobkit("inspect", "poison", ID, "--watch")

    assert (drawn.code, drawn.out, drawn.err) == (0, "", "poison.svg written\n")
    assert ID[:8] in (folder / "poison.svg").read_text("utf-8")
    answer = "error: --all takes each message for a moment: leave out --watch\n"
    assert (watched.code, watched.out, watched.err) == (2, "", answer)
    answer = "error: MESSAGE_ID may be gone at the next look: leave out --watch, or give a filter\n"
    assert (one_watched.code, one_watched.out, one_watched.err) == (2, "", answer)


def test_ctrl_c_leaves_what_was_not_done_as_it_was(jobkit: InProcess, folder: Path, monkeypatch: pytest.MonkeyPatch):
    put(folder, "tasks-poison", "1", "2", "3")
    delete = SqliteQueues.delete

    def delete_one(queues: SqliteQueues, queue: str, delivery: Delivery) -> None:
        if delivery.body == "2":
            raise KeyboardInterrupt
        delete(queues, queue, delivery)

    monkeypatch.setattr(SqliteQueues, "delete", delete_one)
    interrupted = jobkit("poison", "drop", "--all", "--yes")
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    left = jobkit("inspect", "poison", "--json").document

    answer = "interrupted: what was not done is as it was; the same command goes on with it\n"
    assert (interrupted.code, interrupted.out, interrupted.err) == (130, "", answer)
    assert sorted(each["body"] for each in left["messages"]) == ["2", "3"]
    assert left["unseen"] == {"tasks": 0, "jobs": 0}


@pytest.mark.parametrize(
    ("arguments", "code", "answer"),
    [
        (["drop"], 2, "MESSAGE_ID is missing: name messages, or give a filter or --all (see --help)"),
        (["drop", "--job", "", "--yes"], 2, "--job=: give how the job's id begins"),
        (["requeue", "3f", "--type", "x"], 2, "a filter goes with no ids: give one of them"),
        (["requeue", "--all", "--since", "2d"], 2, "--all goes with no ids and no other filter"),
        (["drop", "--param", "n", "--yes"], 2, "param 'n': give NAME=VALUE"),
        (["requeue", "--all", "--job", "3f"], 2, "--all goes with no ids and no other filter"),
        (["requeue", "--queue", "task"], 2, "--queue=task: give tasks or jobs"),
        (["requeue", "zz"], 3, "no poison message 'zz' in this store"),
        (["drop", "", "--yes"], 3, "no poison message '' in this store"),
    ],
)
def test_what_can_not_be_meant_is_refused(
    jobkit: InProcess, folder: Path, arguments: list[Any], code: int, answer: str
):
    put(folder, "tasks-poison", FOREIGN)

    done = jobkit("poison", *arguments)

    assert (done.code, done.out, done.err) == (code, "", f"error: {answer}\n")


def test_where_there_is_no_store_it_says_so(jobkit: InProcess, folder: Path):
    done = jobkit("inspect", "poison")

    place = folder / ".jobkit" / "local.db"
    answer = f"error: there is no store at {place}: no job has been submitted to it\n"
    assert (done.code, done.out, done.err) == (3, "", answer)
