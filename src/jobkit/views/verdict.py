"""What there is to say of a job in one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from jobkit.runtime.figures import counted, left_s, span_text
from jobkit.runtime.inspected import Count, Diagnosis, Inspected, Weight
from jobkit.runtime.model import CANCELLED, Chain, Failure, StageRecord, StageState, Status
from jobkit.runtime.summary import merge

from .duration import duration_text

#: Failures that jobkit itself words; any other's text may say little without its type (KeyError: 'name').
_TELLING: Final = ("StageFailed", "Stopped", CANCELLED, "PoisonMessage")


def verdict_of(found: Inspected) -> str:
    """Say what there is to say of a job that was looked at."""
    return verdict(found.chain, found.counts, found.diagnosis, found.at)


def verdict(chain: Chain, counts: Mapping[int, Count], diagnosis: Diagnosis, now: datetime) -> str:
    """Say how a job ended, what it is at, or why it does not move."""
    job = chain.job
    if job.status is Status.COMPLETED:
        failed = sum(stage.summary.failed for stage in chain.stages)
        return f"completed in {_took(chain)}{_and_failed(failed, ' tolerated')}"
    if job.status is Status.FAILED:
        return f"failed after {_took(chain)}: {why_failed(chain)}"
    worst = diagnosis.findings[0] if diagnosis.findings else None
    if worst is not None and worst.weight is Weight.STUCK:
        return f"stuck: {worst.evidence}"
    stage = chain.current_stage
    if worst is not None and worst.weight is Weight.WAITING and not _runs(stage, counts):
        return f"waiting: {worst.evidence}"
    if stage is None:
        return "its stages have ended, the result is being aggregated"
    place = f"stage {chain.stages.index(stage) + 1} of {len(chain.stages)}"
    if stage.state is StageState.REOPENING:
        return f"reopening {place} for round {stage.round}"
    if stage.state is not StageState.SEALED:
        return f"{'planning' if stage.state is StageState.PLANNING else 'about to plan'} {place}"
    return f"processing {place}: {_progress(stage, counts.get(stage.number), now, is_last=stage is chain.stages[-1])}"


def why_failed(chain: Chain) -> str:
    """Say in a few words why a job failed."""
    error = chain.job.error
    if error is None:
        return "no error was stored"
    groups = merge(stage.summary for stage in chain.stages if stage.error is not None).errors
    failed = sum(stage.summary.failed for stage in chain.stages if stage.error is not None)
    if error.type != "StageFailed" or not groups:
        return why(error)
    most = max(groups, key=lambda group: group.count)
    text = f"{most.failure.type}: {first_line(most.failure.message)}"
    if failed == 1:
        return f"task {most.index}, {text}"
    share = "all" if most.count == failed else f"{most.count:,} of them"
    return f"{failed:,} tasks, {share} {text}"


def why(error: Failure, *, most: int = 300) -> str:
    """Say on one line what an error was: by its text alone where jobkit itself has worded it."""
    return f"{'' if error.type in _TELLING else f'{error.type}: '}{first_line(error.message, most=most)}"


def first_line(text: str, *, most: int = 300) -> str:
    """Return the first line of a text, not too long."""
    line = text.partition("\n")[0]
    return line if len(line) <= most else line[: most - 1] + "…"


def _progress(stage: StageRecord, count: Count | None, now: datetime, *, is_last: bool) -> str:
    total = stage.task_count or 0
    if count is None:
        return counted(total, "task")
    least = "at least " if count.unseen else ""
    parts = [f"{least}{count.summary.ended:,} of {total:,} done"]
    if count.summary.failed:
        parts.append(f"{count.summary.failed:,} failed")
    parts.append(f"{least}{count.in_flight:,} in flight")
    left = stage_left_s(stage, count, now)
    if (
        count.in_flight and count.summary.ended + count.in_flight == total
    ):  # the pace so far tells nothing of the last ones
        parts.append(f"the longest for {span_text(max(running_s(count, now)))}")
    elif left is not None and count.in_flight:
        parts.append(f"about {span_text(left)} left{'' if is_last else ' of this stage'}")
    return ", ".join(parts)


def running_s(count: Count, now: datetime) -> list[float]:
    """Return how long each task in flight has run."""
    return [
        max(0.0, (now - task.started_at).total_seconds())
        for task in count.open
        if task.status is Status.PROCESSING and task.started_at is not None
    ]


def stage_left_s(stage: StageRecord, count: Count, now: datetime) -> float | None:
    """Return how long a stage will still take, at its pace so far; None where that can't be told."""
    if stage.sealed_at is None or stage.round > 1:  # how many ended in this round is not known
        return None
    return left_s(count.summary.ended, stage.task_count or 0, (now - stage.sealed_at).total_seconds())


def _runs(stage: StageRecord | None, counts: Mapping[int, Count]) -> bool:
    count = None if stage is None else counts.get(stage.number)
    return count is not None and count.in_flight > 0


def _took(chain: Chain) -> str:
    return duration_text((chain.job.updated_at - chain.job.created_at).total_seconds())


def _and_failed(failed: int, what: str) -> str:
    return f", {failed:,} failed{what}" if failed else ""
