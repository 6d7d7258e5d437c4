"""What a job asks of a storage account, by Azurite's access log, beside its port calls here: python bench/storage_requests.py [N …].

Azurite is found as the tests find it. Retried requests count, and so does what makes tables and queues.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from access_log import calls_in
from counted import counted
from rich.console import Console
from rich.table import Table
from run import run_job

from jobkit.runtime.controllers import HelloWorlds
from jobkit.runtime.storage.ports import Store

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from azurite import Azurite

#: What depends on how long a process waits, not on the job.
APART = ("receive", "idle receive", "extend", "peek", "create")


def on_azurite(n: int, folder: Path) -> Counter[str]:
    """Run hello_worlds on a new Azurite; return the requests that it logged."""
    with Azurite("--inMemoryPersistence", log=folder / f"{n}.log") as azurite:
        environment = {**os.environ, "AzureWebJobsStorage": azurite.connection_string}
        command = [sys.executable, "-m", "jobkit", "run", "hello_worlds", "--n", str(n), "--store", "azure", "--json"]
        subprocess.run(command, env=environment, cwd=folder, check=True, capture_output=True)
    found = calls_in(folder / f"{n}.log")
    found["transact"] -= 1  # the row among the active jobs is deleted by a transaction there
    found["delete"] += 1
    return found


def here(n: int, folder: Path) -> Counter[str]:
    """Run it on a local store; return its port calls."""
    kept: list[Counter[str]] = []

    def wrap(store: Store) -> Store:
        wrapped, counts = counted(store)
        kept.append(counts.calls)
        return wrapped

    run_job(HelloWorlds, {"n": n}, folder, wrap=wrap)
    return kept[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", nargs="*", type=int, default=[5, 100, 1_000])
    sizes: list[int] = parser.parse_args().sizes
    table = Table(
        title="hello_worlds, two stages of n tasks: requests in Azurite's log | port calls of the local store"
    )
    table.add_column("kind")
    with tempfile.TemporaryDirectory() as place:
        found: dict[int, tuple[Counter[str], Counter[str]]] = {}
        for n in sizes:
            table.add_column(f"n = {n:,}", justify="right")
            found[n] = on_azurite(n, Path(place)), here(n, Path(place))
    kinds = sorted({kind for pair in found.values() for calls in pair for kind in calls} - set(APART))
    for kind in kinds:
        table.add_row(kind, *(f"{there[kind]:,} | {local[kind]:,}" for there, local in found.values()))
    sums = [tuple(sum(calls[kind] for kind in kinds) / (2 * n) for calls in pair) for n, pair in found.items()]
    table.add_row("all, a task", *(f"{there:.2f} | {local:.2f}" for there, local in sums), style="bold")
    for kind in APART:
        table.add_row(kind, *(f"{there[kind]:,} | {local[kind]:,}" for there, local in found.values()), style="dim")
    Console().print(table)


if __name__ == "__main__":
    main()
