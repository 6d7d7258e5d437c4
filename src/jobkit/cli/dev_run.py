"""One run of `jobkit dev`, with the code as it stands now: `python -m jobkit.cli.dev_run STORE JOB_TYPE [OPTIONS]`."""

from __future__ import annotations

import sys

from .dev import run_afresh
from .main import end_with

if __name__ == "__main__":
    end_with(lambda: run_afresh(sys.argv[2:], sys.argv[1]))
