"""`jobkit retry`: another round of failed jobs."""

from __future__ import annotations

from jobkit.runtime.documents import coming_round, retry_document
from jobkit.runtime.errors import NothingToRetry
from jobkit.runtime.model import Chain, Status
from jobkit.runtime.operator import Operator

from .asking import who
from .choosing import Wanted, conclude, open_chosen
from .output import print_json, write_out
from .session import store_option


def main(wanted: Wanted, *, reason: str, dry_run: bool, json: bool, store: str) -> None:
    """Run `jobkit retry`; exit code 1 when one of the jobs has not failed."""
    chains: list[Chain] = []
    refused: list[str] = []
    with open_chosen(wanted, store=store, among=(Status.FAILED,)) as (service, job_ids):
        operator = Operator(service, by=who())
        for job_id in job_ids:
            try:
                chain = operator.check_can_retry(job_id) if dry_run else operator.retry(job_id, reason=reason)
            except NothingToRetry as exc:
                refused.append(str(exc))
                continue
            chains.append(chain)
            if not json:
                write_out(f"job {job_id[:12]} {chain.job.job_type}: {_what(chain)}\n")
    if json:
        print_json({"schema": 1, "jobs": [retry_document(chain, retried=not dry_run) for chain in chains]})
    hint = (
        "" if dry_run else f"Whoever works on the queues runs it.\nIf nobody does: jobkit worker{store_option(store)}"
    )
    conclude(done=len(chains), refused=refused, json=json, hint=hint)


def _what(chain: Chain) -> str:
    """Say what runs again."""
    if chain.job.status is not Status.FAILED:
        return f"round {chain.job.round} goes on; its message is sent again"
    stage = chain.find_stage(chain.job.stage) if chain.job.stage is not None else None
    if stage is None:
        return f"round {coming_round(chain)}: its result is made again"
    where = f"round {coming_round(chain)}: stage {stage.number} {stage.name}"
    if not stage.task_count:
        return f"{where} is planned again"
    return f"{where}, {stage.task_count - stage.summary.completed:,} of {stage.task_count:,} tasks run again"
