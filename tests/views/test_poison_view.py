"""The screen of poison messages, letter for letter."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from jobkit.runtime.messages import Kind, Message
from jobkit.runtime.model import Failure, KeptMessage, Status
from jobkit.runtime.poison import Found, Outlook, PoisonMessage
from jobkit.views.poison import poison_view
from records import JOB_ID, START, after, job, screen


def message(body: str, *, age_s: float, **changes: Any) -> PoisonMessage:
    fields: dict[str, Any] = {
        "id": f"{len(body):02x}".rjust(16, "a"),
        "queue": "tasks",
        "at": after(-age_s),
        "deliveries": 0,
        "body": body,
        "reason": "",
        "message": None,
    }
    return PoisonMessage(**fields | changes)


def of_task(index: int, size: int = 1) -> Message:
    return Message(kind=Kind.TASK, job_id=JOB_ID, epoch="e", round=1, stage=2, first=index, size=size)


FAILED = Failure(type="ValueError", message="no such\x1b[2J tile\nin a.tif")
KEPT = KeptMessage(row="jobs-poison-1", queue="jobs-poison", reason="", body="", at=START, deliveries=None, etag="1")
MESSAGES = [
    message(
        "1",
        age_s=7_400,
        message=of_task(17),
        deliveries=3,
        outlook=Outlook(
            state="the task has failed", helps=False, job=job(status=Status.FAILED), error=FAILED, is_for_retry=True
        ),
    ),
    message(
        "22",
        age_s=200,
        message=of_task(100, 50),
        outlook=Outlook(state="2 of 50 tasks have not ended", helps=True, job=job(status=Status.PROCESSING)),
    ),
    message("333", age_s=100, message=of_task(1_234_567), outlook=Outlook(state="its job is gone", helps=False)),
    message("{\x1b]0;x\x07" + "y" * 100, age_s=3, reason="it is no JSON"),
    message("\u202e" + "[bold]z[/bold]", age_s=1, queue="jobs", deliveries=None, reason="it is no JSON", kept=KEPT),
]


def test_each_message_is_shown_with_what_it_is_about_and_what_helps():
    found = Found(messages=MESSAGES, unseen={"tasks": 1_208, "jobs": 2}, is_cut=frozenset({"tasks"}), is_taken=False)

    assert screen(poison_view(found, now=START, store=" --store azure")) == (
        """
aaaaaaaaaaaaaa01  tasks  waiting   2 h 03 min  taken 3 times
    task 17 of stage 2, job 0123456789ab tiles
    the task has failed: requeue does nothing, jobkit retry 0123456789ab --store
    azure does
    ValueError: no such\\x1b[2J tile\\nin a.tif
aaaaaaaaaaaaaa02  tasks  waiting   3 min 20 s  never taken
    tasks 100 to 149 of stage 2, job 0123456789ab tiles
    2 of 50 tasks have not ended
aaaaaaaaaaaaaa03  tasks  waiting   1 min 40 s  never taken
    task 1,234,567 of stage 2, job 0123456789ab
    its job is gone: requeue does nothing
aaaaaaaaaaaaaa6b  tasks  waiting       3.00 s  never taken
    foreign: it is no JSON:
    {\\x1b]0;x\\x07yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
    yyyyyyyyyy… and 27 more characters
aaaaaaaaaaaaaa0f  jobs   kept          1.00 s  taken ? times
    foreign: it is no JSON: \\u202e[bold]z[/bold]

1,208 more in tasks-poison. To see them: jobkit inspect poison --all --store
azure (takes each for a moment)
2 in jobs-poison can't be seen now: a worker holds them (Functions for ten
minutes, where no function could take them)
To try again: jobkit poison requeue ID --store azure. To give up: jobkit poison
drop ID --store azure.
"""
    )


def test_what_is_too_much_to_be_taken_together_is_counted():
    found = Found(messages=[], unseen={"tasks": 84, "jobs": 0}, is_cut=frozenset({"tasks"}), is_taken=True)

    assert screen(poison_view(found, now=START)) == (
        """
no poison messages
84 more in tasks-poison: so many are too many to be looked at together
"""
    )


def test_no_messages_are_none():
    nothing = Found(messages=[], unseen={"tasks": 0, "jobs": 0}, is_cut=frozenset(), is_taken=False)
    held = Found(messages=[], unseen={"tasks": 1, "jobs": 0}, is_cut=frozenset(), is_taken=False)

    assert screen(poison_view(nothing, now=START + timedelta(1))) == "\nno poison messages\n"
    assert screen(poison_view(held, now=START + timedelta(1))) == (
        """
no poison messages
1 in tasks-poison can't be seen now: a worker holds them (Functions for ten
minutes, where no function could take them)
"""
    )
