"""Looking for poison messages: those that wait in the poison queues, and those that were kept as rows.

Who looks without taking sees the first 32 that are visible in each queue (all that Azure's peek gives, from the head of
the queue). To see all, each message is taken for a moment and given back. A take counts as a delivery, and Functions
runs no function for a message of a poison queue that was delivered more than `maxDequeueCount` times: it would stay
there for ever. So the second time a message is given back as a fresh copy, and ids do not depend on the queue's.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from .errors import UNREADABLE, EntityChanged, EntityNotFound, MessageRefused
from .messages import POISON_SUFFIX, Kind, Message, decode_message_of
from .model import Chain, KeptMessage, Status
from .poison import ORIGINS, Found, Outlook, PoisonCounts, PoisonMessage, poison_id
from .poison_choice import Fitting, JobsOfPoison, Wanted
from .service import Service, ref_of
from .storage.limits import RECEIVE_MESSAGES
from .storage.ports import Delivery, Queues

TAKEN_S: Final = 120.0  # long enough to take 10,000 and give them back; after that they are visible by themselves
MOST_TAKEN: Final = 10_000  # of one queue at a time


class PoisonSearch:
    """Looks for poison messages. Changes nothing, unless it is to take messages in order to see them all."""

    def __init__(self, service: Service, queues: Queues) -> None:
        """Look by a service's repository, and at the queues of its store."""
        self._service = service
        self._queues = queues

    def count(self) -> PoisonCounts:
        """Count them, and look at none."""
        waiting = {queue: self._queues.length(queue + POISON_SUFFIX) for queue in ORIGINS}
        return PoisonCounts(waiting=waiting, kept=self._service.repository.count_kept_poison())

    def find(self, wanted: Wanted, *, take: bool) -> Found:
        """Find the messages that are meant; `take` more than a peek shows. Raises UnknownPoison, AmbiguousId."""
        seen: list[PoisonMessage] = []
        unseen: dict[str, int] = {}
        cut: set[str] = set()
        damaged: list[str] = []
        for queue in wanted.queues:
            waiting, is_cut = self._waiting(queue, take=take)
            seen += waiting
            unseen[queue] = max(0, self._queues.length(queue + POISON_SUFFIX) - len(waiting))
            if is_cut and unseen[queue]:
                cut.add(queue)
        kept = map(_kept, self._service.repository.kept_poison(damaged))
        seen += [message for message in kept if message.queue in wanted.queues]
        named = wanted.named(seen, hidden=sum(unseen.values()), is_cut=bool(cut) and not take)
        jobs = JobsOfPoison.read(self._service, named)
        meant = Fitting(messages=named) if wanted.jobs is None else jobs.fitting(named, wanted.jobs)
        meant.messages.sort(key=lambda message: message.at)
        return Found(
            messages=self._with_outlook(meant.messages, jobs),
            seen=len(seen),
            unseen=unseen,
            is_cut=frozenset(cut),
            is_taken=take,
            foreign=meant.foreign,
            gone=meant.gone,
            damaged=[*damaged, *meant.damaged],
        )

    def give_back(self, queue: str, deliveries: Iterable[Delivery]) -> None:
        """Make messages of a poison queue visible again that were taken to be looked at."""
        poison_queue = queue + POISON_SUFFIX
        queues, each = self._queues, self._service.outbox.each
        first: list[Delivery] = []
        later: list[Delivery] = []
        for delivery in deliveries:
            (first if delivery.dequeue_count <= 1 else later).append(delivery)

        def release(delivery: Delivery) -> None:
            with contextlib.suppress(EntityChanged, EntityNotFound):  # somebody else has it
                queues.extend(poison_queue, delivery, visibility_s=0)

        def remove(delivery: Delivery) -> None:
            with contextlib.suppress(EntityChanged, EntityNotFound):
                queues.delete(poison_queue, delivery)

        each(first, release)
        each(later, lambda delivery: queues.send(poison_queue, delivery.body))
        each(later, remove)  # once all copies are there

    def _waiting(self, queue: str, *, take: bool) -> tuple[list[PoisonMessage], bool]:
        """Look at what waits in a queue's poison queue; tell whether there may be more to see."""
        found = self._queues.peek(queue + POISON_SUFFIX, limit=RECEIVE_MESSAGES)
        if len(found) < RECEIVE_MESSAGES or not take:
            return [_waiting(queue, each, each.dequeue_count) for each in found], len(found) == RECEIVE_MESSAGES
        taken = self._take(queue)
        return [_waiting(queue, each, each.dequeue_count - 1) for each in taken], len(taken) >= MOST_TAKEN

    def _take(self, queue: str) -> Sequence[Delivery]:
        taken: dict[str, Delivery] = {}
        try:
            while len(taken) < MOST_TAKEN:
                found = self._queues.receive(queue + POISON_SUFFIX, limit=RECEIVE_MESSAGES, visibility_s=TAKEN_S)
                is_new = any(each.id not in taken for each in found)
                taken.update((each.id, each) for each in found)
                if not is_new:
                    break
        finally:
            self.give_back(queue, taken.values())
        return list(taken.values())

    # what a message is about

    def _with_outlook(self, messages: Sequence[PoisonMessage], jobs: JobsOfPoison) -> list[PoisonMessage]:
        outlooks: dict[int, Outlook] = {}

        def look(numbered: tuple[int, PoisonMessage]) -> None:
            number, found = numbered
            if found.message is not None:
                outlooks[number] = self._outlook(found.message, jobs)

        self._service.outbox.each(list(enumerate(messages)), look)
        return [replace(found, outlook=outlooks.get(number)) for number, found in enumerate(messages)]

    def _outlook(self, message: Message, jobs: JobsOfPoison) -> Outlook:
        """Say what a message is about."""
        why = jobs.why_unreadable(message)
        if why is not None:
            return Outlook(state=why, helps=False)
        chain = jobs.find(message)
        if chain is None:
            return Outlook(state="its job is gone", helps=False)
        if message.kind is not Kind.TASK:
            return _outlook_of_job(message, chain)
        try:
            return self._outlook_of_tasks(message, chain)
        except UNREADABLE as exc:
            return Outlook(state=str(exc), helps=False)

    def _outlook_of_tasks(self, message: Message, chain: Chain) -> Outlook:
        job, repository = chain.job, self._service.repository
        if message.size > 1:
            tasks = repository.tasks_of_batch(ref_of(message), message.size)
        else:
            task = repository.find_task(ref_of(message))
            tasks = [] if task is None else [task]
        if not tasks:
            return Outlook(state="its task is gone", helps=False, job=job)
        ours = [task for task in tasks if task.owner is not None and task.owner.key == message.key]
        still_open = [task for task in tasks if not task.status.ended]
        failed = next((task for task in tasks if task.status is Status.FAILED), None)
        error = tasks[0].error if len(tasks) == 1 else failed.error if failed is not None else None
        if not still_open:
            status = "failed" if failed is not None else "completed"
            what = f"the task has {status}" if len(tasks) == 1 else f"all {len(tasks)} tasks have ended"
            # Whose message ended it, that one may have died before it turned out the lights.
            return Outlook(
                state=what,
                helps=bool(ours) and not job.status.ended,
                job=job,
                error=error,
                is_for_retry=failed is not None and job.status is Status.FAILED,
            )
        if all(task.round != message.round for task in still_open):
            return Outlook(state=f"the job is in round {job.round}", helps=False, job=job, error=error)
        if len(tasks) > 1:
            what = f"{len(still_open)} of {len(tasks)} tasks have not ended"
            return Outlook(state=what, helps=True, job=job, error=error)
        task = tasks[0]
        if task.status is Status.PROCESSING:
            what = "the task is claimed by this message" if ours else "another message has claimed the task"
        else:
            what = f"the task is queued, attempt {task.attempt}"
        return Outlook(state=what, helps=bool(ours) or task.status is Status.QUEUED, job=job, error=error)


def _outlook_of_job(message: Message, chain: Chain) -> Outlook:
    job = chain.job
    if job.round != message.round:
        return Outlook(state=f"the job is in round {job.round}", helps=False, job=job)
    stage = chain.find_stage(message.stage)
    if job.status.ended:
        return Outlook(
            state=f"the job has {job.status.value}",
            helps=message.kind is Kind.COMPLETE,  # its hook is called once more
            job=job,
            error=job.error,
            is_for_retry=job.status is Status.FAILED,
        )
    where = "" if stage is None else f", its stage is {stage.state.value}"
    return Outlook(state=f"the job is {job.status.value}{where}", helps=True, job=job, error=job.error)


def _waiting(queue: str, delivery: Delivery, deliveries: int) -> PoisonMessage:
    message, reason = _understood(queue, delivery.body)
    return PoisonMessage(
        id=poison_id(queue, delivery.body),
        queue=queue,
        at=delivery.inserted_at,
        deliveries=deliveries,
        body=delivery.body,
        reason=reason,
        message=message,
    )


def _kept(kept: KeptMessage) -> PoisonMessage:
    queue = kept.queue.removesuffix(POISON_SUFFIX)
    message, reason = _understood(queue, kept.body)
    return PoisonMessage(
        id=poison_id(queue, kept.body),
        queue=queue,
        at=kept.at,
        deliveries=kept.deliveries,
        body=kept.body,
        reason=reason or kept.reason,
        message=message,
        kept=kept,
    )


def _understood(queue: str, body: str) -> tuple[Message | None, str]:
    """Return what a text says; if it can't be understood, why."""
    try:
        return decode_message_of(queue, body), ""
    except MessageRefused as exc:
        return None, exc.reason
