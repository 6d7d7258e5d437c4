"""The `jobkit` command, and `python -m jobkit`."""

from __future__ import annotations

import os
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line; for a shell that completes one, only tell what may follow."""
    try:
        if "_JOBKIT_COMPLETE" in os.environ:
            from jobkit.cli.completing import main as do  # without typer, which takes longer than all that it does
        else:
            from jobkit.cli.main import main as do
    except KeyboardInterrupt:  # nothing has been done yet
        sys.exit(130)
    do()


if __name__ == "__main__":
    main()
