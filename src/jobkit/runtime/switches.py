"""Switches: where the threads of a process meet that find a shard done at the same moment; one of them goes on."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Generator
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Switch:
    lock: threading.Lock = field(default_factory=threading.Lock)
    threads: int = 0
    done: bool = False


class Switches:
    """The switches of a process, each there while somebody is at it."""

    def __init__(self) -> None:
        """Have none."""
        self._lock = threading.Lock()
        self._switches: dict[tuple[object, ...], _Switch] = {}

    @contextlib.contextmanager
    def at(self, shard: tuple[object, ...]) -> Generator[bool]:
        """Let one thread of this process at a time do what follows a shard; tell whether it is still to be done.

        The others wait for it and do it themselves when it fails: its message may be gone (another instance has taken
        it over and deleted it), so nothing but the row of its task might remember.
        """
        with self._lock:
            switch = self._switches.setdefault(shard, _Switch())
            switch.threads += 1
        try:
            with switch.lock:
                yield not switch.done
                switch.done = True
        finally:
            with self._lock:
                switch.threads -= 1
                if not switch.threads:
                    del self._switches[shard]
