"""An installation at a glance, letter for letter, at 80 and at 120 columns."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rich.console import RenderableType

from jobkit.runtime.inspected import Count
from jobkit.runtime.model import Chain, Failure, JobRecord, StageRecord, StageState, Status, Summary
from jobkit.runtime.overview import ActiveJob, Concern, Installation, Peeked, Pulse, QueueLook
from jobkit.runtime.rates import Ends, Throughput
from jobkit.views.installation import installation_line, installation_view
from records import LONG_NAME, after, chain, closed, job, screen, sealed, waiting

NOW = after(600)
NO_PACE = Throughput(until=NOW, bin_s=10.0, counts=(0.0,) * 30)
PACE = replace(NO_PACE, counts=(0.0,) * 10 + tuple(float(n) for n in range(1, 21)))


def queue(name: str, messages: int, visible: int, age_s: float = 0.0) -> QueueLook:
    """A queue whose oldest visible message has waited for so long."""
    peeked = Peeked(id="1", body="{}", message=None, refusal="", deliveries=0, inserted_at=after(600 - age_s))
    return QueueLook(name=name, messages=messages, peeked=(peeked,) * visible, visible_is_exact=visible < 32)


def queues(*found: QueueLook) -> tuple[QueueLook, ...]:
    """The four queues, some of them with messages."""
    known = {look.name: look for look in found}
    return tuple(known.get(name, queue(name, 0, 0)) for name in ("jobs", "tasks", "jobs-poison", "tasks-poison"))


def one(number: int, **changes: object) -> JobRecord:
    """A job with an id of its own."""
    return job(job_id=f"{number:x}" * 32, **changes)


def running(
    record: JobRecord, stage: StageRecord, *others: StageRecord, done: int, failed: int = 0, unseen: int = 0
) -> ActiveJob:
    """A job whose tasks end at a steady pace since its stage was sealed."""
    count = Count(summary=Summary(completed=done, failed=failed), unseen=unseen)
    ends = (Ends(start=after(0), end=after(598), count=done + failed),)
    pulse = Pulse(count=count, ends=ends, workers={"vm-17": after(598)}, moved_at=after(598))
    return ActiveJob(chain=chain(record, stage, *others), pulse=pulse)


def still(record: JobRecord, *stages: StageRecord) -> ActiveJob:
    return ActiveJob(chain=chain(record, *stages), pulse=None)


def ended(number: int, tasks: int, **changes: object) -> Chain:
    return chain(one(number, **changes), closed(1, "Cut", tasks))


EMPTY = Installation(
    at=NOW,
    queues=queues(),
    active=(),
    active_count=0,
    counted_all=True,
    ended=(),
    looked_at=0,
    workers={},
    kept_poison=0,
    living=0,
    throughput=NO_PACE,
    unread=(),
)
ACTIVE = {"status": Status.PROCESSING, "stage": 1}
FAILED = Failure(type="StageFailed", message="2 of 10 tasks of stage 1 'Cut' failed: TileBroken: tile 3 is broken")
WORKERS = {"vm-17": after(598), "vm-18": after(590), "vm-3": after(100)}
BUSY = Installation(
    at=NOW,
    queues=queues(queue("tasks", 9_588, 32, 120), queue("jobs", 1, 1, 2), queue("tasks-poison", 3, 0)),
    active=(
        running(
            one(1, job_type="tiles", **ACTIVE), sealed(1, "Cut", 12_000), waiting(2, "Check"), done=4_020, unseen=7_000
        ),
        running(
            one(2, job_type="validate_every_raster_of_all", **ACTIVE), sealed(1, LONG_NAME, 100), done=40, failed=3
        ),
        still(one(3, status=Status.QUEUED, stage=1, updated_at=after(570)), waiting(1, "Cut"), waiting(2, "Check")),
        still(
            one(4, **ACTIVE),
            replace(waiting(1, "Cut"), state=StageState.PLANNING, started_at=after(590)),
            waiting(2, "Check"),
        ),
        still(one(5, status=Status.PROCESSING, stage_numbers=(1,)), closed(1, "Cut", 3)),
    ),
    active_count=37,
    counted_all=True,
    ended=(
        ended(6, 12_000),
        ended(7, 10, status=Status.FAILED, error=FAILED, updated_at=after(3)),
        ended(8, 1, status=Status.FAILED, error=Failure(type="KeyError", message="'name'"), updated_at=after(1.5)),
    ),
    looked_at=100,
    workers=WORKERS,
    kept_poison=2,
    living=None,
    throughput=PACE,
    unread=(),
)
WORRIED = replace(
    EMPTY,
    queues=queues(queue("jobs", 5, 5, 840)),
    active=(still(one(3, status=Status.QUEUED, stage=1, updated_at=after(10)), waiting(1, "Cut")),),
    active_count=1_000,
    counted_all=False,
    looked_at=1,
)
WORRIES = [
    Concern(
        name="no worker",
        text="5 messages wait and no process works on this store",
        since=after(-240),
        command="jobkit worker",
    ),
    Concern(
        name="lost message",
        text="job 333333333333 tiles: its planning has no message: queue jobs was seen whole",
        since=after(10),
        command="jobkit worker; or jobkit repair 333333333333 --force",
    ),
    Concern(
        name="damaged row", text="row ab / job: it has no \x1b[31m'epoch'", since=None, command="jobkit inspect jobs"
    ),
]
STATES: dict[str, tuple[Installation, list[Concern], str]] = {
    "empty": (EMPTY, [], "/srv/tiles/.jobkit/local.db"),
    "busy": (BUSY, [], "the azure store, hub jobkit"),
    "one waits": (replace(EMPTY, queues=queues(queue("jobs", 1, 1))), [], "/srv/tiles/.jobkit/local.db"),
    "worried": (WORRIED, WORRIES, "/srv/tiles/.jobkit/local.db"),
}


def shown(name: str, *, whole: bool = False) -> RenderableType:
    found, worries, place = STATES[name]
    return installation_view(found, worries, place=place, whole=whole)


SCREENS: dict[tuple[str, tuple[int, ...]], str] = {
    ("empty", (80,)): """
no active job at 2024-02-29 12:10:00 UTC in /srv/tiles/.jobkit/local.db

No active job

No job has ended

queue         messages  visible  in flight  oldest
jobs                 0        0          0
tasks                0        0          0
jobs-poison          0        0          0
tasks-poison         0        0          0

Instances   no process works on this store; no row that was read tells of one in
5 min
Throughput  ······························  no task ended, by what was read
""",
    ("empty", (120,)): """
no active job at 2024-02-29 12:10:00 UTC in /srv/tiles/.jobkit/local.db

No active job

No job has ended

queue         messages  visible  in flight  oldest
jobs                 0        0          0
tasks                0        0          0
jobs-poison          0        0          0
tasks-poison         0        0          0

Instances   no process works on this store; no row that was read tells of one in 5 min
Throughput  ······························  no task ended, by what was read
""",
    ("busy", (80,)): """
37 active jobs at 2024-02-29 12:10:00 UTC in the azure store, hub jobkit

Active jobs, the newest 5 of 37
id            type          stage                         tasks  failed     left
111111111111  tiles         1/2 Cut        ≥ 4,020/12,000  33 %       0  ~20 min
222222222222  validate_ev…  1/2 Validate…          43/100  43 %       3  ~13 min
333333333333  tiles         1/2 Cut             not planned yet
444444444444  tiles         1/2 Cut            is being planned
555555555555  tiles         1/1                     aggregating

Ended last, of the 100 newest
id            type   status     ended            took   tasks
666666666666  tiles  completed  8 min ago  1 min 36 s  12,000
777777777777  tiles  failed     9 min ago      3.00 s      10
    2 of 10 tasks of stage 1 'Cut' failed: TileBroken: tile 3 is broken
888888888888  tiles  failed     9 min ago      1.50 s       1
    KeyError: 'name'

queue         messages     visible      in flight  oldest
jobs                 1           1              0     2 s
tasks            9,588  32 or more  9,556 at most   2 min
jobs-poison          0           0              0
tasks-poison         3           0        about 3
2 messages kept that could not be understood

Instances   vm-17 2 s ago, vm-18 10 s ago
Throughput  ··········▁▁▂▂▃▃▃▄▄▅▅▅▆▆▇▇▇███  0.7 tasks/s in 5 min, at best 2
""",
    ("busy", (120,)): """
37 active jobs at 2024-02-29 12:10:00 UTC in the azure store, hub jobkit

Active jobs, the newest 5 of 37
id            type                      stage                                          tasks  failed     left  moved
111111111111  tiles                     1/2 Cut                         ≥ 4,020/12,000  33 %       0  ~20 min  2 s ago
222222222222  validate_every_raster_o…  1/2 Validate every tile of th…          43/100  43 %       3  ~13 min  2 s ago
333333333333  tiles                     1/2 Cut                              not planned yet                   30 s ago
444444444444  tiles                     1/2 Cut                             is being planned                   10 s ago
555555555555  tiles                     1/1                                      aggregating                   8 min ago

Ended last, of the 100 newest
id            type   status     ended            took   tasks  error, or parameters
666666666666  tiles  completed  8 min ago  1 min 36 s  12,000  {"width":5000,"tile_px":512}
777777777777  tiles  failed     9 min ago      3.00 s      10
    2 of 10 tasks of stage 1 'Cut' failed: TileBroken: tile 3 is broken
888888888888  tiles  failed     9 min ago      1.50 s       1  KeyError: 'name'

queue         messages     visible      in flight  oldest
jobs                 1           1              0     2 s
tasks            9,588  32 or more  9,556 at most   2 min
jobs-poison          0           0              0
tasks-poison         3           0        about 3
2 messages kept that could not be understood

Instances   vm-17 2 s ago, vm-18 10 s ago
Throughput  ··········▁▁▂▂▃▃▃▄▄▅▅▅▆▆▇▇▇███  0.7 tasks/s in 5 min, at best 2
""",
    ("worried", (80,)): """
1,000 or more active jobs, 3 warnings at 2024-02-29 12:10:00 UTC in
/srv/tiles/.jobkit/local.db

Warnings
 ! 5 messages wait and no process works on this store (for 14 min)
   jobkit worker
 ! job 333333333333 tiles: its planning has no message: queue jobs was seen
   whole (for 9 min)
   jobkit worker
   or: jobkit repair 333333333333 --force
 ! row ab / job: it has no �[31m'epoch'
   jobkit inspect jobs

Active jobs, the newest 1 of 1,000 or more
id            type   stage              tasks  failed  left
333333333333  tiles  1/2 Cut  not planned yet

No job has ended

queue         messages  visible  in flight  oldest
jobs                 5        5          0  14 min
tasks                0        0          0
jobs-poison          0        0          0
tasks-poison         0        0          0

Instances   no process works on this store; no row that was read tells of one in
5 min
Throughput  ······························  no task ended, by what was read
""",
    ("worried", (120,)): """
1,000 or more active jobs, 3 warnings at 2024-02-29 12:10:00 UTC in /srv/tiles/.jobkit/local.db

Warnings
 ! 5 messages wait and no process works on this store (for 14 min)
   jobkit worker
 ! job 333333333333 tiles: its planning has no message: queue jobs was seen whole (for 9 min)
   jobkit worker
   or: jobkit repair 333333333333 --force
 ! row ab / job: it has no �[31m'epoch'
   jobkit inspect jobs

Active jobs, the newest 1 of 1,000 or more
id            type   stage              tasks  failed  left  moved
333333333333  tiles  1/2 Cut  not planned yet                9 min ago

No job has ended

queue         messages  visible  in flight  oldest
jobs                 5        5          0  14 min
tasks                0        0          0
jobs-poison          0        0          0
tasks-poison         0        0          0

Instances   no process works on this store; no row that was read tells of one in 5 min
Throughput  ······························  no task ended, by what was read
""",
}


@pytest.mark.parametrize(("name", "widths"), SCREENS, ids=str)
def test_each_state_at_80_and_at_120_columns(name: str, widths: tuple[int, ...]):
    for width in widths:
        assert screen(shown(name), width) == SCREENS[name, widths]


def test_a_pipe_gets_whole_ids_types_names_and_errors():
    lines = screen(shown("busy", whole=True), 10_000)

    assert "2" * 32 + "  validate_every_raster_of_all  1/2 " + LONG_NAME in lines
    assert "2 of 10 tasks of stage 1 'Cut' failed: TileBroken: tile 3 is broken\n" in lines


@pytest.mark.parametrize(
    ("living", "worries", "left"),
    [(0, [], ""), (None, WORRIES[:1], ""), (None, WORRIES[1:], "~13 min"), (1, [], "~13 min"), (None, [], "~13 min")],
)
def test_the_time_left_is_told_where_somebody_may_keep_up_the_pace(
    living: int | None, worries: list[Concern], left: str
):
    active = running(one(2, **ACTIVE), sealed(1, "Cut", 100), done=40, failed=3)
    found = replace(BUSY, active=(active,), living=living)

    [line] = [
        line for line in screen(installation_view(found, worries, place="here"), 80).splitlines() if "43 %" in line
    ]
    assert line.partition(" %       3")[2].strip() == left


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("empty", "no active job, 0 messages, 0 tasks a second"),
        ("busy", "37 active jobs, 9,592 messages, 0.7 tasks a second"),
        ("one waits", "no active job, 1 message, 0 tasks a second"),
        ("worried", "1,000 or more active jobs, 3 warnings, 5 messages, 0 tasks a second"),
    ],
)
def test_a_watch_without_a_terminal_tells_it_on_one_line(name: str, line: str):
    found, worries, _ = STATES[name]

    assert installation_line(found, worries) == line
