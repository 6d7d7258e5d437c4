"""`jobkit inspect job`, `tasks`, `task`: by any unique beginning of an id, and without a line of the project's code."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from commands import InProcess, Spawned, copy_samples, still

N1 = "c9b3a836b04f59c443457c5eb5e74976"  # hello_worlds with n = 1
N48 = "c92b2607e56575145a1e443c2fa73857"  # hello_worlds with n = 48


@pytest.mark.parametrize("job_id", [N1, N1[:31], N1[:4], "c"])
def test_any_unique_beginning_of_an_id_is_that_id(jobkit: InProcess, job_id: str):
    run = jobkit("run", "hello_worlds", "--n", "1")

    done = jobkit("inspect", "job", job_id)

    parts = run.out.rpartition("\n\nLook")[0].partition("\n\nResult\n")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(parts[0])
    assert f"{parts[1]}{parts[2]}\n\nThe id is the hash of\n" in done.out


def test_json_is_the_document_that_run_prints_and_what_was_found_beside_it(jobkit: InProcess):
    run = jobkit("run", "hello_worlds", "--n", "1", "--json")

    done = jobkit("inspect", "job", "c9b3", "--json")

    found = done.document
    looked = found.pop("inspection")
    assert (done.code, found) == (0, run.document)
    assert looked.pop("verdict").startswith("completed in ")
    slowest = [[task.pop("task_id") for task in stage.pop("slowest")] for stage in looked["stages"]]
    assert slowest == [["c9b3a836b04f59c4-1-0"], ["c9b3a836b04f59c4-2-0"]]
    assert looked == {
        "findings": [],
        "unchecked": [],
        "stages": [{"number": n, "in_flight": 0, "unseen": 0, "errors": [], "retried": 0} for n in (1, 2)],
        "hashed": (
            '{"hash":1,"job_type":"hello_worlds","params":{"n":1},"run":1,"source":null,"stages":null,"version":1}'
        ),
        "not_hashed": [],
    }


def test_a_beginning_of_more_than_one_id_is_answered_with_them(jobkit: InProcess):
    for n in ("1", "48"):
        jobkit("submit", "hello_worlds", "--n", n)

    done = jobkit("inspect", "job", "c")

    assert (done.code, done.out) == (3, "")
    assert done.err == f"error: 'c' begins more than one id: {N48}, {N1}. Give more of it.\n"


@pytest.mark.parametrize("job_id", ["d", "", "C9B3", N1 + "0", "../x", "a'b", "é", "a" * 3_000])
def test_an_unknown_id_is_answered_with_exit_code_3(jobkit: InProcess, job_id: str):
    jobkit("submit", "hello_worlds", "--n", "1")
    if job_id == "":  # all ids begin so
        jobkit("submit", "hello_worlds", "--n", "48")

    done = jobkit("inspect", "job", job_id)

    assert (done.code, done.out) == (3, "")
    assert done.err.startswith("error: ")
    assert len(done.err.splitlines()) == 1


def test_a_store_that_is_not_there_is_named_and_not_made(jobkit: InProcess, folder: Path):
    done = jobkit("inspect", "job", "c9b3")

    place = folder / ".jobkit" / "local.db"
    assert (done.code, done.err) == (3, f"error: there is no store at {place}: no job has been submitted to it\n")
    assert list(folder.iterdir()) == []


def test_looking_at_a_job_imports_none_of_the_projects_code(jobkit: InProcess, folder: Path):
    copy_samples(folder, "failing")
    jobkit("submit", "failing")
    (folder / "controllers" / "failing.py").write_text("raise RuntimeError('imported')")

    done = jobkit("inspect", "job", "6", "--json")

    assert (done.code, done.err) == (0, "")
    assert (done.document["job_type"], done.document["status"]) == ("failing", "queued")


def test_a_job_that_waits_is_shown_so(jobkit: InProcess):
    jobkit("submit", "hello_worlds", "--n", "1")

    assert still(jobkit("inspect", "job", N1).out) == (
        "hello_worlds waiting: the message that plans stage 1 has waited TIME in queue jobs "
        "and no process works on this store\n"
        "  waiting: no worker  to do: jobkit worker\n"
        "\n"
        f"id  {N1}\n"
        'parameters  {"n":1}\n'
        "created  DATE\n"
        "\n"
        "  stage  status  tasks  done  failed  time  lights out by\n"
        "1  Hello Worlds  queued  0  0\n"
        "2  Worlds Reply  queued  0  0\n"
        "\n"
        "The id is the hash of\n"
        '  {"hash":1,"job_type":"hello_worlds","params":{"n":1},"run":1,"source":null,"stages":null,"version":1}\n'
    )


@pytest.mark.skipif(sys.platform == "win32", reason="processes are killed otherwise there")
def test_an_instance_that_was_killed_is_named_with_its_task_and_what_to_do(
    jobkit: InProcess, folder: Path, spawn: Callable[..., Spawned]
):
    copy_samples(folder, "gated")
    submitted = jobkit("submit", "gated", "--n", "1", "--json").document["job_id"]
    worker = spawn("worker")
    worker.until((folder / "log").exists, "its task runs")
    running = jobkit("inspect", "job", submitted, "--json").document["inspection"]
    worker.process.kill()
    worker.process.wait()

    found = jobkit("inspect", "job", submitted, "--json").document["inspection"]

    assert (running["findings"], running["unchecked"]) == ([], [])
    assert still(running["verdict"]) == "processing stage 1 of 2: 0 of 1 done, 1 in flight, the longest for TIME"
    [finding] = found["findings"]
    text = still(finding.pop("evidence")).replace(str(worker.process.pid), "PID").partition(" (")
    assert text[0] == "task 0 was claimed TIME ago by an instance that is gone"
    assert text[2].endswith("-PID); its message returns in TIME, at once with a worker")
    assert finding == {
        "name": "dead claimer",
        "weight": "stuck",
        "remedy": f"jobkit worker; or jobkit repair {submitted[:12]} --force",
    }


@pytest.mark.parametrize(("job_type", "code"), [("hello_worlds", 0), ("failing", 1)])
def test_a_watch_of_a_job_that_has_ended_shows_it_and_exits_as_it_did(
    jobkit: InProcess, folder: Path, job_type: str, code: int
):
    copy_samples(folder, "failing")
    job_id = jobkit("run", job_type, "--json").document["job_id"]

    done = jobkit("inspect", "job", job_id, "--watch")

    assert (done.code, done.out) == (code, jobkit("inspect", "job", job_id).out)
    assert jobkit("inspect", "job", job_id, "--timeline", "--watch").code == code
    assert jobkit("inspect", "tasks", job_id, "--watch").code == code


@pytest.mark.skipif(sys.platform == "win32", reason="signals are other ones there")
def test_a_watch_ends_with_its_job_and_ctrl_c_ends_it_before(jobkit: InProcess, spawn: Callable[..., Spawned]):
    job_id = jobkit("submit", "hello_worlds", "--n", "1", "--json").document["job_id"]
    left, stays = (spawn("inspect", "job", job_id, "--watch") for _ in range(2))
    for watch in (left, stays):
        watch.says("hello_worlds waiting: the message that plans stage 1")

    left.interrupt()
    assert (left.done().code, left.done().out) == (130, "")
    jobkit("run", "hello_worlds", "--n", "1")

    assert (stays.done().code, stays.done().out) == (0, jobkit("inspect", "job", job_id).out)


def test_errors_are_grouped_and_retries_counted(jobkit: InProcess, folder: Path):
    copy_samples(folder, "failing")
    job_id = jobkit("run", "failing", "--json").document["job_id"]

    looked = jobkit("inspect", "job", job_id, "--json").document["inspection"]

    [stage] = looked["stages"]
    assert [(each["count"], each["index"]) for each in stage["errors"]] == [(1, 1)]
    assert (stage["retried"], looked["verdict"].partition(": ")[2]) == (
        1,
        "task 1, ValueError: [bold]tile 1[/bold] is broken",
    )


def test_the_timeline_has_each_instances_tasks(jobkit: InProcess):
    job_id = jobkit("run", "hello_worlds", "--n", "3", "--json").document["job_id"]

    found = jobkit("inspect", "job", job_id, "--timeline", "--json").document["timeline"]
    shown = jobkit("inspect", "job", job_id, "--timeline")

    [instance] = found["instances"]
    assert sorted((task["stage"], task["index"]) for task in instance["tasks"]) == [
        (s, i) for s in (1, 2) for i in range(3)
    ]
    assert [(stage["number"], stage["each_stands_for"]) for stage in found["stages"]] == [(1, 1.0), (2, 1.0)]
    assert f"- {found['words'][0]}\n" in shown.out


def test_tasks_come_in_pages(jobkit: InProcess):
    job_id = jobkit("run", "hello_worlds", "--n", "5", "--json").document["job_id"]

    page = jobkit("inspect", "tasks", job_id[:6], "--stage", "hello_worlds", "--first", "1", "--limit", "2")
    json = jobkit("inspect", "tasks", job_id, "--stage", "1", "--first", "3", "--json").document

    lines = page.out.splitlines()
    assert lines[0] == f"hello_worlds {job_id[:12]}, stage 1 Hello Worlds: 5 tasks, completed"
    assert [line.split()[:3] for line in lines[2:4]] == [["1", "completed", "1"], ["2", "completed", "1"]]
    assert lines[4] == f"more: jobkit inspect tasks {job_id[:12]} --stage 1 --first 3 --limit 2"
    assert [task["index"] for task in json.pop("tasks")] == [3, 4]
    assert json == {"schema": 1, "job_id": job_id, "stage": 1, "next": None}


def test_tasks_of_one_status_of_the_stage_that_ran_last(jobkit: InProcess, folder: Path):
    copy_samples(folder, "failing")
    job_id = jobkit("run", "failing", "--json").document["job_id"]

    failed = jobkit("inspect", "tasks", job_id, "--status", "failed", "--json").document
    one = jobkit("inspect", "task", f"{job_id[:5]}-1-1", "--json")

    [task] = failed["tasks"]
    assert (task["index"], task["attempt"], task["error"]["type"]) == (1, 2, "ValueError")
    assert (one.code, one.document) == (0, {"schema": 1, **task})
    assert jobkit("inspect", "task", f"{job_id[:5]}-1-1", "--watch").code == 1


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["task", "c9b3-1-1"], 3, "no task 'c9b3-1-1': stage 1 'Hello Worlds' has 1 task, counted from 0"),
        (["task", "c9b3-3-0"], 3, "no task 'c9b3-3-0': its job has the stages 1, 2"),
        (
            ["task", "c9b3"],
            3,
            "no task 'c9b3': an id is that of its job, the stage's number and the index, such as 3f9c2a7b-1-17",
        ),
        (["task", "d-1-0"], 3, "no job 'd' in this store"),
        (["tasks", "c9b3", "--status", "broken"], 2, "--status=broken: give queued, processing, completed or failed"),
        (
            ["tasks", "c9b3", "--stage", "3"],
            2,
            "--stage=3: the job has the stages 1 'Hello Worlds', 2 'Worlds Reply'",
        ),
        (["job", "c9b3", "--watch", "--json"], 2, "--watch shows a screen again and again; --json prints one document"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_there_is_not_is_named(jobkit: InProcess, words: list[str], code: int, message: str):
    jobkit("run", "hello_worlds", "--n", "1")

    done = jobkit("inspect", *words)

    assert (done.code, done.out, done.err) == (code, "", f"error: {message}\n")


def test_a_stage_without_tasks_has_none_to_show(jobkit: InProcess):
    jobkit("submit", "hello_worlds", "--n", "1")

    done = jobkit("inspect", "task", "c9b3-1-0")

    assert (done.code, done.err) == (3, "error: no task 'c9b3-1-0': stage 1 'Hello Worlds' has no tasks yet\n")
    assert jobkit("inspect", "tasks", "c9b3").out.splitlines()[0].endswith("stage 1 Hello Worlds: no tasks yet, queued")


def test_each_screen_can_be_drawn(jobkit: InProcess, folder: Path):
    jobkit("run", "hello_worlds", "--n", "1")

    for words in (["job", "c9b3"], ["job", "c9b3", "--timeline"], ["tasks", "c9b3"], ["task", "c9b3-2-0"]):
        done = jobkit("inspect", *words, "--svg", "a.svg")

        assert (done.code, done.out, done.err) == (0, "", "a.svg written\n")
        assert (folder / "a.svg").read_text().startswith("<svg ")
        (folder / "a.svg").unlink()
