"""Two faults in one job, each pair of them: the job ends as without them, and every invariant holds.

The pairs of the other jobs take hours: `make proof` runs them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from fault_cases import Job, every_pair
from faulty import Kind
from samples import two_stages

TWO_BY_TWO = Job(make=two_stages, params={"n": 2})
SHARES = 4  # so that all cores have something to do


@pytest.mark.timeout(900)
@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.parametrize("kind", list(Kind), ids=lambda kind: kind.value)
def test_two_stages_of_two_tasks_stand_every_pair_of_faults(tmp_path: Path, kind: Kind, share: int):
    _, broken = every_pair(TWO_BY_TWO, tmp_path, kind, shares=SHARES, share=share)

    assert broken == []
