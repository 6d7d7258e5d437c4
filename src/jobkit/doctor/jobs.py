"""The store's jobs: poison messages that wait, jobs that have not moved, and the invariants of one job."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from jobkit.runtime.errors import RowDamaged, StoreTooNew, UnknownJob
from jobkit.runtime.invariants import broken_invariants
from jobkit.runtime.messages import JOBS_QUEUE, POISON_SUFFIX, TASKS_QUEUE
from jobkit.runtime.model import Chain, Listed
from jobkit.runtime.operator import Operator
from jobkit.runtime.repair import Look, Repair

from .finding import Finding, Findings, Group
from .storage import Access, Opened

#: A dead instance's messages are back by then: Functions takes one for ten minutes.
STILL: Final = timedelta(minutes=10)
#: How many active jobs are looked at, and of how many tasks in the stage that runs: a look reads their rows.
MOST_JOBS: Final = 50
MOST_TASKS: Final = 20_000
#: Findings of a look that hold whatever moves.
_AT_ONCE: Final = ("claimed by what is gone",)
_SHOWN: Final = 12
_TELL: Final = Findings(Group.JOBS)


def check_poison(access: Access, opened: Opened) -> Iterator[Finding]:
    """Count the messages that were delivered in vain."""
    queues = [name + POISON_SUFFIX for name in (JOBS_QUEUE, TASKS_QUEUE)]
    waiting = {name: count for name in queues if (count := opened.ports.queues.length(name))}
    if waiting:
        evidence = ", ".join(f"{count} in {name}" for name, count in waiting.items())
        fix = f"jobkit worker{access.option} (or the app) takes them, and fails their tasks by name"
        yield _TELL.warning("poison messages", evidence, fix)
    else:
        yield _TELL.ok("poison messages", "none wait")


def check_active(access: Access, opened: Opened, *, write: bool) -> Iterator[Finding]:
    """Look at the active jobs; with `write` note what they look like, so that the next look can tell what has moved."""
    counts = dict.fromkeys(("moving", "first", "left out"), 0)
    broken = False
    for number, listed in enumerate(opened.service.repository.index.active()):
        if number >= MOST_JOBS:
            counts["left out"] += 1
            continue
        found, state = _look(listed, access, opened, write=write)
        broken = broken or bool(found)
        yield from found
        counts[state] += not found
    if counts["left out"]:
        evidence = f"{counts['left out']} more active jobs were not looked at"
        yield _TELL.not_checked("jobs", evidence, f"jobkit repair --all --dry-run{access.option}")
    if counts["first"]:
        evidence = f"{counts['first']} active jobs: only a later look can tell whether they move"
        yield _TELL.not_checked("jobs", evidence, "the same again in 10 minutes" if write else "without --dry-run")
    if counts["moving"]:
        yield _TELL.ok("jobs", f"{counts['moving']} active jobs have moved since they were last looked at")
    if not any(counts.values()) and not broken:
        yield _TELL.ok("jobs", "none is active")


def check_job(job_id: str, access: Access, opened: Opened, *, write: bool) -> Iterator[Finding]:
    """Tell which invariants a job breaks, and what keeps it from moving. Raises UnknownJob."""
    repository = opened.service.repository
    chain = repository.get_chain(job_id)
    name = f"job {job_id[:_SHOWN]}"
    if chain.job.is_purging:
        fix = f"go on with it: jobkit purge{access.option}"
        yield _TELL.not_checked(name, "it is being purged: some of its rows are gone", fix)
        return
    broken = broken_invariants(repository, chain)
    fix = f"jobkit repair {job_id[:_SHOWN]}{access.option}; if it stays, somebody has changed rows by hand"
    for text in broken:
        yield _TELL.error(name, text, fix)
    if not broken:
        tasks = sum(stage.task_count or 0 for stage in chain.stages)
        evidence = f"{chain.job.job_type}, {chain.job.status}: {len(chain.stages)} stages and {tasks:,} tasks"
        yield _TELL.ok(name, f"{evidence} are as they must be")
    look = Repair(opened.service).look(job_id, note=write)
    yield from _told(look, list(_named(look)), access)
    if not chain.job.status.ended and not look.is_settled:
        evidence = f"whether it moves, and what is final only when it has ended (now {chain.job.status})"
        yield _TELL.not_checked(name, evidence, "the same again in 10 minutes")


def _look(listed: Listed, access: Access, opened: Opened, *, write: bool) -> tuple[list[Finding], str]:
    """Look at a job; return what is broken, or whether it has moved or was seen for the first time."""
    service, job_id = opened.service, listed.job_id
    name = f"job {job_id[:_SHOWN]}"
    now = service.clock.now()
    try:
        chain = service.repository.get_chain(job_id)
        if _size(chain) > MOST_TASKS:
            evidence = f"{listed.job_type}: its stage has {_size(chain):,} tasks, too many to look at in passing"
            return [_TELL.not_checked(name, evidence, f"jobkit repair {job_id[:_SHOWN]} --dry-run{access.option}")], ""
        look = Repair(service).look(job_id, note=write)
    except UnknownJob:  # its submit is at work, or has died before it wrote the job
        return [], "moving"
    except (RowDamaged, StoreTooNew) as exc:
        return [_TELL.error(name, str(exc), "undo the change by hand, or use the jobkit that wrote it")], ""
    named = [finding for finding in _named(look) if _holds(finding, look, listed, now)]
    if named:
        return list(_told(look, named, access)), ""
    return [], "first" if look.is_settled or listed.looked_at is None else "moving"


def _holds(name: str, look: Look, listed: Listed, now: datetime) -> bool:
    """Whether a finding of a look is no matter of the moment."""
    if name in _AT_ONCE:
        return True
    if look.chain.job.status.ended:
        return now - look.chain.job.updated_at >= STILL
    return listed.looked_at is not None and now - listed.looked_at >= STILL


def _named(look: Look) -> Iterator[str]:
    return (finding.name for finding in look.findings)


def _told(look: Look, names: list[str], access: Access) -> Iterator[Finding]:
    job = look.chain.job
    fix = f"jobkit repair {job.job_id[:_SHOWN]}{access.option}"
    for found in look.findings:
        if found.name in names:
            evidence = f"{job.job_type}, {found.name}: {found.evidence}"
            yield _TELL.error(f"job {job.job_id[:_SHOWN]}", evidence, fix, lambda: _repair(job.job_id, access))


def _repair(job_id: str, access: Access) -> str:
    with access.open() as opened:
        look = Operator(opened.service, by=access.by).repair(job_id, reason="jobkit doctor --fix")
    return "; ".join(finding.mend for finding in look.findings) or "nothing was left to be done"


def _size(chain: Chain) -> int:
    stage = chain.find_stage(chain.job.stage) if chain.job.stage is not None else None
    return 0 if stage is None else stage.task_count or 0
