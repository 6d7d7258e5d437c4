"""Progress, as bars for a terminal and as lines for a log, letter for letter."""

from __future__ import annotations

import pytest

from jobkit.runtime.model import Status
from jobkit.views.duration import duration_text
from jobkit.views.progress import StageProgress, progress_view, stage_line
from records import LONG_NAME, screen

STAGES = [
    StageProgress(
        number=1,
        name=LONG_NAME,
        status=Status.COMPLETED,
        total=12_000,
        completed=12_000,
        seconds=75,
        last_task=11_999,
        retries=3,
    ),
    StageProgress(
        number=2,
        name="[red]Check[/red]",
        status=Status.PROCESSING,
        total=200,
        completed=100,
        failed=3,
        in_flight=16,
        retries=4,
        seconds=3.2,
    ),
    StageProgress(number=3, name="Plan", status=Status.PROCESSING, seconds=0.2),
    StageProgress(number=4, name="Broken", status=Status.FAILED, seconds=0.2),
    StageProgress(number=5, name="Nothing", status=Status.COMPLETED, total=0, seconds=0.001),
    StageProgress(number=6, name="Not wanted", status=Status.COMPLETED, skipped=True, total=0, seconds=0.001),
    StageProgress(number=7, name="Later", status=Status.QUEUED),
]


def test_bars_on_a_screen_of_80_columns():
    assert (
        screen(progress_view(STAGES, "a note"))
        == """
1 Validate every tile of th… ━━━━━━━━━━━━━━━━ 12,000/12,000 3 retried, 1 min 15
                                                            s, lights out by
                                                            task 11,999
2 [red]Check[/red]           ━━━━━━━━               103/200 3 failed, 4 retried,
                                                            16 in flight, 3.20 s
3 Plan                                             planning 200 ms
4 Broken                                        not planned 200 ms
5 Nothing                    ━━━━━━━━━━━━━━━━           0/0 1 ms
6 Not wanted                 ━━━━━━━━━━━━━━━━       skipped 1 ms
7 Later                                                     waits
a note
"""
    )


def test_bars_on_a_screen_of_200_columns():
    assert (
        screen(progress_view(STAGES), 200)
        == """
1 Validate every tile of th… ━━━━━━━━━━━━━━━━ 12,000/12,000 3 retried, 1 min 15 s, lights out by task 11,999
2 [red]Check[/red]           ━━━━━━━━               103/200 3 failed, 4 retried, 16 in flight, 3.20 s
3 Plan                                             planning 200 ms
4 Broken                                        not planned 200 ms
5 Nothing                    ━━━━━━━━━━━━━━━━           0/0 1 ms
6 Not wanted                 ━━━━━━━━━━━━━━━━       skipped 1 ms
7 Later                                                     waits
"""
    )


def test_a_usual_job_takes_one_line_a_stage_on_80_columns():
    usual = [
        StageProgress(
            number=number,
            name=name,
            status=Status.COMPLETED,
            total=3_000,
            completed=3_000,
            seconds=1.85,
            last_task=2_999,
        )
        for number, name in enumerate(("Hello Worlds", "Worlds Reply"), 1)
    ]

    assert (
        screen(progress_view(usual))
        == """
1 Hello Worlds ━━━━━━━━━━━━━━━━ 3,000/3,000 1.85 s, lights out by task 2,999
2 Worlds Reply ━━━━━━━━━━━━━━━━ 3,000/3,000 1.85 s, lights out by task 2,999
"""
    )


def test_lines_for_a_log_name_the_stage_in_full():
    assert [stage_line(stage) for stage in STAGES] == [
        f"stage 1 {LONG_NAME}: 12,000/12,000, 3 retried, 1 min 15 s, lights out by task 11,999",
        "stage 2 [red]Check[/red]: 103/200, 3 failed, 4 retried, 16 in flight, 3.20 s",
        "stage 3 Plan: planning, 200 ms",
        "stage 4 Broken: not planned, 200 ms",
        "stage 5 Nothing: 0/0, 1 ms",
        "stage 6 Not wanted: skipped, 1 ms",
        "stage 7 Later: waits",
    ]


@pytest.mark.parametrize(
    ("total", "line"), [(0, "stage 1 Cut: 0 tasks"), (1, "stage 1 Cut: 1 task"), (1_000, "stage 1 Cut: 1,000 tasks")]
)
def test_a_stage_that_has_just_been_sealed_says_how_many_tasks_it_has(total: int, line: str):
    assert stage_line(StageProgress(number=1, name="Cut", status=Status.PROCESSING, total=total)) == line


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"),
        (0.0204, "20 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.00 s"),
        (9.994, "9.99 s"),
        (9.996, "10.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (245, "4 min 05 s"),
        (3599.6, "1 h 00 min"),
        (7380, "2 h 03 min"),
        (360_000, "100 h 00 min"),
    ],
)
def test_durations_take_the_unit_that_fits(seconds: float, text: str):
    assert duration_text(seconds) == text
