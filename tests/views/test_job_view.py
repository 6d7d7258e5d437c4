"""The screen of one job, letter for letter."""

from __future__ import annotations

import json

from jobkit.runtime.model import Failure, Status, Summary
from jobkit.views.job import job_view
from records import BROKEN_TILE, JOB_ID, LONG_NAME, broken, chain, closed, job, listed, screen, sealed, waiting

FAILED = chain(
    job(
        status=Status.FAILED,
        error=Failure(
            type="StageFailed",
            message="2 of 10 tasks of stage 1 'Cut' failed: TileBroken: tile 3 is broken (task 0123456789abcdef-1-3)",
            traceback=BROKEN_TILE.traceback,
        ),
    ),
    closed(
        1,
        "Cut",
        10,
        error=BROKEN_TILE,
        summary=Summary(
            completed=8,
            failed=2,
            errors=(broken(1, 3), broken(1, 7, Failure(type="OSError", message="disk [red]full[/red]\nsecond line"))),
        ),
    ),
    waiting(2, "Check"),
)

RUNNING = chain(job(status=Status.PROCESSING, stage=1), sealed(1, LONG_NAME, 12_000), waiting(2, "[bold]Check[/bold]"))
HALF_WAY = {1: Summary(completed=8_000, failed=2, errors=(broken(2, 3),))}


def test_a_completed_job_shows_its_verdict_stages_and_results():
    completed = chain(
        job(
            result_json=listed(
                (1, "Cut", 3, [{"text": "a tile"}, {"pixels": 512, "name": "b"}, None]), (2, "Check", 1, [5000])
            )
        ),
        closed(1, "Cut", 3),
        closed(2, "Check", 1, took_s=0.02),
        closed(3, "Report", 0, took_s=0.001, skipped=True),
    )

    assert (
        screen(job_view(completed))
        == """
tiles completed in 1 min 36 s
id          0123456789abcdef0123456789abcdef
parameters  {"width":5000,"tile_px":512}
created     2024-02-29 12:00:00 UTC

   stage   status     tasks  done  failed    time  lights out by
1  Cut     completed      3     3       0  1.50 s  task 2
2  Check   completed      1     1       0   20 ms  task 0
3  Report  skipped        0     0       0    1 ms

Result
  1 Cut
    0123456789abcdef-1-0  a tile
    0123456789abcdef-1-1  {"pixels": 512, "name": "b"}
    0123456789abcdef-1-2  null
  2 Check
    0123456789abcdef-2-0  5000
"""
    )


def test_a_failed_job_shows_each_kind_of_error_with_the_last_lines_of_its_traceback():
    assert (
        screen(job_view(FAILED))
        == """
tiles failed in 1 min 36 s: 2 of 10 tasks of stage 1 'Cut' failed: TileBroken:
tile 3 is broken (task 0123456789abcdef-1-3)
id          0123456789abcdef0123456789abcdef
parameters  {"width":5000,"tile_px":512}
created     2024-02-29 12:00:00 UTC

   stage  status  tasks  done  failed    time  lights out by
1  Cut    failed     10     8       2  1.50 s  task 9
2  Check  queued            0       0

Errors
  stage 1 Cut: 1 task failed with TileBroken, first task 3
    TileBroken: tile 3 is broken
    Traceback (most recent call last):
      File "/project/controllers/tiles.py", line 24, in cut
        return read(task.params)
               ^^^^^^^^^^^^^^^^^
      File "/project/controllers/tiles.py", line 31, in read
        raise TileBroken(f"tile {tile} is broken")
    controllers.tiles.TileBroken: tile 3 is broken
  stage 1 Cut: 1 task failed with OSError, first task 7
    OSError: disk [red]full[/red]
    second line
"""
    )


def test_a_wide_screen_folds_nothing():
    assert screen(job_view(FAILED), 200).split("\n")[1] == (
        "tiles failed in 1 min 36 s: 2 of 10 tasks of stage 1 'Cut' failed: "
        "TileBroken: tile 3 is broken (task 0123456789abcdef-1-3)"
    )
    assert screen(job_view(RUNNING, HALF_WAY), 200).startswith(
        """
tiles processing: stage 1 Validate every tile of the raster against the catalogue, and then some, \
8,002 of 12,000 tasks have ended, 2 failed
id          0123456789abcdef0123456789abcdef
parameters  {"width":5000,"tile_px":512}
created     2024-02-29 12:00:00 UTC

   stage                                                                   \
status       tasks   done  failed  time  lights out by
1  Validate every tile of the raster against the catalogue, and then some  processing  12,000  8,000       2
2  [bold]Check[/bold]                                                      queued                  0       0

Errors
"""
    )


def test_a_running_job_shows_how_far_it_is_and_what_has_failed_so_far():
    assert (
        screen(job_view(RUNNING, HALF_WAY))
        == """
tiles processing: stage 1 Validate every tile of the raster against the
catalogue, and then some, 8,002 of 12,000 tasks have ended, 2 failed
id          0123456789abcdef0123456789abcdef
parameters  {"width":5000,"tile_px":512}
created     2024-02-29 12:00:00 UTC

   stage                status       tasks   done  failed  time  lights out by
1  Validate every tile  processing  12,000  8,000       2
   of the raster
   against the
   catalogue, and then
   some
2  [bold]Check[/bold]   queued                  0       0

Errors
  stage 1 Validate every tile of the raster against the catalogue, and then
some: 2 tasks failed with TileBroken, first task 3
    TileBroken: tile 3 is broken
    Traceback (most recent call last):
      File "/project/controllers/tiles.py", line 24, in cut
        return read(task.params)
               ^^^^^^^^^^^^^^^^^
      File "/project/controllers/tiles.py", line 31, in read
        raise TileBroken(f"tile {tile} is broken")
    controllers.tiles.TileBroken: tile 3 is broken
"""
    )


def test_a_job_whose_planning_failed_shows_that_error_once_and_no_task_count():
    failed = chain(
        job(
            status=Status.FAILED,
            error=Failure(
                type="LookupError",
                message="planning stage 1 'Cut' failed: no list\nof tiles",
                traceback='Traceback (most recent call last):\n  File "tiles.py", line 3, in windows',
            ),
        ),
        closed(1, "Cut", 0, task_count=None, error=BROKEN_TILE),
        waiting(2, "Check"),
    )

    assert (
        screen(job_view(failed))
        == """
tiles failed in 1 min 36 s: LookupError: planning stage 1 'Cut' failed: no list
id          0123456789abcdef0123456789abcdef
parameters  {"width":5000,"tile_px":512}
created     2024-02-29 12:00:00 UTC

   stage  status  tasks  done  failed    time  lights out by
1  Cut    failed            0       0  1.50 s
2  Check  queued            0       0

Error
  LookupError: planning stage 1 'Cut' failed: no list
  of tiles
  Traceback (most recent call last):
    File "tiles.py", line 3, in windows
"""
    )


def test_a_job_that_waits_says_so():
    queued = chain(job(status=Status.QUEUED, stage=1), waiting(1, "Cut"), waiting(2, "Check"))

    assert (
        screen(job_view(queued))
        == """
tiles queued: stage 1 Cut is not planned yet
id          0123456789abcdef0123456789abcdef
parameters  {"width":5000,"tile_px":512}
created     2024-02-29 12:00:00 UTC

   stage  status  tasks  done  failed  time  lights out by
1  Cut    queued            0       0
2  Check  queued            0       0
"""
    )


def test_a_stage_alone_names_its_source_and_run_and_what_is_still_to_be_done():
    alone = chain(
        job(status=Status.PROCESSING, stage_numbers=(2,), run=2, source=f"job:{JOB_ID}"), closed(2, "Check", 1)
    )

    assert (
        screen(job_view(alone))
        == """
tiles processing: its stages have ended, the result is being aggregated
id            0123456789abcdef0123456789abcdef
parameters    {"width":5000,"tile_px":512}
run           2
results from  job:0123456789abcdef0123456789abcdef
created       2024-02-29 12:00:00 UTC

   stage  status     tasks  done  failed    time  lights out by
2  Check  completed      1     1       0  1.50 s  task 0
"""
    )


def test_a_terminal_shows_the_first_ten_results_of_a_stage_and_a_pipe_all_that_were_kept():
    kept = [f"tile {index}" for index in range(100)]
    many = chain(job(result_json=listed((1, "Cut", 2_500, kept), truncated=True)), closed(1, "Cut", 2_500, took_s=3725))

    first_ten = "".join(f"    0123456789abcdef-1-{index}  tile {index}\n" for index in range(10))
    assert screen(job_view(many)).partition("\n\n")[2] == (
        """\
   stage  status     tasks   done  failed        time  lights out by
1  Cut    completed  2,500  2,500       0  1 h 02 min  task 2,499

Result
  1 Cut
"""
        + first_ten
        + "    and 2,490 more\n"
    )
    hundred = "".join(f"    0123456789abcdef-1-{index:<2}  tile {index}\n" for index in range(100))
    assert screen(job_view(many, whole=True)).partition("Result\n")[2] == f"  1 Cut\n{hundred}    and 2,400 more\n"


def test_a_long_value_is_cut_on_a_terminal_and_whole_in_a_pipe():
    long = chain(job(params_json='{"a":1}', result_json=listed((1, "Cut", 1, ["y" * 1000]))), closed(1, "Cut", 1))

    assert (
        screen(job_view(long), 200).partition("Result\n")[2]
        == f"""\
  1 Cut
    0123456789abcdef-1-0  {"y" * 174}
                          {"y" * 174}
                          {"y" * 52}… and 600 more characters
"""
    )
    whole = screen(job_view(long, whole=True), 10_000).partition("Result\n")[2]
    assert whole == f"  1 Cut\n    0123456789abcdef-1-0  {'y' * 1000}\n"


def test_what_a_task_returned_never_commands_the_terminal():
    evil = chain(job(result_json=listed((1, "Cut", 1, ["\x1b[31mred\x9b\x07"]))), closed(1, "Cut", 1))

    assert screen(job_view(evil)).partition("Result\n")[2] == "  1 Cut\n    0123456789abcdef-1-0  �[31mred��\n"


def test_a_result_of_ones_own_is_shown_as_json_and_a_long_one_cut_on_a_terminal():
    short = chain(job(result_json=json.dumps({"pixels": 5000, "note": "[red]é"})), closed(1, "Cut", 1))
    long = chain(job(result_json=json.dumps([{"n": index} for index in range(40)])), closed(1, "Cut", 1))

    assert screen(job_view(short)).partition("Result\n")[2] == '  {\n    "pixels": 5000,\n    "note": "[red]é"\n  }\n'
    cut = screen(job_view(long)).partition("Result\n")[2].split("\n")
    assert (len(cut), cut[:4], cut[39:]) == (
        42,
        ["  [", "    {", '      "n": 0', "    },"],
        ["    },", "  … and 82 more lines", ""],
    )
    assert len(screen(job_view(long, whole=True)).partition("Result\n")[2].split("\n")) == 123


def test_a_cancelled_job_says_once_that_it_was_cancelled():
    error = Failure(type="Cancelled", message="cancelled by ann: wrong input")
    cancelled = chain(job(status=Status.FAILED, error=error), waiting(1, "Cut"))

    assert screen(job_view(cancelled)).split("\n")[1] == "tiles failed in 1 min 36 s: cancelled by ann: wrong input"
