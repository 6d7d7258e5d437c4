"""`fail` and `crash`: what a test lets go wrong, at which task, attempt and delivery."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from jobkit.runtime import PermanentError, RetryLater, TaskContext
from jobkit.runtime.controllers import HelloWorlds
from jobkit.runtime.errors import InvalidSelection, InvalidSetting
from jobkit.testing import JobOutcome, NeverReached, crash, fail, run_job
from samples import Count, one_stage, three_stages
from testing_samples import Row, Rows


def noting(seen: list[tuple[int, int]]) -> Callable[[TaskContext[Count, int]], int]:
    """A task that notes its index and attempt whenever its code runs."""

    def run(task: TaskContext[Count, int]) -> int:
        seen.append((task.index, task.attempt))
        return task.params

    return run


def states(job: JobOutcome[Any]) -> list[tuple[str, int, str | None]]:
    return [
        (task.status.value, task.attempt, task.error and f"{task.error.type}: {task.error.message}")
        for task in job.tasks
    ]


def test_a_failure_happens_in_place_of_the_code_at_its_index_and_attempt() -> None:
    seen: list[tuple[int, int]] = []

    job = run_job(one_stage(noting(seen)), n=3, failures=[fail("Only", index=2, error=ValueError("boom"))])

    assert seen == [(0, 1), (1, 1)]
    assert states(job) == [("completed", 1, None), ("completed", 1, None), ("failed", 1, "ValueError: boom")]
    assert job.error is not None
    assert job.error.message == (
        f"1 of 3 tasks of stage 1 'Only' failed: ValueError: boom (task {job.job_id[:16]}-1-2)"
    )


def test_a_failure_of_one_attempt_is_made_up_for_by_the_next() -> None:
    seen: list[tuple[int, int]] = []

    job = run_job(
        one_stage(noting(seen), max_attempts=3),
        n=2,
        failures=[fail("Only", index=1, error=TimeoutError), fail("Only", index=1, attempt=2, error=OSError("full"))],
    )

    assert seen == [(0, 1), (1, 3)]
    assert states(job) == [("completed", 1, None), ("completed", 3, None)]
    assert [(e.attempt, e.text) for e in job.events if e.action == "retrying"] == [
        (1, "TimeoutError: TimeoutError()"),
        (2, "OSError: full"),
    ]


def test_a_failure_of_every_attempt_ends_the_task_once_they_are_spent() -> None:
    job = run_job(
        one_stage(noting([]), max_attempts=4),
        n=1,
        failures=[fail("Only", index=0, attempt=None, error=OSError("full"))],
    )

    assert states(job) == [("failed", 4, "OSError: full")]


def test_signals_can_be_injected_too() -> None:
    permanent = run_job(
        one_stage(noting([]), max_attempts=9), n=1, failures=[fail("Only", index=0, error=PermanentError("never"))]
    )
    later = run_job(
        one_stage(noting([]), max_attempts=2),
        n=1,
        failures=[fail("Only", index=0, error=RetryLater(timedelta(hours=2)))],
    )

    assert states(permanent) == [("failed", 1, "PermanentError: never")]
    assert states(later) == [("completed", 2, None)]
    assert later.job.updated_at - later.job.created_at == timedelta(hours=2)


@pytest.mark.parametrize("n", [1, 100, 101])
def test_the_last_task_of_any_size_can_fail_and_the_job_ends(n: int) -> None:
    job = run_job(HelloWorlds, n=n, failures=[fail(HelloWorlds.hello, index=n - 1, error=ValueError("boom"))])

    assert [(s.status, s.task_count, s.summary.completed, s.summary.failed) for s in job.stages] == [
        ("failed", n, n - 1, 1),
        ("queued", None, 0, 0),
    ]
    assert [f.index for f in job.failures("Hello Worlds")] == [n - 1]


def test_an_async_task_fails_and_is_tried_again() -> None:
    job = run_job(Rows, n=2, failures=[fail("write_row", index=0, error=OSError("disk"))])

    assert job.results("Write Row") == [Row(number=0, text="row 0"), Row(number=1, text="row 1")]
    assert [task.attempt for task in job.tasks] == [2, 1, 1]
    assert job.result == {"joined": "row 0+row 1"}


def test_a_later_stage_fails_by_number_while_the_earlier_ones_complete() -> None:
    job = run_job(three_stages(), n=2, failures=[fail("3", index=0, error=ValueError("sum"))])

    assert [stage.status for stage in job.stages] == ["completed", "completed", "failed"]


# Crashes


def test_a_worker_that_dies_after_the_code_makes_it_run_twice_and_one_result_is_recorded() -> None:
    seen: list[tuple[int, int]] = []

    job = run_job(one_stage(noting(seen)), n=3, failures=[crash("Only", index=1)])

    assert seen == [(0, 1), (1, 1), (1, 1), (2, 1)]
    assert job.results("Only") == [0, 1, 2]
    assert [(task.worker, task.owner and task.owner.delivery) for task in job.tasks] == [
        ("worker-1", 1),
        ("worker-2", 2),
        ("worker-2", 2),  # it was held by the worker that died
    ]
    assert [e.index for e in job.events if e.action == "taken over"] == [1]
    assert job.job.updated_at - job.job.created_at == timedelta(seconds=30)  # a lease


def test_a_worker_that_dies_before_the_code_makes_it_run_once() -> None:
    seen: list[tuple[int, int]] = []

    job = run_job(one_stage(noting(seen)), n=2, failures=[crash("Only", index=0, moment="before")])

    assert seen == [(0, 1), (1, 1)]
    assert states(job) == [("completed", 1, None)] * 2


def test_a_task_that_kills_every_worker_is_given_up_after_five_and_the_others_complete() -> None:
    seen: list[tuple[int, int]] = []

    job = run_job(one_stage(noting(seen)), n=3, failures=[crash("Only", index=1, delivery=None)])

    assert seen.count((1, 1)) == 5
    assert states(job) == [
        ("completed", 1, None),
        (
            "failed",
            1,
            (
                "PoisonMessage: the task message was delivered too often and never finished: "
                "the process that ran it died each time, or the store could not be reached"
            ),
        ),
        ("completed", 1, None),
    ]


def test_a_crash_in_a_second_attempt_after_a_failure_in_the_first() -> None:
    job = run_job(
        Rows,
        n=1,
        failures=[fail("Write Row", index=0, error=OSError), crash("Write Row", index=0, attempt=2)],
    )

    assert [(e.action.value, e.attempt) for e in job.events if (e.stage, e.index) == (1, 0)] == [
        ("claimed", 1),
        ("retrying", 1),
        ("claimed", 2),
        ("taken over", 2),
        ("claimed", 2),
        ("completed", 2),
        ("closed", None),
    ]


def test_what_code_raises_dies_with_its_worker() -> None:
    seen: list[int] = []

    def run(task: TaskContext[Count, int]) -> int:
        seen.append(task.attempt)
        if len(seen) == 1:
            raise ValueError("lost")
        return 7

    job = run_job(one_stage(run), n=1, failures=[crash("Only", index=0)])

    assert (seen, states(job), job.results("Only")) == ([1, 1], [("completed", 1, None)], [7])


# What was never reached, and what can't be meant


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (
            fail("Hello Worlds", index=3, error=ValueError),
            "fail('Hello Worlds', index=3, attempt=1) (the stage had 3 tasks)",
        ),
        (fail("hello", index=0, attempt=2, error=ValueError), "fail('hello', index=0, attempt=2)"),
        (crash("1", index=1, delivery=2), "crash('1', index=1, attempt=1, delivery=2)"),
        (
            crash(HelloWorlds.reply, index=9, attempt=None, delivery=None),
            "crash('Worlds Reply', index=9, attempt=None, delivery=None) (the stage had 3 tasks)",
        ),
    ],
    ids=str,
)
def test_a_failure_that_was_never_reached_is_an_error(fault: Any, why: str) -> None:
    with pytest.raises(NeverReached) as raised:
        run_job(HelloWorlds, n=3, failures=[fault])

    assert str(raised.value) == f"hello_worlds has ended and never reached {why}"


def test_of_two_failures_at_one_place_the_second_is_never_reached_and_so_is_a_stage_that_was_not_planned() -> None:
    with pytest.raises(NeverReached) as raised:
        run_job(
            HelloWorlds,
            n=1,
            failures=[
                fail("Hello Worlds", index=0, attempt=None, error=ValueError),
                crash("Hello Worlds", index=0),
                fail("Worlds Reply", index=0, error=ValueError),
            ],
        )

    assert raised.value.faults == [
        "crash('Hello Worlds', index=0, attempt=1, delivery=1)",
        "fail('Worlds Reply', index=0, attempt=1) (the stage was not planned)",
    ]


def test_unknown_stages_are_refused_with_the_nearest_name() -> None:
    with pytest.raises(InvalidSelection) as raised:
        run_job(HelloWorlds, failures=[fail("Hello World", index=0, error=ValueError)])

    assert str(raised.value) == (
        "stages of hello_worlds: there is no 'Hello World'. Did you mean 'Hello Worlds'? "
        "There are 1 'Hello Worlds', 2 'Worlds Reply'."
    )


def test_a_failure_for_a_stage_that_does_not_run_is_refused() -> None:
    with pytest.raises(InvalidSelection) as raised:
        run_job(HelloWorlds, stages="1", failures=[fail("reply", index=0, error=ValueError)])

    assert str(raised.value) == (
        "stages of hello_worlds: fail('reply', index=0, attempt=1) is for stage 2 'Worlds Reply', which does not run"
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: fail("One", index=-1, error=OSError), "index=-1: must be a whole number from 0"),
        (lambda: fail("One", index=True, error=OSError), "index=True: must be a whole number from 0"),
        (lambda: fail("One", index=0, attempt=0, error=OSError), "attempt=0: must be a whole number from 1"),
        (lambda: fail("One", index=0, error="boom"), "error='boom': must be an exception, or a class of them"),
        (lambda: fail("One", index=0, error=int), "error=<class 'int'>: must be an exception, or a class of them"),
        (lambda: crash("One", index=0, delivery=0), "delivery=0: must be a whole number from 1"),
        (lambda: crash("One", index=0, moment="amid"), 'moment=\'amid\': must be "before" or "after"'),
    ],
)
def test_what_can_not_be_an_index_an_attempt_or_an_error_is_refused_where_it_is_written(
    make: Callable[[], object], message: str
) -> None:
    with pytest.raises(InvalidSetting) as raised:
        make()

    assert str(raised.value) == message
