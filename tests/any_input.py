"""What tests draw to put anything whatever into jobkit's doors, and how many examples of it."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st


def quick(examples: int) -> settings:
    """So many examples in the suite; `make examples` says how many there are to be."""
    return settings(
        max_examples=int(os.environ.get("JOBKIT_TEST_EXAMPLES", examples)),
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


#: What a command line, a query and a row can hold.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30)
_LEAVES = st.none() | st.booleans() | st.text(max_size=20)


def any_json(numbers: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    """Small JSON data of any shape."""
    return st.recursive(
        _LEAVES | numbers,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=5,
    )


#: What a queue message can hold: one with an infinite number would be no JSON.
JSON = any_json(st.integers(-(2**40), 2**40) | st.floats(allow_nan=False))
#: What somebody may take for JSON: Python writes NaN, and integers of any size.
LOOSE_JSON = any_json(st.integers() | st.floats())
TIMES = ("2024-03-01T00:00:00+00:00", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "2024-03-01", "30d")
