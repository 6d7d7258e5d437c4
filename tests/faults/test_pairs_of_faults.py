"""Two faults in one job, each pair of them: the job ends as without them, and every invariant holds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fault_cases import JOBS, SMALL, Job, every_pair
from faulty import Kind
from samples import two_stages

TWO_BY_TWO = Job(make=two_stages, params={"n": 2})
SHARES = 4  # so that all cores have something to do
#: Every pair of the other jobs takes an hour: `make proof` sets this.
PROOF = bool(os.environ.get("JOBKIT_TEST_PROOF"))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.parametrize("kind", list(Kind), ids=lambda kind: kind.value)
def test_two_stages_of_two_tasks_stand_every_pair_of_faults(tmp_path: Path, kind: Kind, share: int):
    _, broken = every_pair(TWO_BY_TWO, tmp_path, kind, shares=SHARES, share=share)

    assert broken == []


if PROOF:

    @pytest.mark.timeout(4 * 3600)
    @pytest.mark.parametrize("name", SMALL)
    @pytest.mark.parametrize("kind", list(Kind), ids=lambda kind: kind.value)
    def test_other_jobs_stand_every_pair_of_faults(tmp_path: Path, kind: Kind, name: str):
        _, broken = every_pair(JOBS[name], tmp_path, kind)

        assert broken == []
