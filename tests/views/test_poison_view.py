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
    message(
        "333",
        age_s=100,
        message=of_task(1_234_567),
        deliveries=1,
        outlook=Outlook(state="its job is gone", helps=False),
    ),
    message("{\x1b]0;x\x07" + "y" * 100, age_s=3, reason="it is no JSON", deliveries=1_234, kept=KEPT),
    message("\u202e" + "[bold]z[/bold]", age_s=1, queue="jobs", deliveries=None, reason="it is no JSON", kept=KEPT),
]


ALL = "jobkit inspect poison --type tiles --all --store azure"


def looked(messages: list[PoisonMessage] | None = None, **changes: Any) -> Found:
    meant = messages or []
    fields: dict[str, Any] = {
        "messages": meant,
        "seen": len(meant),
        "unseen": {"tasks": 0, "jobs": 0},
        "is_cut": frozenset(),
        "is_taken": False,
    }
    return Found(**fields | changes)


def test_each_message_is_shown_with_what_it_is_about_and_what_helps():
    found = looked(MESSAGES, unseen={"tasks": 1_208, "jobs": 2}, is_cut=frozenset({"tasks"}))

    assert screen(poison_view(found, now=START, show_all=ALL, store=" --store azure")) == (
        """
aaaaaaaaaaaaaa01  tasks  waiting   2 h 03 min  taken 3 times
    task 17 of stage 2, job 0123456789ab tiles
    the task has failed: requeue does nothing, jobkit retry 0123456789ab --store
    azure does
    ValueError: no such\\x1b[2J tile\\nin a.tif
aaaaaaaaaaaaaa02  tasks  waiting   3 min 20 s  never taken
    tasks 100 to 149 of stage 2, job 0123456789ab tiles
    2 of 50 tasks have not ended
aaaaaaaaaaaaaa03  tasks  waiting   1 min 40 s  taken once
    task 1,234,567 of stage 2, job 0123456789ab
    its job is gone: requeue does nothing
aaaaaaaaaaaaaa6b  tasks  kept          3.00 s  taken 1,234 times
    foreign: it is no JSON:
    {\\x1b]0;x\\x07yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
    yyyyyyyyyy… and 27 more characters
aaaaaaaaaaaaaa0f  jobs   kept          1.00 s  taken ? times
    foreign: it is no JSON: \\u202e[bold]z[/bold]

not looked at: 1,208 more in tasks-poison. To see them: jobkit inspect poison
--type tiles --all --store azure (takes each for a moment)
2 in jobs-poison can't be seen now: a worker holds them (Functions for ten
minutes, where no function could take them)
To try again: jobkit poison requeue ID --store azure. To give up: jobkit poison
drop ID --store azure.
"""
    )


def test_what_a_filter_leaves_out_and_what_it_could_not_be_asked_of_is_told():
    damaged = [
        "store row 0123 / job: it is damaged: 'of\x1b clay' is not a valid Status (3 messages of it could not be judged)"
    ]
    one = looked(MESSAGES[:1], seen=101, foreign=5, gone=1, damaged=damaged)
    none = looked(seen=1, unseen={"tasks": 0}, foreign=1)

    assert screen(poison_view(one, now=START, show_all=ALL)) == (
        """
warning: store row 0123 / job: it is damaged: 'of\\x1b clay' is not a valid
Status (3 messages of it could not be judged)
aaaaaaaa  tasks  waiting   2 h 03 min  taken 3 times
    task 17 of stage 2, job 0123456789ab tiles
    the task has failed: requeue does nothing, jobkit retry 0123456789ab does
    ValueError: no such\\x1b[2J tile\\nin a.tif

1 of the 101 messages that were looked at
left out, for they have no job: 5 foreign messages, 1 message whose job is gone
To try again: jobkit poison requeue ID. To give up: jobkit poison drop ID.
"""
    )
    assert screen(poison_view(none, now=START, show_all=ALL)) == (
        """
no poison message fits (1 message looked at)
left out, for they have no job: 1 foreign message
"""
    )


def test_what_is_too_much_to_be_taken_together_is_counted():
    found = looked(unseen={"tasks": 84, "jobs": 0}, is_cut=frozenset({"tasks"}), is_taken=True)

    assert screen(poison_view(found, now=START, show_all=ALL)) == (
        """
no poison messages
not looked at: 84 more in tasks-poison, too many to be taken together
"""
    )


def test_no_messages_are_none():
    held = looked(unseen={"tasks": 1, "jobs": 0})

    assert screen(poison_view(looked(), now=START + timedelta(1), show_all=ALL)) == "\nno poison messages\n"
    assert screen(poison_view(held, now=START + timedelta(1), show_all=ALL)) == (
        """
no poison messages
1 in tasks-poison can't be seen now: a worker holds them (Functions for ten
minutes, where no function could take them)
"""
    )
