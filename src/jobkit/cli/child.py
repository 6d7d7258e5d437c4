"""A further instance of `jobkit run` in a process of its own: `python -m jobkit.cli.child STORE CONCURRENCY JOB [CHAOS]`.

It tells the events of the job on stdout, a line for each tenth of a second. A line on stdin, the grace in seconds, ends
it; the end of stdin alone means that its parent is dead, and ends it at once.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import IO, TYPE_CHECKING, Final

from jobkit.runtime.events import Event
from jobkit.runtime.loader import load

from .fleet import write_events
from .session import here, open_session, stop_instance

if TYPE_CHECKING:
    from .chaos import RunChaos

TELL_EVERY_S: Final = 0.1


def main() -> None:
    """Work until told to stop."""
    store, concurrency, job_id, *chaos_words = sys.argv[1:]
    parent_writes, parent_reads = _take_pipes()
    lock = threading.Lock()
    events: list[Event] = []

    def observe(event: Event) -> None:
        if event.job_id == job_id:
            with lock:
                events.append(event)

    def tell() -> None:
        with lock:
            told, events[:] = list(events), []
        if told:
            parent_reads.write(write_events(told))
            parent_reads.flush()

    grace: list[str] = []
    stopped = threading.Event()

    def listen() -> None:
        grace.append(parent_writes.readline())
        stopped.set()

    threading.Thread(target=listen, daemon=True).start()
    project = here()
    with open_session(store, project=project, loaded=load(project)) as session:
        chaos: RunChaos | None = None
        if chaos_words:
            from .chaos import RunChaos  # only for those who use it

            chaos = RunChaos.of_instance(session.store, job_id, chaos_words)
        service = session.service(observe, chaos=chaos)
        instance = session.instance(service, concurrency=int(concurrency), chaos=chaos)
        instance.start()
        try:
            while not stopped.wait(TELL_EVERY_S):
                tell()
            left = stop_instance(instance, chaos, float(grace[0] or 0))
            tell()
        except BrokenPipeError:
            left = 1  # nobody listens any more
    if left:
        os._exit(0)  # tasks still run in threads that can't be stopped; their messages are free again


def _take_pipes() -> tuple[IO[str], IO[str]]:
    """Take the pipes to the parent away from users' code: what that prints is on stderr, and it has nothing to read."""
    pipes = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return pipes


if __name__ == "__main__":
    main()
