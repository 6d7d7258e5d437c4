"""Attempts: runs the user's code of a claimed task, and meanwhile writes its progress and tells it whether to end.

What an attempt comes to is for its caller to record.
"""

from __future__ import annotations

import contextlib
import random
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from .clock import Clock
from .errors import CodeChanged, EntityChanged, EntityNotFound, StoreUnavailable
from .execution import Outcome, describe_exception, run_task
from .jobs import LoadedJob
from .model import Owner, Status, TaskRef
from .repository import Repository
from .stage import Stage

MAX_BACKOFF: Final = timedelta(minutes=10)
PROGRESS_EVERY: Final = timedelta(seconds=15)
CANCELLED_EVERY: Final = timedelta(seconds=5)


@dataclass(slots=True, kw_only=True)
class Claim:
    """A delivery's claim of a task: its ETag, which progress reports move on; and when the task last told or asked for something."""

    etag: str
    round: int
    owner: Owner
    reported_at: datetime | None = None
    asked_at: datetime | None = None
    is_cancelled: bool = False


class Attempts:
    """The part of the service that runs tasks. Thread-safe."""

    def __init__(self, repository: Repository, *, clock: Clock, rng: random.Random) -> None:
        """Keep where rows, time and randomness come from."""
        self._repository = repository
        self._clock = clock
        self._rng = rng

    def run(
        self, loaded: LoadedJob, ref: TaskRef, number: int, params_json: str | None, claim: Claim
    ) -> tuple[Outcome, timedelta | None]:
        """Run a claimed task once; return what came of it and, if it is to be tried again, after which pause."""
        lock = threading.Lock()

        def report(done: int, total: int, text: str) -> None:
            with lock:
                now = self._clock.now()
                if claim.reported_at is not None and now - claim.reported_at < PROGRESS_EVERY:
                    return
                claim.reported_at = now
                with contextlib.suppress(EntityNotFound, StoreUnavailable):  # no reason for a task to end
                    self._report(ref, claim, done, total, text)

        def is_cancelled() -> bool:
            with lock:
                now = self._clock.now()
                if claim.asked_at is None or now - claim.asked_at >= CANCELLED_EVERY:
                    claim.asked_at = now
                    with contextlib.suppress(StoreUnavailable):  # no reason for a task to end
                        epoch = loaded.record.epoch
                        claim.is_cancelled = self._repository.is_to_end_now(ref.job_id, epoch, claim.round)
                return claim.is_cancelled

        try:
            stage = loaded.stage(ref.stage)
        except CodeChanged as exc:
            return Outcome(failure=describe_exception(exc), permanent=True), None
        if params_json is None and stage.fan_out_function is not None:  # too large for the message
            task = self._repository.find_task(ref)
            params_json = task.params_json if task is not None else None
        outcome = run_task(
            loaded, stage, ref, attempt=number, params_json=params_json, report=report, is_cancelled=is_cancelled
        )
        if outcome.failure is None or outcome.permanent or number >= stage.options.max_attempts:
            return outcome, None
        return outcome, self._backoff(stage, number) if outcome.delay is None else outcome.delay

    def _report(self, ref: TaskRef, claim: Claim, done: int, total: int, text: str) -> None:
        """Note a task's progress while the row is this delivery's; recording finds out what becomes of it else."""
        while True:
            try:
                claim.etag = self._repository.report_progress(ref, claim.etag, done, total, text, self._clock.now())
                return
            except EntityChanged:  # perhaps by an earlier report of ours that was doubtful
                task = self._repository.find_task(ref)
                if task is None or task.status is not Status.PROCESSING or task.owner != claim.owner:
                    return
                claim.etag = task.etag

    def _backoff(self, stage: Stage[Any, Any, Any], attempt: int) -> timedelta:
        """Double the stage's delay for each attempt, with jitter from half to one and a half."""
        doubled: timedelta = stage.options.retry_delay * 2.0 ** min(attempt - 1, 20)
        most = max(MAX_BACKOFF, stage.options.retry_delay)
        return min(doubled, most) * (0.5 + self._rng.random())
