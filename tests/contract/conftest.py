"""One suite for every backend: a new one joins by a function in BACKENDS."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clocks import ManualClock
from contract.backend import Backend
from jobkit.local import LocalStore
from jobkit.local.memory import MemoryStore


@contextlib.contextmanager
def memory(folder: Path) -> Iterator[Backend]:
    clock = ManualClock()
    store = MemoryStore(clock=clock, rng=random.Random(7))
    yield Backend(tables=store.tables, queues=store.queues, now=clock.now, advance=clock.advance)


@contextlib.contextmanager
def sqlite(folder: Path) -> Iterator[Backend]:
    clock = ManualClock()
    with LocalStore.open(folder / "local.db", clock=clock) as store:
        yield Backend(tables=store.tables, queues=store.queues, now=clock.now, advance=clock.advance)


BACKENDS: dict[str, Callable[[Path], contextlib.AbstractContextManager[Backend]]] = {"memory": memory, "sqlite": sqlite}


@pytest.fixture(params=sorted(BACKENDS))
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    with BACKENDS[request.param](tmp_path) as opened:
        yield opened
