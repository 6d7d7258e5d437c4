"""`jobkit cancel`: end jobs that have not ended."""

from __future__ import annotations

from jobkit.runtime.documents import cancel_document
from jobkit.runtime.model import Chain, Status
from jobkit.runtime.operator import Operator

from .asking import confirm, who
from .choosing import Wanted, conclude_chosen, open_chosen, print_chosen
from .output import say, write_out
from .stores import worker_hint


def main(wanted: Wanted, *, now: bool, reason: str, dry_run: bool, yes: bool, json: bool, store: str) -> None:
    """Run `jobkit cancel`; exit code 1 when one of the jobs that were named had ended, or one can't be read."""
    found: list[Chain] = []
    with open_chosen(wanted, store=store, among=(Status.QUEUED, Status.PROCESSING)) as chosen:
        operator = Operator(chosen.service, by=who())
        chosen.each(lambda job_id: found.append(operator.check_can_cancel(job_id)))
        chains = found if dry_run else []
        if found and not (dry_run or chosen.is_interrupted):
            for chain in found if not yes else ():
                say(_line(chain))
            confirm(f"Cancel {'this job' if len(found) == 1 else f'these {len(found)} jobs'}?", yes=yes)

            def cancel(job_id: str) -> None:
                chains.append(operator.cancel(job_id, reason=reason, now=now))
                if not json:
                    write_out(f"{_line(chains[-1])}: to be cancelled\n")

            chosen.each(cancel, [chain.job.job_id for chain in found])  # one may have ended since
    if json:
        print_chosen(chosen, [cancel_document(chain, cancelled=not dry_run) for chain in chains])
    elif dry_run:
        write_out("".join(f"{_line(chain)}: would be cancelled\n" for chain in chains))
    running = "is told to end (task.cancelled)" if now else "runs to its end"
    hint = "" if dry_run else worker_hint(store, f"Whoever works on the queues ends them; what runs, {running}.")
    what = "would be cancelled" if dry_run else "to be cancelled"
    conclude_chosen(chosen, done=len(chains), what=what, store=store, json=json, hint=hint)


def _line(chain: Chain) -> str:
    job = chain.job
    stage = chain.current_stage
    where = "" if stage is None else f", at stage {stage.number} {stage.name}"
    return f"job {job.job_id[:12]} {job.job_type}, {job.status.value}{where}"
