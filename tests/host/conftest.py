"""An instance of the simulated Functions host for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from host_of import Host
from waiting import WITHIN_S


@pytest.fixture
def host() -> Iterator[Host]:
    host = Host()
    yield host
    host.queues.failing = None
    host.release.release(10_000)
    for instance in host.instances:
        assert instance.stop(WITHIN_S) == 0
