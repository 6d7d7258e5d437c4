"""Waits for something that will be, with a deadline instead of a hope."""

from __future__ import annotations

import time
from collections.abc import Callable

WITHIN_S = 30.0


def wait_until(condition: Callable[[], object], what: str, *, every_s: float = 0.002) -> None:
    """Look again and again until the condition holds; fail after WITHIN_S."""
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {WITHIN_S:.0f} s: {what}"
        time.sleep(every_s)
