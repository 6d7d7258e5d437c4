"""The repository: the service's questions and changes, said in rows. It alone knows keys and properties.

A change takes the record that was read and is conditional on its ETag: it raises EntityChanged when the row has
changed since, which is no verdict: read again and decide.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from . import rows, task_changes
from .errors import UNREADABLE, AmbiguousId, EntityExists, EntityNotFound, RowDamaged, UnknownJob
from .job_index import JobIndex
from .model import (
    Audit,
    Chain,
    Failure,
    JobRecord,
    KeptMessage,
    Owner,
    Policy,
    StageRecord,
    StageState,
    Status,
    Summary,
    TaskRecord,
    TaskRef,
)
from .payload import MAX_PAYLOAD_BYTES
from .removal import Removal
from .rows import GROUP, SHARD, Properties
from .storage.limits import PROPERTY_BYTES, utf16_units
from .storage.ports import Condition, Delivery, Entity, Insert, Mode, Operation, Span, Tables, Update

_OPEN = (Condition("status", "ne", Status.COMPLETED.value), Condition("status", "ne", Status.FAILED.value))
_TEXT_PARTS = MAX_PAYLOAD_BYTES // PROPERTY_BYTES + 1
_PARAMS = rows.text_properties("params", _TEXT_PARTS)
_RESULT = rows.text_properties("result", _TEXT_PARTS)
_STATE = ("row_version", "status", "attempt", "round")
_OWNER = ("owner_key", "owner_message", "owner_delivery")
_ERROR = ("error_type", "error_message", "error_traceback")
_TIMES = ("queued_at", "not_before", "started_at", "progress_at", "ended_at")
_CHUNK_BYTES = 4 * PROPERTY_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """What one attempt of a batch came to: a result, or a failure and, if it is tried again, the next attempt."""

    ref: TaskRef
    etag: str
    result_json: str = "null"
    failure: Failure | None = None
    next_attempt: int | None = None
    not_before: datetime | None = None


class Repository:
    """Rows of jobs, stages, tasks and markers on the tables port."""

    def __init__(self, tables: Tables) -> None:
        """Keep the port."""
        self._tables = tables
        self.index = JobIndex(tables)
        self.removal = Removal(tables)

    # Jobs and stages

    def create_job(self, job: JobRecord, stages: Sequence[StageRecord]) -> None:
        """Insert a job row and its stage rows, all or none. Raises EntityExists."""
        entities = [rows.write_job(job), *map(rows.write_stage, stages)]
        self._tables.transact(rows.JOBS, [Insert(entity) for entity in entities])

    def find_job(self, job_id: str) -> JobRecord | None:
        """Read a job row; None when there is none."""
        try:
            return rows.read_job(self._tables.get(rows.JOBS, job_id, rows.JOB_ROW))
        except EntityNotFound:
            return None

    def find_chain(self, job_id: str) -> Chain | None:
        """Read a job and its stages in one query; None when there is no such job."""
        found = list(self._tables.query(rows.JOBS, job_id, rows=rows.CHAIN_ROWS))
        if not found or found[0].row != rows.JOB_ROW:
            return None
        return Chain(job=rows.read_job(found[0]), stages=tuple(map(rows.read_stage, found[1:])))

    def get_chain(self, job_id: str) -> Chain:
        """Read a job, its stages and its whole result, unless that is being deleted. Raises UnknownJob."""
        chain = self.find_chain(job_id)
        if chain is None:
            raise UnknownJob(job_id=job_id)
        if chain.job.result_chunks and not chain.job.is_purging:
            text = self._read_chunks(job_id, f"chunk-{chain.job.result_token}-")
            return replace(chain, job=replace(chain.job, result_json=text))
        return chain

    def resolve_job_id(self, prefix: str) -> str:
        """Find the one job id that begins with `prefix`. Raises UnknownJob, AmbiguousId."""
        if not prefix or not all(c in "0123456789abcdef" for c in prefix):
            raise UnknownJob(job_id=prefix)
        only = Span(rows.JOB_ROW, rows.JOB_ROW + " ")
        found = self._tables.query(rows.JOBS, Span(prefix, prefix + "~"), rows=only, select=(), top=3)
        ids = [entity.partition for entity in found]
        if not ids:
            raise UnknownJob(job_id=prefix)
        if len(ids) > 1:
            raise AmbiguousId(prefix=prefix, matches=ids)
        return ids[0]

    def resolve_job_ids(self, prefixes: Iterable[str]) -> list[str]:
        """Find each of several jobs once, by how their ids begin. Raises UnknownJob, AmbiguousId."""
        return list(dict.fromkeys(map(self.resolve_job_id, prefixes)))

    def count_run(self, first: JobRecord, runs: int) -> None:
        """Note in the first run's row that there are `runs` of it; the run itself has not gone on by that."""
        self._merge_job(first, {"runs": runs})

    def keep_source(self, job_id: str, text: str) -> None:
        """Store an explicit list of earlier results (idempotent: a job id has one content)."""
        self._write_chunks(job_id, "earlier-", text)

    def read_source(self, job_id: str) -> str:
        """Read an explicit list of earlier results."""
        return self._read_chunks(job_id, "earlier-")

    # Plan, seal, close

    def take_planning(self, chain: Chain, stage: StageRecord, plan: str, owner: Owner, now: datetime) -> StageRecord:
        """Claim a stage row under a new plan id and mark the job `processing`, together."""
        changes: Properties = {
            "state": StageState.PLANNING.value,
            "plan": plan,
            "round": stage.round,
            "started_at": rows.write_time(stage.started_at or now),
        }
        rows.put_owner(changes, owner)
        etag, _ = self._merge_stage_and_job(
            stage, changes, chain.job, {"status": Status.PROCESSING.value, "updated_at": rows.write_time(now)}
        )
        return replace(stage, state=StageState.PLANNING, plan=plan, owner=owner, etag=etag)

    def release_planning(self, stage: StageRecord) -> None:
        """Give a stage back whose planner is silent, so that another message can plan it."""
        changes: Properties = {"state": StageState.UNPLANNED.value, "owner_key": ""}
        entity = Entity(partition=stage.job_id, row=rows.stage_row(stage.number), properties=changes)
        self._tables.update(rows.JOBS, entity, etag=stage.etag)

    def insert_shard(self, stage: StageRecord, first: int, items: Sequence[str | None], now: datetime) -> None:
        """Write up to 100 queued tasks from index `first` on, in as few transactions as their size allows."""
        partition = rows.shard_partition(stage.job_id, stage.number, stage.plan or "", first // SHARD)
        inserts: list[Insert] = []
        for index, params_json in enumerate(items, first):
            properties = task_changes.planned(params_json, stage.round, now)
            inserts.append(Insert(Entity(partition=partition, row=rows.task_row(index), properties=properties)))
        for part in task_changes.cut(inserts):
            with contextlib.suppress(EntityExists):  # a doubtful write of ours: a plan id belongs to one planning
                self._tables.transact(rows.TASKS, part)

    def seal(
        self, stage: StageRecord, task_count: int, policy: Policy, now: datetime, *, skipped: bool = False
    ) -> StageRecord:
        """Fix a stage's plan id, its number of tasks and what holds for them together."""
        changes: Properties = {
            "state": StageState.SEALED.value,
            "task_count": task_count,
            "sealed_at": rows.write_time(now),
        }
        if skipped:
            changes["skipped"] = True
        rows.put_policy(changes, policy)
        entity = Entity(partition=stage.job_id, row=rows.stage_row(stage.number), properties=changes)
        etag = self._tables.update(rows.JOBS, entity, etag=stage.etag)
        return replace(stage, state=StageState.SEALED, task_count=task_count, policy=policy, skipped=skipped, etag=etag)

    def close_stage(
        self,
        chain: Chain,
        stage: StageRecord,
        *,
        summary: Summary,
        error: Failure | None,
        last_task: str,
        now: datetime,
    ) -> None:
        """Close a stage and move the job on, together: to the next stage, or to `failed` with the error."""
        at = rows.write_time(now)
        changes: Properties = {
            "state": StageState.CLOSED.value,
            "summary": rows.write_summary(summary),
            "last_task": last_task,
            "ended_at": at,
        }
        rows.put_failure(changes, error)
        moved: Properties = {"updated_at": at}
        if error is None:
            moved |= {"status": Status.QUEUED.value, "stage": chain.job.next_stage(stage.number) or 0}
        else:
            moved |= {"status": Status.FAILED.value}
            rows.put_failure(moved, error)
        self._merge_stage_and_job(stage, changes, chain.job, moved)

    def flag_stop(self, chain: Chain, stage: StageRecord, error: Failure, now: datetime) -> None:
        """Flag a sealed stage: its queued tasks are to be settled, and closing it fails the job with the error."""
        changes: Properties = {"stop": True}
        rows.put_failure(changes, error)
        self._merge_stage_and_job(stage, changes, chain.job, {"updated_at": rows.write_time(now)})

    def end_job(
        self,
        job: JobRecord,
        *,
        result_json: str | None,
        error: Failure | None,
        token: str,
        now: datetime,
    ) -> None:
        """End a job with its result or error; a long result goes to chunk rows first, under `token`."""
        changes: Properties = {
            "status": (Status.COMPLETED if error is None else Status.FAILED).value,
            "stage": 0,
            "updated_at": rows.write_time(now),
        }
        rows.put_failure(changes, error)
        if result_json is not None:
            if 2 * utf16_units(result_json) <= PROPERTY_BYTES:
                changes["job_result_data"] = result_json
            else:
                changes |= {
                    "result_token": token,
                    "result_chunks": self._write_chunks(job.job_id, f"chunk-{token}-", result_json),
                }
        self._merge_job(job, changes)

    # Another round

    @staticmethod
    def next_round(job: JobRecord) -> JobRecord:
        """Return a job's row as its next round begins: queued at the stage at which it ended, without what it came to."""
        return replace(
            job,
            status=Status.QUEUED,
            round=job.round + 1,
            error=None,
            result_json=None,
            result_token="",
            result_chunks=0,
        )

    def begin_round(self, chain: Chain, at: int | None, chosen: tuple[int, ...] | None, now: datetime) -> JobRecord:
        """Begin a job's next round and return its row: stage `at` is to be reopened for the `chosen` tasks or for all.

        It is planned if it has none, as are the stages after it; None for no stage: the job is to be completed again.
        """
        job = replace(self.next_round(chain.job), stage=at, updated_at=now)
        operations = [Update(rows.write_job(job), chain.job.etag, Mode.REPLACE)]
        for stage in chain.stages:
            if job.stage is None or stage.number < job.stage:
                continue
            again = StageRecord(
                job_id=job.job_id, number=stage.number, name=stage.name, state=StageState.UNPLANNED, round=job.round
            )
            if stage.number == job.stage and stage.task_count:
                again = replace(
                    stage,
                    state=StageState.REOPENING,
                    round=job.round,
                    owner=None,
                    chosen=chosen,
                    stop=False,
                    error=None,
                    last_task=None,
                    ended_at=None,
                )
            operations.append(Update(rows.write_stage(again), stage.etag, Mode.REPLACE))
        self._tables.transact(rows.JOBS, operations)
        return job

    def tasks_to_reset(self, stage: StageRecord) -> Iterator[TaskRecord]:
        """Yield the tasks of older rounds that have not completed, with their parameters, in index order."""
        where = (Condition("status", "ne", Status.COMPLETED.value), Condition("round", "lt", stage.round))
        return self._tasks(stage, 0, stage.task_count or 0, where=where, select=(*_STATE, *_PARAMS))

    def reset(self, stage: StageRecord, tasks: Sequence[TaskRecord], now: datetime) -> None:
        """Queue tasks of one shard for a stage's round, as if they had just been planned; what is not chosen stays failed."""
        chosen = None if stage.chosen is None else set(stage.chosen)
        updates: list[Update] = []
        for task in tasks:
            if chosen is not None and task.ref.index not in chosen:
                updates.append(task_changes.update_of(task.ref, task.etag, {"round": stage.round}))
                continue
            entity = Entity(
                partition=rows.ref_partition(task.ref),
                row=rows.task_row(task.ref.index),
                properties=task_changes.planned(task.params_json, stage.round, now),
            )
            updates.append(Update(entity, task.etag, Mode.REPLACE))
        for part in task_changes.cut(updates):
            self._tables.transact(rows.TASKS, part)

    def seal_again(self, chain: Chain, stage: StageRecord, now: datetime) -> None:
        """Seal a stage that was reopened: what holds for its tasks together is as it was."""
        at = rows.write_time(now)
        changes: Properties = {"state": StageState.SEALED.value, "sealed_at": at}
        moved: Properties = {"status": Status.PROCESSING.value, "updated_at": at}
        self._merge_stage_and_job(stage, changes, chain.job, moved)

    # Tasks

    def find_task(self, ref: TaskRef) -> TaskRecord | None:
        """Read a task row; None when there is none."""
        try:
            return rows.read_task(self._tables.get(rows.TASKS, rows.ref_partition(ref), rows.task_row(ref.index)))
        except EntityNotFound:
            return None

    def find_listed_task(self, stage: StageRecord, index: int) -> TaskRecord | None:
        """Read a task of a stage by its index; None when there is none."""
        return next(self._tasks(stage, index, 1, where=(), select=None), None)

    def claim(self, ref: TaskRef, etag: str, owner: Owner, worker: str, now: datetime) -> str:
        """Mark a task `processing` for a delivery; return the new ETag. Raises EntityChanged, EntityNotFound."""
        return self._merge_task(ref, etag, task_changes.claimed(owner, worker, now))

    def claim_all(self, tasks: Sequence[TaskRecord], owner: Owner, worker: str, now: datetime) -> list[str]:
        """Claim tasks of one shard, all or none; return the new ETags."""
        changes = task_changes.claimed(owner, worker, now)
        return self._tables.transact(
            rows.TASKS, [task_changes.update_of(task.ref, task.etag, changes) for task in tasks]
        )

    def record_completed(self, ref: TaskRef, etag: str, result_json: str, now: datetime) -> str:
        """Record a task's result; return the new ETag."""
        return self._merge_task(ref, etag, task_changes.completed(result_json, now))

    def record_failed(
        self, ref: TaskRef, etag: str, failure: Failure, now: datetime, owner: Owner | None = None
    ) -> str:
        """Record a task's failure, for a new owner where one is given; return the new ETag."""
        changes = task_changes.failed(failure, now)
        if owner is not None:
            rows.put_owner(changes, owner)
        return self._merge_task(ref, etag, changes)

    def requeue(
        self, ref: TaskRef, etag: str, attempt: int, not_before: datetime, failure: Failure, now: datetime
    ) -> str:
        """Queue a task again for another attempt, its owner kept; return the new ETag."""
        return self._merge_task(ref, etag, task_changes.requeued(attempt, not_before, failure, now))

    def record_all(self, ends: Sequence[End], now: datetime) -> None:
        """Record what attempts at tasks of one shard came to, in as few transactions as their size allows."""
        updates: list[Update] = []
        for end in ends:
            if end.failure is None:
                changes = task_changes.completed(end.result_json, now)
            elif end.next_attempt is None:
                changes = task_changes.failed(end.failure, now)
            else:
                changes = task_changes.requeued(end.next_attempt, end.not_before or now, end.failure, now)
            updates.append(task_changes.update_of(end.ref, end.etag, changes))
        for part in task_changes.cut(updates):
            self._tables.transact(rows.TASKS, part)

    def release(self, tasks: Sequence[TaskRecord], owner: Owner, now: datetime) -> None:
        """Queue tasks of one shard for their next attempt, for a new owner, all or none."""
        operations: list[Operation] = []
        for task in tasks:
            changes: Properties = {
                "status": Status.QUEUED.value,
                "attempt": task.attempt + 1,
                "queued_at": rows.write_time(now),
            }
            rows.put_owner(changes, owner)
            operations.append(task_changes.update_of(task.ref, task.etag, changes))
        self._tables.transact(rows.TASKS, operations)

    def settle(self, tasks: Sequence[TaskRecord], failure: Failure, key: str, now: datetime) -> None:
        """Fail queued tasks of one shard that are not to be started, in as few transactions as their size allows."""
        changes = task_changes.failed(failure, now)
        rows.put_owner(changes, Owner(key=key, message_id="stop", delivery=0))
        for part in task_changes.cut([task_changes.update_of(task.ref, task.etag, changes) for task in tasks]):
            self._tables.transact(rows.TASKS, part)

    def report_progress(self, ref: TaskRef, etag: str, done: int, total: int, text: str, now: datetime) -> str:
        """Note a running task's progress, which is also its sign of life; return the new ETag."""
        changes: Properties = {
            "progress_done": done,
            "progress_total": total,
            "progress_text": text[:200],
            "progress_at": rows.write_time(now),
        }
        return self._merge_task(ref, etag, changes)

    def queued_tasks(self, stage: StageRecord, first: int, size: int, *, params: bool = True) -> Iterator[TaskRecord]:
        """Yield the tasks of a range that are queued in the stage's round, with ETags and, unless told, parameters."""
        return self._tasks(
            stage,
            first,
            size,
            where=(Condition("status", "eq", Status.QUEUED.value), Condition("round", "eq", stage.round)),
            select=(*_STATE, *(_PARAMS if params else ())),
        )

    def tasks_of_batch(self, first: TaskRef, size: int) -> list[TaskRecord]:
        """Read consecutive tasks of one shard."""
        span = Span(rows.task_row(first.index), rows.task_row(first.index + size))
        return [rows.read_task(e) for e in self._tables.query(rows.TASKS, rows.ref_partition(first), rows=span)]

    def completed_tasks(self, stage: StageRecord) -> Iterator[TaskRecord]:
        """Yield the completed tasks of a stage with their results, in index order."""
        where = (Condition("status", "eq", Status.COMPLETED.value),)
        return self._tasks(stage, 0, stage.task_count or 0, where=where, select=(*_STATE, *_RESULT))

    def failed_tasks(self, stage: StageRecord) -> Iterator[TaskRecord]:
        """Yield the failed tasks of a stage with their errors, in index order."""
        where = (Condition("status", "eq", Status.FAILED.value),)
        return self._tasks(stage, 0, stage.task_count or 0, where=where, select=(*_STATE, *_ERROR))

    def states_of_tasks(self, stage: StageRecord) -> Iterator[TaskRecord]:
        """Yield all tasks of a stage without parameters and results, in index order."""
        select = (*_STATE, *_OWNER, "not_before", "started_at", "progress_at")
        return self._tasks(stage, 0, stage.task_count or 0, where=(), select=select)

    def tasks_of_unsealed_plans(self, stage: StageRecord) -> Iterator[TaskRecord]:
        """Yield what planners wrote whose plan was not sealed: its state and owner."""
        sealed = stage.plan if stage.task_count is not None else None
        for span in rows.unsealed_spans(stage.job_id, stage.number, sealed):
            for entity in self._tables.query(rows.TASKS, span, select=(*_STATE, *_OWNER)):
                if rows.is_shard(entity.partition):
                    yield rows.read_task(entity)

    def all_tasks(self, stage: StageRecord) -> Iterator[TaskRecord]:
        """Yield all tasks of a stage whole, in index order."""
        return self.listed_tasks(stage, 0)

    def listed_tasks(self, stage: StageRecord, first: int, *, status: Status | None = None) -> Iterator[TaskRecord]:
        """Yield the tasks of a stage whole, from an index on and, where told, of one status alone; in index order."""
        where = () if status is None else (Condition("status", "eq", status.value),)
        return self._tasks(stage, first, (stage.task_count or 0) - first, where=where, select=None)

    # Lights out

    def has_open_task(self, ref: TaskRef) -> bool:
        """Whether the task's shard has a task that has not ended."""
        found = self._tables.query(rows.TASKS, rows.ref_partition(ref), where=_OPEN, select=(), top=1)
        return next(iter(found), None) is not None

    def ended_tasks_of_shard(self, ref: TaskRef) -> list[TaskRecord]:
        """Read what a summary needs of all tasks of the task's shard."""
        found = self._tables.query(
            rows.TASKS, rows.ref_partition(ref), select=(*_STATE, *_ERROR, "started_at", "ended_at")
        )
        return [rows.read_task(entity) for entity in found]

    def mark(self, stage: TaskRef, round_: int, level: int, member: int, summary: Summary) -> None:
        """Leave the marker of a shard or group in its parent group (idempotent, the only unconditional write)."""
        partition = rows.marker_partition(stage.job_id, stage.stage, stage.plan, round_, level, member // GROUP)
        properties: Properties = {"row_version": rows.ROW_VERSION, "summary": rows.write_summary(summary)}
        self._tables.upsert(rows.TASKS, Entity(partition=partition, row=rows.task_row(member), properties=properties))

    def marked(self, stage: TaskRef, round_: int, level: int, group: int) -> list[Summary]:
        """Read the markers of one group."""
        partition = rows.marker_partition(stage.job_id, stage.stage, stage.plan, round_, level, group)
        return [rows.read_marker(entity)[1] for entity in self._tables.query(rows.TASKS, partition)]

    def marked_shards(self, stage: StageRecord) -> dict[int, Summary]:
        """Read the markers of all shards that are known to have ended, by shard number."""
        span = rows.marker_span(stage.job_id, stage.number, stage.plan or "", stage.round, 1)
        return dict(map(rows.read_marker, self._tables.query(rows.TASKS, span)))

    def marked_groups(self, stage: StageRecord) -> dict[int, Summary]:
        """Read the markers of all groups of shards that are known to have ended, by the group's number."""
        span = rows.marker_span(stage.job_id, stage.number, stage.plan or "", stage.round, 2)
        return dict(map(rows.read_marker, self._tables.query(rows.TASKS, span)))

    def marked_shards_of_groups(self, stage: StageRecord, first: int, last: int) -> dict[int, Summary]:
        """Read the markers of the shards of the groups `first` to `last`, by shard number."""
        place = (stage.job_id, stage.number, stage.plan or "", stage.round, 1)
        span = Span(rows.marker_partition(*place, first), rows.after(rows.marker_partition(*place, last)))
        return dict(map(rows.read_marker, self._tables.query(rows.TASKS, span)))

    def looked_at_tasks(self, stage: StageRecord, first: int, size: int) -> Iterator[TaskRecord]:
        """Yield the tasks of a range with all but their parameters and results, in index order."""
        select = (*_STATE, *_ERROR, *_OWNER, *_TIMES, "worker")
        return self._tasks(stage, first, size, where=(), select=select)

    def begun_tasks(self, stage: StageRecord, first: int, size: int) -> Iterator[TaskRecord]:
        """Yield the same of the tasks of a range that are not queued, in index order."""
        where = (Condition("status", "ne", Status.QUEUED.value),)
        return self._tasks(stage, first, size, where=where, select=(*_STATE, *_ERROR, *_OWNER, *_TIMES, "worker"))

    def timed_tasks(self, stage: StageRecord, first: int, size: int) -> Iterator[TaskRecord]:
        """Yield the tasks of a range that were begun, with their times and instances, in index order."""
        where = (Condition("started_at", "gt", ""),)
        return self._tasks(stage, first, size, where=where, select=(*_STATE, *_TIMES, "worker"))

    def is_to_end_now(self, job_id: str, epoch: str, round_: int) -> bool:
        """Whether the running tasks of a job's round are to end."""
        try:
            self._tables.get(rows.JOBS, job_id, rows.end_now_row(epoch, round_), select=())
        except EntityNotFound:
            return False
        return True

    # Messages that could not be understood

    def keep_poison(self, queue: str, delivery: Delivery, reason: str, now: datetime) -> None:
        """Keep a message that no redelivery can help (idempotent: what its first delivery has kept stays)."""
        properties: Properties = {
            "row_version": rows.ROW_VERSION,
            "queue": queue,
            "reason": reason[:2_000],
            "at": rows.write_time(now),
            "deliveries": delivery.dequeue_count,
        }
        rows.put_text(properties, "body", delivery.body)
        row = f"{queue}-{delivery.id}"
        try:
            self._tables.insert(rows.INDEX, Entity(partition=rows.INDEX_POISON, row=row, properties=properties))
        except EntityExists:
            return

    def kept_poison(self, damaged: list[str]) -> Iterator[KeptMessage]:
        """Yield the messages that were kept, in the order of their queues and ids; rows that can't be read are `damaged`."""
        for entity in self._tables.query(rows.INDEX, rows.INDEX_POISON):
            try:
                kept = rows.read_kept(entity)
            except UNREADABLE as exc:
                damaged.append(str(exc))
            else:
                yield kept

    def count_kept_poison(self) -> int:
        """Count the messages that were kept."""
        return sum(1 for _ in self._tables.query(rows.INDEX, rows.INDEX_POISON, select=()))

    def drop_kept_poison(self, kept: KeptMessage) -> None:
        """Delete the row of a message that was kept. Raises EntityNotFound, EntityChanged when somebody else has."""
        self._tables.delete(rows.INDEX, rows.INDEX_POISON, kept.row, etag=kept.etag)

    # What operators did

    def add_audit(
        self, job: JobRecord, audit: Audit, *, token: str, ends: int | None = None, purges: bool = False
    ) -> JobRecord:
        """Keep what somebody did to a job, and that the running tasks of a round are to end too, if it `ends` one.

        If it `purges` the ended job, its row says so from then on, and nothing but that is done with it any more.

        It is one transaction with a mark in the job's row, so that none of it outlives a job which is deleted meanwhile.
        `token` sets apart what was done at the same moment. Returns the job as it is then. Raises EntityChanged,
        EntityNotFound, EntityExists.
        """
        properties: Properties = {
            "row_version": rows.ROW_VERSION,
            "action": audit.action,
            "by": audit.by,
            "reason": audit.reason,
            "at": rows.write_time(audit.at),
        }
        noted: Properties = {"noted_at": properties["at"], **({"purging": True} if purges else {})}
        mark = Entity(partition=job.job_id, row=rows.JOB_ROW, properties=noted)
        kept = Entity(partition=job.job_id, row=rows.audit_row(audit, token), properties=properties)
        operations: list[Operation] = [Update(mark, job.etag), Insert(kept)]
        if ends is not None and not self.is_to_end_now(job.job_id, job.epoch, ends):
            end: Properties = {"row_version": rows.ROW_VERSION, "round": ends}
            operations.append(
                Insert(Entity(partition=job.job_id, row=rows.end_now_row(job.epoch, ends), properties=end))
            )
        return replace(job, etag=self._tables.transact(rows.JOBS, operations)[0])

    def has_audit(self, job_id: str, audit: Audit, *, token: str) -> bool:
        """Whether what somebody did to a job has been kept."""
        try:
            self._tables.get(rows.JOBS, job_id, rows.audit_row(audit, token), select=())
        except EntityNotFound:
            return False
        return True

    def audits(self, job_id: str) -> list[Audit]:
        """Read what operators did to a job, in order."""
        return [rows.read_audit(entity) for entity in self._tables.query(rows.JOBS, job_id, rows=rows.AUDIT_ROWS)]

    # Parts

    def _tasks(
        self,
        stage: StageRecord,
        first: int,
        size: int,
        *,
        where: Sequence[Condition],
        select: Sequence[str] | None,
    ) -> Iterator[TaskRecord]:
        if size <= 0 or stage.plan is None:
            return
        shards = rows.shard_span(stage.job_id, stage.number, stage.plan, first // SHARD, (first + size - 1) // SHARD)
        span = Span(rows.task_row(first), rows.task_row(first + size))
        for entity in self._tables.query(rows.TASKS, shards, rows=span, where=where, select=select):
            yield rows.read_task(entity)

    def _merge_task(self, ref: TaskRef, etag: str, changes: Properties) -> str:
        entity = Entity(partition=rows.ref_partition(ref), row=rows.task_row(ref.index), properties=changes)
        return self._tables.update(rows.TASKS, entity, etag=etag)

    def _merge_job(self, job: JobRecord, changes: Properties) -> None:
        entity = Entity(partition=job.job_id, row=rows.JOB_ROW, properties=changes)
        self._tables.update(rows.JOBS, entity, etag=job.etag)

    def _merge_stage_and_job(
        self, stage: StageRecord, stage_changes: Properties, job: JobRecord, job_changes: Properties
    ) -> list[str]:
        stage_entity = Entity(partition=stage.job_id, row=rows.stage_row(stage.number), properties=stage_changes)
        job_entity = Entity(partition=job.job_id, row=rows.JOB_ROW, properties=job_changes)
        return self._tables.transact(rows.JOBS, [Update(stage_entity, stage.etag), Update(job_entity, job.etag)])

    def _write_chunks(self, job_id: str, prefix: str, text: str) -> int:
        data = text.encode()
        count = 0
        while part := data[count * _CHUNK_BYTES : (count + 1) * _CHUNK_BYTES]:
            properties: Properties = {"row_version": rows.ROW_VERSION}
            for number, start in enumerate(range(0, len(part), PROPERTY_BYTES)):
                properties[f"data_{number:03}"] = part[start : start + PROPERTY_BYTES]
            entity = Entity(partition=job_id, row=f"{prefix}{count:04}", properties=properties)
            with contextlib.suppress(EntityExists):  # a doubtful write of ours: the token or id stands for the content
                self._tables.insert(rows.JOBS, entity)
            count += 1
        return count

    def _read_chunks(self, job_id: str, prefix: str) -> str:
        found = self._tables.query(rows.JOBS, job_id, rows=Span(prefix, prefix + "~"))
        try:
            return b"".join(map(rows.read_chunk, found)).decode()
        except UnicodeDecodeError as exc:
            raise RowDamaged(partition=job_id, row=f"{prefix}…", reason="the parts are no text together") from exc
