"""What `--chaos` asks for: of how many messages, or calls, which fault."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from jobkit.runtime.errors import InvalidSetting, did_you_mean

_SHARE: Final = re.compile(r"(\d{1,3}(?:\.\d{1,6})?)%")
_ALLOWED: Final = "give NAME=SHARE%, separated by commas; names are kill, duplicate, late, error, shares 0% to 100%"


class Disturbance(StrEnum):
    """What chaos does."""

    #: A worker dies once a task's code has run: nothing is recorded, the message comes again.
    KILL = "kill"
    #: A task's message is in the queue twice.
    DUPLICATE = "duplicate"
    #: A worker loses its lease over a task and goes on, while another one runs the task too.
    LATE = "late"
    #: A call of a port fails; whether it was done before is not known.
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """The shares, from 0 to 1, and the seed that makes their choice the same every time; `text` is what was given."""

    text: str
    shares: dict[Disturbance, float]
    seed: int

    def choose(self, kind: Disturbance, *facts: object) -> bool:
        """Whether a fault happens where these facts hold: the same in every process and thread."""
        share = self.shares.get(kind, 0.0)
        return share > 0 and self.random(kind, *facts) < share

    def random(self, *facts: object) -> float:
        """Return a number from 0 to 1 (exclusive) that follows from the seed and these facts."""
        text = "\n".join(str(fact) for fact in (self.seed, *facts))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6]) / 2.0**48


def parse_shares(text: str, *, seed: int) -> Shares:
    """Read `kill=5%,error=2%`. Raises InvalidSetting with what is allowed."""
    shares: dict[Disturbance, float] = {}
    for part in text.split(","):
        name, _, given = (piece.strip() for piece in part.partition("="))
        if name not in (kind.value for kind in Disturbance):
            hint = did_you_mean(name, [kind.value for kind in Disturbance])
            raise _wrong(text, f"there is no {name!r}.{hint}" if name else "it has an empty part")
        kind = Disturbance(name)
        if kind in shares:
            raise _wrong(text, f"{name} is given twice")
        found = _SHARE.fullmatch(given)
        if found is None or float(found[1]) > 100:
            raise _wrong(text, f"{name} needs a share, and has {given!r}" if given else f"{name} has no share")
        shares[kind] = float(found[1]) / 100
    return Shares(text=text, shares=shares, seed=seed)


def _wrong(text: str, reason: str) -> InvalidSetting:
    return InvalidSetting(setting="--chaos", value=text, reason=f"{reason} ({_ALLOWED})")
