"""What a diagnosis finds, put into words: one function for each kind of thing that can be wrong with a message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from .evidence import Evidence, QueueEvidence, Seen
from .figures import counted, span_text
from .inspected import Finding, Weight
from .messages import JOBS_QUEUE, MAX_DEQUEUE_COUNT, TASKS_QUEUE

QUIET_S: Final = 30.0  # a message that nobody takes for so long has nobody to take it
NOT_YET: Final = "not taken yet"
LOST: Final = "lost message"


class Findings:
    """Makes findings of one look at a job; `unchecked` collects what could not be told."""

    def __init__(self, evidence: Evidence) -> None:
        """Judge by this evidence."""
        self._evidence = evidence
        self._job = evidence.chain.job
        self._now = evidence.now
        self.unchecked: list[str] = []

    def untaken(self, what: str, queue: str, seen: Sequence[Seen], *, claimed: bool = False) -> Finding:
        """Judge messages that anybody could take."""
        oldest = min(seen, key=lambda each: each.inserted_at or self._now)
        tried = max(each.deliveries for each in seen)
        age_s = (self._now - (oldest.inserted_at or self._now)).total_seconds()
        still_s = (self._now - self._evidence.moved_at).total_seconds()
        verb = "has waited" if len(seen) == 1 else "have waited"
        text = f"{what} {verb} {span_text(age_s)} in queue {queue}"
        living = self._evidence.living
        if living == 0 or (living is None and min(age_s, still_s) > QUIET_S and not tried):
            them = "it" if len(seen) == 1 else "them"
            why = "no process works on this store" if living == 0 else f"nobody takes {them}"
            weight = Weight.STUCK if age_s > QUIET_S else Weight.WAITING
            return Finding(name="no worker", weight=weight, evidence=f"{text} and {why}", remedy=self.worker())
        if tried and claimed:
            return self.dead(f"{what} was taken by an instance that is gone, or failed", oldest)
        if tried:
            return Finding(
                name="failing message",
                weight=Weight.WAITING,
                evidence=f"{what} waits in queue {queue} after {tried} of {MAX_DEQUEUE_COUNT} deliveries that did not finish",
                remedy="see the log of the instances; after the last one it goes to the poison queue",
            )
        return Finding(name=NOT_YET, weight=Weight.WAITING, evidence=text)

    def dead(self, text: str, seen: Seen, *, whose: str = "its") -> Finding:
        """Make the finding of an instance that is gone with a message that it has taken."""
        if seen.hidden is None:
            back = (
                f"{whose} message is back in the queue (delivery {seen.deliveries + 1} of {MAX_DEQUEUE_COUNT} is next)"
            )
        else:
            back = f"{whose} message returns in {span_text((seen.hidden.visible_at - self._now).total_seconds())}, at once with a worker"
        remedy = f"{self.worker()}; or {self.command('repair', '--force')}"
        weight = Weight.STUCK if self._evidence.living == 0 else Weight.WAITING
        return Finding(name="dead claimer", weight=weight, evidence=f"{text}; {back}", remedy=remedy)

    def stuck(self, name: str, evidence: str, *, force: bool = True) -> Finding:
        """Make the finding that a job does not go on by itself; `force` where repair has to be told so."""
        remedy = self.command("repair", *(["--force"] if force and name != "not listed" else []))
        return Finding(name=name, weight=Weight.STUCK, evidence=evidence, remedy=remedy)

    def note(self, name: str, evidence: str) -> Finding:
        """Make the finding of something worth knowing."""
        return Finding(name=name, weight=Weight.NOTE, evidence=evidence)

    def queue(self, name: str) -> QueueEvidence:
        """Return what was seen of a queue."""
        return self._evidence.queues.get(name) or QueueEvidence(name=name, trouble="not looked at")

    def nobody_has_any(self) -> bool:
        """Whether no message of the job is anywhere, and its rows have not just moved: then nothing will be sent."""
        queues = [self.queue(name) for name in (JOBS_QUEUE, TASKS_QUEUE)]
        if not all(queue.is_whole and not queue.seen for queue in queues):
            return False
        stage = self._evidence.stage
        rows = [self._job.etag, *([] if stage is None else [stage.etag])]
        return all(self._evidence.is_still(etag, self._evidence.moved_at) for etag in rows)

    def not_checked(self, what: str, queue: QueueEvidence) -> None:
        """Note what can't be told because a queue can't be seen whole."""
        look = queue.look
        held = "" if look is None else f" (it has {counted(look.messages, 'message')}, {look.hidden:,} hidden)"
        if look is not None and not look.visible_is_exact:
            held = f" (it has {counted(look.messages, 'message')}, and {look.visible} can be seen)"
        self.unchecked.append(f"{what}: queue {queue.name} can't be seen whole{held}")

    def command(self, verb: str, *words: str) -> str:
        """Return a command for this job."""
        return " ".join(["jobkit", verb, self._job.job_id[:12], *words]) + self._evidence.options

    def requeue(self) -> str:
        """Return the command that has the job's poison messages tried again."""
        return f"jobkit poison requeue --job {self._job.job_id[:12]}{self._evidence.options}"

    def worker(self) -> str:
        """Return how an instance is started."""
        can_be_an_app = self._evidence.options and self._evidence.living is None  # no app works on a local store
        return f"jobkit worker{self._evidence.options}" + ("; or start the Function App" if can_be_an_app else "")
