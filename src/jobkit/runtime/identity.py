"""Ids are hashes: the same parameters are the same job."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final

import rfc8785

from .errors import NotHashable

HASH_VERSION: Final = 1
ID_DIGITS: Final = 32


class _NotInId:
    """Marks a field of a controller's parameters that is left out of the id: `Annotated[str, NotInId]`."""

    def __repr__(self) -> str:
        return "NotInId"


NotInId: Final = _NotInId()


def canonical_identity(
    *,
    job_type: str,
    version: int,
    params: Any,
    stages: Sequence[int] | None,
    source: str | None,
    run: int,
) -> str:
    """Write, as RFC 8785 canonical JSON, what a job's id is the hash of. Raises NotHashable.

    `stages` is None for the whole controller; `source` the job id or digest that earlier results come from.
    """
    identity: dict[str, Any] = {
        "hash": HASH_VERSION,
        "job_type": job_type,
        "version": version,
        "params": params,
        "stages": None if stages is None else list(stages),
        "source": source,
        "run": run,
    }
    try:
        return rfc8785.dumps(identity).decode()
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError) as exc:
        raise NotHashable(job_type=job_type, reason=str(exc)) from exc


def hash_identity(canonical: str) -> str:
    """Return the job id: the first 32 hexadecimal digits of the SHA-256."""
    return hashlib.sha256(canonical.encode()).hexdigest()[:ID_DIGITS]


def digest(text: str) -> str:
    """Return the digest that stands for an explicit list of earlier results."""
    return hashlib.sha256(text.encode()).hexdigest()[:ID_DIGITS]
