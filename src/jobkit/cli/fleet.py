"""The further instances of a run: processes that work on the same store, replaced when they die."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import IO, Any, Final

from jobkit.runtime.events import Action, Event

GIVE_UP_AFTER: Final = 5  # deaths in a row, each within YOUNG_S
YOUNG_S: Final = 5.0
LEAVE_S: Final = 2.0  # beyond the grace that tasks get

Observe = Callable[[Event, int], None]


class Fleet:
    """Spawned instances, numbered from 2; instance 1 lives in this process."""

    def __init__(
        self,
        *,
        size: int,
        store_name: str,
        concurrency: int,
        job_id: str,
        chaos_words: Sequence[str],
        observe: Observe,
        lost: Callable[[int], None],
    ) -> None:
        """Keep `size` instances alive; `observe` gets their events, `lost` the number of one that died.

        `chaos_words` says how each is to be disturbed, nothing for not at all (`RunChaos.words`).
        """
        self._size = size
        words = [store_name, str(concurrency), job_id, *chaos_words]
        self._command = [sys.executable, "-m", "jobkit.cli.child", *words]
        self._job_id = job_id
        self._observe = observe
        self._lost = lost
        self._next_number = 2
        self._members: dict[int, _Member] = {}
        self._early_deaths = 0
        self.lost_count = 0

    def start(self) -> None:
        """Start all instances."""
        for _ in range(self._size):
            self._spawn()

    def tend(self) -> None:
        """Replace instances that have died; call it often."""
        for number, member in list(self._members.items()):
            if member.process.poll() is None:
                continue
            del self._members[number]
            member.reader.join()  # what it told before it died comes first
            self.lost_count += 1
            self._early_deaths = self._early_deaths + 1 if time.monotonic() - member.started < YOUNG_S else 0
            self._lost(number)
            if self._early_deaths < GIVE_UP_AFTER:
                self._spawn()

    def stop(self, grace_s: float) -> None:
        """Tell all to stop, give what they run `grace_s`, and wait until they are gone."""
        for member in self._members.values():
            member.tell(f"{grace_s}\n")
        deadline = time.monotonic() + grace_s + LEAVE_S
        for member in self._members.values():
            try:
                member.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                member.process.kill()
                member.process.wait()
            member.reader.join()
        self._members.clear()

    def _spawn(self) -> None:
        number = self._next_number
        self._next_number += 1
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for this process, which tells the others
        )
        self._members[number] = _Member(process, lambda event: self._observe(event, number), self._job_id)


class _Member:
    """One spawned instance and the thread that reads what it tells."""

    def __init__(self, process: subprocess.Popen[str], observe: Callable[[Event], None], job_id: str) -> None:
        self.process = process
        self.started = time.monotonic()
        self._observe = observe
        self._job_id = job_id
        self.reader = threading.Thread(target=self._read, args=(process.stdout,), daemon=True)
        self.reader.start()

    def tell(self, line: str) -> None:
        if self.process.stdin is not None:
            try:
                self.process.stdin.write(line)
                self.process.stdin.close()
            except OSError:
                return  # it has died already

    def _read(self, lines: IO[str]) -> None:
        with lines:
            for line in lines:
                for event in read_events(line, self._job_id):
                    self._observe(event)


def write_events(events: list[Event]) -> str:
    """Write events of one job as a line."""
    rows = [(e.action.value, e.stage, e.index, e.attempt, e.count, e.text[:300]) for e in events]
    return json.dumps(rows, separators=(",", ":")) + "\n"


def read_events(line: str, job_id: str) -> list[Event]:
    """Read what `write_events` wrote; a line that a dying process has cut off has nothing."""
    try:
        rows: list[list[Any]] = json.loads(line)
    except ValueError:
        return []
    return [
        Event(action=Action(action), job_id=job_id, stage=stage, index=index, attempt=attempt, count=count, text=text)
        for action, stage, index, attempt, count, text in rows
    ]
