"""One run of `jobkit dev`, with the code as it stands now: `python -m jobkit.cli.dev_run STORE JOB_TYPE [OPTIONS]`.

The end of its standard input means that `jobkit dev` has ended, and ends it like Ctrl-C.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

from .dev import run_afresh
from .main import end_with


def _end_with_dev() -> None:
    """Take standard input away from users' code, which has nothing to read, and wait for its end."""
    given = os.dup(0)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)

    def wait() -> None:
        os.read(given, 1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    _end_with_dev()
    end_with(lambda: run_afresh(sys.argv[2:], sys.argv[1]))
