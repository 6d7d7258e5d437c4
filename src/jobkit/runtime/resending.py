"""Sends a stage's queued tasks again: of a lane only the head, whose predecessors have all ended."""

from __future__ import annotations

from datetime import datetime

from .messages import TASKS_QUEUE
from .model import Chain, StageRecord, Status, TaskRecord
from .outbox import task_message
from .service import Service


class Waiting:
    """Tells which tasks of a stage should have a message, given all of them in index order."""

    def __init__(self, stage: StageRecord, now: datetime) -> None:
        """Look at a stage at a moment."""
        self._stage = stage
        self._now = now
        self._blocked: set[int] = set()

    def has(self, task: TaskRecord) -> bool:
        """Whether a task is queued in the stage's round, due, and the head of its lane."""
        is_head = self._is_head(task)
        is_queued = task.status is Status.QUEUED and task.round == self._stage.round
        return is_queued and is_head and (task.not_before is None or task.not_before <= self._now)

    def _is_head(self, task: TaskRecord) -> bool:
        """Whether all tasks before this one in its lane have ended; without lanes each task is a head."""
        lanes = self._stage.policy.max_parallel
        if not lanes or task.status.ended:
            return not lanes
        lane = task.ref.index % lanes
        if lane in self._blocked:
            return False
        self._blocked.add(lane)
        return True


def send_waiting(service: Service, chain: Chain, stage: StageRecord) -> None:
    """Send the messages of all tasks that wait for one; a second one of a task does no harm.

    First attempts of a stage without lanes are dispatched, in ranges where they are many.
    """
    waiting = Waiting(stage, service.clock.now())
    first, last = -1, -1
    for task in service.repository.states_of_tasks(stage):
        if not waiting.has(task):
            continue
        if stage.policy.max_parallel or task.attempt > 1:
            service.outbox.send(TASKS_QUEUE, task_message(chain.job.epoch, stage, task))
        else:
            first, last = (task.ref.index if first < 0 else first), task.ref.index
    if first >= 0:
        service.dispatch(chain.job, stage, first, last - first + 1)
