"""The stores that the contract is tried on."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from azurite import new_account
from clocks import ManualClock
from contract.backend import Backend
from jobkit.local import LocalStore
from jobkit.local.memory import MemoryStore
from jobkit.runtime.storage.azure import AzureStore


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


@contextlib.contextmanager
def azure(folder: Path) -> Iterator[Backend]:
    account, hub = new_account()
    with AzureStore(account, hub=hub) as store:
        yield Backend(
            tables=store.tables, queues=store.queues, now=lambda: datetime.now(UTC), advance=lambda s: time.sleep(s)
        )


BACKENDS: dict[str, Callable[[Path], contextlib.AbstractContextManager[Backend]]] = {
    "memory": memory,
    "sqlite": sqlite,
    "azure": azure,
}
#: Those whose time is ours, and which check all limits themselves.
LOCAL = ("memory", "sqlite")
