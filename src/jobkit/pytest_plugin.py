"""What pytest loads by itself where jobkit is installed; so nothing heavy is imported until a test asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from jobkit.testing import RunJob


@pytest.fixture
def jobkit_run() -> RunJob:
    """Run jobs as `jobkit.testing.run_job` does, all of this test in one store in memory that no other test sees.

    For example: `jobkit_run(HelloWorlds, n=5).results("Hello Worlds")`. The same parameters again are the same job.
    """
    from functools import partial

    from jobkit.testing import JobStore, run_job

    return partial(run_job, store=JobStore())
