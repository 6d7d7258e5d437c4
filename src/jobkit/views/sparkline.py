"""A row of numbers as a row of blocks of different heights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_BLOCKS: Final = "▁▂▃▄▅▆▇█"
NOTHING: Final = "·"  # tells nothing at all from a little


def sparkline(values: Sequence[float]) -> str:
    """Draw each value as a block, the largest one full; what is not above zero is a dot."""
    most = max(values, default=0.0)
    return "".join(
        _BLOCKS[min(len(_BLOCKS) - 1, int(value / most * len(_BLOCKS)))] if value > 0 else NOTHING for value in values
    )
