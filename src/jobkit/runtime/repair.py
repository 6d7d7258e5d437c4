"""Repair: finds what keeps a job from moving, and sets it moving again by the same steps as everything else.

Nothing here is more than a message sent again, or a step done that any delivery would do: it is safe at any time, on
any job. What looks lost may only be waiting, so it is taken for lost when no row of the job's stage has moved between two
looks (the first one is noted in the job's row among the active ones) and no message that is older than the first one
waits, or when it is told to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from .errors import EntityChanged, EntityNotFound
from .figures import all_of
from .messages import JOBS_QUEUE, TASKS_QUEUE, Kind
from .model import Chain, JobRecord, StageRecord, StageState, Status, TaskRecord, TaskRef
from .outbox import job_message, reopen_message, stage_message, task_message
from .resending import Waiting, send_waiting
from .rows import GROUP, SHARD
from .service import Service

_SHOWN = 5
#: A planner shows no sign of life while a fan-out lists what there is. One that has died is taken over by its own
#: message; for one whose message is gone too there is no hurry.
PLANNING_TAKES: Final = timedelta(hours=1)

#: What is broken, what shows it, what mends it, and how.
_Broken = tuple[str, str, str, Callable[[], None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is broken: its name, what shows it, and what mends it. `stage` is None where it is the job's."""

    name: str
    stage: int | None
    evidence: str
    mend: str
    do: Callable[[], None] = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a look at a job came to.

    `is_settled` is False when it may move by itself: then only a later look can tell. `since` is when a look first saw
    what this one sees; None where this is the first, or where nobody looks for that any more.
    """

    chain: Chain
    findings: tuple[Finding, ...]
    is_settled: bool
    since: datetime | None = None

    @property
    def may_wait(self) -> bool:
        """Whether nothing has moved since an earlier look, and it may all the same: its planner or its messages are slow."""
        return self.since is not None and not self.is_settled


@dataclass(slots=True)
class _Census:
    """What a pass over a stage's tasks has seen."""

    ended: int = 0
    lost: list[int] = field(default_factory=list[int])
    overdue: list[TaskRecord] = field(default_factory=list[TaskRecord])
    unmarked: list[int] = field(default_factory=list[int])
    seen: str = ""


class Repair:
    """The part of the service that sets jobs moving again."""

    def __init__(self, service: Service) -> None:
        """Work on the same ports as the service."""
        self._service = service
        self._repository = service.repository

    def look(self, job_id: str, *, force: bool = False, note: bool = True) -> Look:
        """Look at a job; with `note` remember what was seen for the next look. `force` takes for lost what may be.

        Raises UnknownJob.
        """
        chain = self._repository.get_chain(job_id)
        job = chain.job
        if job.status.ended:
            return Look(chain=chain, findings=tuple(self._of_ended(chain)), is_settled=True)
        stage = chain.current_stage
        census = self._count(chain, stage, force=force)
        findings: list[Finding] = []
        settled = force
        since: datetime | None = None
        try:
            since = self._repository.index.note_look(job, census.seen, self._service.clock.now(), write=note)
            settled = force or (since is not None and not self._may_move(job, stage, since))
        except EntityNotFound:
            findings.append(
                Finding(
                    name="not listed",
                    stage=None,
                    evidence=f"the job is {job.status} and not among the active jobs",
                    mend="list it there",
                    do=lambda: self._repository.index.add(job, recent=False),
                )
            )
        except EntityChanged:
            settled = force  # somebody else looks
        if census.overdue and stage is not None:
            findings.append(self._overdue(chain, stage, census.overdue))
        if settled:
            why = "what waits is to be taken for lost" if force else "nothing has moved since the last look"
            where = "" if stage is None else f"stage {stage.number} {stage.name!r}: "
            for name, evidence, mend, do in self._of_still(chain, stage, census):
                text = f"{where}{evidence}, and {why}"
                findings.append(Finding(name=name, stage=job.stage, evidence=text, mend=mend, do=do))
        return Look(chain=chain, findings=tuple(findings), is_settled=settled, since=since)

    # what is broken

    def _of_ended(self, chain: Chain) -> Iterator[Finding]:
        if self._repository.index.is_active(chain.job):
            yield Finding(
                name="not tidied up",
                stage=None,
                evidence=f"the job has {chain.job.status} and is still among the active jobs",
                mend="send its completion again, which calls on_complete",
                do=lambda: self._service.wind_up(chain.job),
            )

    def _of_still(self, chain: Chain, stage: StageRecord | None, census: _Census) -> Iterator[_Broken]:
        """Yield what is broken when nothing moves any more."""
        job, service = chain.job, self._service
        if stage is None:
            yield "not completed", "all stages are closed", "send the completion again", lambda: service.wake(chain)
        elif stage.state is StageState.UNPLANNED:
            yield "not planned", "nobody plans it", "send its planning again", lambda: service.wake(chain)
        elif stage.state is StageState.PLANNING:
            mend = "give it back and send its planning again"
            yield "never sealed", "its planner is silent", mend, lambda: self._plan_again(chain, stage)
        elif stage.state is StageState.REOPENING:
            reopen = reopen_message(job)
            yield (
                "not reopened",
                "its next round has not begun",
                "send the retry again",
                lambda: service.outbox.send(JOBS_QUEUE, reopen),
            )
        elif stage.state is StageState.SEALED and stage.stop:
            stop = stage_message(Kind.STOP, job.epoch, stage)
            yield (
                "stop not finished",
                "it is being stopped",
                "send the stop again",
                lambda: service.outbox.send(JOBS_QUEUE, stop),
            )
        elif stage.state is StageState.SEALED:
            yield from self._of_sealed(chain, stage, census)

    def _of_sealed(self, chain: Chain, stage: StageRecord, census: _Census) -> Iterator[_Broken]:
        if census.ended == stage.task_count:
            evidence = f"{all_of(census.ended, 'task')} ended"
            yield "ended, not closed", evidence, "turn out the lights", lambda: self._turn_out_all(chain, stage, census)
            return
        if census.lost:
            evidence = f"{_tasks(census.lost)} queued without a message"
            yield "sent, but lost", evidence, "send them again", lambda: send_waiting(self._service, chain, stage)
        if census.unmarked:
            shards = "1 shard has" if len(census.unmarked) == 1 else f"{len(census.unmarked):,} shards have"
            evidence = f"{shards} ended and no marker"
            yield "ended, not marked", evidence, "mark them", lambda: self._turn_out(chain, stage, census.unmarked)

    def _overdue(self, chain: Chain, stage: StageRecord, overdue: list[TaskRecord]) -> Finding:
        limit = f"without a sign of life for over {stage.policy.silence_s:g} s"
        if not stage.policy.silence_s:
            limit = "with no timeout to go by"
        return Finding(
            name="claimed by what is gone",
            stage=stage.number,
            evidence=f"stage {stage.number} {stage.name!r}: {_tasks([t.ref.index for t in overdue])} running, {limit}",
            mend="hand them to another attempt",
            do=lambda: self._hand_on(chain, stage, overdue),
        )

    def _may_move(self, job: JobRecord, stage: StageRecord | None, since: datetime) -> bool:
        """Whether a job may move by itself although nothing has moved `since` a look.

        Its stage is being planned: the job's row was last written when that began. Or its messages may still wait: what
        is delivered next was sent before that look.
        """
        if stage is not None and stage.state is StageState.PLANNING:
            return self._service.clock.now() - job.updated_at < PLANNING_TAKES
        is_running = stage is not None and stage.state is StageState.SEALED and not stage.stop
        oldest = self._service.outbox.oldest_waiting(TASKS_QUEUE if is_running else JOBS_QUEUE)
        return oldest is not None and oldest <= since

    # the pass over the tasks

    def _count(self, chain: Chain, stage: StageRecord | None, *, force: bool) -> _Census:
        found = _Census()
        job = chain.job  # by what it is at: that somebody noted something in its row is no movement
        moved = f"{job.status} {job.stage} {job.round} {job.updated_at}"
        digest = hashlib.sha256(f"{moved} {stage.etag if stage else ''}".encode())
        if stage is not None and stage.state is StageState.SEALED:
            now = self._service.clock.now()
            marked = self._repository.marked_shards(stage)
            waiting = Waiting(stage, now)
            open_in: set[int] = set()
            for task in self._repository.states_of_tasks(stage):
                digest.update(task.etag.encode())
                is_waiting = waiting.has(task)
                if task.status.ended:
                    found.ended += 1
                    continue
                open_in.add(task.ref.index // SHARD)
                if task.status is Status.PROCESSING:
                    if _is_overdue(task, stage.policy.silence_s, now, force=force):
                        found.overdue.append(task)
                elif is_waiting:
                    found.lost.append(task.ref.index)
            shards = range(-(-(stage.task_count or 0) // SHARD))
            found.unmarked = [shard for shard in shards if shard not in marked and shard not in open_in]
        found.seen = digest.hexdigest()[:32]
        return found

    # what mends it

    def _plan_again(self, chain: Chain, stage: StageRecord) -> None:
        try:
            self._repository.release_planning(stage)
        except EntityChanged:
            return  # it has moved
        message = job_message(Kind.PLAN, chain.job, stage=stage.number)
        self._service.outbox.send(JOBS_QUEUE, message)

    def _hand_on(self, chain: Chain, stage: StageRecord, overdue: list[TaskRecord]) -> None:
        for task in overdue:
            if task.owner is None:
                continue
            try:
                self._repository.release([task], task.owner, self._service.clock.now())
            except (EntityChanged, EntityNotFound):
                continue  # it has moved
            again = replace(task, status=Status.QUEUED, attempt=task.attempt + 1, etag="")
            self._service.outbox.send(TASKS_QUEUE, task_message(chain.job.epoch, stage, again))

    def _turn_out_all(self, chain: Chain, stage: StageRecord, census: _Census) -> None:
        """Turn out the lights of a stage whose tasks have all ended: of each group, any of whose markers may be missing."""
        if not stage.task_count:
            return self._service.close_empty(chain.job.epoch, stage)
        first_of_groups = range(0, -(-stage.task_count // SHARD), GROUP)
        return self._turn_out(chain, stage, sorted({*census.unmarked, *first_of_groups}))

    def _turn_out(self, chain: Chain, stage: StageRecord, shards: list[int]) -> None:
        message = stage_message(Kind.TASK, chain.job.epoch, stage)
        for shard in shards:
            ref = TaskRef(job_id=stage.job_id, stage=stage.number, plan=stage.plan or "", index=shard * SHARD)
            self._service.lights_out(message, ref)


def _is_overdue(task: TaskRecord, silence_s: float, now: datetime, *, force: bool) -> bool:
    if not silence_s:
        return force
    return task.alive_at is not None and (now - task.alive_at).total_seconds() > silence_s


def _tasks(indexes: list[int]) -> str:
    listed = ", ".join(map(str, indexes[:_SHOWN])) + (", …" if len(indexes) > _SHOWN else "")
    return f"task {listed} is" if len(indexes) == 1 else f"{len(indexes):,} tasks ({listed}) are"
