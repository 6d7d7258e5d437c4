"""The diagnosis: from what was looked at to findings with a name, the evidence and what to do; and what was not checked.

A job is where a row waits for a message. So each finding comes of one question: where is the message that this row waits
for? In the queue, and nobody takes it; in the hands of an instance, living or gone; delayed; in the poison queue; or
nowhere. Where a queue can't be seen whole, nothing is found missing: that is listed as not checked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from .evidence import Evidence, Seen
from .figures import counted
from .findings import LOST, Findings
from .inspected import Diagnosis, Finding, Weight
from .messages import JOBS_QUEUE, POISON_SUFFIX, TASKS_QUEUE, Kind
from .model import CANCELLED, Failure, StageRecord, StageState, Status
from .task_diagnosis import TaskJudge

_CHANGED: Final = "the code has changed since the job was submitted"
_CANCELS: Final = (Kind.CANCEL, Kind.STOP, Kind.SETTLE)


def diagnose(evidence: Evidence) -> Diagnosis:
    """Tell what keeps a job from moving, or why it failed."""
    make = Findings(evidence)
    judge = _Judge(evidence, make)
    found = judge.of_ended() if evidence.chain.job.status.ended else judge.of_open()
    order = list(Weight)
    by_name = {(finding.name, finding.evidence): finding for finding in found}
    findings = sorted(by_name.values(), key=lambda finding: order.index(finding.weight))
    return Diagnosis(findings=tuple(findings), unchecked=tuple(dict.fromkeys(make.unchecked)))


#: What repair says is broken, and the message that would mend it if it were there.
_WAITS_FOR: Final = {
    "not planned": Kind.PLAN,
    "never sealed": Kind.PLAN,
    "not completed": Kind.COMPLETE,
    "not reopened": Kind.REOPEN,
    "stop not finished": Kind.STOP,
}


class _Judge:
    def __init__(self, evidence: Evidence, found: Findings) -> None:
        self._evidence = evidence
        self._job = evidence.chain.job
        self._found = found

    # jobs that have ended

    def of_ended(self) -> Iterator[Finding]:
        if self._job.is_purging:  # nothing else can be done with it
            yield Finding(
                name="being deleted",
                weight=Weight.NOTE,
                evidence="a purge has begun to delete its rows",
                remedy=f"when nobody does it any more: {self._found.command('purge')}",
            )
            return
        error = self._job.error
        failures = [group.failure for stage in self._evidence.chain.stages for group in stage.summary.errors]
        causes = list(self._causes([*failures, *([error] if error is not None else [])]))
        yield from causes
        if error is not None and not self._job.was_cancelled and not causes:
            yield self._failed(error)
        if self._evidence.is_listed:
            yield Finding(
                name="not tidied up",
                weight=Weight.NOTE,
                evidence=f"it has {self._job.status} and is still among the active jobs: on_complete may not have been called",
                remedy=f"wait a moment; then {self._found.command('repair')}",
            )

    def _failed(self, error: Failure) -> Finding:
        """Say what can be done about a failure that the user's code or data has to answer for."""
        stage = next((each for each in self._evidence.chain.stages if each.error is not None), None)
        evidence = error.type
        if error.type == "StageFailed" and stage is not None:
            tasks = counted(stage.summary.ended, "task")
            evidence = f"{stage.summary.failed:,} of {tasks} of stage {stage.number} {stage.name}"
        remedy = f"mend the cause, then {self._found.command('retry')}"
        return Finding(name="failed", weight=Weight.NOTE, evidence=evidence, remedy=remedy)

    def _causes(self, failures: Sequence[Failure]) -> Iterator[Finding]:
        """Name what can be told from the texts of failures."""
        again = self._found.command("retry")
        unknown = f"no controller has the job type {self._job.job_type!r}"
        changed = [failure.message for failure in failures if _CHANGED in failure.message]
        poison = [failure.message.partition(": ")[2] for failure in failures if failure.type == "PoisonMessage"]
        if changed:
            remedy = f"bring the stage back, then {again}; or submit the job anew"
            yield Finding(name="code changed", weight=Weight.NOTE, evidence=changed[0], remedy=remedy)
        if any(unknown in failure.message for failure in failures):
            yield Finding(
                name="controller not registered",
                weight=Weight.NOTE,
                evidence=f"where it was worked on, {unknown}",
                remedy=f"put the controller there (jobkit controllers lists them), then {again}",
            )
        elif poison:
            remedy = f"mend what ends the process, then {again}"
            yield Finding(name="poison", weight=Weight.NOTE, evidence=poison[0], remedy=remedy)

    # jobs that have not

    def of_open(self) -> Iterator[Finding]:
        evidence, stage = self._evidence, self._evidence.stage
        yield from self._troubles()
        if not evidence.is_listed:
            yield self._found.stuck("not listed", f"the job is {self._job.status} and not among the active jobs")
        names: set[str] = set()
        for broken in evidence.broken:
            if broken.name != "not listed" and not self._is_there(broken.name):
                names.add(broken.name)
                yield self._found.stuck(broken.name, broken.evidence, force=False)
        failures = [group.failure for count in evidence.counts.values() for group in count.summary.errors]
        yield from self._causes(failures)
        yield from self._poison()
        yield from self._cancel(stage)
        for finding in self._of_stage(stage):
            if not (names and finding.name == LOST):  # repair has said what is broken
                yield finding

    def _is_there(self, broken: str) -> bool:
        """Whether the message that repair may take for lost is in a queue: of those, repair sees no more than the oldest time."""
        kind = _WAITS_FOR.get(broken)
        queues = (self._found.queue(name) for name in (JOBS_QUEUE, JOBS_QUEUE + POISON_SUFFIX))
        return any(seen.message.kind is kind for queue in queues for seen in queue.seen)

    def _of_stage(self, stage: StageRecord | None) -> Iterator[Finding]:
        if stage is None:
            yield from self._message(
                "the message that completes it", JOBS_QUEUE, lambda seen: seen.message.kind is Kind.COMPLETE
            )
        elif stage.state in (StageState.UNPLANNED, StageState.PLANNING):
            yield from self._message(
                f"the message that plans stage {stage.number}",
                JOBS_QUEUE,
                lambda seen: seen.message.kind is Kind.PLAN,
                claimed=stage.owner is not None,
            )
        elif stage.state is StageState.REOPENING:
            yield self._found.note("being reopened", f"stage {stage.number} is given its round {stage.round}")
            yield from self._message(
                f"the message that reopens stage {stage.number}",
                JOBS_QUEUE,
                lambda seen: seen.message.kind is Kind.REOPEN,
            )
        elif stage.state is StageState.SEALED:
            yield from TaskJudge(self._evidence, self._found).findings(stage)

    def _message(
        self, what: str, queue: str, fits: Callable[[Seen], bool], *, claimed: bool = False
    ) -> Iterator[Finding]:
        """Judge by where the one message is that the job waits for."""
        found = self._found.queue(queue)
        seen = next((each for each in found.seen if fits(each)), None)
        if seen is not None and seen.hidden is None:
            yield self._found.untaken(what, queue, [seen], claimed=claimed)
        elif seen is not None and seen.hidden is not None and seen.hidden.holder_lives is False:
            yield self._found.dead(f"{what} was taken by an instance that is gone", seen)
        elif seen is not None or any(fits(each) for each in self._found.queue(queue + POISON_SUFFIX).seen):
            return  # at work; or told of as poison
        elif self._found.nobody_has_any():
            yield self._found.stuck(LOST, f"{what} is in no queue")
        elif found.is_whole:
            return  # who has one of the job's messages, or has just written, may be about to send it
        elif not found.trouble:
            self._found.not_checked(f"whether {what} is still there", found)

    # what holds for all

    def _troubles(self) -> Iterator[Finding]:
        for queue in self._evidence.queues.values():
            if queue.trouble:
                busy = any(code in queue.trouble for code in ("503", "429", "500", "ServerBusy"))
                self._found.unchecked.append(f"queue {queue.name}")
                yield Finding(
                    name="store throttled" if busy else "store does not answer",
                    weight=Weight.WAITING,
                    evidence=f"queue {queue.name} can't be looked at: {queue.trouble}",
                    remedy="look again in a minute; fewer instances, or max_parallel, ask less of the account",
                )

    def _poison(self) -> Iterator[Finding]:
        for name in (JOBS_QUEUE, TASKS_QUEUE):
            found = self._found.queue(name + POISON_SUFFIX).seen
            if found:
                first = found[0].message
                what = f"task {first.first}" if first.kind is Kind.TASK else f"its {first.kind.value} message"
                messages = f"{counted(len(found), 'message')} in queue {name}{POISON_SUFFIX}"
                fails = "that task" if first.kind is Kind.TASK else "the job"
                yield Finding(
                    name="poison waiting",
                    weight=Weight.STUCK if self._evidence.living == 0 else Weight.WAITING,
                    evidence=f"{messages}: {what} was delivered too often, and a worker fails {fails} for it",
                    remedy=f"{self._found.worker()}; or to try it again: {self._found.requeue()}",
                )

    def _cancel(self, stage: StageRecord | None) -> Iterator[Finding]:
        asked = [seen for seen in self._found.queue(JOBS_QUEUE).seen if seen.message.kind in _CANCELS]
        if stage is not None and stage.stop:
            is_cancel = stage.error is not None and stage.error.type == CANCELLED
            why = "" if stage.error is None else f": {stage.error.message.splitlines()[0]:.200}"
            yield self._found.note("being cancelled" if is_cancel else "being stopped", f"no further task starts{why}")
        elif asked:
            is_cancel = asked[0].message.kind is Kind.CANCEL
            what = "cancel" if is_cancel else "stop"
            yield self._found.note(
                f"being {'cancelled' if is_cancel else 'stopped'}", f"the {what} waits in queue {JOBS_QUEUE}"
            )
        if any(seen.hidden is None for seen in asked):
            yield self._found.untaken("what ends it", JOBS_QUEUE, [seen for seen in asked if seen.hidden is None])
        elif stage is not None and stage.stop and self._found.nobody_has_any():
            count = self._evidence.counts.get(stage.number)
            if count is not None and any(task.status is Status.QUEUED for task in count.open):
                yield self._found.stuck(LOST, "tasks are queued that are to be settled, and no message does that")
