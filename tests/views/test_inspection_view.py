"""The screen of a job that was looked at closely, letter for letter, at 80 and at 120 columns."""

from __future__ import annotations

from dataclasses import replace

from jobkit.runtime.inspected import Count, Diagnosis, Finding, Outliers, Provenance, Weight
from jobkit.runtime.model import Audit, Failure, Status, Summary
from jobkit.views.inspection import inspection_view
from records import BROKEN_TILE, after, broken, chain, closed, inspected, job, listed, screen, sealed, task, waiting

COMPLETED = inspected(
    chain(job(result_json=listed((2, "Check", 1, [5000]))), closed(1, "Cut", 3), closed(2, "Check", 1, took_s=0.02)),
    outliers={
        1: Outliers(
            slowest=(task(2, ran_s=52), task(0), task(1, ran_s=0.2)), retried=(task(2, attempt=3),), is_whole=True
        ),
        2: Outliers(slowest=(task(0, stage=2),), is_whole=True),
    },
    audits=(
        Audit(action="repair: sent, but lost, not tidied up", by="ann", reason="", at=after(50)),
        Audit(action="retry", by="ann", reason="disk was full", at=after(60)),
    ),
)

DISK = Failure(type="OSError", message="tile 7: no space left", traceback="")
FAILED = inspected(
    chain(
        job(
            status=Status.FAILED,
            error=Failure(type="StageFailed", message="5 of 10 tasks of stage 1 'Cut' failed: TileBroken: …"),
        ),
        closed(
            1,
            "Cut",
            10,
            failed=5,
            error=BROKEN_TILE,
            summary=Summary(completed=5, failed=5, errors=(broken(3, 3), broken(2, 7, DISK))),
        ),
        waiting(2, "Check"),
    ),
    outliers={
        1: Outliers(
            failed=(
                *(
                    task(index, Status.FAILED, error=replace(BROKEN_TILE, message=f"tile {index} is broken"))
                    for index in (3, 4, 5)
                ),
                *(
                    task(index, Status.FAILED, error=replace(DISK, message=f"tile {index}: no space left"))
                    for index in (7, 8)
                ),
            ),
            is_whole=True,
        )
    },
)

RUNNING = inspected(
    chain(
        job(status=Status.PROCESSING, stage=2),
        closed(1, "Cut", 2),
        replace(sealed(2, "Check", 1_000_000), policy=closed(1, "x", 1).policy),
    ),
    counts={
        2: Count(
            summary=Summary(completed=412_000, failed=3, errors=(broken(3, 17),)),
            open=(
                task(17, Status.PROCESSING, stage=2, progress_at=after(110)),
                task(18, Status.PROCESSING, stage=2, attempt=2, worker="vm-42"),
                task(19, Status.QUEUED, stage=2),
            ),
            unseen=587_994,
        )
    },
    diagnosis=Diagnosis(
        unchecked=(
            "587,994 of 1,000,000 tasks of stage 2",
            "whether a message would start 1 queued task: queue tasks can't be seen whole (it has 9,000 messages, and 32 can be seen)",
        )
    ),
)

GONE = "task 17 was claimed 14 min ago by an instance that is gone (vm-41); its message returns in 40 s, at once with a worker"
STUCK = replace(
    RUNNING,
    counts={2: Count(summary=Summary(completed=999_999), open=(task(17, Status.PROCESSING, stage=2),))},
    diagnosis=Diagnosis(
        findings=(
            Finding(
                name="dead claimer",
                weight=Weight.STUCK,
                evidence=GONE,
                remedy="jobkit worker; or jobkit repair 0123456789ab --force",
            ),
            Finding(name="being cancelled", weight=Weight.NOTE, evidence="no further task starts: cancelled by ann"),
        )
    ),
)

QUEUED = inspected(
    chain(job(status=Status.QUEUED, stage=1), waiting(1, "Cut"), waiting(2, "Check")),
    diagnosis=Diagnosis(
        findings=(
            Finding(
                name="no worker",
                weight=Weight.WAITING,
                evidence="the message that plans stage 1 has waited 4 s in queue jobs and no process works on this store",
                remedy="jobkit worker",
            ),
        )
    ),
    provenance=Provenance(
        canonical='{"hash":1,"job_type":"tiles","params":{"width":5000},"run":1}', left_out=("tile_px",)
    ),
)


def test_a_completed_job() -> None:
    shown = {screen(inspection_view(COMPLETED), width) for width in (80, 120)}

    assert shown == {
        """
tiles completed in 1 min 36 s
id          0123456789abcdef0123456789abcdef
parameters  {"width":5000,"tile_px":512}
created     2024-02-29 12:00:00 UTC
repair      2024-02-29 12:00:50 UTC by ann: sent, but lost, not tidied up
retry       2024-02-29 12:01:00 UTC by ann: disk was full

   stage  status     tasks  done  failed    time  lights out by
1  Cut    completed      3     3       0  1.50 s  task 2
2  Check  completed      1     1       0   20 ms  task 0

Slowest tasks
  task     ran  waited  instance
  1-2   52.0 s  1.00 s  vm-41
  1-0   1.50 s  1.00 s  vm-41
  1-1   200 ms  1.00 s  vm-41

Retries
  stage 1 Cut: 1 task was tried again: 2 (attempt 3)

Result
  2 Check
    0123456789abcdef-2-0  5000

The id is the hash of
  {"hash":1,"job_type":"tiles","params":{"tile_px":512,"width":5000},"run":1}
"""
    }


def test_a_failed_job_groups_its_errors_by_type_and_text() -> None:
    shown = {screen(inspection_view(FAILED), width) for width in (80, 120)}

    assert shown == {
        """
tiles failed after 1 min 36 s: 5 tasks, 3 of them TileBroken: tile 3 is broken
id          0123456789abcdef0123456789abcdef
parameters  {"width":5000,"tile_px":512}
created     2024-02-29 12:00:00 UTC

   stage  status  tasks  done  failed    time  lights out by
1  Cut    failed     10     5       5  1.50 s  task 9
2  Check  queued            0       0

Errors
  stage 1 Cut: 3 tasks failed with TileBroken, first task 3
    TileBroken: tile 3 is broken
    Traceback (most recent call last):
      File "/project/controllers/tiles.py", line 24, in cut
        return read(task.params)
               ^^^^^^^^^^^^^^^^^
      File "/project/controllers/tiles.py", line 31, in read
        raise TileBroken(f"tile {tile} is broken")
    controllers.tiles.TileBroken: tile 3 is broken
  stage 1 Cut: 2 tasks failed with OSError, first task 7
    OSError: tile 7: no space left

The id is the hash of
  {"hash":1,"job_type":"tiles","params":{"tile_px":512,"width":5000},"run":1}
"""
    }


def test_a_running_job_too_large_to_be_seen_whole() -> None:
    assert (
        screen(inspection_view(RUNNING))
        == """
tiles processing stage 2 of 2: at least 412,003 of 1,000,000 done, 3 failed, at
least 2 in flight, about 2 min left
  not checked  587,994 of 1,000,000 tasks of stage 2
  not checked  whether a message would start 1 queued task: queue tasks can't be
               seen whole (it has 9,000 messages, and 32 can be seen)

id          0123456789abcdef0123456789abcdef
parameters  {"width":5000,"tile_px":512}
created     2024-02-29 12:00:00 UTC

   stage  status          tasks      done  failed        time  lights out by
1  Cut    completed           2         2       0      1.50 s  task 1
2  Check  processing  1,000,000  412,000+      3+  2 min 00 s

Errors
  stage 2 Check: 3 tasks failed with TileBroken, first task 17
    TileBroken: tile 3 is broken
    Traceback (most recent call last):
      File "/project/controllers/tiles.py", line 24, in cut
        return read(task.params)
               ^^^^^^^^^^^^^^^^^
      File "/project/controllers/tiles.py", line 31, in read
        raise TileBroken(f"tile {tile} is broken")
    controllers.tiles.TileBroken: tile 3 is broken

Longest in flight
  2-17  1 min 59 s on vm-41, last sign of life 12:01:50 UTC
  2-18  1 min 59 s on vm-42, attempt 2

The id is the hash of
  {"hash":1,"job_type":"tiles","params":{"tile_px":512,"width":5000},"run":1}
"""
    )
    assert (
        screen(inspection_view(RUNNING), 120)
        == """
tiles processing stage 2 of 2: at least 412,003 of 1,000,000 done, 3 failed, at least 2 in flight, about 2 min left
  not checked  587,994 of 1,000,000 tasks of stage 2
  not checked  whether a message would start 1 queued task: queue tasks can't be seen whole (it has 9,000 messages, and
               32 can be seen)

id          0123456789abcdef0123456789abcdef
parameters  {"width":5000,"tile_px":512}
created     2024-02-29 12:00:00 UTC

   stage  status          tasks      done  failed        time  lights out by
1  Cut    completed           2         2       0      1.50 s  task 1
2  Check  processing  1,000,000  412,000+      3+  2 min 00 s

Errors
  stage 2 Check: 3 tasks failed with TileBroken, first task 17
    TileBroken: tile 3 is broken
    Traceback (most recent call last):
      File "/project/controllers/tiles.py", line 24, in cut
        return read(task.params)
               ^^^^^^^^^^^^^^^^^
      File "/project/controllers/tiles.py", line 31, in read
        raise TileBroken(f"tile {tile} is broken")
    controllers.tiles.TileBroken: tile 3 is broken

Longest in flight
  2-17  1 min 59 s on vm-41, last sign of life 12:01:50 UTC
  2-18  1 min 59 s on vm-42, attempt 2

The id is the hash of
  {"hash":1,"job_type":"tiles","params":{"tile_px":512,"width":5000},"run":1}
"""
    )


def test_a_task_that_ended_while_the_job_was_looked_at_is_not_shown_twice() -> None:
    slowest = (task(17, stage=2, ran_s=52), task(3, stage=2, ran_s=50))

    shown = screen(inspection_view(replace(RUNNING, outliers={2: Outliers(slowest=slowest)})))

    assert "  2-17  1 min 59 s on vm-41" in shown
    assert "  2-3   50.0 s " in shown
    assert "52.0 s" not in shown


def test_a_stuck_job() -> None:
    assert (
        screen(inspection_view(STUCK))
        == """
tiles stuck: task 17 was claimed 14 min ago by an instance that is gone (vm-41);
its message returns in 40 s, at once with a worker
  stuck: dead claimer    to do: jobkit worker
                         or: jobkit repair 0123456789ab --force
  note: being cancelled  no further task starts: cancelled by ann

id          0123456789abcdef0123456789abcdef
parameters  {"width":5000,"tile_px":512}
created     2024-02-29 12:00:00 UTC

   stage  status          tasks     done  failed        time  lights out by
1  Cut    completed           2        2       0      1.50 s  task 1
2  Check  processing  1,000,000  999,999       0  2 min 00 s

Longest in flight
  2-17  1 min 59 s on vm-41

The id is the hash of
  {"hash":1,"job_type":"tiles","params":{"tile_px":512,"width":5000},"run":1}
"""
    )
    assert (
        screen(inspection_view(STUCK), 120)
        == """
tiles stuck: task 17 was claimed 14 min ago by an instance that is gone (vm-41); its message returns in 40 s, at once
with a worker
  stuck: dead claimer    to do: jobkit worker
                         or: jobkit repair 0123456789ab --force
  note: being cancelled  no further task starts: cancelled by ann

id          0123456789abcdef0123456789abcdef
parameters  {"width":5000,"tile_px":512}
created     2024-02-29 12:00:00 UTC

   stage  status          tasks     done  failed        time  lights out by
1  Cut    completed           2        2       0      1.50 s  task 1
2  Check  processing  1,000,000  999,999       0  2 min 00 s

Longest in flight
  2-17  1 min 59 s on vm-41

The id is the hash of
  {"hash":1,"job_type":"tiles","params":{"tile_px":512,"width":5000},"run":1}
"""
    )


def test_a_job_that_waits() -> None:
    assert (
        screen(inspection_view(QUEUED))
        == """
tiles waiting: the message that plans stage 1 has waited 4 s in queue jobs and
no process works on this store
  waiting: no worker  to do: jobkit worker

id          0123456789abcdef0123456789abcdef
parameters  {"width":5000,"tile_px":512}
created     2024-02-29 12:00:00 UTC

   stage  status  tasks  done  failed  time  lights out by
1  Cut    queued            0       0
2  Check  queued            0       0

The id is the hash of
  {"hash":1,"job_type":"tiles","params":{"width":5000},"run":1}
  without tile_px, which is no part of it
"""
    )
    assert (
        screen(inspection_view(QUEUED), 120)
        == """
tiles waiting: the message that plans stage 1 has waited 4 s in queue jobs and no process works on this store
  waiting: no worker  to do: jobkit worker

id          0123456789abcdef0123456789abcdef
parameters  {"width":5000,"tile_px":512}
created     2024-02-29 12:00:00 UTC

   stage  status  tasks  done  failed  time  lights out by
1  Cut    queued            0       0
2  Check  queued            0       0

The id is the hash of
  {"hash":1,"job_type":"tiles","params":{"width":5000},"run":1}
  without tile_px, which is no part of it
"""
    )


def test_where_not_all_failed_tasks_were_read_errors_are_grouped_by_type() -> None:
    summary = Summary(completed=1, failed=9_000, errors=(broken(8_990, 3), broken(10, 7, DISK)))
    many = inspected(
        chain(FAILED.chain.job, closed(1, "Cut", 9_001, error=BROKEN_TILE, summary=summary)),
        outliers={1: Outliers(failed=(task(3, Status.FAILED),))},
    )

    shown = screen(inspection_view(many))

    assert "tiles failed after 1 min 36 s: 9,000 tasks, 8,990 of them TileBroken: tile 3 is\nbroken\n" in shown
    assert "  stage 1 Cut: 8,990 tasks failed with TileBroken, first task 3\n" in shown
    assert "  stage 1 Cut: 10 tasks failed with OSError, first task 7\n" in shown


def test_what_was_hashed_may_not_be_known() -> None:
    unknown = replace(QUEUED, provenance=None)

    assert screen(inspection_view(unknown)).endswith(
        """
The id is the hash of
  what its row does not tell whole: parameters are left out of it, or the code
  that hashed was another
"""
    )


def test_what_somebody_else_wrote_never_commands_the_terminal() -> None:
    evil = Failure(type="StageFailed\x1b", message="\x1b[31mred", traceback="\x9b31mred")
    failed = job(status=Status.FAILED, error=evil)
    summary = Summary(failed=1, errors=(broken(1, 0, evil),))
    alone = inspected(chain(failed, waiting(1, "Cut")))
    grouped = inspected(chain(failed, closed(1, "Cut", 1, failed=1, error=evil, summary=summary)))

    for found in (alone, grouped):
        assert set("\x1b\x9b").isdisjoint(screen(inspection_view(found)))
