"""How a job's id came about: the canonical JSON that it is the hash of, found from the job's row alone.

The row does not say which parameters are left out of the id, nor whether its stages are all there are. Both are tried:
what hashes to the id is what was hashed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any, Final, cast

from .errors import NotHashable
from .identity import canonical_identity, hash_identity
from .inspected import Provenance
from .model import JobRecord

MOST_TRIED: Final = 600


def find_provenance(job: JobRecord) -> Provenance | None:
    """Return what a job's id is the hash of; None when that can't be told from its row."""
    params: Any = json.loads(job.params_json)
    for tried, left_out in enumerate(_left_out(params)):
        if tried > MOST_TRIED:
            return None
        hashed = {name: value for name, value in params.items() if name not in left_out} if left_out else params
        for stages in (None, job.stage_numbers):
            try:
                canonical = canonical_identity(
                    job_type=job.job_type,
                    version=job.version,
                    params=hashed,
                    stages=stages,
                    source=job.source,
                    run=job.run,
                )
            except NotHashable:
                return None
            if hash_identity(canonical) == job.job_id:
                return Provenance(canonical=canonical, left_out=left_out)
    return None


def _left_out(params: Any) -> Iterator[tuple[str, ...]]:
    """Yield which parameters may be left out: none, then each, then each pair, and so on."""
    names: Sequence[str] = list(cast("dict[str, Any]", params)) if isinstance(params, dict) else ()
    for number in range(len(names) + 1):
        yield from combinations(names, number)
