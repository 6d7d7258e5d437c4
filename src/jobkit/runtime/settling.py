"""Giving up: what stops a stage and settles the tasks that have not started.

A stage that is stopped is flagged, its queued tasks are failed page by page, and lights out closes it as usual; what
runs, ends by itself.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Final

from .errors import EntityChanged
from .messages import Incoming, Kind, Message
from .model import CANCELLED, Failure, StageRecord, StageState, TaskRef
from .outbox import PAGE, stage_message
from .rows import SHARD
from .service import Service, ref_of, stopped_failure

_PLAIN_STATES: Final = (StageState.UNPLANNED, StageState.PLANNING, StageState.REOPENING)


class Settling:
    """The part of the service that gives up."""

    def __init__(self, service: Service) -> None:
        """Work on the same ports as the service."""
        self._service = service
        self._repository = service.repository

    # stop

    def stop(self, incoming: Incoming) -> None:
        """Stop the stage that a stop message names."""
        message = incoming.message
        self.stop_stage(message, message.stage, self._reason_of(message))

    def cancel(self, incoming: Incoming) -> None:
        """Fail a job at whatever stage it is: what has not started is settled, what runs ends by itself."""
        message = incoming.message
        self.stop_stage(message, None, Failure(type=CANCELLED, message=message.reason))

    def _reason_of(self, message: Message) -> Failure:
        """Return why a stage is stopped: what the message says, or the failure of the task that it names."""
        task = self._repository.find_task(ref_of(message)) if message.size == 1 else None
        if task is None or task.error is None:
            return Failure(type="Stopped", message=message.reason or "the stage was stopped")
        text = f"the stage was stopped over task {task.ref.task_id}: {task.error.type}: {task.error.message}"
        return Failure(type="StageFailed", message=text, traceback=task.error.traceback)

    def stop_stage(self, message: Message, at: int | None, error: Failure) -> None:
        """Fail a job at its current stage: at once while nothing is sealed, else by flagging and settling the stage.

        A job that is no longer at stage `at` (0: past the last one) goes on; None is whichever stage it is at.
        """
        service = self._service
        while True:
            chain = service.find_chain(message)
            if chain is None:
                return service.drop(message, "the job is gone or in another round")
            job = chain.job
            if job.status.ended:
                return service.wind_up(job)  # perhaps by an earlier delivery of this message, which died over that
            number = job.stage or 0
            if at is not None and number != at:
                return service.drop(message, f"the job is at stage {job.stage}")
            stage = chain.find_stage(number)
            if stage is None:
                service.end_job(job, result_json=None, error=error)
                continue
            if stage.state in _PLAIN_STATES:
                if service.fail_unsealed(chain, stage, error):
                    return None
                continue
            if stage.state is StageState.CLOSED:
                return service.drop(message, "the stage is closed")
            if not stage.stop:
                with contextlib.suppress(EntityChanged):
                    self._repository.flag_stop(chain, stage, error, service.clock.now())
                continue  # reads the row again, flag and error with it
            if not stage.task_count:
                return service.close_empty(job.epoch, stage)
            return self._settle(message, stage, 0, stage.task_count)

    def settle_range(self, incoming: Incoming) -> None:
        """Do what a settle message says; the rows say what of it is still open."""
        message = incoming.message
        chain = self._service.find_current(message)
        stage = chain.find_stage(message.stage) if chain is not None else None
        if stage is None or stage.plan != message.plan or stage.state is not StageState.SEALED or not stage.stop:
            return self._service.drop(message, "the stage is not being stopped")
        return self._settle(message, stage, message.first, message.size)

    def _settle(self, message: Message, stage: StageRecord, first: int, size: int) -> None:
        to_stage = replace(stage_message(Kind.SETTLE, message.epoch, stage), key=message.key)
        if size > PAGE:
            return self._service.outbox.split(to_stage, first, size)
        for start in range(first, first + size, SHARD):
            self._settle_shard(to_stage, stage, start)
        return None

    def _settle_shard(self, message: Message, stage: StageRecord, first: int) -> None:
        """Fail what is queued of one shard, then look whether that was the last."""
        error = stopped_failure(stage)
        while queued := list(self._repository.queued_tasks(stage, first, SHARD)):
            with contextlib.suppress(EntityChanged):  # read again
                self._repository.settle(queued, error, message.key, self._service.clock.now())
        ref = TaskRef(job_id=stage.job_id, stage=stage.number, plan=stage.plan or "", index=first)
        self._service.lights_out(message, ref)
