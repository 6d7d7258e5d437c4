"""A further round of a failed job: the stage at which it failed is opened again, for what has not completed.

The operator's command begins the round in one transaction, and a message does the rest: resets the tasks, seals the stage
again, turns out the lights where nothing is open, and sends.
"""

from __future__ import annotations

import contextlib
from itertools import groupby

from .errors import EntityChanged, EntityNotFound
from .messages import JOBS_QUEUE, Incoming, Kind, Message
from .model import Chain, JobRecord, StageRecord, StageState, TaskRecord, TaskRef
from .outbox import PAGE, reopen_message, stage_message
from .resending import send_waiting
from .retry_choice import Choice
from .rows import SHARD
from .service import Service


class Reopening:
    """The part of the service that opens stages again."""

    def __init__(self, service: Service) -> None:
        """Work on the same ports as the service."""
        self._service = service
        self._repository = service.repository

    def begin(self, chain: Chain, choice: Choice) -> None:
        """Begin the next round of a job that has ended. Raises EntityChanged, EntityNotFound when somebody else has, or purged it."""
        following, index = self._repository.next_round(chain.job), self._repository.index
        index.add(following, recent=False)
        try:
            job = self._repository.begin_round(chain, choice.stage, choice.tasks, self._service.clock.now())
        except (EntityChanged, EntityNotFound):
            found = self._repository.find_job(following.job_id)
            if found is None or found.epoch != following.epoch:
                index.drop(following)
            raise
        self.ask(job)

    def ask(self, job: JobRecord) -> None:
        """Send the message that does what a round begins with; again is safe."""
        self._service.outbox.send(JOBS_QUEUE, reopen_message(job))

    def reopen(self, incoming: Incoming) -> None:
        """Do what a round begins with, or a part of it; the rows say what of it is still to be done."""
        message, service = incoming.message, self._service
        while True:
            chain = service.find_chain(message)
            if chain is None or chain.job.status.ended:
                return service.drop(message, "the job is gone, has ended or is in another round")
            stage = chain.current_stage
            if message.stage and message.stage != chain.job.stage:
                return service.drop(message, f"the job is at stage {chain.job.stage}")
            if stage is None or stage.state is StageState.UNPLANNED:
                return service.wake(chain)
            if stage.state is StageState.SEALED and message.plan in ("", stage.plan):
                return self._go_on(chain, stage, message)
            if stage.state is not StageState.REOPENING:
                return service.drop(message, f"the stage is {stage.state.value}")
            self._reset(stage)
            with contextlib.suppress(EntityChanged):  # read again
                self._repository.seal_again(chain, stage, service.clock.now())

    def _reset(self, stage: StageRecord) -> None:
        """Queue all tasks that have not completed, or those chosen, for the stage's round, several shards at once."""
        left: list[int] = []

        def reset(tasks: list[TaskRecord]) -> None:
            try:
                self._repository.reset(stage, tasks, self._service.clock.now())
            except EntityChanged:  # somebody else does it too: read again
                left.append(tasks[0].ref.index)

        while True:
            old = groupby(self._repository.tasks_to_reset(stage), key=lambda task: task.ref.index // SHARD)
            self._service.outbox.each((list(tasks) for _, tasks in old), reset)
            if not left:
                return
            left.clear()

    def _go_on(self, chain: Chain, stage: StageRecord, message: Message) -> None:
        """Turn out the lights of shards with nothing open, then send what is queued; larger ranges in parts."""
        first, size = (message.first, message.size) if message.size else (0, stage.task_count or 0)
        laned = stage.policy.max_parallel > 0
        if laned and not message.size:
            send_waiting(self._service, chain, stage)
        to_stage = stage_message(Kind.REOPEN, chain.job.epoch, stage)
        if size > PAGE:
            return self._service.outbox.split(to_stage, first, size)
        for start in range(first, first + size, SHARD):
            ref = TaskRef(job_id=stage.job_id, stage=stage.number, plan=stage.plan or "", index=start)
            self._service.lights_out(to_stage, ref)
        return None if laned else self._service.dispatch(chain.job, stage, first, size)
