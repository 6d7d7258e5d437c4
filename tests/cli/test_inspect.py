"""`jobkit inspect job`: by any unique beginning of its id, and without a line of the project's code."""

from __future__ import annotations

from pathlib import Path

import pytest

from commands import InProcess, copy_samples

N1 = "c9b3a836b04f59c443457c5eb5e74976"  # hello_worlds with n = 1
N48 = "c92b2607e56575145a1e443c2fa73857"  # hello_worlds with n = 48


@pytest.mark.parametrize("job_id", [N1, N1[:31], N1[:4], "c"])
def test_any_unique_beginning_of_an_id_is_that_id(jobkit: InProcess, job_id: str):
    run = jobkit("run", "hello_worlds", "--n", "1")

    done = jobkit("inspect", "job", job_id)

    assert (done.code, done.out, done.err) == (0, run.out.rpartition("\n\nLook")[0] + "\n", "")


def test_json_is_the_document_that_run_prints(jobkit: InProcess):
    run = jobkit("run", "hello_worlds", "--n", "1", "--json")

    done = jobkit("inspect", "job", "c9b3", "--json")

    assert (done.code, done.out) == (0, run.out)


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


def test_a_store_that_is_not_there_has_no_job_and_is_not_made(jobkit: InProcess, folder: Path):
    done = jobkit("inspect", "job", "c9b3")

    assert (done.code, done.err) == (3, "error: no job 'c9b3' in this store\n")
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

    lines = jobkit("inspect", "job", N1).out.splitlines()

    assert lines[:3] == [
        "hello_worlds queued: stage 1 Hello Worlds is not planned yet",
        f"id          {N1}",
        'parameters  {"n":1}',
    ]
    assert lines[4:] == [
        "",
        "   stage         status  tasks  done  failed  time  lights out by",
        "1  Hello Worlds  queued            0       0",
        "2  Worlds Reply  queued            0       0",
    ]
