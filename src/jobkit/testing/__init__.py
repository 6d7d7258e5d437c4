"""Controllers in tests: a job whole in memory, one task alone, with failures injected.

    from jobkit.testing import fail, run_job

    def test_a_greeting_that_fails_fails_the_job():
        job = run_job(HelloWorlds, n=3, failures=[fail("Hello Worlds", index=2, error=TimeoutError("slow"))])
        assert [failure.error.message for failure in job.failures("Hello Worlds")] == ["slow"]

The pytest fixture `jobkit_run` comes with jobkit's plugin, which pytest finds by itself.
"""

from .alone import Earlier, Progress, run_fan_out, run_task
from .errors import NeverEnds, NeverReached, TestingError
from .faults import Fault, crash, fail
from .host import JobStore
from .outcome import JobOutcome
from .running import RunJob, run_job

__all__ = [
    "Earlier",
    "Fault",
    "JobOutcome",
    "JobStore",
    "NeverEnds",
    "NeverReached",
    "Progress",
    "RunJob",
    "TestingError",
    "crash",
    "fail",
    "run_fan_out",
    "run_job",
    "run_task",
]
