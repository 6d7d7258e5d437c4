"""Batches: a message that names several consecutive tasks of a shard.

Each row is decided by itself, by the table in docs/protocol.md, and all that are the message's own are claimed and
recorded together. What is tried again goes alone, one message for each task: a batch is a first attempt.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta

from .attempts import Claim
from .errors import EntityChanged, EntityNotFound
from .events import Action
from .execution import Outcome
from .messages import Incoming, Message
from .model import Status, TaskRecord
from .repository import End
from .service import Service, ref_of


@dataclass(slots=True, kw_only=True)
class _Rows:
    """What a message has to do with each of its rows."""

    #: To be claimed: queued for this attempt, or claimed by an earlier delivery.
    wanted: list[TaskRecord] = field(default_factory=list[TaskRecord])
    #: Claimed by this very delivery.
    held: list[TaskRecord] = field(default_factory=list[TaskRecord])
    #: Queued for the next attempt by this message, which may not have sent that.
    again: list[TaskRecord] = field(default_factory=list[TaskRecord])
    #: Ended by this message.
    ended: list[TaskRecord] = field(default_factory=list[TaskRecord])
    is_newer_at_work: bool = False


class Batches:
    """The part of the service that works on several tasks at once."""

    def __init__(self, service: Service) -> None:
        """Work on the same ports as the service."""
        self._service = service
        self._repository = service.repository

    def batch(self, incoming: Incoming) -> None:
        """Claim what is the message's own, run it one after another, record it together; then lights out."""
        message, service = incoming.message, self._service
        loaded = service.jobs.find(message.job_id, message.epoch, message.round)
        if loaded is None:
            return service.drop(message, "the job is gone")
        attempts: dict[int, tuple[Outcome, timedelta | None]] = {}
        while True:
            found = self._sort(incoming)
            if found.is_newer_at_work:
                return service.drop(message, "a newer delivery has claimed the batch")
            try:
                claims = self._claim(incoming, found)
            except (EntityChanged, EntityNotFound):
                continue
            for task, claim in claims:
                if task.ref.index not in attempts:
                    attempts[task.ref.index] = service.attempts.run(
                        loaded, task.ref, task.attempt, task.params_json, claim
                    )
            with service.together():
                try:
                    self._record(claims, attempts)
                except (EntityChanged, EntityNotFound):
                    continue
                return self._after(message, [task for task, _ in claims], attempts, found)

    def _sort(self, incoming: Incoming) -> _Rows:
        message = incoming.message
        found = _Rows()
        for task in self._repository.tasks_of_batch(ref_of(message), message.size):
            mine = task.owner is not None and task.owner.same_message(incoming.owner)
            if task.status.ended:
                if mine:
                    found.ended.append(task)
            elif task.status is Status.PROCESSING:
                if not mine or task.owner is None:
                    continue
                if task.owner.delivery > incoming.delivery:
                    found.is_newer_at_work = True
                (found.held if task.owner == incoming.owner else found.wanted).append(task)
            elif task.round == message.round and task.attempt == message.attempt:
                found.wanted.append(task)
            elif task.round == message.round and mine and task.attempt == message.attempt + 1:
                found.again.append(task)
        return found

    def _claim(self, incoming: Incoming, found: _Rows) -> list[tuple[TaskRecord, Claim]]:
        """Claim what is wanted; return all that this delivery holds then, in index order."""
        service, owner = self._service, incoming.owner
        claims = [(task, Claim(etag=task.etag, round=task.round, owner=owner)) for task in found.held]
        if found.wanted:
            etags = self._repository.claim_all(found.wanted, owner, service.worker, service.clock.now())
            claims += [
                (task, Claim(etag=etag, round=task.round, owner=owner))
                for task, etag in zip(found.wanted, etags, strict=True)
            ]
            for task in found.wanted:
                if task.status is Status.PROCESSING:
                    service.observe(service.event(Action.TAKEN_OVER, task.ref, attempt=task.attempt))
                service.observe(service.event(Action.CLAIMED, task.ref, attempt=task.attempt))
        return sorted(claims, key=lambda claimed: claimed[0].ref.index)

    def _record(
        self,
        claims: Iterable[tuple[TaskRecord, Claim]],
        attempts: dict[int, tuple[Outcome, timedelta | None]],
    ) -> None:
        now = self._service.clock.now()
        ends: list[End] = []
        for task, claim in claims:
            outcome, delay = attempts[task.ref.index]
            ends.append(
                End(
                    ref=task.ref,
                    etag=claim.etag,
                    result_json=outcome.result_json or "null",
                    failure=outcome.failure,
                    next_attempt=None if delay is None else task.attempt + 1,
                    not_before=None if delay is None else now + delay,
                )
            )
        self._repository.record_all(ends, now)

    def _after(
        self,
        message: Message,
        recorded: list[TaskRecord],
        attempts: dict[int, tuple[Outcome, timedelta | None]],
        found: _Rows,
    ) -> None:
        """Send what is tried again, each task alone, then do what follows the end of the others."""
        service = self._service
        again, ended = list(found.again), list(found.ended)
        for task in recorded:
            outcome, delay = attempts[task.ref.index]
            service.tell_outcome(task.ref, task.attempt, outcome, retried=delay is not None)
            if delay is not None:
                again.append(replace(task, status=Status.QUEUED, attempt=task.attempt + 1, etag=""))
            else:
                ended.append(replace(task, status=Status.FAILED if outcome.failure else Status.COMPLETED))
        for task in again:
            service.send_retry(message, task, delay=attempts.get(task.ref.index, (None, None))[1])
        service.after_batch(message, ended)
        if not again and not ended:
            service.drop(message, "its tasks have ended, or other messages have them")
