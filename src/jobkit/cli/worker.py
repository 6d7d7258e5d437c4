"""`jobkit worker`: one instance that works on a store's queues until it is interrupted."""

from __future__ import annotations

import logging
import signal
import sys
import threading

import typer

from jobkit.runtime.events import log_event

from .output import INTERRUPTED, say
from .run import GRACE_S, STOPPING
from .session import here, open_session


def main(*, concurrency: int, store: str) -> None:
    """Run `jobkit worker`."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO, stream=sys.stderr)
    logging.getLogger("azure").setLevel(logging.WARNING)  # its SDKs tell of every call
    stopped = threading.Event()
    with open_session(store, project=here()) as session:
        instance = session.instance(session.service(log_event), concurrency=concurrency)

        def stop(_number: int, _frame: object) -> None:
            stopped.set()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        say(f"worker: {concurrency} tasks at once on {session.place}; Ctrl-C stops it")
        instance.start()
        stopped.wait()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        instance.stop(0)  # from here on nothing more is begun
        say(STOPPING)
        left = instance.stop(GRACE_S)
        messages = "1 message" if left == 1 else f"{left} messages"
        say("stopped" if not left else f"stopped; {messages} will be delivered again")
    raise typer.Exit(INTERRUPTED)
