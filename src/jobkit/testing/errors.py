"""What a test is told when it can't mean anything: the job never ends, or an injected failure never happened.

JobkitError
└── TestingError
    ├── NeverEnds
    └── NeverReached
"""

from __future__ import annotations

from jobkit.runtime.errors import JobkitError


class TestingError(JobkitError):
    """The base of what `jobkit.testing` raises by itself."""

    __test__ = False  # pytest is not to collect it


class NeverEnds(TestingError):
    """Raised when a job takes more steps than a test allows, or stands still."""

    def __init__(self, *, job_type: str, reason: str) -> None:
        """Name the job type and what went on for ever."""
        self.job_type, self.reason = job_type, reason
        super().__init__(f"{job_type} does not end: {reason}")


class NeverReached(TestingError):
    """Raised when a failure that a test injects has not happened: the test would pass without it."""

    def __init__(self, *, job_type: str, faults: list[str]) -> None:
        """Name each fault with the reason."""
        self.job_type, self.faults = job_type, faults
        super().__init__(f"{job_type} has ended and never reached " + "; ".join(faults))
