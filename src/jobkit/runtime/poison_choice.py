"""Which poison messages are meant: by their ids, by where they came from, and by the jobs that they are about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from .errors import UNREADABLE, AmbiguousId, UnknownPoison
from .figures import counted
from .messages import Message
from .model import Chain
from .poison import ORIGINS, PoisonMessage
from .selection import Selection
from .service import Service

_SHOWN_MATCHES: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which poison messages are meant: all that nothing here excludes. `ids` and `job` are how an id begins.

    `jobs` is a filter over the jobs that messages are about: what has no job, or none any more, is none of them.
    """

    ids: Sequence[str] = ()
    queue: str | None = None
    job: str | None = None
    jobs: Selection | None = None

    @property
    def queues(self) -> Sequence[str]:
        """The queues that they may have come from."""
        return ORIGINS if self.queue is None else (self.queue,)

    def named(self, seen: Sequence[PoisonMessage], *, hidden: int, is_cut: bool) -> list[PoisonMessage]:
        """Return those of the ids and the job; `hidden` are not among the `seen`. Raises UnknownPoison, AmbiguousId."""
        job = self.job
        found = [
            each
            for each in seen
            if job is None or (job and each.message is not None and each.message.job_id.startswith(job))
        ]
        if not self.ids:
            return found
        ids = {_whole_id(start, found, hidden=hidden, is_cut=is_cut) for start in self.ids}
        return [each for each in found if each.id in ids]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitting:
    """The messages whose jobs fit a filter; how many have no job (`foreign`) or none any more (`gone`).

    `damaged` says of which jobs it can't be told, and why.
    """

    messages: list[PoisonMessage]
    foreign: int = 0
    gone: int = 0
    damaged: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class JobsOfPoison:
    """The jobs that messages are about, each read once: with their stages, or why they can't be read."""

    _chains: dict[str, Chain] = field(default_factory=dict[str, Chain])
    _unreadable: dict[str, str] = field(default_factory=dict[str, str])

    @staticmethod
    def read(service: Service, messages: Iterable[PoisonMessage]) -> JobsOfPoison:
        """Read the jobs of these messages, several at once."""
        jobs = JobsOfPoison()

        def read(job_id: str) -> None:
            try:
                chain = service.repository.find_chain(job_id)
            except UNREADABLE as exc:
                jobs._unreadable[job_id] = str(exc)
            else:
                if chain is not None:
                    jobs._chains[job_id] = chain

        service.outbox.each(sorted({each.message.job_id for each in messages if each.message is not None}), read)
        return jobs

    def why_unreadable(self, message: Message) -> str | None:
        """Return why a message's job can't be read, if so."""
        return self._unreadable.get(message.job_id)

    def find(self, message: Message) -> Chain | None:
        """Return the job that a message is about; None when it is gone, also when there is another of its id."""
        chain = self._chains.get(message.job_id)
        return chain if chain is not None and chain.job.epoch == message.epoch else None

    def fitting(self, messages: Sequence[PoisonMessage], selection: Selection) -> Fitting:
        """Choose the messages whose jobs fit a filter."""
        fit: list[PoisonMessage] = []
        foreign = gone = 0
        untold: Counter[str] = Counter()
        for each in messages:
            if each.message is None:
                foreign += 1
            elif (reason := self.why_unreadable(each.message)) is not None:
                untold[reason] += 1
            elif (chain := self.find(each.message)) is None:
                gone += 1
            else:
                try:
                    fit += [each] * selection.allows(chain.job)
                except UNREADABLE as exc:  # its parameters
                    untold[str(exc)] += 1
        damaged = [f"{reason} ({counted(n, 'message')} of it could not be judged)" for reason, n in untold.items()]
        return Fitting(messages=fit, foreign=foreign, gone=gone, damaged=damaged)


def _whole_id(start: str, messages: Sequence[PoisonMessage], *, hidden: int, is_cut: bool) -> str:
    ids = sorted({message.id for message in messages if start and message.id.startswith(start)})
    if not ids:
        raise UnknownPoison(message_id=start, hidden=hidden, is_cut=is_cut)
    if len(ids) > 1:
        raise AmbiguousId(prefix=start, matches=ids[:_SHOWN_MATCHES])
    return ids[0]
