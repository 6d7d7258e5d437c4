"""`jobkit retry`: another round of failed jobs."""

from __future__ import annotations

import typer

from jobkit.runtime.errors import NothingToRetry
from jobkit.runtime.model import Chain, Status
from jobkit.runtime.operator import Operator

from .asking import who
from .output import print_json, say, write_out
from .session import open_without_code, store_option


def main(job_ids: list[str], *, reason: str, dry_run: bool, json: bool, store: str) -> None:
    """Run `jobkit retry`; exit code 1 when one of the jobs has not failed."""
    with open_without_code(store, job_ids[0]) as session:
        service = session.service(lambda _: None)
        whole = dict.fromkeys(service.repository.resolve_job_id(job_id) for job_id in job_ids)
        operator = Operator(service, by=who())
        chains: list[Chain] = []
        refused: list[str] = []
        for job_id in whole:
            try:
                chain = operator.check_can_retry(job_id) if dry_run else operator.retry(job_id, reason=reason)
            except NothingToRetry as exc:
                refused.append(str(exc))
                continue
            chains.append(chain)
            if not json:
                write_out(f"job {job_id[:12]} {chain.job.job_type}: {_what(chain)}\n")
        if json:
            jobs = [{"job_id": c.job.job_id, "round": _round(c), "retried": not dry_run} for c in chains]
            print_json({"schema": 1, "jobs": jobs})
        for text in refused:
            say(f"error: {text}")
        if chains and not dry_run:
            say(f"Whoever works on the queues runs it.\nIf nobody does: jobkit worker{store_option(store)}")
    if refused:
        raise typer.Exit(1)


def _round(chain: Chain) -> int:
    """Return which round the retry begins, or goes on with."""
    return chain.job.round + (chain.job.status is Status.FAILED)


def _what(chain: Chain) -> str:
    """Say what runs again."""
    if chain.job.status is not Status.FAILED:
        return f"round {chain.job.round} goes on; its message is sent again"
    stage = chain.find_stage(chain.job.stage) if chain.job.stage is not None else None
    if stage is None:
        return f"round {_round(chain)}: its result is made again"
    where = f"round {_round(chain)}: stage {stage.number} {stage.name}"
    if not stage.task_count:
        return f"{where} is planned again"
    return f"{where}, {stage.task_count - stage.summary.completed:,} of {stage.task_count:,} tasks run again"
