"""Every test of the engine runs on every store: a new one joins by its name here and in `driver.new_store`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from driver import Driver, ManualClock, new_store
from faulty import Fault, Faulty
from jobkit.runtime.storage.ports import Store

#: `make azurite` runs them on Azurite, which takes minutes.
ON_AZURE = bool(os.environ.get("JOBKIT_TEST_ENGINE_ON_AZURE"))
STORES = ("azure",) if ON_AZURE else ("memory", "sqlite")

Drive = Callable[..., Driver]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, clock: ManualClock, tmp_path: Path) -> Iterator[Store]:
    with new_store(request.param, clock=clock, folder=tmp_path) as store:
        yield store


@pytest.fixture
def drive(store: Store, clock: ManualClock) -> Drive:
    """Make a driver of some controllers: `drive(HelloWorlds).finish("hello_worlds", {"n": 5})`."""

    def make(*controllers: Any, **options: Any) -> Driver:
        return Driver(store, controllers, clock=clock, **options)

    return make


@pytest.fixture
def drive_faulty(store: Store, clock: ManualClock) -> Callable[..., tuple[Driver, Faulty]]:
    """Make a driver whose port calls are kept and may go wrong."""

    def make(*controllers: Any, faults: tuple[Fault, ...] = (), **options: Any) -> tuple[Driver, Faulty]:
        faulty = Faulty(store, *faults)
        return Driver(faulty.store, controllers, clock=clock, faults=faulty, **options), faulty

    return make
