"""The service: the way of a job, one function an arrow, in the order of DESIGN section 3.

submit -> plan -> seal -> dispatch -> claim, run, record -> lights out -> close -> complete

The rows are the truth and messages only hints: every function reads what is, does what is missing, and may be
called again at any time. A refused write is no verdict: the function reads again and decides by the rows.
What gives stages up (stop, settle, poison) is in `settling`.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import islice
from typing import Any

from .attempts import Attempts, Claim
from .clock import Clock
from .errors import EntityChanged, EntityExists, EntityNotFound, JobIsBeingPurged, StoreUnavailable
from .events import Action, Event, Observer
from .execution import Outcome, describe_exception, run_hook
from .jobs import Jobs, LoadedJob
from .messages import JOBS_QUEUE, TASKS_QUEUE, Incoming, Kind, Message
from .model import Chain, Failure, JobRecord, StageRecord, StageState, Status, Summary, TaskRecord, TaskRef, task_id
from .outbox import (
    PAGE,
    Each,
    Outbox,
    batches,
    job_message,
    one_after_another,
    reopen_message,
    stage_message,
    task_message,
)
from .payload import MAX_RESULT_BYTES, Codec, check_size
from .registry import Registry
from .repository import Repository
from .rows import GROUP, SHARD
from .stage import Stage
from .storage.limits import DELAY_S
from .storage.ports import Store
from .submission import Submission, prepare
from .summary import first_error, merge, summarise
from .switches import Switches

_ANY = Codec(Any)


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """What a submit came to: the job, and whether this call created it."""

    chain: Chain
    created: bool


class Service:
    """The state machine of jobs, on two ports. Thread-safe; every instance has one."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        *,
        clock: Clock,
        rng: random.Random,
        worker: str,
        observe: Observer,
        each: Each[Any] = one_after_another,
        together: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext,
    ) -> None:
        """Take everything from outside.

        `worker` names this instance in task rows, `each` may send in parallel, and what happens in `together` may be
        stored as a whole with what the same thread does next: a crash loses all of it or nothing.
        """
        self.repository = Repository(store.tables)
        self.jobs = Jobs(self.repository, registry)
        self.clock = clock
        self.observe = observe
        self.outbox = Outbox(store.queues, clock=clock, rng=rng, each=each)
        self._registry = registry
        self.worker = worker
        self.together = together
        self.attempts = Attempts(self.repository, clock=clock, rng=rng)
        self._switches = Switches()

    # submit

    def submit(
        self,
        job_type: str,
        params: Any,
        *,
        stages: Sequence[str] = (),
        source_job: str | None = None,
        source_list: Any = None,
        again: bool = False,
    ) -> Submitted:
        """Create a job, or find the one that is the same, and see to it that its first message is out.

        `stages` chooses consecutive stages by number, name or slug; `source_job` (an id) or `source_list` is where
        those read earlier results from. `again` makes a further run of the same parameters.
        Raises UnknownJobType, InvalidParams, InvalidSelection, InvalidSource, NotHashable, PayloadTooLarge,
        JobIsBeingPurged.
        """
        wanted = prepare(
            self._registry.get(job_type),
            params,
            chosen=stages,
            source_job=source_job,
            source_list=source_list,
            find_chain=self.repository.find_chain,
        )
        run = self._run_number(wanted, again=again)
        job = wanted.job(run, epoch=self.outbox.token(), now=self.clock.now())
        return self._create(job, wanted)

    def _run_number(self, wanted: Submission, *, again: bool) -> int:
        """Return which run is meant: the newest one, or with `again` one more, counted in the first run's row."""
        while True:
            first = self.repository.find_job(wanted.job_id(1))
            if first is None:
                return 1
            if first.is_purging:
                raise JobIsBeingPurged(job_id=first.job_id)
            if not again:
                return first.runs
            try:
                self.repository.count_run(first, first.runs + 1)
            except (EntityChanged, EntityNotFound):  # counted by another one, or purged
                continue
            if self.repository.find_job(wanted.job_id(first.runs + 1)) is None:  # it has outlived a purge of the first
                return first.runs + 1

    def _create(self, job: JobRecord, wanted: Submission) -> Submitted:
        chain = self.repository.find_chain(job.job_id)
        if chain is not None and chain.job.is_purging:
            raise JobIsBeingPurged(job_id=job.job_id)
        if chain is None:
            if wanted.listed is not None:
                self.repository.keep_source(job.job_id, wanted.listed)
            stages = [
                StageRecord(job_id=job.job_id, number=number, name=name, state=StageState.UNPLANNED, round=1)
                for number, name in zip(job.stage_numbers, wanted.stage_names, strict=True)
            ]
            self.repository.index.add(job)
            with contextlib.suppress(EntityExists):  # another submit was first, or this was a doubtful write of ours
                self.repository.create_job(job, stages)
            chain = self.repository.find_chain(job.job_id)
            if chain is None:
                raise StoreUnavailable(store="jobs", reason=f"job {job.job_id} was deleted while it was submitted")
            if chain.job.epoch != job.epoch:
                self.repository.index.unlist(job)
        self.wake(chain)
        created = chain.job.epoch == job.epoch
        if created:
            self.observe(Event(action=Action.SUBMITTED, job_id=job.job_id))
        return Submitted(chain=chain, created=created)

    def wake(self, chain: Chain) -> None:
        """Send the message that a queued job waits for; a submit, a retry, or whoever closed a stage, may have died before."""
        job = chain.job
        if job.status is not Status.QUEUED:
            return
        if job.stage is None:
            self.outbox.send(JOBS_QUEUE, job_message(Kind.COMPLETE, job))
            return
        stage = chain.find_stage(job.stage)
        if stage is not None and stage.state is StageState.UNPLANNED:
            self.outbox.send(JOBS_QUEUE, job_message(Kind.PLAN, job, stage=job.stage))
        if stage is not None and stage.state is StageState.REOPENING:
            self.outbox.send(JOBS_QUEUE, reopen_message(job))

    # plan

    def plan(self, incoming: Incoming) -> None:
        """Claim a stage for planning and write its tasks, or go on with what an earlier delivery has sealed."""
        message = incoming.message
        while True:
            chain = self.find_current(message)
            stage = chain.find_stage(message.stage) if chain is not None else None
            if chain is None or stage is None:
                return self.drop(message, "the job is gone, has ended or is in another round")
            if stage.state is StageState.CLOSED:
                return self.pass_on(chain, stage)
            refusal = _why_not_plan(chain, stage, incoming)
            if refusal:
                return self.drop(message, refusal)
            if stage.state is StageState.SEALED:
                return self._after_seal(chain, stage)
            try:
                taken = self.repository.take_planning(
                    chain, stage, self.outbox.token(), incoming.owner, self.clock.now()
                )
            except EntityChanged:
                continue
            self.observe(Event(action=Action.PLANNING, job_id=message.job_id, stage=stage.number))
            sealed = self._fan_out(chain.job, taken)
            if sealed is not None:
                return self._after_seal(chain, sealed)

    def _fan_out(self, job: JobRecord, taken: StageRecord) -> StageRecord | None:
        """Write a stage's tasks and seal it; None when the row must be read again: it failed, or somebody else has it."""
        try:
            loaded = self.jobs.find(job.job_id, job.epoch, job.round)
            if loaded is None:
                raise LookupError(f"job {job.job_id} was deleted while it was planned")
            stage = loaded.stage(taken.number)
            skipped = stage.options.skip_if is not None and bool(stage.options.skip_if(loaded.context))
            task_count = 0 if skipped else self._write_tasks(loaded, stage, taken)
        except StoreUnavailable:
            raise
        except BaseException as exc:  # noqa: BLE001 - whatever skip_if or a fan-out raises fails the job, never the worker
            self._give_up_planning(taken, describe_exception(exc))
            return None
        policy = stage.options.policy(task_count)
        try:
            sealed = self.repository.seal(taken, task_count, policy, self.clock.now(), skipped=skipped)
        except EntityChanged:
            return None
        self.observe(Event(action=Action.SEALED, job_id=job.job_id, stage=taken.number, count=task_count))
        return sealed

    def _write_tasks(self, loaded: LoadedJob, stage: Stage[Any, Any, Any], taken: StageRecord) -> int:
        """Run the fan-out in slices of a shard, several of which are written at once; return the number of tasks."""
        items: Iterator[str | None] = iter([None])  # without a fan-out the one task has no item
        if stage.fan_out_function is not None:
            items = _encoded(stage, stage.items(loaded.host(stage), loaded.context))
        count = 0

        def shards() -> Iterator[tuple[int, list[str | None]]]:
            nonlocal count
            while shard := list(islice(items, SHARD)):
                yield count, shard
                count += len(shard)

        def insert(shard: tuple[int, list[str | None]]) -> None:
            self.repository.insert_shard(taken, *shard, self.clock.now())

        self.outbox.each(shards(), insert)
        return count

    def _give_up_planning(self, taken: StageRecord, failure: Failure) -> None:
        """Close a stage whose fan-out failed, and the job with it, unless somebody else has taken the planning."""
        chain = self.repository.find_chain(taken.job_id)
        stage = chain.find_stage(taken.number) if chain is not None else None
        if chain is None or stage is None or stage.etag != taken.etag:
            return
        error = replace(failure, message=f"planning stage {stage.number} {stage.name!r} failed: {failure.message}")
        self.fail_unsealed(chain, stage, error)

    def fail_unsealed(self, chain: Chain, stage: StageRecord, error: Failure) -> bool:
        """Close a stage that is not sealed (of one being reopened the counts stay), with the job; False when a row has changed meanwhile."""
        try:
            self.repository.close_stage(
                chain, stage, summary=stage.summary, error=error, last_task="", now=self.clock.now()
            )
        except EntityChanged:
            return False
        self.observe(Event(action=Action.CLOSED, job_id=stage.job_id, stage=stage.number, text=error.message))
        self.outbox.send(JOBS_QUEUE, job_message(Kind.COMPLETE, chain.job))
        return True

    def _after_seal(self, chain: Chain, stage: StageRecord) -> None:
        if not stage.task_count:
            return self.close_empty(chain.job.epoch, stage)
        return self.dispatch(chain.job, stage, 0, stage.policy.first_to_send(stage.task_count))

    # dispatch

    def dispatch(self, job: JobRecord, stage: StageRecord, first: int, size: int) -> None:
        """Send the messages of the queued tasks of a range, or split it into smaller ones for the jobs queue.

        With `max_parallel` the range is the first tasks of the lanes: whoever ends one sends its lane's next.
        """
        if size > PAGE:
            return self.outbox.split(stage_message(Kind.DISPATCH, job.epoch, stage), first, size)

        def send_batch(batch: tuple[TaskRecord, int]) -> None:
            self.outbox.send(TASKS_QUEUE, task_message(job.epoch, stage, *batch))

        whole = stage.policy.batch == 1  # what a batch's rows hold is read at its claim
        queued = self.repository.queued_tasks(stage, first, size, params=whole)
        first_attempts = (task for task in queued if task.attempt == 1)
        return self.outbox.each(batches(first_attempts, stage.policy.batch), send_batch)

    def dispatch_range(self, incoming: Incoming) -> None:
        """Do what a dispatch message says; the rows say what of it is still to be sent."""
        message = incoming.message
        chain = self.find_current(message)
        stage = chain.find_stage(message.stage) if chain is not None else None
        if chain is None or stage is None or stage.plan != message.plan or stage.state is not StageState.SEALED:
            return self.drop(message, "the stage is not open any more")
        return self.dispatch(chain.job, stage, message.first, message.size)

    # claim, run, record

    def task(self, incoming: Incoming) -> None:
        """Claim the task that a message names, run it and record what came of it; then lights out."""
        message = incoming.message
        if message.not_before is not None and (left := (message.not_before - self.clock.now()).total_seconds()) > 0:
            return self.outbox.send(TASKS_QUEUE, message, delay_s=left)
        loaded = self.jobs.find(message.job_id, message.epoch, message.round)
        if loaded is None:
            return self.drop(message, "the job is gone")
        ref = ref_of(message)
        if message.etag and message.attempt == 1 and incoming.delivery == 1:
            try:
                etag = self._claim(ref, message.etag, incoming)
            except (EntityChanged, EntityNotFound):
                etag = ""
            if etag:
                return self._run(
                    incoming,
                    loaded,
                    ref,
                    message.params_json,
                    Claim(etag=etag, round=message.round, owner=incoming.owner),
                )
        return self._decide(incoming, loaded, ref)

    def _decide(self, incoming: Incoming, loaded: LoadedJob, ref: TaskRef) -> None:
        """Read the row and do what a message that meets it has to do (the table in docs/protocol.md)."""
        message = incoming.message
        while True:
            task = self.repository.find_task(ref)
            if task is None:
                return self.drop(message, "the task is gone")
            mine = task.owner is not None and task.owner.same_message(incoming.owner)
            if task.status.ended:
                if mine:
                    return self.after_end(message, ref, task.status)
                return self.pass_lane(message, ref, "another message has ended the task")
            if task.status is Status.PROCESSING:
                refusal = _why_not_take_over(task, incoming)
                if refusal:
                    return self.drop(message, refusal)
                if task.owner == incoming.owner:  # a doubtful claim that had succeeded
                    held = Claim(etag=task.etag, round=message.round, owner=incoming.owner)
                    return self._run(incoming, loaded, ref, task.params_json, held)
                self.observe(self.event(Action.TAKEN_OVER, ref, attempt=task.attempt))
            elif task.round != message.round or task.attempt != message.attempt:
                if mine and task.round == message.round and task.attempt == message.attempt + 1:
                    return self.send_retry(message, task, delay=None)
                return self.drop(message, "the task is queued for another round or attempt")
            try:
                if task.status is Status.QUEUED and task.attempt > 1 and self._fail_stopped(incoming, task):
                    return self.after_end(message, ref, Status.FAILED)
                etag = self._claim(ref, task.etag, incoming)
            except EntityChanged:
                continue
            return self._run(
                incoming, loaded, ref, task.params_json, Claim(etag=etag, round=message.round, owner=incoming.owner)
            )

    def _fail_stopped(self, incoming: Incoming, task: TaskRecord) -> bool:
        """Fail a task that is not to be tried again because its stage was stopped; False when it goes on."""
        chain = self.repository.find_chain(task.ref.job_id)
        stage = chain.find_stage(task.ref.stage) if chain is not None else None
        if stage is None or not stage.stop:
            return False
        error = stopped_failure(stage)
        self.repository.record_failed(task.ref, task.etag, error, self.clock.now(), incoming.owner)
        self.observe(self.event(Action.FAILED, task.ref, attempt=task.attempt, text=error.message))
        return True

    def _claim(self, ref: TaskRef, etag: str, incoming: Incoming) -> str:
        new = self.repository.claim(ref, etag, incoming.owner, self.worker, self.clock.now())
        self.observe(self.event(Action.CLAIMED, ref, attempt=incoming.message.attempt))
        return new

    def _run(self, incoming: Incoming, loaded: LoadedJob, ref: TaskRef, params_json: str | None, claim: Claim) -> None:
        attempt = self.attempts.run(loaded, ref, incoming.message.attempt, params_json, claim)
        with self.together():
            return self._record(incoming, loaded, ref, attempt, claim)

    def _record(
        self,
        incoming: Incoming,
        loaded: LoadedJob,
        ref: TaskRef,
        attempt: tuple[Outcome, timedelta | None],
        claim: Claim,
    ) -> None:
        """Write what an attempt came to, if the row is still this delivery's."""
        message = incoming.message
        outcome, delay = attempt
        etag = ""
        while True:
            now = self.clock.now()
            try:
                if outcome.failure is None:
                    self.repository.record_completed(ref, claim.etag, outcome.result_json or "null", now)
                elif delay is not None:
                    again = (message.attempt + 1, now + delay)
                    etag = self.repository.requeue(ref, claim.etag, *again, outcome.failure, now)
                else:
                    self.repository.record_failed(ref, claim.etag, outcome.failure, now)
                break
            except EntityNotFound:
                return self.drop(message, "the task is gone")
            except EntityChanged:
                task = self.repository.find_task(ref)
                if task is None or task.status is not Status.PROCESSING or task.owner != incoming.owner:
                    return self._decide(incoming, loaded, ref)
                claim.etag = task.etag
        self.tell_outcome(ref, message.attempt, outcome, retried=delay is not None)
        if delay is not None:
            queued = TaskRecord(
                ref=ref, status=Status.QUEUED, attempt=message.attempt + 1, round=message.round, etag=etag
            )
            return self.send_retry(message, queued, delay=delay)
        return self.after_end(message, ref, Status.COMPLETED if outcome.failure is None else Status.FAILED)

    def tell_outcome(self, ref: TaskRef, attempt: int, outcome: Outcome, *, retried: bool) -> None:
        """Tell what an attempt came to, once that is recorded."""
        failure = outcome.failure
        action = Action.COMPLETED if failure is None else Action.RETRYING if retried else Action.FAILED
        text = "" if failure is None else f"{failure.type}: {failure.message}"
        self.observe(self.event(action, ref, attempt=attempt, text=text))

    def send_retry(self, message: Message, task: TaskRecord, *, delay: timedelta | None) -> None:
        """Send the message of the next attempt; without a delay (after a crash) it starts when its row says."""
        if delay is None and task.not_before is not None:
            delay = task.not_before - self.clock.now()
        delay_s = max(0.0, delay.total_seconds()) if delay is not None else 0.0
        due = self.clock.now() + timedelta(seconds=delay_s) if delay_s > DELAY_S else None
        again = replace(
            message,
            first=task.ref.index,
            size=1,
            attempt=task.attempt,
            etag=task.etag,
            params_json=None,
            not_before=due,
            turn=0,
            spent=0,
        )
        self.outbox.send(TASKS_QUEUE, again, delay_s=delay_s)

    # after the end of a task: its lane, a stop of its stage, lights out

    def after_end(self, message: Message, ref: TaskRef, status: Status) -> None:
        """Do all that follows the end of a message's task, before the message is deleted."""
        if status is Status.FAILED and message.stop_at == 1:
            self._stop_over(message, ref.index)  # and what is stopped needs no lanes any more
        else:
            self._send_lane(message)
        self.lights_out(message, ref)

    def after_batch(self, message: Message, ended: Sequence[TaskRecord]) -> None:
        """Do what follows the end of a batch's tasks, which are of one shard: once, for a failed one if there is any."""
        failed = [task for task in ended if task.status is Status.FAILED]
        for task in failed[:1] or ended[-1:]:
            self.after_end(message, task.ref, task.status)

    def pass_lane(self, message: Message, ref: TaskRef, reason: str) -> None:
        """Pass a lane on over a task that something else has ended; a stage that is stopped needs no lanes any more."""
        if message.lanes:
            chain = self.find_current(message)
            stage = chain.find_stage(ref.stage) if chain is not None else None
            if stage is not None and stage.state is StageState.SEALED and not stage.stop:
                self._send_lane(message)
        self.drop(message, reason)

    def _send_lane(self, message: Message) -> None:
        """Send a lane's next task: a laned stage has `lanes` messages about, one in each."""
        following = message.first + message.lanes
        if message.lanes and following < message.task_count:
            head = replace(
                message, first=following, attempt=1, etag="", params_json=None, not_before=None, turn=0, spent=0
            )
            self.outbox.send(TASKS_QUEUE, head)

    def _stop_over(self, message: Message, index: int) -> None:
        """Ask for a stop of the stage over a failed task, unless it is being stopped already."""
        chain = self.find_current(message)
        stage = chain.find_stage(message.stage) if chain is not None else None
        if chain is None or stage is None or stage.state is not StageState.SEALED or stage.stop:
            return
        stop = stage_message(Kind.STOP, message.epoch, stage)
        self.outbox.send(JOBS_QUEUE, replace(stop, first=index, size=1))

    def lights_out(self, message: Message, ref: TaskRef) -> None:
        """After a task has ended: is its shard done, its group, the stage? Whoever finds the root complete closes it.

        Record before check and mark before check: with strongly consistent reads the last one always sees it.
        """
        if self.repository.has_open_task(ref):
            return None
        shard = (ref.job_id, ref.stage, ref.plan, message.round, ref.index // SHARD)
        with self._switches.at(shard) as todo:
            return self._turn_out(message, ref) if todo else None

    def _turn_out(self, message: Message, ref: TaskRef) -> None:
        """Mark a shard that is done and go up as far as groups are complete; close the stage at the root."""
        ended = self.repository.ended_tasks_of_shard(ref)
        if not ended:
            return None  # the job was purged meanwhile: nothing would delete a marker any more
        summary = summarise(ended)
        member, members, level = ref.index // SHARD, -(-message.task_count // SHARD), 1
        while members > 1:
            self.repository.mark(ref, message.round, level, member, summary)
            group = member // GROUP
            marked = self.repository.marked(ref, message.round, level, group)
            summary = merge(marked)
            if len(marked) < min(GROUP, members - group * GROUP):
                first = first_error(summary)
                if first is not None and summary.failed >= message.stop_at > 1:
                    self._stop_over(message, first.index)
                return None
            member, members, level = group, -(-members // GROUP), level + 1
        return self.close_stage(message.epoch, ref, message.round, summary, last_task=ref.task_id)

    def close_stage(self, epoch: str, ref: TaskRef, round_: int, summary: Summary, *, last_task: str) -> None:
        """Close a stage whose tasks have all ended and send on, also when another one has closed it: it may be dead."""
        while True:
            chain = self.repository.find_chain(ref.job_id)
            if chain is None or chain.job.epoch != epoch:
                return None
            stage = chain.find_stage(ref.stage)
            if stage is None or stage.plan != ref.plan or stage.round != round_:
                return None
            if stage.state is StageState.CLOSED:
                return self.pass_on(chain, stage)
            if stage.state is not StageState.SEALED or chain.job.status.ended:
                return None
            error = _stage_failure(stage, summary)
            try:
                self.repository.close_stage(
                    chain, stage, summary=summary, error=error, last_task=last_task, now=self.clock.now()
                )
            except EntityChanged:
                continue
            self.observe(
                Event(
                    action=Action.CLOSED,
                    job_id=ref.job_id,
                    stage=stage.number,
                    index=ref.index if last_task else None,
                    count=summary.ended,
                    text=error.message if error else "",
                )
            )
            if error is not None:
                return self.outbox.send(JOBS_QUEUE, job_message(Kind.COMPLETE, chain.job))
            following = chain.job.next_stage(stage.number)
            kind = Kind.COMPLETE if following is None else Kind.PLAN
            return self.outbox.send(JOBS_QUEUE, job_message(kind, chain.job, stage=following or 0))

    def close_empty(self, epoch: str, stage: StageRecord) -> None:
        """Close a sealed stage of 0 tasks: there is none that could turn out the lights."""
        ref = TaskRef(job_id=stage.job_id, stage=stage.number, plan=stage.plan or "", index=0)
        self.close_stage(epoch, ref, stage.round, Summary(), last_task="")

    def pass_on(self, chain: Chain, stage: StageRecord) -> None:
        """Send what follows a closed stage, unless the job has verifiably gone on."""
        if chain.job.status.ended:
            self.wind_up(chain.job)
        elif chain.job.stage == chain.job.next_stage(stage.number):
            self.wake(chain)

    def wind_up(self, job: JobRecord) -> None:
        """Send the message that tidies up after a job that has ended, unless that has been done."""
        if self.repository.index.is_active(job):
            self.outbox.send(JOBS_QUEUE, job_message(Kind.COMPLETE, job))

    # complete

    def complete_job(self, incoming: Incoming) -> None:
        """Aggregate and end a job whose stages are closed; tidy up after one that has ended."""
        message = incoming.message
        while True:
            job = self.repository.find_job(message.job_id)
            if job is not None and job.epoch == message.epoch and job.round > message.round:
                # It was retried before its end was tidied up after; that of the new round calls the hook.
                self.repository.index.drop(replace(job, round=message.round))
            if job is None or not _is_of(job, message):
                return self.drop(message, "the job is gone or in another round")
            if incoming.is_suspect:
                self.repository.index.note_completing(job, incoming.owner)
            if job.status.ended:
                return self._tidy_up(job)
            if job.stage is not None:
                return self.drop(message, f"the job is at stage {job.stage}")
            result_json: str | None = None
            error: Failure | None = None
            try:
                loaded = self.jobs.load(job)
                value = loaded.controller.aggregate(loaded.context)
                text = _ANY.encode(value, what="the job's result")
                result_json = check_size(text, what="the job's result", limit_bytes=MAX_RESULT_BYTES)
            except StoreUnavailable:
                raise
            except BaseException as exc:  # noqa: BLE001 - whatever `aggregate` raises fails the job, never the worker
                failure = describe_exception(exc)
                error = replace(failure, message=f"aggregate failed: {failure.message}")
            self.end_job(job, result_json=result_json, error=error)  # then it is found ended, by whomever

    def end_job(self, job: JobRecord, *, result_json: str | None, error: Failure | None) -> None:
        """End a job whose last stage is closed; leaves it as it is when it has gone on meanwhile."""
        token, now = self.outbox.token(), self.clock.now()
        while True:
            try:
                self.repository.end_job(job, result_json=result_json, error=error, token=token, now=now)
                break
            except EntityChanged:
                found = self.repository.find_job(job.job_id)
            if found is None or not found.is_where(job):
                return
            job = found  # only something was noted in its row, such as what an operator did
        self.observe(Event(action=Action.ENDED, job_id=job.job_id, text=error.message if error else ""))

    def _tidy_up(self, job: JobRecord) -> None:
        """Run the hook of a job that has ended, then take it from the active ones: its row there says what is left."""
        if not self.repository.index.is_active(job):
            return
        try:
            loaded = self.jobs.load(job)
        except StoreUnavailable:
            raise
        except BaseException as exc:  # noqa: BLE001 - a controller that can't be made has no hook to run
            text = describe_exception(exc).message
            self.observe(Event(action=Action.HOOK_FAILED, job_id=job.job_id, text=text))
        else:
            run_hook(loaded, status=job.status.value)
        self.repository.index.drop(job)

    # what all of them use

    def find_chain(self, message: Message) -> Chain | None:
        """Read the job of a message; None when it is gone, or of another epoch or round."""
        chain = self.repository.find_chain(message.job_id)
        return chain if chain is not None and _is_of(chain.job, message) else None

    def find_current(self, message: Message) -> Chain | None:
        """Read the job of a message; None also when it has ended before it closed the message's stage."""
        chain = self.find_chain(message)
        if chain is not None and chain.job.status.ended:
            stage = chain.find_stage(message.stage)
            return chain if stage is not None and stage.state is StageState.CLOSED else None
        return chain

    def drop(self, message: Message, reason: str) -> None:
        """Tell that a message had nothing to do."""
        self.tell(Action.DROPPED, message, f"{message.kind.value}: {reason}")

    def tell(self, action: Action, message: Message, text: str, *, attempt: int | None = None) -> None:
        """Tell what became of a message."""
        index = message.first if message.kind is Kind.TASK else None
        self.observe(
            Event(
                action=action,
                job_id=message.job_id,
                stage=message.stage or None,
                index=index,
                attempt=attempt,
                text=text,
            )
        )

    def event(self, action: Action, ref: TaskRef, *, attempt: int, text: str = "") -> Event:
        """Make the event of a task."""
        return Event(action=action, job_id=ref.job_id, stage=ref.stage, index=ref.index, attempt=attempt, text=text)


def _encoded(stage: Stage[Any, Any, Any], items: Iterable[Any]) -> Iterator[str]:
    """Yield the items of a stage's fan-out as they are stored, one by one."""
    for index, item in enumerate(items):
        what = f"the item of task {index}"
        yield check_size(stage.item_codec.encode(item, what=what), what=what)


def _is_of(job: JobRecord, message: Message) -> bool:
    return job.epoch == message.epoch and job.round == message.round


def _why_not_plan(chain: Chain, stage: StageRecord, incoming: Incoming) -> str:
    """Return why a plan message has nothing to do with an open stage; empty when it has."""
    if chain.job.stage != stage.number:
        return f"the job is at stage {chain.job.stage}"
    if stage.state is StageState.REOPENING:
        return "the stage is being reopened"
    if stage.state is StageState.UNPLANNED or stage.owner is None:
        return ""
    if not stage.owner.same_message(incoming.owner):
        # As with a task that another message has claimed: that one's own deliveries do the rest, also once it is sealed.
        return "another message plans the stage"
    return "a newer delivery plans the stage" if stage.owner.delivery > incoming.delivery else ""


def _why_not_take_over(task: TaskRecord, incoming: Incoming) -> str:
    """Return why a delivery must leave a claimed task alone; empty when it may go on with it."""
    if task.owner is None or not task.owner.same_message(incoming.owner):
        return "another message has claimed the task"
    return "a newer delivery has claimed the task" if task.owner.delivery > incoming.delivery else ""


def ref_of(message: Message) -> TaskRef:
    """Return which task a task message names."""
    return TaskRef(job_id=message.job_id, stage=message.stage, plan=message.plan, index=message.first)


def stopped_failure(stage: StageRecord) -> Failure:
    """Return the failure of a task that was not started because its stage was stopped."""
    reason = stage.error.message if stage.error is not None else "the stage was stopped"
    return Failure(type="Stopped", message=f"not started: {reason}")


def _stage_failure(stage: StageRecord, summary: Summary) -> Failure | None:
    """Return why a stage whose tasks have all ended fails its job; None when it does not."""
    if stage.stop:
        return stage.error or Failure(type="Stopped", message=f"stage {stage.number} {stage.name!r} was stopped")
    first = first_error(summary)
    if first is None or stage.policy.allows(summary.failed):
        return None
    example = f"{first.failure.type}: {first.failure.message} (task {task_id(stage.job_id, stage.number, first.index)})"
    return Failure(
        type="StageFailed",
        message=f"{summary.failed:,} of {summary.ended:,} tasks of stage {stage.number} {stage.name!r} failed: {example}",
        traceback=first.failure.traceback,
    )
