"""The same work on jobkit and on what else runs on one machine without a server: python bench/peers.py [--n N].

Two stages of n tasks that do nothing, the second one fed by the results of the first, then a sum. Each system runs in a
process of its own, in turn; medians of three runs. It needs `pip install huey dbos`. What each of them promises is in
docs/benchmarks.md: a thread pool forgets everything when its process dies.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

WORKERS = 16


def run_jobkit(n: int, folder: Path) -> float:
    from noop import TwoStages
    from run import run_job

    return run_job(TwoStages, {"n": n}, folder)


def run_threads(n: int, folder: Path) -> float:
    from concurrent.futures import ThreadPoolExecutor

    started = time.perf_counter()
    with ThreadPoolExecutor(WORKERS) as pool:
        first = list(pool.map(lambda i: i, range(n)))
        second = list(pool.map(lambda i: i, first))
    check(n, sum(second))
    return time.perf_counter() - started


def run_huey(n: int, folder: Path) -> float:
    import logging

    from huey import SqliteHuey

    logging.getLogger("huey").setLevel(logging.ERROR)
    queue = SqliteHuey(filename=str(folder / "huey.db"), results=True)

    @queue.task()
    def echo(i: int) -> int:
        return i

    consumer = queue.create_consumer(workers=WORKERS, periodic=False, initial_delay=0.001, max_delay=0.01)
    consumer.start()
    started = time.perf_counter()
    first = [result.get(blocking=True, backoff=1.0, max_delay=0.01) for result in [echo(i) for i in range(n)]]
    second = [result.get(blocking=True, backoff=1.0, max_delay=0.01) for result in [echo(i) for i in first]]
    check(n, sum(second))
    seconds = time.perf_counter() - started
    consumer.stop(graceful=True)
    return seconds


def run_dbos(n: int, folder: Path) -> float:
    from dbos import DBOS

    url = f"sqlite:///{folder / 'dbos.db'}"
    DBOS(config={"name": "peers", "system_database_url": url, "log_level": "ERROR"})

    @DBOS.workflow()
    def echo(i: int) -> int:
        return i

    @DBOS.workflow()
    def both(n: int) -> int:
        first = [handle.get_result() for handle in [DBOS.enqueue_workflow("tasks", echo, i) for i in range(n)]]
        second = [handle.get_result() for handle in [DBOS.enqueue_workflow("tasks", echo, i) for i in first]]
        return sum(second)

    DBOS.launch()
    DBOS.register_queue("tasks", worker_concurrency=WORKERS, polling_interval_sec=0.05)
    started = time.perf_counter()
    check(n, both(n))
    seconds = time.perf_counter() - started
    DBOS.destroy()
    return seconds


SYSTEMS: dict[str, Callable[[int, Path], float]] = {
    "jobkit": run_jobkit,
    "huey (SQLite)": run_huey,
    "DBOS (SQLite)": run_dbos,
    "thread pool": run_threads,
}


def check(n: int, total: int) -> None:
    if total != n * (n - 1) // 2:
        raise RuntimeError(f"wrong sum {total}")


def measure(name: str, n: int) -> float:
    """Run one system in a new process; return the seconds of its work, without starting it."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "--n", str(n), "--only", name, "--folder", folder]
        done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    if done.returncode:
        raise RuntimeError(f"{name}: {done.stderr[-2000:]}")
    return float(done.stdout.split()[-1])


def main() -> None:
    """Compare, or be one of those compared."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=1_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only")
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    if arguments.only:
        print(SYSTEMS[arguments.only](arguments.n, arguments.folder))
        return
    from rich.console import Console
    from rich.table import Table

    seconds: dict[str, list[float]] = {name: [] for name in SYSTEMS}
    for _ in range(arguments.runs):
        for name in SYSTEMS:
            seconds[name].append(measure(name, arguments.n))
    table = Table(title=f"Two stages of {arguments.n:,} no-op tasks, {WORKERS} workers, medians of {arguments.runs}")
    for title in ("system", "seconds", "tasks a second", "jobkit is"):
        table.add_column(title, justify="left" if title == "system" else "right")
    ours = statistics.median(seconds["jobkit"])
    for name, found in seconds.items():
        median = statistics.median(found)
        table.add_row(name, f"{median:.2f}", f"{2 * arguments.n / median:,.0f}", f"{median / ours:.2f} x as fast")
    Console(width=None if sys.stdout.isatty() else 100).print(table)


if __name__ == "__main__":
    main()
