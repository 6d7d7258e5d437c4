"""The JSON of a job that was looked at closely: the job's document, and beside it what the look came to."""

from __future__ import annotations

from typing import Any

from .documents import error_document, job_document
from .figures import took_s, waited_s
from .inspected import Diagnosis, Inspected, Outliers
from .model import StageRecord
from .summary import group_errors


def inspected_document(found: Inspected, verdict: str) -> dict[str, Any]:
    """Write a job as JSON data; `inspection` is what else was found, `verdict` in one sentence."""
    counts = {number: count.summary for number, count in found.counts.items()}
    provenance = found.provenance
    inspection = {
        "verdict": verdict,
        **diagnosis_document(found.diagnosis),
        "stages": [_stage(found, stage) for stage in found.chain.stages],
        "hashed": None if provenance is None else provenance.canonical,
        "not_hashed": [] if provenance is None else list(provenance.left_out),
    }
    return job_document(found.chain, counts, audits=found.audits) | {"inspection": inspection}


def diagnosis_document(found: Diagnosis) -> dict[str, Any]:
    """Write as JSON data what was found of a job, and what could not be checked."""
    return {
        "findings": [
            {"name": each.name, "weight": each.weight.value, "evidence": each.evidence, "remedy": each.remedy}
            for each in found.findings
        ],
        "unchecked": list(found.unchecked),
    }


def _stage(found: Inspected, stage: StageRecord) -> dict[str, Any]:
    count = found.counts.get(stage.number)
    outliers = found.outliers.get(stage.number, Outliers())
    return {
        "number": stage.number,
        "in_flight": 0 if count is None else count.in_flight,
        "unseen": 0 if count is None else count.unseen,
        "slowest": [
            {"task_id": task.ref.task_id, "ran_s": took_s(task), "waited_s": waited_s(task), "worker": task.worker}
            for task in outliers.slowest
        ],
        "errors": [
            {"count": group.count, "index": group.index, "error": error_document(group.failure)}
            for group in group_errors(outliers.failed)
        ],
        "retried": len(outliers.retried) if outliers.is_whole else None,
    }
