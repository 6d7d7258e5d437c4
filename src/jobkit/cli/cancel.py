"""`jobkit cancel`: end jobs that have not ended."""

from __future__ import annotations

from jobkit.runtime.documents import cancel_document
from jobkit.runtime.errors import JobHasEnded
from jobkit.runtime.model import Chain, Status
from jobkit.runtime.operator import Operator

from .asking import confirm, who
from .choosing import Wanted, conclude, open_chosen
from .output import print_json, say, write_out
from .stores import worker_hint


def main(wanted: Wanted, *, now: bool, reason: str, dry_run: bool, yes: bool, json: bool, store: str) -> None:
    """Run `jobkit cancel`; exit code 1 when one of the jobs had ended."""
    chains: list[Chain] = []
    ended: list[str] = []
    with open_chosen(wanted, store=store, among=(Status.QUEUED, Status.PROCESSING)) as (service, job_ids):
        operator = Operator(service, by=who())
        for job_id in job_ids:
            try:
                chains.append(operator.check_can_cancel(job_id))
            except JobHasEnded as exc:
                ended.append(str(exc))
        if chains and not dry_run:
            for chain in chains if not yes else ():
                say(_line(chain))
            confirm(f"Cancel {'this job' if len(chains) == 1 else f'these {len(chains)} jobs'}?", yes=yes)
            for chain in list(chains):
                try:
                    operator.cancel(chain.job.job_id, reason=reason, now=now)
                except JobHasEnded as exc:  # while the question stood there
                    chains.remove(chain)
                    ended.append(str(exc))
    if json:
        print_json({"schema": 1, "jobs": [cancel_document(chain, cancelled=not dry_run) for chain in chains]})
    else:
        for chain in chains:
            write_out(f"{_line(chain)}: {'would be' if dry_run else 'to be'} cancelled\n")
    running = "is told to end (task.cancelled)" if now else "runs to its end"
    hint = "" if dry_run else worker_hint(store, f"Whoever works on the queues ends them; what runs, {running}.")
    conclude(done=len(chains), refused=ended, json=json, hint=hint)


def _line(chain: Chain) -> str:
    job = chain.job
    stage = chain.current_stage
    where = "" if stage is None else f", at stage {stage.number} {stage.name}"
    return f"job {job.job_id[:12]} {job.job_type}, {job.status.value}{where}"
