"""The queues, letter for letter."""

from __future__ import annotations

import pytest
from rich.console import RenderableType

from jobkit.runtime.messages import Kind, Message
from jobkit.runtime.overview import Peeked, QueueLook
from jobkit.views.queues import queues_view
from records import JOB_ID, after, screen


def peeked(age_s: float, message: Message | None, *, deliveries: int = 0, body: str = "", refusal: str = "") -> Peeked:
    return Peeked(
        id="1", body=body, message=message, refusal=refusal, deliveries=deliveries, inserted_at=after(600 - age_s)
    )


def message(kind: Kind, **fields: object) -> Message:
    return Message(kind=kind, job_id=JOB_ID, epoch="e", round=1, **fields)  # type: ignore[arg-type] - made of objects


def look(name: str, messages: int, *seen: Peeked) -> QueueLook:
    return QueueLook(name=name, messages=messages, peeked=seen, visible_is_exact=len(seen) < 32)


EMPTY = [look(name, 0) for name in ("jobs", "tasks", "jobs-poison", "tasks-poison")]
TASK = message(Kind.TASK, stage=1, first=17, size=1)
FULL = [
    look(
        "jobs",
        3,
        peeked(2, message(Kind.PLAN, stage=2)),
        peeked(1, message(Kind.DISPATCH, stage=1, first=1_000, size=1_000)),
        peeked(0, message(Kind.COMPLETE)),
    ),
    look(
        "tasks",
        9_588,
        peeked(840, TASK, deliveries=2),
        peeked(61, message(Kind.TASK, stage=1, first=100, size=50, attempt=3)),
        *[peeked(5, TASK)] * 30,
    ),
    look(
        "jobs-poison",
        1,
        peeked(7_300, None, deliveries=1, body='{"hello": "\x1b[31m' + "x" * 80, refusal="no message of jobkit"),
    ),
    look("tasks-poison", 4),
]
STATES = {"empty": EMPTY, "full": FULL}


def shown(name: str, *, peek: int = 3, whole: bool = False) -> RenderableType:
    return queues_view(STATES[name], now=after(600), peek=peek, whole=whole)


SCREENS: dict[tuple[str, tuple[int, ...]], str] = {
    ("empty", (80,)): """
queue         messages  visible  in flight  oldest
jobs                 0        0          0
tasks                0        0          0
jobs-poison          0        0          0
tasks-poison         0        0          0

In flight is an estimate: what is hidden has been taken by an instance, or waits
for a delay to pass.
""",
    ("empty", (120,)): """
queue         messages  visible  in flight  oldest
jobs                 0        0          0
tasks                0        0          0
jobs-poison          0        0          0
tasks-poison         0        0          0

In flight is an estimate: what is hidden has been taken by an instance, or waits for a delay to pass.
""",
    ("full", (80,)): """
queue         messages     visible      in flight  oldest
jobs                 3           3              0     2 s
tasks            9,588  32 or more  9,556 at most  14 min
jobs-poison          1           1              0     2 h
tasks-poison         4           0        about 4

In flight is an estimate: what is hidden has been taken by an instance, or waits
for a delay to pass.

jobs, all 3 visible messages
waits  taken  asks for  job           stage  tasks
  2 s  never  plan      0123456789ab      2
  1 s  never  dispatch  0123456789ab      1  1,000 to 1,999
  0 s  never  complete  0123456789ab

tasks, the first 3 of the visible messages
 waits  taken  asks for  job           stage  tasks
14 min    2 x  task      0123456789ab      1  17
  61 s  never  task      0123456789ab      1  100 to 149, attempt 3
   5 s  never  task      0123456789ab      1  17

jobs-poison, the visible message
waits  taken  asks for  job  stage  tasks
  2 h    1 x  foreign               no message of jobkit: {"hello":
                                    "�[31mxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
                                    xxxxxx… and 36 more characters
""",
    ("full", (120,)): """
queue         messages     visible      in flight  oldest
jobs                 3           3              0     2 s
tasks            9,588  32 or more  9,556 at most  14 min
jobs-poison          1           1              0     2 h
tasks-poison         4           0        about 4

In flight is an estimate: what is hidden has been taken by an instance, or waits for a delay to pass.

jobs, all 3 visible messages
waits  taken  asks for  job           stage  tasks
  2 s  never  plan      0123456789ab      2
  1 s  never  dispatch  0123456789ab      1  1,000 to 1,999
  0 s  never  complete  0123456789ab

tasks, the first 3 of the visible messages
 waits  taken  asks for  job           stage  tasks
14 min    2 x  task      0123456789ab      1  17
  61 s  never  task      0123456789ab      1  100 to 149, attempt 3
   5 s  never  task      0123456789ab      1  17

jobs-poison, the visible message
waits  taken  asks for  job  stage  tasks
  2 h    1 x  foreign               no message of jobkit: {"hello": "�[31mxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…
                                    and 36 more characters
""",
}


@pytest.mark.parametrize(("name", "widths"), SCREENS, ids=str)
def test_each_state_at_80_and_at_120_columns(name: str, widths: tuple[int, ...]):
    for width in widths:
        assert screen(shown(name), width) == SCREENS[name, widths]


def test_nothing_is_peeked_where_nothing_is_asked_for():
    assert "visible message" not in screen(shown("full", peek=0))


def test_a_pipe_gets_whole_ids_and_foreign_messages():
    lines = screen(shown("full", whole=True), 10_000)

    assert f"plan      {JOB_ID}      2\n" in lines
    assert 'no message of jobkit: {"hello": "\N{REPLACEMENT CHARACTER}[31m' + "x" * 80 + "\n" in lines
