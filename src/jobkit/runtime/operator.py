"""What an operator does to jobs; each act leaves a row that says who did it, when and why."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from .errors import EntityChanged, EntityExists, EntityNotFound, JobHasEnded, JobIsBeingPurged, UnknownJob, WasCancelled
from .messages import JOBS_QUEUE, Kind
from .model import Audit, Chain, JobRecord
from .outbox import job_message
from .reopening import Reopening
from .repair import Look, Repair
from .retry_choice import Choice, choose
from .service import Service

MAX_REASON_CHARS: Final = 1_000
_SHOWN: Final = 5


class Operator:
    """The part of the service that operators use; `by` names who does it."""

    def __init__(self, service: Service, *, by: str) -> None:
        """Work on the same ports as the service."""
        self._service = service
        self._by = by

    def cancel(self, job_id: str, *, reason: str = "", now: bool = False) -> Chain:
        """Ask for the end of a job that has not ended: it fails with the reason, whatever stage it is at.

        Tasks that have not started are failed, what runs ends by itself; with `now` it is told to (`task.cancelled`).
        Whoever works on the queues does it. Again is safe, and sends again. Returns the job as it was. Raises UnknownJob,
        JobHasEnded, JobIsBeingPurged.
        """
        chain = self.check_can_cancel(job_id)
        text = f"cancelled by {self._by}" + (f": {reason[:MAX_REASON_CHARS]}" if reason else "")
        self.note(chain.job, "cancel now" if now else "cancel", reason, ends=chain.job.round if now else None)
        self._service.outbox.send(JOBS_QUEUE, replace(job_message(Kind.CANCEL, chain.job), reason=text))
        return chain

    def retry(
        self,
        job_id: str,
        *,
        reason: str = "",
        stage: str | None = None,
        tasks: Sequence[str] = (),
        dry_run: bool = False,
        is_named: bool = True,
    ) -> tuple[Chain, Choice]:
        """Begin another round of a job: what completed is kept, what failed runs again, and the stages after it too.

        Which is that: all of the stage at which the job failed, or of an earlier one by its number, name or slug, or some
        of its `tasks` by their ids or, with the stage, by their indexes: then the other failed ones stay failed and count
        again. Again is safe: while the round goes on, its message is sent once more.
        Returns the job as it was, and what runs again; with `dry_run` that is all.
        One that was cancelled is left unless it `is_named`: a filter over failed jobs may not mean it.
        Raises UnknownJob, NothingToRetry, InvalidRetry, WasCancelled, JobIsBeingPurged.
        """
        repository = self._service.repository
        reopening = Reopening(self._service)
        is_noted = False
        while True:
            chain = repository.get_chain(job_id)
            if chain.job.was_cancelled and not is_named:
                raise WasCancelled(job_id=job_id)
            choice = choose(repository, chain, stage=stage, tasks=tasks)
            if dry_run:
                return chain, choice
            if not is_noted:
                chain = replace(chain, job=self.note(chain.job, _describe(stage, tasks), reason))
                is_noted = True
            if not chain.job.status.ended:
                reopening.ask(chain.job)
                return chain, choice
            with contextlib.suppress(EntityChanged, EntityNotFound):  # somebody else has begun it, or purged the job
                reopening.begin(chain, choice)
                return chain, choice

    def repair(self, job_id: str, *, force: bool = False, reason: str = "", dry_run: bool = False) -> Look:
        """Look at a job and mend what is broken; with `dry_run` write nothing. Raises UnknownJob, JobIsBeingPurged.

        `force` takes for lost what waits, and for dead what runs in a stage without a timeout.
        """
        look = Repair(self._service).look(job_id, force=force, note=not dry_run)
        if look.chain.job.is_purging:
            raise JobIsBeingPurged(job_id=job_id)
        if look.findings and not dry_run:
            self.note(look.chain.job, "repair: " + ", ".join(finding.name for finding in look.findings), reason)
            for finding in look.findings:
                finding.do()
            self._service.repository.index.begin_looks(look.chain.job)
        return look

    def check_can_cancel(self, job_id: str) -> Chain:
        """Return a job that can be cancelled. Raises UnknownJob, JobHasEnded."""
        chain = self._service.repository.get_chain(job_id)
        if chain.job.status.ended:
            raise JobHasEnded(job_id=job_id, status=chain.job.status.value)
        return chain

    def note(self, job: JobRecord, action: str, reason: str, *, ends: int | None = None) -> JobRecord:
        """Keep what is done to a job, and why, and that what runs of a round is to end, if it `ends` one. Return its row then.

        Raises UnknownJob, JobIsBeingPurged when it is deleted meanwhile: nothing is kept of it then.
        """
        repository, token = self._service.repository, self._service.outbox.token()
        audit = Audit(action=action, by=self._by, reason=reason[:MAX_REASON_CHARS], at=self._service.clock.now())
        while True:
            if job.is_purging:
                raise JobIsBeingPurged(job_id=job.job_id)
            try:
                return repository.add_audit(job, audit, token=token, ends=ends)
            except (EntityChanged, EntityExists, EntityNotFound):  # the job goes on, or it was done
                is_kept = repository.has_audit(job.job_id, audit, token=token)
                found = repository.find_job(job.job_id)
            if found is None or found.epoch != job.epoch:
                raise UnknownJob(job_id=job.job_id)
            job = found
            if is_kept:
                return job


def _describe(stage: str | None, tasks: Sequence[str]) -> str:
    """Name a retry by what was chosen."""
    where = "" if stage is None else f" of stage {stage}"
    listed = ", ".join(tasks[:_SHOWN]) + (", …" if len(tasks) > _SHOWN else "")
    return f"retry{where}" + (f", tasks {listed}" if tasks else "")
