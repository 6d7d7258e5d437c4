"""What operators do to a job while instances work on it; what they choose is drawn at random."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pydantic_core

from driver import Driver
from fault_cases import Subject
from jobkit.runtime.caretaking import Care, Caretaker
from jobkit.runtime.errors import (
    InvalidRetry,
    JobHasEnded,
    JobIsBeingPurged,
    NothingToRetry,
    NotToBePurged,
    UnknownJob,
)
from jobkit.runtime.messages import JOBS_QUEUE, POISON_SUFFIX, TASKS_QUEUE
from jobkit.runtime.operator import Operator
from jobkit.runtime.poison_acts import PoisonActs
from jobkit.runtime.poison_choice import Wanted
from jobkit.runtime.poison_search import PoisonSearch
from jobkit.runtime.purging import Purging
from jobkit.runtime.storage.ports import Queues

#: What an act may be refused with.
REFUSALS = (InvalidRetry, JobHasEnded, JobIsBeingPurged, NothingToRetry, NotToBePurged, UnknownJob)


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Where an operator acts on a job. `beneath` are the queues themselves, for what befalls them between two calls.

    Each act says in a few words what it did.
    """

    driver: Driver
    subject: Subject
    job_id: str
    beneath: Queues
    rng: random.Random

    def cancel(self, *, now: bool = False) -> str:
        return self._operator.cancel(self.job_id, now=now).job.status.value

    def retry(self, *, stage: str | None = None, task: bool = False) -> str:
        tasks = [str(self.rng.randrange(3))] if task else []
        chain, _ = self._operator.retry(self.job_id, stage=stage, tasks=tasks)
        return " ".join((chain.job.status.value, *tasks))

    def repair(self, *, force: bool = False) -> str:
        return ", ".join(finding.name for finding in self._operator.repair(self.job_id, force=force).findings)

    def wait_for_timer(self) -> str:
        """Have the timer look at all jobs: at once, or when leases have run out."""
        self.driver.clock.advance(self.rng.choice((0, 0, 10, 31)))
        return ", ".join(name for _, name in look_after(self.driver).mended)

    def submit(self, *, again: bool = False) -> str:
        job_type, params = self.subject.controller.job_type, self.subject.job.params
        return self.driver.service.submit(job_type, params, again=again).chain.job.status.value

    def purge(self) -> str:
        purging = Purging(self.driver.service, by="operator")
        return "" if purging.purge(purging.check(self.job_id)) else "it has changed"

    def poison(self) -> str:
        """Let a message have been delivered too often."""
        for queue in self._queues():
            for delivery in self.beneath.receive(queue, limit=1, visibility_s=1):
                self.beneath.send(queue + POISON_SUFFIX, delivery.body)
                self.beneath.delete(queue, delivery)
                return _named(delivery.body)
        return ""

    def poison_copy(self) -> str:
        """Let a message have a copy, as after a lost answer, that has been delivered too often."""
        for queue in self._queues():
            if waiting := self.beneath.peek(queue, limit=5):
                body = self.rng.choice(waiting).body
                self.beneath.send(queue + POISON_SUFFIX, body)
                return _named(body)
        return ""

    def requeue(self) -> str:
        return self._act_on_poison(PoisonActs.requeue)

    def drop(self) -> str:
        return self._act_on_poison(PoisonActs.drop)

    @property
    def _operator(self) -> Operator:
        return Operator(self.driver.service, by="operator")

    def _act_on_poison(self, act: Callable[[PoisonActs, Any], object]) -> str:
        """Act on all that is in the poison queues: mostly there is nothing but what gets there now."""
        self.rng.choice((self.poison, self.poison_copy, self.poison_copy, str))()
        service, queues = self.driver.service, self.driver.store.queues
        found = PoisonSearch(service, queues).find(Wanted(), take=True).messages
        act(PoisonActs(service, queues, by="operator"), found)
        return ", ".join(_named(each.body) for each in found)

    def _queues(self) -> list[str]:
        return self.rng.sample((JOBS_QUEUE, TASKS_QUEUE), 2)


def look_after(driver: Driver) -> Care:
    """Do what the timer does."""
    return Caretaker(driver.service, by="the timer").look_after(retention=None, most=timedelta(minutes=3))


def _named(body: str) -> str:
    message = pydantic_core.from_json(body)
    return f"{message['kind']} {message.get('first', '')}".rstrip()


Act = Callable[[Desk], str]

RETRIES: dict[str, Act] = {
    "retry": Desk.retry,
    "retry --stage": lambda desk: desk.retry(stage="1"),
    "retry --task": lambda desk: desk.retry(stage="1", task=True),
}
ACTS: dict[str, Act] = RETRIES | {
    "cancel": Desk.cancel,
    "cancel --now": lambda desk: desk.cancel(now=True),
    "repair": Desk.repair,
    "repair --force": lambda desk: desk.repair(force=True),
    "the timer": Desk.wait_for_timer,
    "submit": Desk.submit,
    "submit --again": lambda desk: desk.submit(again=True),
    "purge": Desk.purge,
    "a poison message": Desk.poison,
    "a poisoned copy": Desk.poison_copy,
    "poison requeue": Desk.requeue,
    "poison drop": Desk.drop,
}
