"""Messages that are given up although what they were for has been done, or has a reason that is too long."""

import random
from datetime import timedelta

from driver import Driver, ManualClock
from jobkit.local.memory import MemoryStore
from jobkit.runtime import BaseController, JobContext, Params, RetryLater, TaskContext, stage
from jobkit.runtime.messages import JOBS_QUEUE, POISON_SUFFIX, TASKS_QUEUE


class Numbers(Params):
    xs: tuple[int, ...] = (1,)


def controller(*, tasks: int, params: type[Params] = Numbers, later: timedelta | None = None) -> type[BaseController]:
    class Some(BaseController[params]):
        job_type = "some"

        @stage("One", max_attempts=3)
        def one(self, task: TaskContext[params, int]) -> int:
            if later is not None and task.params == 0 and task.attempt == 1:
                raise RetryLater(later)
            return 1

        @one.fan_out
        def items(self, job: JobContext[params]):
            yield from range(tasks)

    return Some


def driver(*controllers: type[BaseController]) -> Driver:
    clock = ManualClock()
    return Driver(MemoryStore(clock=clock, rng=random.Random(7)).store, controllers, clock=clock)


def test_a_poisoned_plan_leaves_a_job_alone_whose_only_open_task_waits_for_its_retry():
    drive = driver(controller(tasks=2, later=timedelta(hours=1)))
    job_id = drive.submit("some", {})
    plan = drive.store.queues.peek(JOBS_QUEUE, limit=1)[0].body
    drive.run(deliveries=3)

    drive.store.queues.send(JOBS_QUEUE + POISON_SUFFIX, plan)
    drive.run()

    assert (drive.job(job_id)["status"], drive.job(job_id)["error"]) == ("completed", None)


def test_a_poisoned_plan_leaves_a_stage_alone_that_another_message_plans():
    drive = driver(controller(tasks=2))
    job_id = drive.submit("some", {})
    drive.submit("some", {})  # its message has another key
    first, second = (message.body for message in drive.store.queues.peek(JOBS_QUEUE, limit=2))
    plans = drive.service.repository.insert_shard

    def insert_and_give_the_second_up(*arguments):
        drive.service.repository.insert_shard = plans
        drive.store.queues.send(JOBS_QUEUE + POISON_SUFFIX, second)
        held = drive.store.queues.receive(JOBS_QUEUE + POISON_SUFFIX, limit=1, visibility_s=3000)[0]
        drive.process(JOBS_QUEUE + POISON_SUFFIX, held)
        return plans(*arguments)

    drive.service.repository.insert_shard = insert_and_give_the_second_up
    drive.run()

    assert first != second
    assert (drive.job(job_id)["status"], drive.job(job_id)["error"]) == ("completed", None)


def test_a_poisoned_plan_that_reads_an_open_stage_does_not_fail_the_job_once_that_stage_has_closed():
    drive = driver(controller(tasks=2, later=timedelta(0)))
    job_id = drive.submit("some", {})
    plan = drive.store.queues.peek(JOBS_QUEUE, limit=1)[0].body
    drive.run(deliveries=1)
    drive.store.queues.send(JOBS_QUEUE + POISON_SUFFIX, plan)
    held = drive.store.queues.receive(JOBS_QUEUE + POISON_SUFFIX, limit=1, visibility_s=3000)[0]
    repository = drive.service.repository
    read = repository.queued_tasks

    def read_and_let_the_others_end_the_stage(*arguments):
        found = list(read(*arguments))
        repository.queued_tasks = read
        while drive.store.queues.length(TASKS_QUEUE):
            for message in drive.store.queues.receive(TASKS_QUEUE, limit=1, visibility_s=30):
                drive.process(TASKS_QUEUE, message)
            drive.clock.advance(1)
        return iter(found)

    repository.queued_tasks = read_and_let_the_others_end_the_stage
    drive.process(JOBS_QUEUE + POISON_SUFFIX, held)
    drive.run()

    assert (drive.job(job_id)["status"], drive.job(job_id)["error"]) == ("completed", None)


def test_a_poisoned_plan_of_an_empty_stage_closes_it_and_the_job_goes_on():
    drive = driver(controller(tasks=0))
    job_id = drive.submit("some", {})
    plan = drive.store.queues.peek(JOBS_QUEUE, limit=1)[0].body
    drive.service._after_seal = lambda *_: None  # noqa: SLF001 - its process dies after the seal
    drive.run(deliveries=1)
    del drive.service._after_seal  # noqa: SLF001

    drive.store.queues.send(JOBS_QUEUE + POISON_SUFFIX, plan)
    drive.run()

    assert (drive.job(job_id)["status"], drive.job(job_id)["error"]) == ("completed", None)


def test_a_job_whose_parameters_no_longer_fit_ends_however_much_is_wrong_with_them():
    class Flags(Params):
        xs: list[bool]

    drive = driver(controller(tasks=2))
    job_id = drive.submit("some", {"xs": list(range(7, 1007))})
    drive.run(deliveries=1)

    drive.replace(controller(tasks=2, params=Flags))
    drive.run()

    job = drive.job(job_id)
    assert (job["status"], job["error"]["type"]) == ("failed", "StageFailed")
    assert job["error"]["message"].startswith(
        "2 of 2 tasks of stage 1 'One' failed: PoisonMessage: the task message was"
    )
    assert len(job["error"]["message"]) < 2_000
