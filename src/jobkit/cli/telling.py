"""What a run says on stderr while it works, line by line: what went wrong, and without a terminal how far it is."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Final

from jobkit.runtime.clock import SystemClock
from jobkit.runtime.events import Action, Event
from jobkit.views.progress import stage_line

from .output import say
from .watch import JobWatch

REPORT_S: Final = 30.0
MOST_TOLD: Final = 10
TOLD: Final = frozenset(
    {Action.FAILED, Action.RETRYING, Action.TAKEN_OVER, Action.POISONED, Action.REFUSED, Action.HOOK_FAILED}
)


class EventLog:
    """Says on stderr what went wrong, with instance, job, stage and task; of each kind the first ones only."""

    def __init__(self) -> None:
        """Have told nothing."""
        self._lock = threading.Lock()
        self._told: Counter[Action] = Counter()

    def observe(self, event: Event, instance: int) -> None:
        """Tell an event of an instance, if it is one of those that went wrong."""
        if event.action not in TOLD:
            return
        with self._lock:
            self._told[event.action] += 1
            told = self._told[event.action]
        if told <= MOST_TOLD:
            where = f"instance {instance} job {event.job_id[:12]}"
            where += f" stage {event.stage}" if event.stage is not None else ""
            where += f" task {event.index}" if event.index is not None else ""
            say(f"{where}: {event.action.value}{f' ({event.text:.300})' if event.text else ''}")
        elif told == MOST_TOLD + 1:
            say(f"more tasks {event.action.value}; they are counted at the end")


class ProgressLines:
    """Progress without a terminal: a line when a stage is sealed or ends, and every half minute."""

    def __init__(self, watch: JobWatch, clock: SystemClock) -> None:
        """Tell how far this job is."""
        self._watch = watch
        self._clock = clock
        self._told: dict[int, str] = {}
        self._told_at = time.monotonic()

    def show(self) -> None:
        """Tell what is new; call it often."""
        due = time.monotonic() - self._told_at >= REPORT_S
        for stage in self._watch.stages(self._clock.now()):
            state = "ended" if stage.status.ended else "sealed" if stage.total is not None else ""
            if state and (self._told.get(stage.number) != state or (due and state == "sealed")):
                self._told[stage.number] = state
                self._told_at = time.monotonic()
                say(stage_line(stage))
