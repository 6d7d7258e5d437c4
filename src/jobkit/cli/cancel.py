"""`jobkit cancel`: end jobs that have not ended."""

from __future__ import annotations

from jobkit.runtime.documents import cancel_document, refused_document
from jobkit.runtime.model import Chain, Status
from jobkit.runtime.operator import Operator

from .asking import confirm, who
from .choosing import Wanted, conclude, open_chosen
from .output import print_json, say, write_out
from .stores import worker_hint


def main(wanted: Wanted, *, now: bool, reason: str, dry_run: bool, yes: bool, json: bool, store: str) -> None:
    """Run `jobkit cancel`; exit code 1 when one of the jobs had ended, or can't be read."""
    found: list[Chain] = []
    with open_chosen(wanted, store=store, among=(Status.QUEUED, Status.PROCESSING)) as chosen:
        operator = Operator(chosen.service, by=who())
        chosen.each(lambda job_id: found.append(operator.check_can_cancel(job_id)))
        chains = found
        if found and not dry_run:
            for chain in found if not yes else ():
                say(_line(chain))
            confirm(f"Cancel {'this job' if len(found) == 1 else f'these {len(found)} jobs'}?", yes=yes)
            chains = list[Chain]()  # while the question stood there one may have ended
            chosen.each(
                lambda job_id: chains.append(operator.cancel(job_id, reason=reason, now=now)),
                [chain.job.job_id for chain in found],
            )
    if json:
        documents = [cancel_document(chain, cancelled=not dry_run) for chain in chains]
        print_json({"schema": 1, "jobs": documents, "refused": list(map(refused_document, chosen.refused))})
    else:
        for chain in chains:
            write_out(f"{_line(chain)}: {'would be' if dry_run else 'to be'} cancelled\n")
    running = "is told to end (task.cancelled)" if now else "runs to its end"
    hint = "" if dry_run else worker_hint(store, f"Whoever works on the queues ends them; what runs, {running}.")
    conclude(done=len(chains), refused=chosen.refused, store=store, json=json, hint=hint)


def _line(chain: Chain) -> str:
    job = chain.job
    stage = chain.current_stage
    where = "" if stage is None else f", at stage {stage.number} {stage.name}"
    return f"job {job.job_id[:12]} {job.job_type}, {job.status.value}{where}"
