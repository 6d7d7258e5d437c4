"""Reads all that there is to see of one job, and only that which can have changed when it is read again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from .counting import Counting
from .diagnosis import diagnose
from .evidence import Evidence, look_at_queues
from .findings import LOST
from .inspected import Count, Diagnosis, Inspected, Outliers, Provenance
from .model import Chain, StageRecord, StageState
from .outliers import READ_WHOLE, find_outliers
from .provenance import find_provenance
from .repair import Finding as Broken
from .repair import Repair
from .service import Service
from .storage.ports import Queues


class Inspection:
    """Looks at one job, again and again. It writes nothing."""

    def __init__(
        self,
        service: Service,
        queues: Queues,
        job_id: str,
        *,
        living: Callable[[], int] | None = None,
        options: str = "",
    ) -> None:
        """Take what to read by.

        `living` counts the processes that work on the store, where that can be seen; `options` is what a command needs
        to use the same store.
        """
        self._service = service
        self._repository = service.repository
        self._queues = queues
        self._job_id = job_id
        self._living = living
        self._options = options
        self._counting = Counting(service.repository)
        self._outliers: dict[tuple[int, str], Outliers] = {}
        self._provenance: Provenance | None = None

    def read(self) -> Inspected:
        """Read the job. Raises UnknownJob."""
        chain = self._repository.get_chain(self._job_id)
        counts = self._counting.open_stages(chain)
        evidence = self._look(chain, counts)
        if self._provenance is None:
            self._provenance = find_provenance(chain.job)
        return Inspected(
            chain=chain,
            at=evidence.now,
            counts=counts,
            outliers={stage.number: self._find_outliers(stage, counts) for stage in chain.stages if stage.task_count},
            audits=tuple(self._repository.audits(self._job_id)),
            diagnosis=self._diagnose(evidence),
            provenance=self._provenance,
        )

    def diagnose(self, *, broken: tuple[Broken, ...] | None = None) -> Diagnosis:
        """Read what tells why the job does not move, and no more. Raises UnknownJob.

        `broken` is what repair finds, where somebody has looked already.
        """
        chain = self._repository.get_chain(self._job_id)
        return self._diagnose(self._look(chain, self._counting.open_stages(chain), broken))

    def _look(self, chain: Chain, counts: Mapping[int, Count], broken: tuple[Broken, ...] | None = None) -> Evidence:
        job = chain.job
        stage = chain.current_stage
        listed = self._repository.index.is_active(job)
        if broken is None:
            few = stage is None or (stage.task_count or 0) <= READ_WHOLE
            broken = Repair(self._service).look(job.job_id, note=False).findings if few and not job.status.ended else ()
        queues = {} if job.status.ended else look_at_queues(self._queues, chain)
        return Evidence(
            chain=chain,
            now=self._service.clock.now(),
            counts=counts,
            queues=queues,
            is_listed=listed,
            broken=broken,
            living=None if self._living is None else self._living(),
            options=self._options,
        )

    def _diagnose(self, evidence: Evidence) -> Diagnosis:
        """Diagnose; where something seems to be lost, read the rows again: they may have moved while the queues were read."""
        found = diagnose(evidence)
        if not any(finding.name == LOST for finding in found.findings):
            return found
        chain = self._repository.get_chain(self._job_id)
        counted = ((stage, evidence.counts.get(stage.number)) for stage in chain.stages)
        tasks = (
            task for stage, count in counted if count is not None for task in self._counting.open_again(stage, count)
        )
        etags = frozenset([chain.job.etag, *(stage.etag for stage in chain.stages), *(task.etag for task in tasks)])
        return diagnose(replace(evidence, unmoved=etags))

    def _find_outliers(self, stage: StageRecord, counts: Mapping[int, Count]) -> Outliers:
        """Look for a stage's outliers; of a closed one once."""
        if stage.state is not StageState.CLOSED:
            count = counts.get(stage.number)
            return find_outliers(self._repository, stage, 0 if count is None else count.summary.failed)
        known = self._outliers.get((stage.number, stage.etag))
        if known is None:
            known = self._outliers[stage.number, stage.etag] = find_outliers(
                self._repository, stage, stage.summary.failed
            )
        return known
