"""The diagnosis of a sealed stage: for each task that was looked at, where is the message that it waits for?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from .evidence import Evidence, Seen
from .figures import all_of, counted, span_text
from .findings import LOST, NOT_YET, Findings
from .inspected import Finding, Weight
from .messages import JOBS_QUEUE, POISON_SUFFIX, TASKS_QUEUE, Kind
from .model import StageRecord, Status, TaskRecord
from .resending import Waiting

SILENT_S: Final = 600.0  # Functions hides a message for ten minutes at most after its instance has died
_NAMED: Final = 3


@dataclass(slots=True)
class _Places:
    """Where the messages of some running tasks are."""

    dead: list[tuple[TaskRecord, Seen]] = field(default_factory=list[tuple[TaskRecord, Seen]])
    lost: list[TaskRecord] = field(default_factory=list[TaskRecord])
    unknown: int = 0


class TaskJudge:
    """Judges the tasks of the stage that a job is at."""

    def __init__(self, evidence: Evidence, found: Findings) -> None:
        """Judge by this evidence; make findings by `found`."""
        self._evidence = evidence
        self._now = evidence.now
        self._found = found

    def findings(self, stage: StageRecord) -> Iterator[Finding]:
        """Yield what is found of a sealed stage."""
        count = self._evidence.counts.get(stage.number)
        tasks = () if count is None else count.open
        if count is not None and count.unseen:
            self._found.unchecked.append(f"{count.unseen:,} of {stage.task_count or 0:,} tasks of stage {stage.number}")
        running = [task for task in tasks if task.status is Status.PROCESSING]
        if not tasks and count is not None and not count.unseen:
            yield from self._unclosed(stage)
        yield from self._retries(tasks, running)
        yield from self._running(running)
        if not stage.stop:
            yield from self._waiting(stage, tasks)

    def _unclosed(self, stage: StageRecord) -> Iterator[Finding]:
        text = f"{all_of(stage.task_count or 0, 'task')} ended and stage {stage.number} is not closed"
        queues = [self._found.queue(name) for name in (TASKS_QUEUE, JOBS_QUEUE)]
        mine = [seen for queue in queues for seen in queue.seen]
        if self._found.nobody_has_any():
            yield self._found.stuck(LOST, f"{text}: nobody turns out the lights")
        elif any(seen.hidden is None or seen.hidden.holder_lives is False for seen in mine):
            ready = [seen for seen in mine if seen.hidden is None]
            if ready:
                yield self._found.untaken("what turns out the lights", TASKS_QUEUE, ready, claimed=True)
            else:
                yield self._found.dead(f"{text}: the instance that was to turn out the lights is gone", mine[0])
        elif not mine and not all(queue.is_whole for queue in queues):
            self._found.not_checked("whether a message is left that turns out the lights", queues[0])

    # tasks

    def _retries(self, tasks: Sequence[TaskRecord], running: Sequence[TaskRecord]) -> Iterator[Finding]:
        later = [
            t for t in tasks if t.status is Status.QUEUED and t.not_before is not None and t.not_before > self._now
        ]
        if not later:
            return
        first = min(later, key=lambda task: task.not_before or self._now)
        due = first.not_before or self._now
        error = (
            ""
            if first.error is None
            else f"; it failed with {first.error.type}: {first.error.message.splitlines()[0]:.200}"
        )
        text = f"{_tasks(later)} {'waits' if len(later) == 1 else 'wait'} for another attempt, task {first.ref.index} until {_until(due, self._now)} (attempt {first.attempt}){error}"
        is_all = len(later) == len(tasks) and not running
        yield Finding(name="waiting for a retry", weight=Weight.WAITING if is_all else Weight.NOTE, evidence=text)

    def _running(self, running: Sequence[TaskRecord]) -> Iterator[Finding]:
        """Judge claimed tasks by where the message is that has claimed them."""
        queue = self._found.queue(TASKS_QUEUE)
        by_key = {seen.message.key: seen for seen in queue.seen}
        poison = {seen.message.key for seen in self._found.queue(TASKS_QUEUE + POISON_SUFFIX).seen}
        places = _Places()
        for task in running:
            key = "" if task.owner is None else task.owner.key
            seen = by_key.get(key)
            if seen is not None:
                if seen.hidden is None or seen.hidden.holder_lives is False:
                    places.dead.append((task, seen))
            elif queue.is_whole and key not in poison:
                places.lost += [task] * self._evidence.is_still(task.etag, task.started_at)
            elif key not in poison:
                places.unknown += 1
                if (self._now - _sign_of_life(task, self._now)).total_seconds() > SILENT_S:
                    yield self._silent(task)
        if places.dead:
            task, seen = places.dead[0]
            ago = _ago(task.started_at, self._now)
            verb = "was" if len(places.dead) == 1 else "were"
            text = f"{_tasks([task for task, _ in places.dead])} {verb} claimed {ago} ago by an instance that is gone ({task.worker})"
            yield self._found.dead(text, seen, whose="its" if len(places.dead) == 1 else "the first one's")
        if places.lost:
            verb = "is" if len(places.lost) == 1 else "are"
            ago = _ago(places.lost[0].started_at, self._now)
            text = f"{_tasks(places.lost)} {verb} claimed, {ago} ago, and no message is left that would go on"
            yield self._found.stuck(LOST, text)
        if places.unknown and not queue.trouble:
            self._found.not_checked(f"whether the instances of {counted(places.unknown, 'running task')} live", queue)

    def _waiting(self, stage: StageRecord, tasks: Sequence[TaskRecord]) -> Iterator[Finding]:
        """Judge queued tasks by where the message is that would start them."""
        queue, jobs = self._found.queue(TASKS_QUEUE), self._found.queue(JOBS_QUEUE)
        waiting = Waiting(stage, self._now)
        due = [task for task in tasks if waiting.has(task)]
        mine = [seen for seen in queue.seen if seen.message.stage == stage.number and seen.message.plan == stage.plan]
        poison = self._found.queue(TASKS_QUEUE + POISON_SUFFIX).seen
        sends = [seen for seen in jobs.seen if seen.message.kind in (Kind.PLAN, Kind.DISPATCH)]
        unseen = [
            task
            for task in due
            if not any(_names(seen, task) or _sends(seen, task, stage) for seen in (*mine, *poison))
        ]
        lost = [task for task in unseen if self._evidence.is_still(task.etag, task.queued_at)]
        ready = [seen for seen in mine if seen.hidden is None and any(_names(seen, task) for task in due)]
        if ready:
            untaken = self._found.untaken(counted(len(ready), "task message"), TASKS_QUEUE, ready)
            if untaken.name != NOT_YET or all(task.status is Status.QUEUED for task in tasks):  # else they are next
                yield untaken
        unsent = [seen for seen in sends if seen.hidden is None]
        if unsent:
            yield self._found.untaken("a message that sends tasks", JOBS_QUEUE, unsent)
        if not unseen or sends:
            return
        if queue.is_whole and jobs.is_whole and lost:
            verb = "is" if len(lost) == 1 else "are"
            yield self._found.stuck(
                LOST,
                f"{_tasks(lost)} {verb} queued and no message would start {'it' if len(lost) == 1 else 'them'}",
            )
        elif not queue.trouble and not (queue.is_whole and jobs.is_whole):
            where = jobs if queue.is_whole else queue
            self._found.not_checked(f"whether a message would start {counted(len(unseen), 'queued task')}", where)

    def _silent(self, task: TaskRecord) -> Finding:
        ago = _ago(_sign_of_life(task, self._now), self._now)
        return Finding(
            name="silent task",
            weight=Weight.NOTE,
            evidence=f"task {task.ref.index} has shown no sign of life for {ago} (instance {task.worker})",
            remedy=f"if that instance is gone: {self._found.command('repair', '--force')}",
        )


def _names(seen: Seen, task: TaskRecord) -> bool:
    """Whether a message would start a queued task."""
    message = seen.message
    is_in = message.kind is Kind.TASK and message.first <= task.ref.index < message.first + message.size
    return is_in and message.round == task.round and message.attempt == task.attempt and message.stage == task.ref.stage


def _sends(seen: Seen, task: TaskRecord, stage: StageRecord) -> bool:
    """Whether who has a message may be about to send that of a queued task: its next attempt, or its lane's next task."""
    message, lanes = seen.message, stage.policy.max_parallel
    has_claimed = task.owner is not None and task.owner.key == message.key
    in_lane = bool(lanes) and message.first < task.ref.index and (task.ref.index - message.first) % lanes == 0
    return has_claimed or in_lane


def _sign_of_life(task: TaskRecord, otherwise: datetime) -> datetime:
    return task.alive_at or otherwise


def _tasks(tasks: Sequence[TaskRecord]) -> str:
    indexes = [task.ref.index for task in tasks]
    if len(indexes) == 1:
        return f"task {indexes[0]}"
    return f"{len(indexes):,} tasks ({', '.join(map(str, indexes[:_NAMED]))}{', …' if len(indexes) > _NAMED else ''})"


def _ago(time: datetime | None, now: datetime) -> str:
    return "some time" if time is None else span_text((now - time).total_seconds())


def _until(time: datetime, now: datetime) -> str:
    return f"{time:%H:%M:%S} UTC, in {span_text((time - now).total_seconds())}"
