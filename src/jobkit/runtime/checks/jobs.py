"""The store's jobs: poison messages that wait, and jobs that have not moved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator
from datetime import datetime, timedelta
from enum import Enum
from functools import partial
from typing import Final

from jobkit.runtime.errors import UNREADABLE, JobkitError, RowDamaged, UnknownJob
from jobkit.runtime.figures import counted
from jobkit.runtime.messages import POISON_SUFFIX
from jobkit.runtime.model import Chain, Listed
from jobkit.runtime.poison_search import PoisonSearch
from jobkit.runtime.repair import Look, Repair

from .finding import Finding, Findings, Group
from .storage import Access, Opened

#: A dead instance's messages are back by then: Functions takes one for ten minutes.
STILL: Final = timedelta(minutes=10)
#: How many active jobs are looked at, and of how many tasks in the stage that runs: a look reads their rows.
MOST_JOBS: Final = 50
MOST_TASKS: Final = 20_000
#: How much of a job's id is told.
SHOWN: Final = 12
#: Findings of a look that hold whatever moves.
_AT_ONCE: Final = ("claimed by what is gone",)
_TELL: Final = Findings(Group.JOBS)


class _Seen(Enum):
    """What a look at an active job came to."""

    #: Something is told of it.
    BROKEN = "broken"
    #: A later look will tell.
    NOW = "now"
    #: It is not as it was at the last look.
    MOVING = "moving"
    #: It is as it was for ten minutes, and its tasks run.
    SILENT = "silent"
    #: It is as it was for ten minutes, and may move by itself.
    WAITING = "waiting"
    #: There were too many before it.
    LEFT_OUT = "left out"


def check_poison(access: Access, opened: Opened) -> Iterator[Finding]:
    """Count the messages that were delivered in vain, and those that could not be understood and were kept."""
    counts = PoisonSearch(opened.service, opened.ports.queues).count()
    found = [f"{count} in {queue}{POISON_SUFFIX}" for queue, count in counts.waiting.items() if count]
    if counts.kept:
        found.append(f"{counts.kept} kept as rows")
    if found:
        fix = f"see what they are: jobkit inspect poison{access.option}"
        yield _TELL.warning("poison messages", ", ".join(found), fix)
    else:
        yield _TELL.ok("poison messages", "none wait, none were kept")


def check_active(access: Access, opened: Opened, *, write: bool, until: datetime | None = None) -> Iterator[Finding]:
    """Look at the active jobs, at no more of them after `until`.

    With `write` note what they look like, so that the next look can tell what has moved.
    """
    counts: Counter[_Seen] = Counter()
    clock = opened.service.clock
    for number, listed in enumerate(opened.service.repository.index.active()):
        is_over = number >= MOST_JOBS or (until is not None and clock.now() >= until)
        seen, found = (_Seen.LEFT_OUT, []) if is_over else _look(listed, access, opened, write=write)
        counts[seen] += 1
        yield from found
    if counts[_Seen.LEFT_OUT]:
        evidence = f"{counts[_Seen.LEFT_OUT]} more active jobs were not looked at"
        yield _TELL.not_checked("jobs", evidence, f"jobkit repair --all --dry-run{access.option}")
    if counts[_Seen.NOW]:
        evidence = f"{counted(counts[_Seen.NOW], 'active job')}: only a later look can tell whether they move"
        is_noted = write or access.is_looked_after
        yield _TELL.not_checked("jobs", evidence, "the same again in 10 minutes" if is_noted else access.to_write)
    if counts[_Seen.WAITING]:
        evidence = (
            f"{counted(counts[_Seen.WAITING], 'active job')} not moved for 10 minutes: being planned, or with messages that "
            "wait for others or for a worker"
        )
        yield _TELL.warning("jobs", evidence, f"see what works on the store: jobkit inspect{access.option}")
    if counts[_Seen.SILENT]:
        evidence = (
            f"{counted(counts[_Seen.SILENT], 'active job')} with tasks that run in silence, in stages without a timeout"
        )
        yield _TELL.not_checked(
            "jobs", evidence, "give those stages a timeout, and have their tasks call task.progress"
        )
    if counts[_Seen.MOVING]:
        yield _TELL.ok("jobs", f"{counted(counts[_Seen.MOVING], 'active job')}, moving")
    if not counts:
        yield _TELL.ok("jobs", "none is active")


def _look(listed: Listed, access: Access, opened: Opened, *, write: bool) -> tuple[_Seen, list[Finding]]:
    """Look at a job, and tell what is broken."""
    service, job_id = opened.service, listed.job_id
    name = f"job {job_id[:SHOWN]}"
    now = service.clock.now()
    try:
        chain = service.repository.get_chain(job_id)
        if _size(chain) > MOST_TASKS:
            evidence = f"{listed.job_type}: its stage has {_size(chain):,} tasks, too many to look at in passing"
            fix = f"jobkit repair {job_id[:SHOWN]} --dry-run{access.option}"
            return _Seen.BROKEN, [_TELL.not_checked(name, evidence, fix)]
        look = Repair(service).look(job_id, note=write)
    except UnknownJob:  # its submit is at work, or has died before it wrote the job
        return _Seen.MOVING, []
    except UNREADABLE as exc:
        return _Seen.BROKEN, [unread(job_id, exc)]
    names = [finding.name for finding in look.findings if holds(finding.name, look, listed, now)]
    if names:
        return _Seen.BROKEN, list(told(look, names, access))
    if listed.looked_at is None or look.findings:
        return _Seen.NOW, []
    if look.since is None:
        return _Seen.MOVING, []
    if now - look.since < STILL:
        return _Seen.NOW, []
    return _Seen.SILENT if look.is_settled else _Seen.WAITING, []


def unread(job_id: str, error: JobkitError) -> Finding:
    """Tell that a job can't be read, by one of the errors UNREADABLE."""
    fix = "undo the change by hand" if isinstance(error, RowDamaged) else "use the jobkit that wrote it"
    return _TELL.error(f"job {job_id[:SHOWN]}", str(error), fix)


def holds(name: str, look: Look, listed: Listed, now: datetime) -> bool:
    """Whether a finding of a look is no matter of the moment."""
    if name in _AT_ONCE:
        return True
    if look.chain.job.status.ended:
        return now - look.chain.job.updated_at >= STILL
    return listed.looked_at is not None and now - listed.looked_at >= STILL


def told(look: Look, names: Container[str], access: Access) -> Iterator[Finding]:
    """Tell those of a look's findings that have these names."""
    job = look.chain.job
    mend = None if access.repair is None else partial(access.repair, job.job_id)
    fix = f"jobkit repair {job.job_id[:SHOWN]}{access.option}"
    for found in look.findings:
        if found.name in names:
            evidence = f"{job.job_type}, {found.name}: {found.evidence}"
            yield _TELL.error(f"job {job.job_id[:SHOWN]}", evidence, fix, mend)


def _size(chain: Chain) -> int:
    stage = chain.current_stage
    return 0 if stage is None else stage.task_count or 0
