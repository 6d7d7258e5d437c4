"""`jobkit repair`: find what keeps a job from moving, and set it moving again."""

from __future__ import annotations

from typing import Any

from jobkit.runtime.operator import Operator
from jobkit.runtime.repair import Look, Repair

from .asking import who
from .output import print_json, write_out
from .session import open_without_code


def main(job_ids: list[str], *, force: bool, dry_run: bool, reason: str, json: bool, store: str) -> None:
    """Run `jobkit repair`."""
    with open_without_code(store, job_ids[0]) as session:
        service = session.service(lambda _: None)
        whole = [service.repository.resolve_job_id(job_id) for job_id in job_ids]  # before anything is changed
        repair, operator = Repair(service), Operator(service, by=who())
        documents: list[dict[str, Any]] = []
        for job_id in dict.fromkeys(whole):
            look = repair.look(job_id, force=force, note=not dry_run)
            if look.findings and not dry_run:
                operator.note(job_id, "repair: " + ", ".join(finding.name for finding in look.findings), reason)
                for finding in look.findings:
                    finding.do()
            documents.append(_document(look, mended=not dry_run))
            if not json:
                write_out(_text(look, mended=not dry_run))
        if json:
            print_json({"schema": 1, "jobs": documents})


def _text(look: Look, *, mended: bool) -> str:
    job = look.chain.job
    head = f"job {job.job_id[:12]} {job.job_type}, {job.status}"
    if look.findings:
        verb = "done" if mended else "to do"
        lines = [f"  {finding.name}: {finding.evidence}\n    {verb}: {finding.mend}" for finding in look.findings]
        return "\n".join([head + ":", *lines]) + "\n"
    if look.is_settled:
        return f"{head}: nothing is broken\n"
    noted = "Noted what it looks like: run this again" if mended else "Run this without --dry-run, then again"
    return (
        f"{head}: nothing is broken that can be told yet\n"
        f"  {noted} when it has not moved for a while; what has not moved by then is taken for lost (--force: now).\n"
    )


def _document(look: Look, *, mended: bool) -> dict[str, Any]:
    return {
        "job_id": look.chain.job.job_id,
        "status": look.chain.job.status.value,
        "settled": look.is_settled,
        "findings": [
            {
                "name": finding.name,
                "stage": finding.stage,
                "evidence": finding.evidence,
                "mend": finding.mend,
                "done": mended,
            }
            for finding in look.findings
        ],
    }
