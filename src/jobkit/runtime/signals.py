"""What a task raises on purpose to steer its retries; no errors of jobkit."""

from __future__ import annotations

from datetime import timedelta

MAX_RETRY_LATER = timedelta(days=365)


class PermanentError(Exception):
    """Raise it in a task when trying again can't help: the task fails now, whatever attempts are left."""


class RetryLater(Exception):
    """Raise it in a task to set when the next attempt starts; it uses up an attempt like any failure."""

    def __init__(self, delay: timedelta, reason: str = "") -> None:
        """Ask for the next attempt after `delay` (0 to 365 days)."""
        if not timedelta(0) <= delay <= MAX_RETRY_LATER:
            raise ValueError(f"RetryLater needs a delay from 0 to {MAX_RETRY_LATER.days} days, not {delay}")
        self.delay = delay
        super().__init__(reason or f"retry after {delay}")
