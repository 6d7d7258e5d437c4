"""One job: the invariants of its rows, what keeps it from moving, and its repair."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Final

from jobkit.runtime.checks.finding import Finding, Findings, Group
from jobkit.runtime.checks.jobs import SHOWN, holds, told, unread
from jobkit.runtime.checks.storage import Access, Opened
from jobkit.runtime.errors import UNREADABLE
from jobkit.runtime.inspected import Weight
from jobkit.runtime.inspection import Inspection
from jobkit.runtime.invariants import broken_invariants
from jobkit.runtime.operator import Operator
from jobkit.runtime.repair import Finding as Broken
from jobkit.runtime.repair import Repair

_TELL: Final = Findings(Group.JOBS)


def check_job(job_id: str, access: Access, opened: Opened, *, write: bool) -> Iterator[Finding]:
    """Tell which invariants a job breaks, and what keeps it from moving. Raises UnknownJob."""
    try:
        yield from _check_job(job_id, access, opened, write=write)
    except UNREADABLE as exc:
        yield unread(job_id, exc)


def _check_job(job_id: str, access: Access, opened: Opened, *, write: bool) -> Iterator[Finding]:
    repository = opened.service.repository
    chain = repository.get_chain(job_id)
    name = f"job {job_id[:SHOWN]}"
    if chain.job.is_purging:
        fix = f"go on with it: jobkit purge {job_id[:SHOWN]}{access.option}"
        yield _TELL.not_checked(name, "it is being purged: some of its rows are gone", fix)
        return
    broken = broken_invariants(repository, chain)
    fix = f"jobkit repair {job_id[:SHOWN]}{access.option}; if it stays, somebody has changed rows by hand"
    for text in broken:
        yield _TELL.error(name, text, fix)
    if not broken:
        tasks = sum(stage.task_count or 0 for stage in chain.stages)
        evidence = f"{chain.job.job_type}, {chain.job.status}: {len(chain.stages)} stages and {tasks:,} tasks"
        yield _TELL.ok(name, f"{evidence} are as they must be")
    listed = repository.index.find_active(chain.job)
    look = Repair(opened.service).look(job_id, note=write)
    now = opened.service.clock.now()
    held = tuple(found for found in look.findings if listed is None or holds(found.name, look, listed, now))
    yield from told(look, [found.name for found in held], access)
    if not chain.job.status.ended and not broken:
        yield from _diagnosed(job_id, held, access, opened)
    if not chain.job.status.ended and not held:
        evidence = f"whether it moves, and what is final only when it has ended (it is {chain.job.status})"
        yield _TELL.not_checked(name, evidence, "the same again in 10 minutes")


def job_repair(open_store: Callable[[], AbstractContextManager[Opened]], *, by: str) -> Callable[[str], str]:
    """Return what repairs a job and tells what was done; `by` names who does it."""

    def repair(job_id: str) -> str:
        with open_store() as opened:
            look = Operator(opened.service, by=by).repair(job_id, reason="jobkit doctor --fix")
        return "; ".join(finding.mend for finding in look.findings) or "nothing was left to be done"

    return repair


def _diagnosed(job_id: str, held: tuple[Broken, ...], access: Access, opened: Opened) -> Iterator[Finding]:
    """Tell what `inspect job` would of a job that has not ended, but what `held` tells, and what that could not see."""
    name = f"job {job_id[:SHOWN]}"
    inspection = Inspection(opened.service, opened.ports.queues, job_id, living=opened.living, options=access.option)
    found = inspection.diagnose(broken=held)
    known = {finding.name for finding in held}
    for finding in found.findings:
        if finding.weight is not Weight.NOTE and finding.remedy and finding.name not in known:
            yield _TELL.warning(name, f"{finding.weight}, {finding.name}: {finding.evidence}", finding.remedy)
    for text in found.unchecked:
        yield _TELL.not_checked(name, text, f"jobkit inspect job {job_id[:SHOWN]}{access.option}")
