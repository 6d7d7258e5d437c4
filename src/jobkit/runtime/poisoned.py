"""Poison: what becomes of messages that were delivered too often.

The poison handler does what a redelivery would do, except run the user's code. It gives up only what is to blame, or
what nothing else can be done for (`turns`). An operator may have a message given up at once, or tried again.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Final

from .errors import EntityChanged, JobkitError, StoreUnavailable
from .events import Action, Event
from .execution import describe_exception
from .messages import JOBS_QUEUE, TASKS_QUEUE, Incoming, Kind, Message
from .model import Chain, Failure, JobRecord, Owner, StageRecord, StageState, Status, TaskRecord
from .outbox import stage_message
from .reopening import Reopening
from .service import Service, ref_of
from .settling import Settling
from .storage.ports import Delivery
from .turns import is_anothers, is_innocent, send_poisoned_again

_SENDING: Final = "planning, sending or aggregating failed each time"


class Poisoned:
    """The part of the service that handles the poison queues."""

    def __init__(self, service: Service, settling: Settling) -> None:
        """Work on the same ports as the service."""
        self._service = service
        self._settling = settling
        self._reopening = Reopening(service)
        self._repository = service.repository

    def handle(self, queue: str, incoming: Incoming) -> None:
        """Give up what a message was for that was delivered too often: its task fails, or its job."""
        message = incoming.message
        text = f"{message.kind.value} message from {queue}"
        self._service.tell(Action.POISONED, message, text, attempt=message.attempt)
        if message.kind is Kind.CANCEL:
            return self._settling.cancel(incoming)
        if message.kind is Kind.TASK:
            return self._poisoned_batch(incoming) if message.size > 1 else self._poisoned_task(incoming)
        return self._poisoned_job_message(incoming)

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
            claimed = task.owner if task.status is Status.PROCESSING else None
            if claimed is not None and is_anothers(message, claimed):
                return service.drop(message, "another message, or a later turn of this one, has claimed the task")
            if task.status is Status.QUEUED:
                if task.round != message.round:
                    return service.drop(message, "the task is in another round")
                if task.attempt != message.attempt:
                    if mine and task.attempt == message.attempt + 1:
                        return service.send_retry(message, task, delay=None)
                    return service.drop(message, "the task is queued for another attempt")
            if not (again or because) and self._has_another_turn(message, claimed):
                return None
            with contextlib.suppress(EntityChanged):  # read again
                self._end_task(incoming, task, because=because, again=again)

    def _end_task(self, incoming: Incoming, task: TaskRecord, *, because: str, again: bool) -> None:
        service, now = self._service, self._service.clock.now()
        if again:  # what follows is then as if this message had asked for that attempt
            return self._repository.release([task], incoming.owner, now)
        cause = "the process that ran it died each time, or the store could not be reached"
        error = self._why(incoming.message, cause, because)
        self._repository.record_failed(task.ref, task.etag, error, now, incoming.owner)
        return service.observe(service.event(Action.FAILED, task.ref, attempt=task.attempt, text=error.message))

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

    def _poisoned_job_message(self, incoming: Incoming, *, because: str = "") -> None:
        """Fail the job that a poisoned message was to move on, unless something else has moved it on."""
        message, service = incoming.message, self._service
        chain = service.find_chain(message)
        if chain is None:
            return service.drop(message, "the job is gone or in another round")
        if chain.job.status.ended:
            return self._poisoned_after_end(message, chain.job, because)
        if message.kind is Kind.REOPEN:
            return self._poisoned_reopen(incoming, chain, because)
        number = chain.job.stage or 0  # 0: past the last stage
        if number != (0 if message.kind is Kind.COMPLETE else message.stage):
            stage = chain.find_stage(message.stage)
            if stage is not None and stage.state is StageState.CLOSED:
                return service.pass_on(chain, stage)
            return service.drop(message, f"the job is at stage {number}")
        stage = chain.find_stage(number)
        if stage is None:
            completing = self._repository.index.find_completing(chain.job)
            return self._give_up_job(message, number, completing, _SENDING, because)
        if message.kind in (Kind.PLAN, Kind.DISPATCH) and not stage.stop:
            return self._poisoned_sender(message, stage, because)
        return self._settling.stop_stage(message, number, self._why(message, _SENDING, because))

    def _poisoned_reopen(self, incoming: Incoming, chain: Chain, because: str) -> None:
        """Fail a job whose stage could not be opened again; once it is open, or the job has gone on, do the rest."""
        message, stage = incoming.message, chain.current_stage
        is_at_it = stage is not None and message.stage in (0, stage.number)
        if stage is not None and is_at_it and stage.state is StageState.REOPENING:
            return self._give_up_job(message, stage.number, None, "opening the stage again failed each time", because)
        return self._reopening.reopen(incoming)

    def _poisoned_after_end(self, message: Message, job: JobRecord, because: str) -> None:
        if message.kind is not Kind.COMPLETE:
            return self._service.wind_up(job)
        if because or not self._has_another_turn(message, self._repository.index.find_completing(job)):
            self._repository.index.drop(job)  # its hook failed each time
        return None

    def _poisoned_sender(self, message: Message, stage: StageRecord, because: str) -> None:
        """A message that plans a stage or sends its tasks is given up only while something that it has to do is undone."""
        service = self._service
        if message.kind is Kind.PLAN and stage.owner is not None and is_anothers(message, stage.owner):
            return service.drop(message, "another message, or a later turn of this one, plans the stage")
        if stage.state is StageState.SEALED:
            if not stage.task_count:
                return service.close_empty(message.epoch, stage)
            whole = (0, stage.policy.first_to_send(stage.task_count))
            first, size = (message.first, message.size) if message.size else whole
            unsent = (task for task in self._repository.queued_tasks(stage, first, size) if task.attempt == 1)
            if next(unsent, None) is None:
                return service.drop(message, "all it had to send has been sent")
        claimed = stage.owner if stage.state is StageState.PLANNING else None
        return self._give_up_job(message, stage.number, claimed, _SENDING, because)

    # whether it is to blame

    def _give_up_job(self, message: Message, at: int | None, claimed: Owner | None, cause: str, because: str) -> None:
        """Fail a job over a message, unless nothing but an operator (`because`) speaks against it: see `_has_another_turn`."""
        if because or not self._has_another_turn(message, claimed):
            self._settling.stop_stage(message, at, self._why(message, cause, because))

    def _has_another_turn(self, message: Message, claimed: Owner | None) -> bool:
        """Send a poisoned message again that nothing speaks against; False when it is to be given up.

        `claimed` is whose the row is that it works on, if anybody's. What can't be worked on is given up at once.
        """
        if not is_innocent(message, claimed) or self._find_cause(message) is not None:
            return False
        text = "delivered too often beside others: it is worked on alone now"
        self._service.tell(Action.RETRYING, message, text, attempt=message.attempt)
        queue = TASKS_QUEUE if message.kind is Kind.TASK else JOBS_QUEUE
        send_poisoned_again(self._service.outbox, queue, message)
        return True

    def _why(self, message: Message, cause: str, because: str) -> Failure:
        """Say why a message was given up: what an operator said, what can be seen now, or else what may have happened."""
        if because:
            return Failure(type="PoisonMessage", message=f"the {message.kind.value} message was given up: {because}")
        cause = self._find_cause(message) or cause
        text = f"the {message.kind.value} message was delivered too often and never finished: {cause}"
        return Failure(type="PoisonMessage", message=text)

    def _find_cause(self, message: Message) -> str | None:
        """Find what is wrong with a message's job for each of its deliveries."""
        try:
            self._service.jobs.find(message.job_id, message.epoch, message.round)
        except StoreUnavailable:
            raise
        except JobkitError as exc:
            return str(exc)
        except BaseException as exc:  # noqa: BLE001 - a user's validator or constructor; this handler must not fail over it
            failure = describe_exception(exc)
            return f"{failure.type}: {failure.message}"
        return None

    # what an operator does with a poison message

    def give_up(self, incoming: Incoming, because: str) -> None:
        """Do at once what the poison handler would do, with an operator's reason; of a batch every open task fails."""
        message = incoming.message
        if message.kind is Kind.CANCEL:
            return self._settling.cancel(incoming)
        if message.kind is not Kind.TASK:
            return self._poisoned_job_message(incoming, because=because)
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
        return self._service.outbox.send(JOBS_QUEUE, replace(message, turn=0, spent=0))

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

    def refused(self, queue: str, delivery: Delivery, error: JobkitError) -> None:
        """Keep a poison message that can't be understood, or followed, where `inspect` finds it."""
        self._repository.keep_poison(queue, delivery, str(error), self._service.clock.now())
        self._service.observe(Event(action=Action.REFUSED, job_id="", text=str(error)))
