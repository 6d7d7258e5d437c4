"""The screens of tasks, letter for letter."""

from __future__ import annotations

from dataclasses import replace

from jobkit.runtime.model import Failure, Status
from jobkit.views.tasks import task_view, tasks_view
from records import BROKEN_TILE, JOB_ID, after, chain, closed, job, screen, sealed, task, waiting

RUNNING = chain(job(status=Status.PROCESSING, stage=2), closed(1, "Cut", 2), sealed(2, "Check", 5))
PAGE = [
    task(0, stage=2, result_json='{"pixels":262144}'),
    task(1, Status.FAILED, stage=2, attempt=3),
    task(2, Status.PROCESSING, stage=2),
    task(3, Status.QUEUED, stage=2),
]
NEXT = "jobkit inspect tasks 0123456789ab --stage 2 --first 4"

FED = task(
    1, stage=2, params_json=f'{{"reply_to":"{JOB_ID[:16]}-1-0","also":"{JOB_ID[:16]}-1-1"}}', result_json='{"pixels":1}'
)
FAILED = task(1, Status.FAILED, stage=2, attempt=3, params_json="7", not_before=after(0.5), progress_at=after(2))
AGAIN = task(
    1,
    Status.QUEUED,
    stage=2,
    attempt=2,
    started_at=after(1),
    not_before=after(90),
    error=replace(BROKEN_TILE, traceback=""),
    worker="vm-41",
)
ALONE = replace(RUNNING, job=job(status=Status.PROCESSING, stage=2, source=f"job:{JOB_ID}"), stages=RUNNING.stages[1:])


def test_a_page_of_tasks() -> None:
    shown = {screen(tasks_view(RUNNING, RUNNING.stages[1], PAGE, go_on=NEXT), width) for width in (80, 120)}

    assert shown == {
        """
tiles 0123456789ab, stage 2 Check: 5 tasks, processing
task  status      attempt  waited     ran  what came of it
   0  completed         1  1.00 s  1.50 s  {"pixels":262144}
   1  failed            3  1.00 s  1.50 s  TileBroken: tile 3 is broken
   2  processing        1  1.00 s          on vm-41
   3  queued            1
more: jobkit inspect tasks 0123456789ab --stage 2 --first 4
"""
    }


def test_one_of_a_thing_is_named_so() -> None:
    one = chain(job(status=Status.PROCESSING, stage=2), closed(1, "Cut", 1), sealed(2, "Check", 1))

    assert screen(tasks_view(one, one.stages[1], PAGE)).startswith("\ntiles 0123456789ab, stage 2 Check: 1 task, proc")
    assert "may read    stage 1 Cut: 1 result\n" in screen(task_view(one, one.stages[1], FED, now=after(60)))


def test_an_empty_page() -> None:
    assert (
        screen(tasks_view(RUNNING, waiting(3, "Report"), []))
        == """
tiles 0123456789ab, stage 3 Report: no tasks yet, queued
  none of those that were asked for
"""
    )


def test_a_long_outcome_is_cut_on_a_terminal_and_whole_in_a_pipe() -> None:
    long = [task(0, Status.FAILED, stage=2, error=Failure(type="ValueError", message="x" * 500 + "\nsecond"))]

    assert "x" * 107 + "…\n" in screen(tasks_view(RUNNING, RUNNING.stages[1], long), 200)
    assert "x" * 500 + " second\n" in screen(tasks_view(RUNNING, RUNNING.stages[1], long, whole=True), 10_000)


def test_a_task_that_has_completed_names_what_fed_it() -> None:
    shown = {screen(task_view(RUNNING, RUNNING.stages[1], FED, now=after(60)), width) for width in (80, 120)}

    assert shown == {
        """
tiles task 1 of stage 2 Check completed in 1.50 s
id          0123456789abcdef-2-1
job         0123456789abcdef0123456789abcdef
parameters  {"reply_to":"0123456789abcdef-1-0","also":"0123456789abcdef-1-1"}
may read    stage 1 Cut: 2 results
fed by      0123456789abcdef-1-0, 0123456789abcdef-1-1
attempt     1
queued      2024-02-29 12:00:00.000 UTC
started     2024-02-29 12:00:01.000 UTC, after waiting 1.00 s
ended       2024-02-29 12:00:02.500 UTC
ran         1.50 s
instance    vm-41

Result
  {
    "pixels": 1
  }
"""
    }


def test_a_task_that_has_failed() -> None:
    shown = {screen(task_view(RUNNING, RUNNING.stages[1], FAILED, now=after(60)), width) for width in (80, 120)}

    assert shown == {
        """
tiles task 1 of stage 2 Check failed in 1.50 s, attempt 3
id            0123456789abcdef-2-1
job           0123456789abcdef0123456789abcdef
parameters    7
may read      stage 1 Cut: 2 results
attempt       3
queued        2024-02-29 12:00:00.000 UTC
not before    2024-02-29 12:00:00.500 UTC
started       2024-02-29 12:00:01.000 UTC, after waiting 500 ms
sign of life  2024-02-29 12:00:02.000 UTC
ended         2024-02-29 12:00:02.500 UTC
ran           1.50 s
instance      vm-41

Error
  TileBroken: tile 3 is broken
  Traceback (most recent call last):
    File "/project/controllers/tiles.py", line 24, in cut
      return read(task.params)
             ^^^^^^^^^^^^^^^^^
    File "/project/controllers/tiles.py", line 31, in read
      raise TileBroken(f"tile {tile} is broken")
  controllers.tiles.TileBroken: tile 3 is broken
"""
    }


def test_a_task_that_waits_for_another_attempt() -> None:
    shown = {screen(task_view(ALONE, RUNNING.stages[1], AGAIN, now=after(60)), width) for width in (80, 120)}

    assert shown == {
        """
tiles task 1 of stage 2 Check queued, attempt 2 not before 12:01:30 UTC
id               0123456789abcdef-2-1
job              0123456789abcdef0123456789abcdef
may read         results of job 0123456789abcdef0123456789abcdef
attempt          2
queued           2024-02-29 12:00:00.000 UTC
not before       2024-02-29 12:01:30.000 UTC
started before   2024-02-29 12:00:01.000 UTC
instance before  vm-41

Error of the attempt before
  TileBroken: tile 3 is broken
"""
    }


def test_a_task_that_runs_tells_for_how_long() -> None:
    runs = task(1, Status.PROCESSING, stage=2)

    assert screen(task_view(RUNNING, RUNNING.stages[1], runs, now=after(60))).splitlines()[-2:] == [
        "has run   59.0 s",
        "instance  vm-41",
    ]
