"""Where Microsoft's worker is installed: a venv of Python 3.13, the one that its package needs."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import pytest

INSTALL = (
    "install azure-functions-runtime==1.3.0 and a generated app's requirements.txt into a venv of Python 3.13 (see "
    ".ci/run), and name its folder in JOBKIT_TEST_FUNCTIONS"
)


@cache
def worker_python() -> str:
    """Return the Python that has it; the test is skipped without one, unless CI is set."""
    folder = os.environ.get("JOBKIT_TEST_FUNCTIONS")
    found = Path(folder or "", "bin", "python")
    if folder is None or not found.is_file():
        assert not os.environ.get("CI"), f"Microsoft's Functions worker is missing: {INSTALL}"
        pytest.skip(f"Microsoft's Functions worker is missing: {INSTALL}")
    return str(found)
