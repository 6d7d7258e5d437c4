"""A failed job is retried: what completed is kept, what failed runs again as a further round."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from driver import Crash, Driver
from faulty import Call, Fault, Faulty, Kind
from invariants import check_invariants
from jobkit.runtime import BaseController, JobContext, PermanentError, TaskContext, stage
from jobkit.runtime.errors import NothingToRetry, UnknownJob
from jobkit.runtime.operator import Operator
from samples import Count, one_stage, two_stages

Drive = Callable[..., Driver]
DriveFaulty = Callable[..., tuple[Driver, Faulty]]


def retry(driver: Driver, job_id: str, reason: str = "mended") -> None:
    Operator(driver.service, by="ann@desk").retry(job_id, reason=reason)


class Flaky:
    """A task that fails for some items until it is mended; remembers which it ran."""

    def __init__(self, *bad: int) -> None:
        self.bad = set(bad)
        self.ran: list[int] = []

    def __call__(self, task: Any) -> int:
        self.ran.append(task.index)
        if task.index in self.bad:
            raise PermanentError(f"task {task.index} is broken")
        return 2 * int(task.params)


def fail_then_retry(driver: Driver, flaky: Flaky, n: int) -> dict[str, Any]:
    job = driver.finish("one_stage", {"n": n})
    assert job["status"] == "failed"
    flaky.ran.clear()
    flaky.bad.clear()
    retry(driver, job["job_id"])
    driver.run()
    check_invariants(driver.store, job["job_id"])
    return driver.job(job["job_id"])


@pytest.mark.parametrize(("n", "bad"), [(1, (0,)), (3, (1,)), (101, (0, 100)), (250, (7, 120, 121, 249))])
@pytest.mark.parametrize("options", [{}, {"max_parallel": 2}, {"batch": 10}, {"on_failure": "continue"}])
def test_only_what_failed_runs_again(drive: Drive, n: int, bad: tuple[int, ...], options: dict[str, Any]):
    if options.get("on_failure"):
        options = {"tolerated_failures": len(bad) - 1}
    flaky = Flaky(*bad)
    driver = drive(one_stage(flaky, **options))

    job = fail_then_retry(driver, flaky, n)

    assert sorted(flaky.ran) == sorted(bad)
    only = job["stages"][0]
    assert (job["status"], job["error"], only["completed"], only["failed"]) == ("completed", None, n, 0)
    assert [result["value"] for result in job["result"]["stages"][0]["results"]][:n] == [
        2 * index for index in range(n)
    ]


def test_what_was_not_started_after_a_stop_runs_too(drive: Drive):
    flaky = Flaky(0)
    driver = drive(one_stage(flaky, on_failure="stop"), batch=1)

    job = fail_then_retry(driver, flaky, 130)

    assert (job["status"], job["stages"][0]["completed"]) == ("completed", 130)
    assert len(flaky.ran) > 100


def test_a_task_that_fails_again_fails_the_job_again_and_a_third_round_is_had(drive: Drive):
    flaky = Flaky(1, 2)
    driver = drive(one_stage(flaky), batch=1)
    job_id = driver.finish("one_stage", {"n": 3})["job_id"]
    flaky.bad.remove(2)
    retry(driver, job_id)
    driver.run()
    check_invariants(driver.store, job_id)
    second = driver.job(job_id)
    flaky.bad.clear()
    retry(driver, job_id)
    driver.run()
    check_invariants(driver.store, job_id)

    assert (second["status"], second["stages"][0]["completed"], second["stages"][0]["failed"]) == ("failed", 2, 1)
    assert driver.job(job_id)["status"] == "completed"
    assert flaky.ran == [0, 1, 2, 1, 2, 1]
    assert [audit.action for audit in driver.service.repository.audits(job_id)] == ["retry", "retry"]


def chain(*, broken: bool) -> type[BaseController[Count]]:
    """n tasks, then one that adds up what they returned; broken, the second of them fails."""

    class Chain(BaseController[Count]):
        job_type = "chain"

        @stage("Number")
        def number(self, task: TaskContext[Count, int]) -> int:
            if broken and task.index == 1:
                raise PermanentError("not yet")
            return task.params

        @number.fan_out
        def numbers(self, job: JobContext[Count]) -> Iterator[int]:
            yield from range(job.params.n)

        @stage("Add")
        def add(self, task: TaskContext[Count, None]) -> int:
            return sum(result.value for result in task.job.results(self.number))

    return Chain


def test_the_stages_after_it_run_as_if_it_had_never_failed(drive: Drive):
    driver = drive(chain(broken=True))
    job_id = driver.finish("chain", {"n": 4})["job_id"]
    driver.replace(chain(broken=False))  # mended and deployed
    retry(driver, job_id)
    driver.run()

    check_invariants(driver.store, job_id)
    job = driver.job(job_id)
    assert (job["status"], [each["completed"] for each in job["stages"]]) == ("completed", [4, 1])
    assert job["result"]["stages"][1]["results"][0]["value"] == 6


def test_a_stage_after_it_reads_what_was_planned_anew_also_where_the_earlier_plan_was_read(drive: Drive):
    bad = {1}

    class Chain(BaseController[Count]):
        job_type = "chain"

        @stage("Number", on_failure="continue")
        def number(self, task: TaskContext[Count, int]) -> int:
            if task.index in bad:
                raise PermanentError("not yet")
            return task.params

        @number.fan_out
        def numbers(self, job: JobContext[Count]) -> Iterator[int]:
            yield from range(job.params.n)

        @stage("Double")
        def double(self, task: TaskContext[Count, int]) -> int:
            return 2 * task.params

        @double.fan_out
        def doubled(self, job: JobContext[Count]) -> Iterator[int]:
            yield from (result.value for result in job.results(self.number))

        @stage("Add")
        def add(self, task: TaskContext[Count, int]) -> int:
            if bad:
                raise PermanentError("some are missing")
            return task.params + sum(result.value for result in task.job.results(self.double))

        @add.fan_out
        def added(self, job: JobContext[Count]) -> Iterator[int]:
            yield from (result.value for result in job.results(self.double))

    driver = drive(Chain)
    job_id = driver.finish("chain", {"n": 3})["job_id"]
    assert [task["params"] for task in driver.tasks(job_id, 3)] == [0, 4]
    bad.clear()
    Operator(driver.service, by="ann@desk").retry(job_id, stage="1")
    driver.run()

    assert [(task["params"], task["result"]) for task in driver.tasks(job_id, 3)] == [(0, 6), (2, 8), (4, 10)]
    check_invariants(driver.store, job_id)


def test_a_fan_out_that_raised_is_planned_again(drive: Drive):
    items: dict[str, Any] = {"broken": True}

    def fan_out(n: int) -> Any:
        yield 1
        if items["broken"]:
            raise ValueError("no such folder")
        yield from range(n)

    driver = drive(one_stage(lambda task: 1, items=fan_out))
    job = driver.finish("one_stage", {"n": 3})
    assert job["status"] == "failed"
    items["broken"] = False
    retry(driver, job["job_id"])
    driver.run()

    check_invariants(driver.store, job["job_id"])
    assert [driver.job(job["job_id"])[name] for name in ("status", "error")] == ["completed", None]
    assert driver.job(job["job_id"])["stages"][0]["task_count"] == 4


def test_an_aggregate_that_raised_is_called_again_and_no_task_runs(drive: Drive):
    flaky = Flaky()
    broken = [True]

    def aggregate(job: Any) -> Any:
        if broken:
            raise ValueError("no disk")
        return "done"

    driver = drive(one_stage(flaky, aggregate=aggregate))
    job_id = driver.finish("one_stage", {"n": 2})["job_id"]
    broken.clear()
    flaky.ran.clear()
    retry(driver, job_id)
    driver.run()

    check_invariants(driver.store, job_id)
    assert (driver.job(job_id)["status"], driver.job(job_id)["result"], flaky.ran) == ("completed", "done", [])


def test_a_cancelled_job_goes_on_where_it_was(drive: Drive):
    flaky = Flaky()
    driver = drive(one_stage(flaky), batch=1)
    job_id = driver.submit("one_stage", {"n": 5})
    driver.run(deliveries=3)
    Operator(driver.service, by="ann@desk").cancel(job_id)
    driver.run()
    retry(driver, job_id)
    driver.run()

    check_invariants(driver.store, job_id)
    assert (driver.job(job_id)["status"], sorted(flaky.ran)) == ("completed", [0, 1, 2, 3, 4])


def test_a_retry_while_one_goes_on_sends_again_and_changes_nothing(drive: Drive):
    flaky = Flaky(0, 1, 2)
    driver = drive(one_stage(flaky), batch=1)
    job_id = driver.finish("one_stage", {"n": 3})["job_id"]
    flaky.bad.clear()
    flaky.ran.clear()
    for deliveries in (0, 1, 1, 1):
        retry(driver, job_id)
        driver.run(deliveries=deliveries)
    driver.run()

    check_invariants(driver.store, job_id)
    assert (driver.job(job_id)["status"], sorted(flaky.ran)) == ("completed", [0, 1, 2])
    assert driver.service.repository.get_chain(job_id).job.round == 2


def test_a_cancel_before_the_round_has_begun_ends_it_and_another_round_mends_that(drive: Drive):
    flaky = Flaky(1)
    driver = drive(one_stage(flaky), batch=1)
    job_id = driver.finish("one_stage", {"n": 3})["job_id"]
    flaky.bad.clear()
    retry(driver, job_id)
    Operator(driver.service, by="ann@desk").cancel(job_id, reason="not yet")
    for delivery in reversed(driver.store.queues.receive("jobs", limit=2, visibility_s=60)):
        driver.process("jobs", delivery)
    driver.run()
    check_invariants(driver.store, job_id)
    assert driver.job(job_id)["error"]["message"] == "cancelled by ann@desk: not yet"
    retry(driver, job_id)
    driver.run()

    check_invariants(driver.store, job_id)
    assert (driver.job(job_id)["status"], flaky.ran) == ("completed", [0, 1, 2, 1])


def test_a_job_that_has_not_failed_is_named_and_keeps_nothing(drive: Drive):
    driver = drive(two_stages())
    waiting = driver.submit("two_stages", {"n": 2})
    with pytest.raises(NothingToRetry, match=r"has not ended \(queued\): there is nothing to retry"):
        retry(driver, waiting)
    driver.run()
    with pytest.raises(NothingToRetry, match=r"has ended \(completed\): there is nothing to retry"):
        retry(driver, waiting)
    with pytest.raises(UnknownJob):
        retry(driver, "f" * 32)

    assert driver.service.repository.audits(waiting) == []


def test_a_round_that_begins_before_the_end_was_tidied_up_after_leaves_no_row(drive: Drive):
    flaky = Flaky(0)
    driver = drive(one_stage(flaky), batch=1)
    job_id = driver.submit("one_stage", {"n": 1})
    driver.run(deliveries=2)
    assert driver.job(job_id)["status"] == "failed"
    flaky.bad.clear()
    retry(driver, job_id)
    driver.run()

    check_invariants(driver.store, job_id)
    assert driver.job(job_id)["status"] == "completed"


def test_a_round_that_begins_before_the_message_of_the_earlier_end_was_sent_leaves_no_row(drive_faulty: DriveFaulty):
    flaky = Flaky(0)

    def hits(call: Call) -> bool:
        is_sent = call.verb == "send" and call.place == "jobs" and call.delivery > 0
        return is_sent and driver.job(job_id)["status"] == "failed"

    driver, faulty = drive_faulty(one_stage(flaky), faults=(Fault(Kind.CRASH_BEFORE, hits),), batch=1)
    job_id = driver.submit("one_stage", {"n": 1})
    while not faulty.happened:
        driver.run(deliveries=1)
    flaky.bad.clear()
    retry(driver, job_id)
    driver.run()

    check_invariants(driver.store, job_id, faulty.history)
    assert driver.job(job_id)["status"] == "completed"


def test_a_submit_sends_the_message_of_a_round_whose_operator_died_before_it(drive_faulty: DriveFaulty):
    flaky = Flaky(0)

    def hits(call: Call) -> bool:
        return call.verb == "send" and not flaky.bad and not faulty.happened

    driver, faulty = drive_faulty(one_stage(flaky), faults=(Fault(Kind.CRASH_BEFORE, hits),))
    job_id = driver.finish("one_stage", {"n": 1})["job_id"]
    flaky.bad.clear()
    with pytest.raises(Crash):
        retry(driver, job_id)
    driver.crashed()

    assert driver.finish("one_stage", {"n": 1})["status"] == "completed"
    check_invariants(driver.store, job_id, faulty.history)
