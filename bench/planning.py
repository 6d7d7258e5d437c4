"""How long the planning of a large stage takes on a storage account: python bench/planning.py [--tasks N] [--delay-ms D].

On Azurite (found as the tests find it), whose answers to transactions come `--delay-ms` later, as those of an account in
the same region do. One slice of 100 after another, and 16 at once as the azure store does; side by side, three times each.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from noop import Noop
from rich.console import Console
from rich.table import Table

from jobkit.runtime.clock import SystemClock
from jobkit.runtime.messages import JOBS_QUEUE
from jobkit.runtime.outbox import Each, one_after_another
from jobkit.runtime.processing import Processing
from jobkit.runtime.registry import Registry
from jobkit.runtime.service import Service
from jobkit.runtime.storage.azure import AzureStore
from jobkit.runtime.storage.azure_account import Account
from jobkit.runtime.storage.ports import Operation, Tables

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from azurite import Azurite

TIMES = 3


class Far:
    """Tables whose transactions are answered later."""

    def __init__(self, tables: Tables, delay_s: float) -> None:
        self._tables = tables
        self._delay_s = delay_s

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tables, name)

    def transact(self, table: str, operations: Sequence[Operation]) -> list[str]:
        time.sleep(self._delay_s)
        return self._tables.transact(table, operations)


def plan(azure: AzureStore, each: Each[Any], tasks: int, delay_s: float) -> float:
    """Submit a job and handle its first message; return the seconds that this took."""
    registry = Registry()
    registry.add(Noop)
    service = Service(
        replace(azure.store, tables=Far(azure.tables, delay_s)),
        registry,
        clock=SystemClock(),
        rng=random.Random(),  # noqa: S311 - names
        worker="bench",
        observe=lambda _: None,
        each=each,
    )
    service.submit("noop", {"n": tasks})
    (delivery,) = azure.queues.receive(JOBS_QUEUE, limit=1, visibility_s=3_600)
    began = time.perf_counter()
    Processing(service).handle(JOBS_QUEUE, delivery)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--delay-ms", type=float, default=30.0)
    given = parser.parse_args()
    seconds: dict[str, list[float]] = {"one after another": [], "16 at once": []}
    with Azurite("--inMemoryPersistence") as azurite:
        for number in range(TIMES):
            for name, took in seconds.items():
                hub = f"bench{number}{'one' if name.startswith('one') else 'many'}"
                with AzureStore(Account(connection_string=azurite.connection_string), hub=hub) as azure:
                    each = one_after_another if name.startswith("one") else azure.each
                    took.append(plan(azure, each, given.tasks, given.delay_ms / 1000))
    table = Table(title=f"a stage of {given.tasks:,} tasks is planned; {given.delay_ms:g} ms a transaction, on Azurite")
    for column in ("slices", "seconds", "tasks a second", "ratio"):
        table.add_column(column, justify="left" if column == "slices" else "right")
    base = statistics.median(seconds["one after another"])
    for name, took in seconds.items():
        median = statistics.median(took)
        table.add_row(name, f"{median:.1f}", f"{given.tasks / median:,.0f}", f"{median / base:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
