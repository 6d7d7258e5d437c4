"""What an operator does to jobs; each act leaves a row that says who did it, when and why."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from .errors import EntityChanged, JobHasEnded, JobIsBeingPurged, NothingToRetry
from .messages import JOBS_QUEUE, Kind
from .model import Audit, Chain, Status
from .outbox import job_message
from .reopening import Reopening
from .repair import Look, Repair
from .service import Service

MAX_REASON_CHARS: Final = 1_000


class Operator:
    """The part of the service that operators use; `by` names who does it."""

    def __init__(self, service: Service, *, by: str) -> None:
        """Work on the same ports as the service."""
        self._service = service
        self._by = by

    def cancel(self, job_id: str, *, reason: str = "") -> Chain:
        """Ask for the end of a job that has not ended: it fails with the reason, whatever stage it is at.

        Tasks that have not started are failed, what runs ends by itself; whoever works on the queues does it. Again is
        safe, and sends again. Returns the job as it was. Raises UnknownJob, JobHasEnded.
        """
        chain = self.check_can_cancel(job_id)
        text = f"cancelled by {self._by}" + (f": {reason[:MAX_REASON_CHARS]}" if reason else "")
        self.note(job_id, "cancel", reason)
        self._service.outbox.send(JOBS_QUEUE, replace(job_message(Kind.CANCEL, chain.job), reason=text))
        return chain

    def retry(self, job_id: str, *, reason: str = "") -> Chain:
        """Begin another round of a failed job: what completed is kept, the rest of the stage where it failed runs again.

        Again is safe: while the round goes on, its message is sent once more. Returns the job as it was. Raises
        UnknownJob, NothingToRetry.
        """
        reopening = Reopening(self._service)
        chain = self.check_can_retry(job_id)
        self.note(job_id, "retry", reason)
        while chain.job.status is Status.FAILED:
            try:
                reopening.begin(chain)
                return chain
            except EntityChanged:
                chain = self.check_can_retry(job_id)
        reopening.ask(chain.job)
        return chain

    def repair(self, job_id: str, *, force: bool = False, reason: str = "", dry_run: bool = False) -> Look:
        """Look at a job and mend what is broken; with `dry_run` write nothing. Raises UnknownJob.

        `force` takes for lost what waits, and for dead what runs in a stage without a timeout.
        """
        look = Repair(self._service).look(job_id, force=force, note=not dry_run)
        if look.findings and not dry_run:
            self.note(job_id, "repair: " + ", ".join(finding.name for finding in look.findings), reason)
            for finding in look.findings:
                finding.do()
        return look

    def check_can_retry(self, job_id: str) -> Chain:
        """Return a job that has failed, or is in a further round already.

        Raises UnknownJob, NothingToRetry, JobIsBeingPurged.
        """
        chain = self._service.repository.get_chain(job_id)
        job = chain.job
        if job.is_purging:
            raise JobIsBeingPurged(job_id=job_id)
        if job.status is not Status.FAILED and (job.status.ended or job.round == 1):
            raise NothingToRetry(job_id=job_id, status=job.status.value, ended=job.status.ended)
        return chain

    def check_can_cancel(self, job_id: str) -> Chain:
        """Return a job that can be cancelled. Raises UnknownJob, JobHasEnded."""
        chain = self._service.repository.get_chain(job_id)
        if chain.job.status.ended:
            raise JobHasEnded(job_id=job_id, status=chain.job.status.value)
        return chain

    def note(self, job_id: str, action: str, reason: str) -> None:
        """Keep what was done to a job, and why."""
        service = self._service
        audit = Audit(action=action, by=self._by, reason=reason[:MAX_REASON_CHARS], at=service.clock.now())
        service.repository.add_audit(job_id, audit, token=service.outbox.token())
