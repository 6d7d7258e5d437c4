"""Waits for something that will be, with a deadline instead of a hope."""

from __future__ import annotations

import time
from collections.abc import Callable

WITHIN_S = 30.0


def wait_until(
    condition: Callable[[], object], what: str, *, every_s: float = 0.002, within_s: float = WITHIN_S
) -> None:
    """Look again and again until the condition holds; fail after `within_s`."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {within_s:.0f} s: {what}"
        time.sleep(every_s)
