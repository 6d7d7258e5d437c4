"""`run_job`: a controller whole, in memory, in one call."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import samples
from jobkit.runtime import BaseController, JobContext, RetryLater, TaskContext, stage
from jobkit.runtime.controllers import HelloParams, HelloWorlds, Message
from jobkit.runtime.errors import HookFailed, InvalidParams, InvalidSelection, InvalidSource, NotHashable, WrongUsage
from jobkit.runtime.model import Owner, StageRecord, StageState, Status, Summary, TaskRecord, TaskRef
from jobkit.testing import JobStore, NeverEnds, run_job
from samples import Count, one_stage, second_fails, second_fails_once, two_stages
from testing_samples import Row, Rows

START = datetime(2024, 2, 29, 12, tzinfo=UTC)


def test_a_job_runs_whole_with_parameters_as_keywords_a_model_or_a_mapping() -> None:
    jobs = [run_job(HelloWorlds, n=2), run_job(HelloWorlds, HelloParams(n=2)), run_job(HelloWorlds, {"n": 2})]

    assert [job.job for job in jobs] == [jobs[0].job] * 3
    assert [job.tasks for job in jobs] == [jobs[0].tasks] * 3
    assert jobs[0].job_id == "f5a71d1cf06391137ef6a07742a7387a"  # that of `jobkit run hello_worlds --n 2`
    assert jobs[0].params == HelloParams(n=2)
    assert (jobs[0].status, jobs[0].error, jobs[0].errors) == ("completed", None, ())
    assert jobs[0].results("Hello Worlds") == [
        Message(message="hello from f5a71d1cf0639113-1-0!"),
        Message(message="hello from f5a71d1cf0639113-1-1!"),
    ]
    assert jobs[0].results(HelloWorlds.reply) == [
        Message(message="hello f5a71d1cf0639113-1-0 from f5a71d1cf0639113-2-0"),
        Message(message="hello f5a71d1cf0639113-1-1 from f5a71d1cf0639113-2-1"),
    ]
    assert jobs[0].document == {
        "schema": 1,
        "job_id": "f5a71d1cf06391137ef6a07742a7387a",
        "job_type": "hello_worlds",
        "version": 1,
        "run": 1,
        "status": "completed",
        "stage": None,
        "params": {"n": 2},
        "stages": [
            {
                "number": number,
                "name": name,
                "status": "completed",
                "skipped": False,
                "task_count": 2,
                "completed": 2,
                "failed": 0,
                "started_at": "2024-02-29T12:00:00.000000Z",
                "ended_at": "2024-02-29T12:00:00.000000Z",
            }
            for number, name in ((1, "Hello Worlds"), (2, "Worlds Reply"))
        ],
        "result": jobs[0].result,
        "error": None,
        "created_at": "2024-02-29T12:00:00.000000Z",
        "updated_at": "2024-02-29T12:00:00.000000Z",
    }
    assert repr(jobs[0]) == "<hello_worlds f5a71d1cf063 completed, 4 tasks>"


def test_records_are_those_of_the_store() -> None:
    job = run_job(HelloWorlds, n=1)

    assert job.stages == (
        StageRecord(
            job_id="c9b3a836b04f59c443457c5eb5e74976",
            number=1,
            name="Hello Worlds",
            state=StageState.CLOSED,
            round=1,
            plan=job.stages[0].plan,
            owner=job.stages[0].owner,
            task_count=1,
            summary=Summary(completed=1, longest_index=0),
            last_task="c9b3a836b04f59c4-1-0",
            started_at=START,
            sealed_at=START,
            ended_at=START,
        ),
        StageRecord(
            job_id="c9b3a836b04f59c443457c5eb5e74976",
            number=2,
            name="Worlds Reply",
            state=StageState.CLOSED,
            round=1,
            plan=job.stages[1].plan,
            owner=job.stages[1].owner,
            task_count=1,
            summary=Summary(completed=1, longest_index=0),
            last_task="c9b3a836b04f59c4-2-0",
            started_at=START,
            sealed_at=START,
            ended_at=START,
        ),
    )
    owner = job.tasks[0].owner
    assert owner is not None
    assert job.tasks_of("hello") == [
        TaskRecord(
            ref=TaskRef(job_id="c9b3a836b04f59c443457c5eb5e74976", stage=1, plan=str(job.stages[0].plan), index=0),
            status=Status.COMPLETED,
            attempt=1,
            round=1,
            owner=Owner(key=owner.key, message_id=owner.message_id, delivery=1),
            params_json='{"world":0}',
            result_json='{"message":"hello from c9b3a836b04f59c4-1-0!"}',
            queued_at=START,
            started_at=START,
            ended_at=START,
            worker="worker-1",
        )
    ]


@pytest.mark.parametrize("n", [0, 1, 100, 101])
def test_odd_sizes_end_with_one_result_for_each_task(n: int) -> None:
    job = run_job(two_stages(), n=n)

    assert [(s.status, s.task_count, s.summary.completed) for s in job.stages] == [("completed", n, n)] * 2
    assert [result.square for result in job.results("Square")] == [i * i for i in range(n)]
    assert job.results("Add") == [i * i + n for i in range(n)]
    assert [(task.ref.stage, task.ref.index) for task in job.tasks] == [(s, i) for s in (1, 2) for i in range(n)]


def test_async_tasks_and_their_workdirs_work_and_results_come_in_their_type() -> None:
    job = run_job(Rows, n=3)

    assert job.results(Rows.write) == [Row(number=i, text=f"row {i}") for i in range(3)]
    assert job.result == {"joined": "row 0+row 1+row 2"}


def test_async_tasks_run_for_an_async_test_too() -> None:
    async def test() -> Any:
        return run_job(Rows, n=2).result

    async def refused() -> None:
        run_job(Rows, n="many")

    assert asyncio.run(test()) == {"joined": "row 0+row 1"}
    with pytest.raises(InvalidParams, match="n: input should be a valid integer"):
        asyncio.run(refused())


def test_a_job_that_fails_is_an_outcome() -> None:
    job = run_job(one_stage(second_fails), n=3)

    short = job.job_id[:16]
    assert (job.status, job.result) == ("failed", None)
    assert job.error is not None
    assert (job.error.type, job.error.message) == (
        "StageFailed",
        f"1 of 3 tasks of stage 1 'Only' failed: PermanentError: this one is broken (task {short}-1-1)",
    )
    assert [(f.task_id, f.index, f.error.type, f.error.message) for f in job.failures("Only")] == [
        (f"{short}-1-1", 1, "PermanentError", "this one is broken")
    ]
    assert job.results("Only") == [0, 20]
    assert repr(job) == (
        f"<one_stage {job.job_id[:12]} failed, 3 tasks: StageFailed: 1 of 3 tasks of stage 1 'Only' failed: "
        f"PermanentError: this one is broken (task {short}-1-1)>"
    )


def test_a_traceback_shows_the_users_code_alone() -> None:
    job = run_job(one_stage(second_fails), n=2)

    assert job.error is not None
    lines = re.sub(r", line \d+", "", job.error.traceback).splitlines()
    assert [line for line in lines if line.strip(" ^~")] == [
        "Traceback (most recent call last):",
        f'  File "{samples.__file__}", in only',
        "    return run(task)",
        f'  File "{samples.__file__}", in second_fails',
        '    raise PermanentError("this one is broken")',
        "jobkit.runtime.signals.PermanentError: this one is broken",
    ]


def test_pauses_of_retries_are_not_waited_for() -> None:
    def later(task: TaskContext[Count, int]) -> int:
        if task.attempt < 3:
            raise RetryLater(timedelta(days=100))
        return task.attempt

    job = run_job(one_stage(later, max_attempts=3), n=1)

    assert job.results("Only") == [3]
    assert job.tasks[0].attempt == 3
    assert timedelta(days=200) <= job.job.updated_at - START < timedelta(days=201)


def test_a_second_attempt_completes_what_the_first_could_not() -> None:
    job = run_job(one_stage(second_fails_once, max_attempts=2), n=2)

    assert [(task.attempt, task.status) for task in job.tasks] == [(1, "completed"), (2, "completed")]
    assert [(e.action.value, e.index, e.attempt, e.text) for e in job.events if e.index is not None] == [
        ("claimed", 0, 1, ""),
        ("completed", 0, 1, ""),
        ("claimed", 1, 1, ""),
        ("retrying", 1, 1, "ConnectionError: the first attempt always fails"),
        ("claimed", 1, 2, ""),
        ("completed", 1, 2, ""),
        ("closed", 1, None, ""),
    ]


# Stages alone


def test_a_stage_alone_takes_earlier_results_from_another_run_in_memory() -> None:
    whole = run_job(HelloWorlds, n=2)

    alone = run_job(HelloWorlds, n=2, stages="Worlds Reply", earlier=whole)

    assert [(stage.number, stage.name, stage.task_count) for stage in alone.stages] == [(2, "Worlds Reply", 2)]
    assert alone.job_id != whole.job_id
    assert alone.job.source == f"job:{whole.job_id}"
    assert [m.message for m in alone.results(HelloWorlds.reply)] == [
        f"hello {whole.job_id[:16]}-1-{i} from {alone.job_id[:16]}-2-{i}" for i in range(2)
    ]


def test_a_stage_alone_takes_earlier_results_from_a_list_of_values_or_of_results() -> None:
    values = run_job(HelloWorlds, n=2, stages=["reply"], earlier=[Message(message="a"), {"message": "b"}])
    results = run_job(
        HelloWorlds, n=2, stages=[HelloWorlds.reply], earlier=[{"task_id": "mine", "value": {"message": "a"}}]
    )

    assert [m.message for m in values.results("Worlds Reply")] == [
        f"hello item-{i} from {values.job_id[:16]}-2-{i}" for i in range(2)
    ]
    assert [m.message for m in results.results("Worlds Reply")] == [f"hello mine from {results.job_id[:16]}-2-0"]


def test_consecutive_stages_by_number_and_by_attribute() -> None:
    assert [stage.number for stage in run_job(two_stages(), n=1, stages=["1", "Add"]).stages] == [1, 2]
    assert [stage.number for stage in run_job(HelloWorlds, n=1, stages=HelloWorlds.hello).stages] == [1]


def test_a_shared_store_finds_the_same_job_again_and_takes_earlier_results_by_id() -> None:
    store = JobStore()

    first = run_job(HelloWorlds, n=2, store=store)
    same = run_job(HelloWorlds, n=2, store=store)
    again = run_job(HelloWorlds, n=2, store=store, again=True)
    alone = run_job(HelloWorlds, n=2, store=store, stages="2", earlier=first.job_id)

    assert (same.job, same.tasks, same.events) == (first.job, first.tasks, ())
    assert (again.job.run, again.job_id == first.job_id) == (2, False)
    assert alone.job.source == f"job:{first.job_id}"


def test_two_runs_share_nothing_by_themselves() -> None:
    first, second = run_job(HelloWorlds, n=1), run_job(HelloWorlds, n=1)

    assert first.store is not second.store
    assert [e.action for e in first.events] == [e.action for e in second.events]


# What can't end


def test_a_fan_out_that_never_ends_is_an_error_after_max_steps() -> None:
    def for_ever(n: int) -> Iterator[int]:
        while True:
            yield n

    with pytest.raises(NeverEnds) as raised:
        run_job(one_stage(lambda task: 1, items=for_ever), n=1, max_steps=1_000)

    assert str(raised.value) == ("one_stage does not end: a fan-out has yielded more than 1,000 items (max_steps)")


def test_a_job_of_more_deliveries_than_allowed_is_an_error() -> None:
    def always_later(task: TaskContext[Count, int]) -> int:
        raise RetryLater(timedelta(days=365))

    with pytest.raises(NeverEnds) as raised:
        run_job(one_stage(always_later, max_attempts=100), n=1, max_steps=500)

    assert str(raised.value) == "one_stage does not end: 500 messages were delivered (max_steps)"


def test_a_hook_that_always_raises_is_told_and_the_job_ends() -> None:
    def raises(status: str) -> None:
        raise OSError(f"no webhook for {status}")

    job = run_job(two_stages(raises), n=1)

    assert job.status == "completed"
    assert [(type(e), str(e)) for e in job.errors] == [
        (HookFailed, "on_complete of two_stages raised OSError: no webhook for completed")
    ] * 5


def test_a_controller_that_can_not_be_made_fails_its_job() -> None:
    class Unmade(BaseController[Count]):
        job_type = "unmade"

        def __init__(self) -> None:
            raise OSError("no database")

        @stage("One")
        def one(self, task: TaskContext[Count, Any]) -> int:
            return 1

    job = run_job(Unmade)

    assert (job.status, [s.status for s in job.stages], job.tasks) == ("failed", ["failed"], ())
    assert job.error is not None
    assert job.error.message == "planning stage 1 'One' failed: no database"


def test_ctrl_c_in_a_task_ends_the_run_and_is_no_failure_of_the_task() -> None:
    def interrupted(task: TaskContext[Count, int]) -> int:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_job(one_stage(interrupted), n=1)


def test_sys_exit_in_a_task_is_a_failure_of_the_task() -> None:
    def leaves(task: TaskContext[Count, int]) -> int:
        raise SystemExit(3)

    job = run_job(one_stage(leaves), n=1)

    assert [(f.error.type, f.error.message) for f in job.failures("Only")] == [("SystemExit", "sys.exit(3) was called")]


# Wrong input


class Unlike(BaseController[Count]):
    job_type = "unlike"

    @stage("One")
    def one(self, task: TaskContext[Count, Any]) -> int:
        return 1

    @one.fan_out
    def items(self, job: JobContext[Count]) -> Iterator[int]:
        yield from range(job.params.n)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"m": 5}, InvalidParams, "wrong parameters for hello_worlds: m: extra inputs are not permitted"),
        (
            {"params": HelloParams(n=1), "n": 2},
            InvalidParams,
            "wrong parameters for hello_worlds: given twice: as an object, and as n",
        ),
        (
            {"n": -1},
            InvalidParams,
            "wrong parameters for hello_worlds: n: input should be greater than or equal to 0 (got -1)",
        ),
        (
            {"n": 2**53},
            NotHashable,
            (
                "the parameters of hello_worlds can't be hashed to an id: 9007199254740992 exceeds safe integer domain "
                "for JSON floats"
            ),
        ),
        (
            {"stages": "Worlds Replay"},
            InvalidSelection,
            (
                "stages of hello_worlds: there is no 'Worlds Replay'. Did you mean 'Worlds Reply'? "
                "There are 1 'Hello Worlds', 2 'Worlds Reply'."
            ),
        ),
        (
            {"stages": [Unlike.one]},
            InvalidSelection,
            "stages of hello_worlds: 'One' is no stage of HelloWorlds",
        ),
        (
            {"earlier": []},
            InvalidSource,
            "earlier results from a list: only a job that starts after stage 1 (--stage) reads earlier results",
        ),
        ({"stages": "2", "earlier": "0123"}, InvalidSource, "earlier results from 0123: there is no such job"),
    ],
)
def test_what_jobkit_run_refuses_is_refused(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as raised:
        run_job(HelloWorlds, **options)

    assert str(raised.value) == message


def test_an_outcome_of_another_store_or_another_controller_is_refused() -> None:
    first = run_job(HelloWorlds, n=1)

    with pytest.raises(InvalidSource, match="that job ran in another store: leave out `store`"):
        run_job(HelloWorlds, n=1, stages="2", earlier=first, store=JobStore())
    with pytest.raises(InvalidSource, match="it is a job of hello_worlds, not of two_stages"):
        run_job(two_stages(), n=1, stages="2", earlier=first)


@pytest.mark.parametrize("controller", [Count, "hello_worlds", HelloWorlds(), BaseController])
def test_what_is_no_controller_is_refused(controller: Any) -> None:
    with pytest.raises(WrongUsage) as raised:
        run_job(controller)

    assert str(raised.value) == (
        f"{controller!r} is no controller: give a subclass of BaseController that has a job_type"
    )


def test_hello_worlds_takes_less_than_50_ms() -> None:
    def seconds() -> float:
        started = time.perf_counter()
        run_job(HelloWorlds)
        return time.perf_counter() - started

    assert min(seconds() for _ in range(5)) < 0.05  # a busy machine delays one, not all
