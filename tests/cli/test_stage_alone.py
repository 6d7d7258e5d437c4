"""`--stage` and `--from`: a stage as a job of its own, on the results of another job or of a list."""

from __future__ import annotations

from pathlib import Path

import pytest

from commands import Done, InProcess

WHOLE = "f5a71d1cf06391137ef6a07742a7387a"  # hello_worlds with n = 2
NO_RESULTS = (
    "error: stages of hello_worlds: stage 2 'Worlds Reply' reads the results of stage 1 'Hello Worlds', which is not "
    "chosen: name the job that has them, or a list of them (--from JOB|FILE|-)\n"
)


def replies(done: Done) -> list[str]:
    (stage,) = done.document["result"]["stages"]
    return [entry["value"]["message"] for entry in stage["results"]]


def alone(jobkit: InProcess, *arguments: str, stdin: str = "") -> Done:
    return jobkit("run", "hello_worlds", "--n", "2", *arguments, "--json", stdin=stdin)


@pytest.mark.parametrize("name", ["2", "Worlds Reply", "worlds_reply", "worlds-reply", "reply"])
def test_a_stage_is_named_by_number_name_slug_or_method(jobkit: InProcess, name: str):
    alone(jobkit)

    done = alone(jobkit, "--stage", name, "--from", WHOLE)

    document = done.document
    assert document["job_id"] != WHOLE
    assert [(s["number"], s["name"], s["task_count"]) for s in document["stages"]] == [(2, "Worlds Reply", 2)]
    short = document["job_id"][:16]
    assert replies(done) == [f"hello {WHOLE[:16]}-1-{index} from {short}-2-{index}" for index in (0, 1)]


def test_every_name_of_a_stage_and_every_beginning_of_a_source_is_the_same_job(jobkit: InProcess):
    alone(jobkit)

    ids = {
        alone(jobkit, "--stage", name, "--from", source).document["job_id"]
        for name, source in (("2", WHOLE), ("Worlds Reply", WHOLE[:4]), ("worlds_reply", WHOLE[:20]))
    }

    assert len(ids) == 1
    assert WHOLE not in ids


def test_all_stages_one_by_one_are_the_whole_job(jobkit: InProcess):
    done = alone(jobkit, "--stage", "1", "--stage", "worlds_reply")

    assert done.document["job_id"] == WHOLE


def test_the_first_stage_alone_needs_no_source(jobkit: InProcess):
    document = alone(jobkit, "--stage", "Hello Worlds").document

    assert document["status"] == "completed"
    assert [s["name"] for s in document["stages"]] == ["Hello Worlds"]


def test_a_list_of_values_or_of_printed_results_is_a_source(jobkit: InProcess, folder: Path):
    values = '[{"message": "a"}, {"task_id": "t9", "value": {"message": "b"}}]'
    (folder / "list.json").write_text(values)

    from_file = alone(jobkit, "--stage", "2", "--from", "list.json")
    from_stdin = alone(jobkit, "--stage", "2", "--from", "-", stdin=values)

    short = from_file.document["job_id"][:16]
    assert replies(from_file) == [f"hello item-0 from {short}-2-0", f"hello t9 from {short}-2-1"]
    assert from_stdin.document == from_file.document


def test_a_stage_that_reads_what_nobody_gave_it_is_refused_and_told_what_to_do(jobkit: InProcess):
    ran = alone(jobkit, "--stage", "2")
    submitted = jobkit("submit", "hello_worlds", "--stage", "2")

    assert [(done.code, done.out, done.err) for done in (ran, submitted)] == [(2, "", NO_RESULTS)] * 2
    assert jobkit("inspect", "jobs").out == "No job matches.\n"


@pytest.mark.parametrize(
    ("arguments", "code", "answer"),
    [
        (
            ["--stage", "answer"],
            2,
            "stages of hello_worlds: there is no 'answer'. There are 1 'Hello Worlds', 2 'Worlds Reply'.",
        ),
        (
            ["--stage", "world_reply"],
            2,
            (
                "stages of hello_worlds: there is no 'world_reply'. Did you mean 'worlds_reply'? "
                "There are 1 'Hello Worlds', 2 'Worlds Reply'."
            ),
        ),
        (
            ["--stage", "3"],
            2,
            "stages of hello_worlds: there is no '3'. There are 1 'Hello Worlds', 2 'Worlds Reply'.",
        ),
        (["--stage", "2", "--from", "abcd"], 3, "no job 'abcd' in this store"),
        (["--stage", "2", "--from", "none.json"], 2, "earlier results from none.json: there is no such file"),
        (["--stage", "2", "--from", "folder"], 2, "earlier results from folder: Is a directory"),
        (
            ["--stage", "2", "--from", "object.json"],
            2,
            "earlier results from the list: it must be a JSON array of results",
        ),
        (
            ["--stage", "2", "--from", "broken.json"],
            2,
            "earlier results from broken.json: it is not JSON: Expecting value: line 1 column 2 (char 1)",
        ),
        (
            ["--from", "list.json"],
            2,
            "earlier results from a list: only a job that starts after stage 1 (--stage) reads earlier results",
        ),
        (
            ["--stage", "2", "--from", "-", "--params", "-"],
            2,
            "earlier results from standard input: --params has it: give one of them as a file",
        ),
        (["--stage", "2", "--from", "[" + "1," * 300 + "1]"], 3, f"no job '[{'1,' * 300}1]' in this store"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_a_wrong_stage_or_source_is_answered_by_name(
    jobkit: InProcess, folder: Path, arguments: list[str], code: int, answer: str
):
    (folder / "folder").mkdir()
    (folder / "list.json").write_text("[1]")
    (folder / "object.json").write_text('{"a": 1}')
    (folder / "broken.json").write_text("[")

    done = alone(jobkit, *arguments)

    assert (done.code, done.out, done.err) == (code, "", f"error: {answer}\n")


def test_a_job_that_did_not_run_the_stage_before_is_no_source(jobkit: InProcess):
    first = alone(jobkit, "--stage", "2", "--from", "-", stdin="[]").document["job_id"]

    done = alone(jobkit, "--stage", "2", "--from", first)

    assert (done.code, done.err) == (2, f"error: earlier results from {first}: it did not run stage 1\n")
