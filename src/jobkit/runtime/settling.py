"""Giving up: what stops a stage, settles the tasks that have not started, and does with poison messages what is left.

A stage that is stopped is flagged, its queued tasks are failed page by page, and lights out closes it as usual; what
runs, ends by itself. The poison handler does what a redelivery would do, except run the user's code. An operator may
have it give a poison message up at once, or try again what it was for.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Final

from .errors import EntityChanged, JobkitError, StoreUnavailable
from .events import Action, Event
from .execution import describe_exception
from .messages import JOBS_QUEUE, Incoming, Kind, Message
from .model import Failure, StageRecord, StageState, Status, TaskRecord, TaskRef
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
        self.stop_stage(message, None, Failure(type="Cancelled", message=message.reason))

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
        """Fail what is queued of one shard, all or none at a time, then look whether that was the last."""
        error = stopped_failure(stage)
        while queued := list(self._repository.queued_tasks(stage, first, SHARD)):
            with contextlib.suppress(EntityChanged):  # read again
                self._repository.settle(queued, error, message.key, self._service.clock.now())
        ref = TaskRef(job_id=stage.job_id, stage=stage.number, plan=stage.plan or "", index=first)
        self._service.lights_out(message, ref)

    # poison

    def poison(self, queue: str, incoming: Incoming) -> None:
        """Give up what a message was for that was delivered too often: its task fails, or its job."""
        message = incoming.message
        text = f"{message.kind.value} message from {queue}"
        self._service.tell(Action.POISONED, message, text, attempt=message.attempt)
        if message.kind is Kind.CANCEL:
            return self.cancel(incoming)
        if message.kind is Kind.TASK:
            return self._poisoned_batch(incoming) if message.size > 1 else self._poisoned_task(incoming)
        return self._poisoned_job_message(message)

    def _poisoned_task(self, incoming: Incoming, *, because: str = "", again: bool = False) -> None:
        """Fail a task whose message was given up, or have it tried `again`: by a next attempt, as with a batch."""
        message, service = incoming.message, self._service
        ref = ref_of(message)
        while True:
            task = self._repository.find_task(ref)
            if task is None:
                return service.drop(message, "the task is gone")
            mine = task.owner is not None and task.owner.key == message.key
            if task.status.ended:
                if mine:
                    return service.after_end(message, ref, task.status)
                return service.pass_lane(message, ref, "the task has ended")
            if task.status is Status.PROCESSING and not mine:
                return service.drop(message, "another message has claimed the task")
            if task.status is Status.QUEUED:
                if task.round != message.round:
                    return service.drop(message, "the task is in another round")
                if task.attempt != message.attempt:
                    if mine and task.attempt == message.attempt + 1:
                        return service.send_retry(message, task, delay=None)
                    return service.drop(message, "the task is queued for another attempt")
            cause = "the process that ran it died each time, or the store could not be reached"
            try:
                if again:  # what follows is then as if this message had asked for that attempt
                    self._repository.release([task], incoming.owner, service.clock.now())
                    continue
                error = self._why(message, cause, because)
                self._repository.record_failed(ref, task.etag, error, service.clock.now(), incoming.owner)
            except EntityChanged:
                continue
            service.observe(service.event(Action.FAILED, ref, attempt=task.attempt, text=error.message))

    def _poisoned_batch(self, incoming: Incoming) -> None:
        """Send what a batch has left open as single tasks: only the one that kills its worker will fail.

        Queues it for another attempt first, also what the batch has not claimed: a late holder may still claim that.
        """
        message, service = incoming.message, self._service
        while True:
            open_: list[TaskRecord] = []
            again: list[TaskRecord] = []
            ended: list[TaskRecord] = []
            for task in self._repository.tasks_of_batch(ref_of(message), message.size):
                mine = task.owner is not None and task.owner.key == message.key
                if task.status.ended:
                    ended += [task] * mine
                elif task.status is Status.PROCESSING:
                    open_ += [task] * mine
                elif task.round == message.round and task.attempt == message.attempt:
                    open_.append(task)
                elif task.round == message.round and mine:
                    again.append(task)
            if not open_:
                break
            with contextlib.suppress(EntityChanged):  # read again
                self._repository.release(open_, incoming.owner, service.clock.now())
        for task in again:
            text = "alone: its batch was delivered too often"
            service.observe(service.event(Action.RETRYING, task.ref, attempt=message.attempt, text=text))
            service.send_retry(message, task, delay=None)
        service.after_batch(message, ended)

    def _poisoned_job_message(self, message: Message, *, because: str = "") -> None:
        """Fail the job that a poisoned message was to move on, unless something else has moved it on."""
        service = self._service
        chain = service.find_chain(message)
        if chain is None:
            return service.drop(message, "the job is gone or in another round")
        if chain.job.status.ended:
            if message.kind is Kind.COMPLETE:  # its hook failed each time
                return self._repository.index.drop(chain.job)
            return service.wind_up(chain.job)
        if message.kind is Kind.REOPEN:
            error = self._why(message, "opening the stage again failed each time", because)
            return self.stop_stage(message, None, error)
        number = chain.job.stage or 0  # 0: past the last stage
        if number != (0 if message.kind is Kind.COMPLETE else message.stage):
            stage = chain.find_stage(message.stage)
            if stage is not None and stage.state is StageState.CLOSED:
                return service.pass_on(chain, stage)
            return service.drop(message, f"the job is at stage {number}")
        stage = chain.find_stage(number)
        if (
            message.kind is Kind.PLAN
            and stage is not None
            and stage.owner is not None
            and stage.owner.key != message.key
        ):
            return service.drop(message, "another message plans the stage")
        sealed = stage is not None and stage.state is StageState.SEALED and not stage.stop
        if message.kind in (Kind.PLAN, Kind.DISPATCH) and sealed and stage is not None:
            if not stage.task_count:
                return service.close_empty(message.epoch, stage)
            whole = (0, stage.policy.first_to_send(stage.task_count))
            first, size = (message.first, message.size) if message.size else whole
            unsent = (task for task in self._repository.queued_tasks(stage, first, size) if task.attempt == 1)
            if next(unsent, None) is None:
                return service.drop(message, "all it had to send has been sent")
        error = self._why(message, "planning, sending or aggregating failed each time", because)
        return self.stop_stage(message, number, error)

    # what an operator does with a poison message

    def give_up(self, incoming: Incoming, because: str) -> None:
        """Do at once what the poison handler would do, with an operator's reason; of a batch every open task fails."""
        message = incoming.message
        if message.kind is Kind.CANCEL:
            return self.cancel(incoming)
        if message.kind is not Kind.TASK:
            return self._poisoned_job_message(message, because=because)
        if message.size <= 1:
            return self._poisoned_task(incoming, because=because)
        for task in self._repository.tasks_of_batch(ref_of(message), message.size):
            single = replace(message, first=task.ref.index, size=1)
            self._poisoned_task(replace(incoming, message=single), because=because)
        return None

    def try_again(self, incoming: Incoming) -> None:
        """Send anew what a message was for, under a key of its own; what the old key holds is given back first.

        A message that is sent again is another one to the rows: it would be refused what an earlier one has claimed.
        """
        message = incoming.message
        if message.kind is Kind.TASK and message.size > 1:
            return self._poisoned_batch(incoming)
        if message.kind is Kind.TASK:
            return self._poisoned_task(incoming, again=True)
        if message.kind is Kind.PLAN and self._go_on_planned(message):
            return None
        return self._service.outbox.send(JOBS_QUEUE, message)

    def _go_on_planned(self, message: Message) -> bool:
        """Give back a stage that a message was planning; do the rest of a plan that it has sealed, and tell so."""
        service = self._service
        while True:
            chain = service.find_current(message)
            stage = chain.find_stage(message.stage) if chain is not None else None
            if chain is None or stage is None or stage.owner is None or stage.owner.key != message.key:
                return False
            if stage.state is StageState.PLANNING:
                try:
                    self._repository.release_planning(stage)
                except EntityChanged:
                    continue
                return False
            if stage.state is not StageState.SEALED:
                return False
            if not stage.task_count:
                service.close_empty(message.epoch, stage)
            else:
                first, size = 0, stage.policy.first_to_send(stage.task_count)
                dispatch = stage_message(Kind.DISPATCH, message.epoch, stage)
                service.outbox.send(JOBS_QUEUE, replace(dispatch, first=first, size=size))
            return True

    def _why(self, message: Message, cause: str, because: str) -> Failure:
        """Say why a message was given up: what an operator said, what can be seen now, or else what may have happened."""
        if because:
            return Failure(type="PoisonMessage", message=f"the {message.kind.value} message was given up: {because}")
        try:
            self._service.jobs.find(message.job_id, message.epoch)
        except StoreUnavailable:
            raise
        except JobkitError as exc:
            cause = str(exc)
        except BaseException as exc:  # noqa: BLE001 - a user's validator or constructor; this handler must not fail over it
            failure = describe_exception(exc)
            cause = f"{failure.type}: {failure.message}"
        text = f"the {message.kind.value} message was delivered too often and never finished: {cause}"
        return Failure(type="PoisonMessage", message=text)

    def refused(self, queue: str, message_id: str, body: str, error: JobkitError) -> None:
        """Keep a poison message that can't be understood, or followed, where `inspect` finds it."""
        self._repository.keep_poison(queue, message_id, body, str(error), self._service.clock.now())
        self._service.observe(Event(action=Action.REFUSED, job_id="", text=str(error)))
