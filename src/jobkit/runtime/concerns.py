"""What is to be worried about in an installation, with the command that mends it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Final

from .errors import UNREADABLE, UnknownJob
from .figures import counted
from .findings import QUIET_S
from .inspected import Diagnosis, Weight
from .messages import POISON_SUFFIX
from .overview import NO_WORKER, ActiveJob, Concern, Installation
from .unread import Unread, look_command, unread_text

UNATTENDED_S: Final = 60.0  # so long a message may wait before it is asked who takes it
STILL_S: Final = 600.0  # so long a job may show no sign of life, and nothing explain it
MOST_DIAGNOSED: Final = 3
MOST_UNREAD: Final = 5  # jobs that are named


def find_concerns(found: Installation, *, diagnose: Callable[[str], Diagnosis], store: str) -> Iterator[Concern]:
    """Yield what is to be worried about.

    `diagnose` is asked about the few jobs, by their ids, that have been still for longest. `store` is what a command
    needs to use the same store, such as ` --store azure`.
    """
    yield from _unread(found.unread, store)
    unattended = _unattended(found, store)
    if unattended is not None:
        yield unattended
    yield from _poison(found, store, is_attended=unattended is None)
    quiet = sorted((job for job in found.active if _is_still(found, job, QUIET_S)), key=lambda job: job.moved_at)
    for job in quiet[:MOST_DIAGNOSED]:
        try:
            yield from _of_job(found, job, diagnose(job.chain.job.job_id), store)
        except UnknownJob:  # purged just now
            continue
        except UNREADABLE as exc:
            yield from _unread([Unread.of(job.chain.job, exc)], store)
    still = [job for job in quiet[MOST_DIAGNOSED:] if _is_still(found, job, STILL_S)]
    if still:
        jobs = "1 more job shows" if len(still) == 1 else f"{len(still)} more jobs show"
        yield Concern(
            name="still",
            text=f"{jobs} no sign of life",
            since=still[0].moved_at,
            command=f"jobkit inspect jobs --status processing --status queued --sort updated --reverse{store}",
        )


def _unread(jobs: Sequence[Unread], store: str) -> Iterator[Concern]:
    """Name the jobs that can't be read, and count those that are too many to name."""
    for job in jobs[:MOST_UNREAD]:
        text = unread_text(job.job_id, job.error, job.job_type)
        yield Concern(name="unread", text=text, since=None, command=look_command(job.job_id, store))
    if more := len(jobs[MOST_UNREAD:]):
        text = f"{counted(more, 'more job')} can't be read"
        yield Concern(name="unread", text=text, since=None, command=f"jobkit inspect jobs{store}")


def _is_still(found: Installation, job: ActiveJob, seconds: float) -> bool:
    return found.at - job.moved_at >= timedelta(seconds=seconds)


def _unattended(found: Installation, store: str) -> Concern | None:
    """Tell that messages wait and nobody is there to take them, if that is so."""
    oldest = min((queue.oldest_at for queue in found.queues if queue.oldest_at is not None), default=None)
    if oldest is None or found.at - oldest < timedelta(seconds=UNATTENDED_S):
        return None
    if found.living is not None:
        why = "and no process works on this store"
        if found.living:
            return None
    else:
        why = "and no row that was read shows an instance at work: does the Function App run?"
        if any(found.at - at < timedelta(seconds=UNATTENDED_S) for at in found.workers.values()):
            return None
    waiting = sum(queue.visible for queue in found.queues)
    more = "" if all(queue.visible_is_exact for queue in found.queues) else " or more"
    messages = "1 message waits" if waiting == 1 and not more else f"{waiting}{more} messages wait"
    return Concern(name=NO_WORKER, text=f"{messages} {why}", since=oldest, command=f"jobkit worker{store}")


def _poison(found: Installation, store: str, *, is_attended: bool) -> Iterator[Concern]:
    """Tell of messages that were given up: those that were kept, and those that nobody takes from a poison queue."""
    if found.kept_poison:
        messages = counted(found.kept_poison, "message")
        yield Concern(
            name="poison",
            text=f"{messages} could not be understood and {'was' if found.kept_poison == 1 else 'were'} kept",
            since=None,
            command=f"jobkit inspect poison{store}",
        )
    for queue in found.queues if is_attended else ():
        is_old = queue.oldest_at is not None and found.at - queue.oldest_at >= timedelta(seconds=UNATTENDED_S)
        if queue.name.endswith(POISON_SUFFIX) and is_old:
            messages = "1 message waits" if queue.messages == 1 else f"{queue.messages:,} messages wait"
            yield Concern(
                name="poison",
                text=f"{messages} in queue {queue.name}",
                since=queue.oldest_at,
                command=f"jobkit inspect poison{store}",
            )


def _of_job(found: Installation, active: ActiveJob, diagnosis: Diagnosis, store: str) -> Iterator[Concern]:
    """Tell what keeps a job from moving; of one that is still and waits for nothing, that it is."""
    job = active.chain.job
    name = f"job {job.job_id[:12]} {job.job_type}"
    stuck = [each for each in diagnosis.findings if each.weight is Weight.STUCK]
    for each in stuck:
        if each.name != NO_WORKER:  # which is told of all jobs together
            yield Concern(name=each.name, text=f"{name}: {each.evidence}", since=active.moved_at, command=each.remedy)
    explained = stuck or any(each.weight is Weight.WAITING for each in diagnosis.findings)
    if not explained and _is_still(found, active, STILL_S):
        yield Concern(
            name="still",
            text=f"{name} shows no sign of life",
            since=active.moved_at,
            command=f"jobkit inspect job {job.job_id[:12]}{store}",
        )
