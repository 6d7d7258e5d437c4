"""`jobkit repair`: find what keeps a job from moving, and set it moving again."""

from __future__ import annotations

from typing import Any

from jobkit.runtime.documents import look_document
from jobkit.runtime.model import Status
from jobkit.runtime.operator import Operator
from jobkit.runtime.repair import Look

from .asking import confirm, who
from .choosing import Wanted, conclude_chosen, open_chosen, print_chosen
from .output import write_out
from .stores import store_option

_WAITS = "What has not moved since the last look may wait for its turn in a queue. See for what: jobkit inspect job ID"
_NOT_ENDED = (Status.QUEUED, Status.PROCESSING)
_LATER = "when it has not moved for a while; what has not moved by then is taken for lost (--force: now)."
_NOTED = f"Noted what it looks like: run this again {_LATER}"
_UNSETTLED = f"Run this without --dry-run, then again {_LATER}"


def main(wanted: Wanted, *, force: bool, dry_run: bool, yes: bool, reason: str, json: bool, store: str) -> None:
    """Run `jobkit repair`; exit code 1 when a job could not be looked at."""
    documents: list[dict[str, Any]] = []
    hints: set[str] = set()  # each once, however many jobs there are
    with open_chosen(wanted, store=store, among=_NOT_ENDED) as chosen:
        if wanted.is_filter and not dry_run:
            confirm("Repair all jobs that are found?", yes=yes)
        operator = Operator(chosen.service, by=who())

        def repair(job_id: str) -> None:
            look = operator.repair(job_id, force=force, reason=reason, dry_run=dry_run)
            documents.append(look_document(look, mended=not dry_run))
            if not json:
                write_out(_text(look, mended=not dry_run) + "\n")
                if not (look.findings or look.is_settled):
                    later = _UNSETTLED if dry_run else _NOTED
                    hints.add(_WAITS + store_option(store) if look.may_wait else later)

        chosen.each(repair)
    if json:
        print_chosen(chosen, documents)
    write_out("".join(f"  {hint}\n" for hint in sorted(hints)))
    conclude_chosen(chosen, done=len(documents), what="looked at", store=store, json=json)


def _text(look: Look, *, mended: bool) -> str:
    job = look.chain.job
    head = f"job {job.job_id[:12]} {job.job_type}, {job.status}"
    if look.findings:
        verb = "done" if mended else "to do"
        lines = [f"  {finding.name}: {finding.evidence}\n    {verb}: {finding.mend}" for finding in look.findings]
        return "\n".join([head + ":", *lines])
    return f"{head}: nothing is broken{'' if look.is_settled else ' that can be told yet'}"
