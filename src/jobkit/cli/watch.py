"""Follows one job while it runs: by the events of this run's instances and by the rows, for what others do."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from jobkit.runtime.events import Action, Event
from jobkit.runtime.model import Chain, StageState, Status, Summary
from jobkit.runtime.repository import Repository
from jobkit.runtime.rows import SHARD
from jobkit.views.progress import StageProgress

_ENDS = {Action.COMPLETED: 0, Action.FAILED: 1}


@dataclass(slots=True)
class _Seen:
    """What was told of a stage: ended tasks by shard (completed, failed), and what is in flight by instance."""

    ended: dict[int, list[int]] = field(default_factory=dict[int, list[int]])
    in_flight: Counter[int] = field(default_factory=Counter[int])
    retries: int = 0
    total: int | None = None


class JobWatch:
    """The state of one job as far as it is known. Thread-safe."""

    def __init__(self, job_id: str) -> None:
        """Follow this job; events of others are only counted."""
        self.job_id = job_id
        self._lock = threading.Lock()
        self._seen: dict[int, _Seen] = {}
        self._marked: dict[int, dict[int, Summary]] = {}
        self._chain: Chain | None = None
        self.counts: Counter[Action] = Counter()
        self.ended = threading.Event()
        self.changed = threading.Event()

    def observe(self, event: Event, instance: int = 1) -> None:
        """Take in an event of an instance."""
        if event.job_id != self.job_id:
            return
        with self._lock:
            self.counts[event.action] += 1
            if event.stage is not None:
                self._observe_stage(event, self._seen.setdefault(event.stage, _Seen()), instance)
        if event.action is Action.ENDED:
            self.ended.set()
        if event.index is None or event.action is Action.CLOSED:
            self.changed.set()

    def _observe_stage(self, event: Event, seen: _Seen, instance: int) -> None:
        if event.action is Action.SEALED:
            seen.total = event.count
        elif event.action is Action.CLAIMED:
            seen.in_flight[instance] += 1
        elif event.action is Action.RETRYING:
            seen.in_flight[instance] -= 1
            seen.retries += 1
        elif event.action in _ENDS and event.index is not None:
            seen.in_flight[instance] = max(0, seen.in_flight[instance] - 1)
            seen.ended.setdefault(event.index // SHARD, [0, 0])[_ENDS[event.action]] += 1

    def lost(self, instance: int) -> None:
        """Forget what an instance had in flight: it has died."""
        with self._lock:
            for seen in self._seen.values():
                del seen.in_flight[instance]

    def poll(self, repository: Repository) -> Chain:
        """Read the rows: the stages, and the shards that have ended wherever. Raises UnknownJob."""
        chain = repository.get_chain(self.job_id)
        marked = {
            stage.number: repository.marked_shards(stage)
            for stage in chain.stages
            if stage.state is StageState.SEALED and (stage.task_count or 0) > SHARD
        }
        with self._lock:
            self._chain = chain
            self._marked = marked
        if chain.job.status.ended:
            self.ended.set()
        return chain

    @property
    def tasks_run(self) -> int:
        """How many tasks the instances of this run have run to their end."""
        return self.counts[Action.COMPLETED] + self.counts[Action.FAILED]

    def stages(self, now: datetime) -> list[StageProgress]:
        """Return how far each stage is."""
        with self._lock:
            chain = self._chain
            if chain is None:
                return []
            return [self._progress(chain, number, now) for number in range(len(chain.stages))]

    def _progress(self, chain: Chain, position: int, now: datetime) -> StageProgress:
        stage = chain.stages[position]
        seen = self._seen.get(stage.number, _Seen())
        if stage.state is StageState.CLOSED:
            completed, failed = stage.summary.completed, stage.summary.failed
            total = stage.task_count
        else:
            marked = self._marked.get(stage.number, {})
            own = [counts for shard, counts in seen.ended.items() if shard not in marked]
            completed = sum(s.completed for s in marked.values()) + sum(counts[0] for counts in own)
            failed = sum(s.failed for s in marked.values()) + sum(counts[1] for counts in own)
            total = stage.task_count if stage.task_count is not None else seen.total
        status = stage.status
        if status is Status.QUEUED and seen.total is not None:
            status = Status.PROCESSING  # an event is ahead of the row that was read
        end = stage.ended_at or now
        return StageProgress(
            number=stage.number,
            name=stage.name,
            status=status,
            skipped=stage.skipped,
            total=total,
            completed=completed,
            failed=failed,
            in_flight=seen.in_flight.total(),
            retries=seen.retries,
            seconds=None if stage.started_at is None else max(0.0, (end - stage.started_at).total_seconds()),
            last_task=stage.last_index,
        )
