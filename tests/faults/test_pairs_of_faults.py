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
#: How many pairs there are by the kind of the first fault, share by share: 36,688 in all.
PAIRS = {
    Kind.CRASH_BEFORE: (2221, 2126, 2076, 1978),
    Kind.CRASH_AFTER: (213, 263, 525, 0),
    Kind.FAILED: (2185, 2075, 2040, 1930),
    Kind.DOUBTFUL: (1226, 1084, 1353, 1192),
    Kind.REFUSED: (984, 416, 1203, 981),
    Kind.TWICE: (223, 620, 120, 168),
    Kind.TWICE_LATE: (223, 626, 120, 168),
    Kind.LATE: (209, 588, 106, 142),
    Kind.LEASE_LOST: (1877, 1861, 1805, 1761),
}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.parametrize("kind", list(Kind), ids=lambda kind: kind.value)
def test_two_stages_of_two_tasks_stand_every_pair_of_faults(tmp_path: Path, kind: Kind, share: int):
    assert every_pair(TWO_BY_TWO, tmp_path, kind, shares=SHARES, share=share) == (PAIRS[kind][share], [])
