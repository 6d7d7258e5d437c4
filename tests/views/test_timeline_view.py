"""The timeline, letter for letter, and what is said of it."""

from __future__ import annotations

from dataclasses import replace

from jobkit.runtime.model import Policy, Status
from jobkit.runtime.timeline import Run, StageTime, Timeline
from jobkit.views.timeline import timeline_view
from jobkit.views.timeline_words import timeline_words
from records import chain, closed, job, screen, sealed


def run(stage: int, index: int, worker: str, begin_s: float, end_s: float, *, failed: bool = False) -> Run:
    return Run(stage=stage, index=index, worker=worker, begin_s=begin_s, end_s=end_s, waited_s=begin_s, failed=failed)


CUT = StageTime(
    stage=replace(closed(1, "Cut", 40), last_task="x-1-3"),
    begin_s=2,
    end_s=60,
    runs=(
        run(1, 3, "vm-41", 8, 60),
        *(run(1, 10 + n, "vm-41", 4 + 0.4 * n, 5 + 0.4 * n) for n in range(40)),
        *(run(1, 50 + n, "vm-42", 4 + 0.4 * n, 6 + 0.4 * n, failed=n == 20) for n in range(40)),
    ),
)
CHECK = StageTime(
    stage=replace(closed(2, "Check", 3), last_task="x-2-2"),
    begin_s=60,
    end_s=95,
    runs=(run(2, 0, "vm-43", 61, 70), run(2, 1, "vm-43", 70, 84), run(2, 2, "vm-43", 84, 95)),
)
DONE = Timeline(chain=chain(job()), end_s=95.5, stages=(CUT, CHECK))

RUNS = tuple(run(1, n, f"instance-of-a-long-name-{n % 33:02}", n / 10, n / 10 + 3) for n in range(330))
PART = StageTime(stage=sealed(1, "Cut", 1_000_000), begin_s=0, end_s=None, runs=RUNS, scale=200)
MANY = Timeline(chain=chain(job(status=Status.PROCESSING)), end_s=40, stages=(PART,))


def test_a_job_that_has_ended() -> None:
    assert (
        screen(timeline_view(DONE))
        == """
tiles 0123456789ab completed, 1 min 36 s

       2.00 s                              48.8 s                     1 min 36 s
stage  1 Cut ───────────────────────────────────────2 Check ───────────────────┤
vm-41   ▁▄▄▅▆▆▆▆▆▆▆▆▆▃▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂◆
vm-42   ▁▆██████✗████▅▁
vm-43                                                ███████▓▓▓▓▓▓▓▓▓▓▓████████◆
█ 5 tasks at once, ◆ turned out the lights, ✗ failed

- 3 instances, 2.2 tasks at once on average and 9 at most: 24% utilised over 1
min 34 s
- stage 1 waited 38.4 s for its slowest task, 3, which ran 52.0 s
- stage 1 took 58.0 s; more instances would not make it faster: task 3 alone
runs 52.0 s
- stage 2 took 35.0 s; with 8 more instances its tasks would take about 14.0 s
instead of 34.0 s
- half of the tasks waited up to 12.0 s for an instance, 95% of them up to 19.6
s
"""
    )
    assert (
        screen(timeline_view(DONE), 120)
        == """
tiles 0123456789ab completed, 1 min 36 s

       2.00 s                                                  48.8 s                                         1 min 36 s
stage  1 Cut ────────────────────────────────────────────────────────────────2 Check ──────────────────────────────────┤
vm-41    ▂▄▅▅▅▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▃▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂◆
vm-42    ▂▅██████████✗███████▅▂
vm-43                                                                         ███████████▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓█████████████◆
█ 5 tasks at once, ◆ turned out the lights, ✗ failed

- 3 instances, 2.2 tasks at once on average and 9 at most: 24% utilised over 1 min 34 s
- stage 1 waited 38.4 s for its slowest task, 3, which ran 52.0 s
- stage 1 took 58.0 s; more instances would not make it faster: task 3 alone runs 52.0 s
- stage 2 took 35.0 s; with 8 more instances its tasks would take about 14.0 s instead of 34.0 s
- half of the tasks waited up to 12.0 s for an instance, 95% of them up to 19.6 s
"""
    )


def test_a_job_that_runs_on_many_instances_and_was_read_in_part() -> None:
    assert (
        screen(timeline_view(MANY))
        == """
tiles 0123456789ab processing, 40.0 s

                      0 ms                         20.0 s                 40.0 s
stage                 1 Cut ───────────────────────────────────────────────────┤
…e-of-a-long-name-00  ████▓▓▓▓▓█████▓▓▓▓▓████▓▓▓▓▓█████▓▓▓▓▓█████▓▓▓▓▓
…e-of-a-long-name-01  ████▓▓▓▓▓█████▓▓▓▓▓█████▓▓▓▓█████▓▓▓▓▓█████▓▓▓▓▓
…e-of-a-long-name-02  █████▓▓▓▓█████▓▓▓▓▓█████▓▓▓▓▓████▓▓▓▓▓█████▓▓▓▓▓
…e-of-a-long-name-03  █████▓▓▓▓▓████▓▓▓▓▓█████▓▓▓▓▓████▓▓▓▓▓█████▓▓▓▓▓
…e-of-a-long-name-04  █████▓▓▓▓▓████▓▓▓▓▓█████▓▓▓▓▓█████▓▓▓▓█████▓▓▓▓▓
…e-of-a-long-name-05  █████▓▓▓▓▓█████▓▓▓▓█████▓▓▓▓▓█████▓▓▓▓▓████▓▓▓▓▓▓
…e-of-a-long-name-06  █████▓▓▓▓▓█████▓▓▓▓▓████▓▓▓▓▓█████▓▓▓▓▓████▓▓▓▓▓▓
…e-of-a-long-name-07   ████▓▓▓▓▓█████▓▓▓▓▓████▓▓▓▓▓█████▓▓▓▓▓█████▓▓▓▓▓
…e-of-a-long-name-08   ████▓▓▓▓▓█████▓▓▓▓▓█████▓▓▓▓█████▓▓▓▓▓█████▓▓▓▓▓
…e-of-a-long-name-09   █████▓▓▓▓█████▓▓▓▓▓█████▓▓▓▓▓████▓▓▓▓▓█████▓▓▓▓▓
…e-of-a-long-name-10   █████▓▓▓▓▓████▓▓▓▓▓█████▓▓▓▓▓████▓▓▓▓▓█████▓▓▓▓▓
…e-of-a-long-name-11   █████▓▓▓▓▓████▓▓▓▓▓█████▓▓▓▓▓█████▓▓▓▓█████▓▓▓▓▓▓
…e-of-a-long-name-12   █████▓▓▓▓▓█████▓▓▓▓█████▓▓▓▓▓█████▓▓▓▓▓████▓▓▓▓▓▓
…e-of-a-long-name-13   █████▓▓▓▓▓█████▓▓▓▓▓████▓▓▓▓▓█████▓▓▓▓▓████▓▓▓▓▓▓
…e-of-a-long-name-14    ████▓▓▓▓▓█████▓▓▓▓▓████▓▓▓▓▓█████▓▓▓▓▓█████▓▓▓▓▓
…e-of-a-long-name-15    ████▓▓▓▓▓█████▓▓▓▓▓█████▓▓▓▓█████▓▓▓▓▓█████▓▓▓▓▓
…e-of-a-long-name-16    █████▓▓▓▓█████▓▓▓▓▓█████▓▓▓▓▓████▓▓▓▓▓█████▓▓▓▓▓
…e-of-a-long-name-17    █████▓▓▓▓▓████▓▓▓▓▓█████▓▓▓▓▓████▓▓▓▓▓█████▓▓▓▓▓
…e-of-a-long-name-18    █████▓▓▓▓▓████▓▓▓▓▓█████▓▓▓▓▓█████▓▓▓▓█████▓▓▓▓▓▓
…e-of-a-long-name-19    █████▓▓▓▓▓█████▓▓▓▓█████▓▓▓▓▓█████▓▓▓▓▓████▓▓▓▓▓▓
and 13 more instances
█ 200 tasks at once, ◆ turned out the lights, some tasks, each for 200

- 33 instances, about 4,950 tasks at once on average and 6,000 at most: 82%
utilised over 40.0 s
- half of the tasks waited up to 16.4 s for an instance, 95% of them up to 31.3
s
"""
    )


def test_a_job_that_has_not_begun() -> None:
    assert (
        screen(timeline_view(Timeline(chain=chain(job(status=Status.QUEUED)), end_s=4, stages=())))
        == """
tiles 0123456789ab queued, 4.00 s
  no stage has begun
"""
    )


def test_the_words_say_what_a_stage_waited_for_and_what_more_instances_would_bring() -> None:
    assert timeline_words(DONE) == [
        "3 instances, 2.2 tasks at once on average and 9 at most: 24% utilised over 1 min 34 s",
        "stage 1 waited 38.4 s for its slowest task, 3, which ran 52.0 s",
        "stage 1 took 58.0 s; more instances would not make it faster: task 3 alone runs 52.0 s",
        "stage 2 took 35.0 s; with 8 more instances its tasks would take about 14.0 s instead of 34.0 s",
        "half of the tasks waited up to 12.0 s for an instance, 95% of them up to 19.6 s",
    ]


def test_what_runs_by_its_rows_may_have_died() -> None:
    runs = (run(1, 0, "vm-41", 1, 9), *(replace(run(1, n, "vm-41", 1, 9), is_open=True) for n in (1, 2)))
    two = Timeline(
        chain=MANY.chain, end_s=9, stages=(StageTime(stage=sealed(1, "Cut", 3), begin_s=1, end_s=None, runs=runs),)
    )
    one = replace(two, stages=(replace(two.stages[0], runs=runs[:2]),))

    assert timeline_words(two)[-2] == (
        "2 tasks have not ended, by the rows: whether their instances live is not checked here"
    )
    assert (
        timeline_words(one)[-2] == "1 task has not ended, by the rows: whether its instance lives is not checked here"
    )


def test_the_end_of_a_stage_stands_where_it_ended_also_behind_wide_letters() -> None:
    wide = replace(DONE, stages=(replace(CUT, stage=closed(1, "検査", 40)), CHECK))

    lines = screen(timeline_view(wide)).splitlines()

    assert lines[4] == "stage  1 検査 " + "─" * 38 + "2 Check ───────────────────┤"


def test_lanes_leave_no_room_for_more() -> None:
    laned = replace(CHECK, stage=replace(CHECK.stage, policy=Policy(max_parallel=1)))

    said = timeline_words(Timeline(chain=chain(job()), end_s=95, stages=(laned,)))

    assert said[0] == "it waited 1 min 00 s before its first stage began"
    assert said[2] == "stage 2 took 35.0 s; no more than 1 run at once (max_parallel)"


def test_of_a_stage_that_was_read_in_part_the_time_is_estimated_from_what_was_read() -> None:
    part = replace(CHECK, scale=100.0)

    said = timeline_words(Timeline(chain=chain(job()), end_s=95, stages=(part,)))

    assert said == [
        "it waited 1 min 00 s before its first stage began",
        "1 instance, about 97 tasks at once on average and 100 at most: 97% utilised over 35.0 s",
        "stage 2 took 35.0 s; with 8 more instances its tasks would take about 14.0 s instead of 34.0 s",
        "half of the tasks waited up to 1 min 10 s for an instance, 95% of them up to 1 min 24 s",
    ]
