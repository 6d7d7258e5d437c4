"""`jobkit retry`: another round of failed jobs."""

from __future__ import annotations

from typing import Any

from jobkit.runtime.documents import coming_round, retry_document
from jobkit.runtime.errors import OptionsContradict
from jobkit.runtime.model import Chain, Status
from jobkit.runtime.operator import Operator
from jobkit.runtime.retry_choice import Choice

from .asking import who
from .choosing import Wanted, conclude_chosen, open_chosen, print_chosen
from .output import write_out
from .stores import worker_hint


def main(
    wanted: Wanted,
    *,
    stage: str | None,
    tasks: list[str],
    reason: str,
    dry_run: bool,
    json: bool,
    store: str,
) -> None:
    """Run `jobkit retry`; exit code 1 when one of the jobs that were named has nothing to retry, or one can't be read."""
    if tasks and len(wanted.job_ids) != 1:
        raise OptionsContradict(option="--task", reason="goes with one job, by its id")
    done: list[dict[str, Any]] = []
    with open_chosen(wanted, store=store, among=(Status.FAILED,)) as chosen:
        operator = Operator(chosen.service, by=who())

        def retry(job_id: str) -> None:
            chain, choice = operator.retry(
                job_id, reason=reason, stage=stage, tasks=tasks, dry_run=dry_run, is_named=not wanted.is_filter
            )
            done.append(retry_document(chain, choice, retried=not dry_run))
            if not json:
                write_out(f"job {job_id[:12]} {chain.job.job_type}: {_what(chain, choice)}\n")

        chosen.each(retry)
    if json:
        print_chosen(chosen, done)
    hint = "" if dry_run else worker_hint(store)
    what = "would be retried" if dry_run else "retried"
    conclude_chosen(chosen, done=len(done), what=what, store=store, json=json, hint=hint)


def _what(chain: Chain, choice: Choice) -> str:
    """Say what runs again."""
    if not chain.job.status.ended:
        return f"round {chain.job.round} goes on; its message is sent again"
    stage = None if choice.stage is None else chain.find_stage(choice.stage)
    if stage is None:
        return f"round {coming_round(chain)}: its result is made again"
    where = f"round {coming_round(chain)}: stage {stage.number} {stage.name}"
    count = choice.count(chain)
    if count is None:
        return f"{where} is planned again"
    return f"{where}, {count:,} of {stage.task_count:,} tasks {'runs' if count == 1 else 'run'} again"
