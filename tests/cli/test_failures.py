"""A job that fails: exit code 1, and type, text and last traceback lines on the screen and in the document."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

import pytest

from commands import Done, InProcess, copy_samples, still
from jobkit.runtime.messages import Kind, Message
from jobkit.runtime.outbox import Outbox

TRACEBACK = """\
Traceback (most recent call last):
  File "FOLDER/controllers/failing.py", line 28, in attempt
    return misbehave(task.job.params.how, task.attempt)
  File "FOLDER/controllers/failing.py", line 46, in misbehave
    raise ValueError("[bold]tile 1[/bold] is broken\\nsecond line")
ValueError: [bold]tile 1[/bold] is broken
second line
"""


def plain(text: str, folder: Path) -> str:
    """The text without the marks that each version of Python makes under a line in its own way."""
    return re.sub(r"(?m)^ *[~^]+\n", "", text).replace(str(folder), "FOLDER")


@pytest.fixture(autouse=True)
def _failing(folder: Path) -> None:
    copy_samples(folder, "failing")


def run(jobkit: InProcess, how: str) -> tuple[Done, dict[str, Any]]:
    done = jobkit("run", "failing", "--how", how, "--concurrency", "1", "--json")
    return done, done.document


def test_a_task_that_raises_fails_the_job_and_the_screen_says_why(jobkit: InProcess, folder: Path):
    done = jobkit("run", "failing", "--concurrency", "1")

    assert done.code == 1
    head, _, tail = plain(done.out, folder).partition("id  ")
    assert still(head) == (
        "failing failed in TIME: 1 of 3 tasks of stage 1 'Try' failed: ValueError: [bold]tile 1[/bold] is broken\n"
    )
    assert tail.partition("Errors\n")[2].rpartition("\n\nLook again")[0] + "\n" == (
        "  stage 1 Try: 1 task failed with ValueError, first task 1\n"
        "    ValueError: [bold]tile 1[/bold] is broken\n    second line\n" + textwrap.indent(TRACEBACK, "    ")
    )


def test_the_document_of_a_failed_job_has_its_error_and_counts(jobkit: InProcess, folder: Path):
    done, document = run(jobkit, "raise")

    assert done.code == 1
    assert (document["status"], document["stage"], document["result"]) == ("failed", None, None)
    assert [(s["status"], s["completed"], s["failed"]) for s in document["stages"]] == [("failed", 2, 1)]
    short = document["job_id"][:16]
    document["error"]["traceback"] = plain(document["error"]["traceback"], folder)
    assert document["error"] == {
        "type": "StageFailed",
        "message": (
            "1 of 3 tasks of stage 1 'Try' failed: ValueError: [bold]tile 1[/bold] is broken\nsecond line "
            f"(task {short}-1-1)"
        ),
        "traceback": TRACEBACK.rstrip(),
    }


@pytest.mark.parametrize(
    ("how", "answer"),
    [
        ("exit", "SystemExit: sys.exit(3) was called"),
        ("set", "NotJson: what the task returned can't be stored as JSON: it is of type set"),
        (
            "large",
            (
                "PayloadTooLarge: what the task returned takes 300,002 bytes as JSON, the limit is 262,144: "
                "store it in a blob (or a file) and return the reference"
            ),
        ),
    ],
)
def test_a_task_that_leaves_or_returns_what_cannot_be_kept_fails_with_a_clear_text(
    jobkit: InProcess, how: str, answer: str
):
    done, document = run(jobkit, how)

    assert done.code == 1
    assert document["error"]["message"] == (
        f"1 of 3 tasks of stage 1 'Try' failed: {answer} (task {document['job_id'][:16]}-1-1)"
    )


@pytest.mark.parametrize(
    ("how", "answer"),
    [("list", "planning stage 1 'Try' failed: no list"), ("sum", "aggregate failed: no sum")],
)
def test_a_fan_out_or_an_aggregate_that_raises_fails_the_job(jobkit: InProcess, how: str, answer: str):
    done, document = run(jobkit, how)

    assert done.code == 1
    assert (document["error"]["type"], document["error"]["message"]) == ("LookupError", answer)
    assert document["error"]["traceback"].splitlines()[-1] == f"LookupError: {answer.rpartition(': ')[2]}"


def test_a_task_that_fails_once_is_tried_again_and_the_job_completes(jobkit: InProcess):
    done, document = run(jobkit, "once")

    assert (done.code, document["status"]) == (0, "completed")
    assert [r["value"] for r in document["result"]["stages"][0]["results"]] == [0, "once", 2]
    assert still(done.err).splitlines()[-1] == "3 tasks run in TIME, 1 retried"


def test_a_failed_job_run_again_is_shown_and_still_is_a_failure(jobkit: InProcess):
    _, document = run(jobkit, "exit")
    again, shown = run(jobkit, "exit")

    assert (again.code, shown) == (1, document)
    assert still(again.err).splitlines()[-1] == "0 tasks run in TIME"


def test_a_run_does_not_leave_before_the_failed_job_was_tidied_up_after(
    jobkit: InProcess, monkeypatch: pytest.MonkeyPatch
):
    real = Outbox.send

    def send(outbox: Outbox, queue: str, message: Message, **how: Any) -> None:
        real(outbox, queue, message, **(how | ({"delay_s": 0.5} if message.kind is Kind.COMPLETE else {})))

    monkeypatch.setattr(Outbox, "send", send)  # an account takes that long
    job_id = run(jobkit, "raise")[1]["job_id"]

    assert jobkit("repair", job_id).out == f"job {job_id[:12]} failing, failed: nothing is broken\n"
    assert jobkit("inspect", "queues", "--json").document["queues"][0]["messages"] == 0


def test_what_goes_wrong_is_told_as_it_happens(jobkit: InProcess):
    done, document = run(jobkit, "set")

    short = document["job_id"][:12]
    answer = "NotJson: what the task returned can't be stored as JSON: it is of type set"
    assert [line for line in done.err.splitlines() if line.startswith("instance")] == [
        f"instance 1 job {short} stage 1 task 1: retrying ({answer})",
        f"instance 1 job {short} stage 1 task 1: failed ({answer})",
    ]
