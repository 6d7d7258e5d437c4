"""An installation at a glance: queues, active jobs, those that ended lately, instances and throughput, by bounded reads.

However many jobs and tasks a store holds, what is read is: the first 1,000 rows that list active jobs, the rows of the
100 newest jobs and of 20 active ones, and of the stages that run what `pulse` reads.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final

from .counting import Counting
from .errors import UNREADABLE
from .model import Chain, JobRecord, Listed, StageState, TaskRecord
from .outbox import Each
from .overview import NEWEST, WINDOW_S, ActiveJob, Installation, Pulse, QueueLook
from .payload import stored_json
from .processing import QUEUES
from .pulse import ends_of_closed, read_pulse, workers_of
from .queue_look import look_at_queue
from .rates import Ends, throughput
from .repository import Repository
from .selection import UNKNOWN_TIME
from .storage.ports import Queues
from .unread import Unread

MOST_COUNTED: Final = 1_000  # active jobs
SHOWN: Final = 10  # jobs of a kind
BIN_S: Final = 10.0


@dataclass(slots=True)
class _Found:
    queues: dict[str, QueueLook] = field(default_factory=dict[str, QueueLook])
    chains: dict[str, Chain] = field(default_factory=dict[str, Chain])
    pulses: dict[str, Pulse] = field(default_factory=dict[str, Pulse])
    unread: dict[str, Unread] = field(default_factory=dict[str, Unread])
    workers: dict[str, datetime] = field(default_factory=dict[str, datetime])


class Glance:
    """Looks at an installation, again and again; a job that has ended is read once, as long as it stays so."""

    def __init__(self, repository: Repository, queues: Queues, *, each: Each[Any]) -> None:
        """Have seen nothing; `each` may read in parallel."""
        self._repository = repository
        self._queues = queues
        self._each = each
        self._counting = Counting(repository, begun_only=True)
        self._ended: dict[tuple[str, str], Chain] = {}
        self._last_tasks: dict[tuple[str, str, int], list[TaskRecord]] = {}

    def read(self, now: datetime, *, living: int | None) -> Installation:
        """Look; `living` is how many processes work on the store, where that is known. Raises StoreUnavailable."""
        found = _Found()
        since = now - timedelta(seconds=WINDOW_S)

        def look(name: str) -> None:
            found.queues[name] = look_at_queue(self._queues, name)

        self._each(QUEUES, look)
        listed = list(islice(self._repository.index.active(), MOST_COUNTED + 1))
        active = {entry.job_id: entry for entry in sorted(listed, key=_created_at, reverse=True)}
        self._read_chains(active, found)
        chains = sorted(found.chains.values(), key=lambda chain: chain.job.created_at, reverse=True)
        shown = [chain for chain in chains if not chain.job.status.ended][:SHOWN]
        ended = [chain for chain in chains if chain.job.status.ended]
        ended.sort(key=lambda chain: chain.job.updated_at, reverse=True)
        self._each(shown, lambda chain: self._feel(chain, since, found))
        self._each(
            [chain for chain in ended[:SHOWN] if chain.job.updated_at >= since], lambda c: self._ask_last(c, found)
        )
        for pulse in found.pulses.values():
            _join(found.workers, pulse.workers)
        ends = [end for chain in [*shown, *ended] for end in _ends(chain, found.pulses.get(chain.job.job_id), since)]
        return Installation(
            at=now,
            queues=tuple(found.queues[name] for name in QUEUES),
            active=tuple(ActiveJob(chain=chain, pulse=found.pulses.get(chain.job.job_id)) for chain in shown),
            active_count=min(sum(_may_be_active(entry, found) for entry in active.values()), MOST_COUNTED),
            counted_all=len(listed) <= MOST_COUNTED,
            ended=tuple(ended[:SHOWN]),
            looked_at=len(found.chains),
            workers=found.workers,
            kept_poison=self._repository.count_kept_poison(),
            living=living,
            throughput=throughput(ends, until=now, bin_s=BIN_S, bins=int(WINDOW_S / BIN_S)),
            unread=tuple(found.unread[job_id] for job_id in sorted(found.unread)),
        )

    def _read_chains(self, active: Mapping[str, Listed], found: _Found) -> None:
        """Read the newest jobs and the newest active ones; a row may outlive its job, a damaged one hides no other.

        A retry lists a job as active again: one that has ended and is not listed so is as it was.
        """
        listed = [*list(active.values())[: 2 * SHOWN], *islice(self._repository.index.recent(), NEWEST)]
        once = {(entry.job_id, entry.epoch): entry for entry in listed}
        known = {key: chain for key, chain in self._ended.items() if key in once and key[0] not in active}

        def read(entry: Listed) -> None:
            with _kept_if_unread(entry, found):
                chain = self._repository.find_chain(entry.job_id)
                if chain is not None and chain.job.epoch == entry.epoch:
                    stored_json(chain.job.params_json, job_id=entry.job_id, name="params")
                    found.chains[entry.job_id] = chain

        self._each([entry for key, entry in once.items() if key not in known], read)
        found.chains |= {job_id: chain for (job_id, _), chain in known.items()}
        self._ended = {(c.job.job_id, c.job.epoch): c for c in found.chains.values() if c.job.status.ended}

    def _feel(self, chain: Chain, since: datetime, found: _Found) -> None:
        """Read how fast the tasks of a job's stage end, if they run."""
        stage = chain.current_stage
        if stage is not None and stage.state is StageState.SEALED:
            with _kept_if_unread(chain.job, found):
                count = self._counting.count(stage)
                found.pulses[chain.job.job_id] = read_pulse(self._repository, stage, count, since=since)

    def _ask_last(self, chain: Chain, found: _Found) -> None:
        """Learn from the last task of an ended job which instance ran it."""
        job = chain.job
        key = (job.job_id, job.epoch, job.round)
        ran = [stage for stage in chain.stages if stage.last_index is not None]
        with _kept_if_unread(job, found):
            if key not in self._last_tasks and ran:
                self._last_tasks[key] = list(self._repository.timed_tasks(ran[-1], ran[-1].last_index or 0, 1))
            _join(found.workers, workers_of(self._last_tasks.get(key, ())))


def _may_be_active(entry: Listed, found: _Found) -> bool:
    """Whether a job that is listed as active may be so: one that has just ended stays listed until it is wound up."""
    chain = found.chains.get(entry.job_id)
    return chain is None or not chain.job.status.ended


def _created_at(entry: Listed) -> datetime:
    return entry.created_at or UNKNOWN_TIME


@contextlib.contextmanager
def _kept_if_unread(listed: Listed | JobRecord, found: _Found) -> Generator[None]:
    try:
        yield
    except UNREADABLE as exc:
        found.unread[listed.job_id] = Unread.of(listed, exc)


def _join(workers: dict[str, datetime], more: Mapping[str, datetime]) -> None:
    for worker, at in more.items():
        workers[worker] = max(at, workers.get(worker, at))


def _ends(chain: Chain, pulse: Pulse | None, since: datetime) -> Iterator[Ends]:
    for stage in chain.stages:
        closed = ends_of_closed(stage)
        if closed is not None and closed.end >= since:
            yield closed
    if pulse is not None:
        yield from pulse.ends
