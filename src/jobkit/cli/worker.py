"""`jobkit worker`: one instance that works on a store's queues until it is interrupted."""

from __future__ import annotations

import logging
import signal
import sys
import threading

import typer

from jobkit.local.host import Instance
from jobkit.runtime.events import log_event
from jobkit.runtime.processing import Processing

from .output import say
from .run import GRACE_S, INTERRUPTED
from .session import here, open_session


def main(*, concurrency: int, store: str) -> None:
    """Run `jobkit worker`."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO, stream=sys.stderr)
    stopped = threading.Event()
    with open_session(store, project=here()) as session:
        instance = Instance(
            session.store.queues,
            Processing(session.service(log_event)).handle,
            waiter=session.store,
            concurrency=concurrency,
            on_error=lambda queue, _, exc: say(f"warning: {queue}: {type(exc).__name__}: {exc}"),
        )

        def stop(_number: int, _frame: object) -> None:
            stopped.set()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        say(f"worker: {concurrency} tasks at once on {session.store_path}; Ctrl-C stops it")
        instance.start()
        stopped.wait()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        instance.stop(0)  # from here on nothing more is begun
        say("stopping: running tasks have 5 s to end (Ctrl-C again leaves at once)")
        left = instance.stop(GRACE_S)
        messages = "1 message" if left == 1 else f"{left} messages"
        say("stopped" if not left else f"stopped; {messages} will be delivered again")
    raise typer.Exit(INTERRUPTED)
