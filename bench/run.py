"""The figures of DESIGN section 8 that a laptop can measure, in one command: python bench/run.py [PART …].

Parts: cold, tasks, calls, latency, instances, memory. Ratios are measured side by side in this run; times are this machine's alone.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bare import bare_tasks_a_second
from counted import counted
from noop import Batched, Noop, chain_controller
from rich.console import Console
from rich.table import Table

from jobkit.local import LocalStore
from jobkit.local.host import Instance
from jobkit.runtime import BaseController
from jobkit.runtime.clock import SystemClock
from jobkit.runtime.events import Action, Event
from jobkit.runtime.model import Status
from jobkit.runtime.processing import Processing
from jobkit.runtime.registry import Registry
from jobkit.runtime.service import Service
from jobkit.runtime.storage.ports import Store

CONCURRENCY = 16
DEADLINE_S = 600


def run_job(
    controller: type[BaseController[Any]],
    params: dict[str, Any],
    folder: Path,
    *,
    wrap: Callable[[Store], Store] = lambda store: store,
    observe: Callable[[Event], None] = lambda event: None,
) -> float:
    """Run a job on one instance on a new local store; return the seconds from submit to end."""
    ended = threading.Event()

    def watch(event: Event) -> None:
        observe(event)
        if event.action is Action.ENDED:
            ended.set()

    clock = SystemClock()
    with LocalStore.open(folder / f"{time.monotonic_ns()}.db") as local:
        store = wrap(local.store)
        service = Service(
            store,
            Registry([controller]),
            clock=clock,
            rng=random.Random(),  # noqa: S311 - names that must differ, not secrets
            worker="bench",
            observe=watch,
            each=local.queues.each,
            together=local.together,
        )
        instance = Instance(
            store.queues,
            Processing(service).handle,
            waiter=local,
            concurrency=CONCURRENCY,
            on_error=lambda queue, delivery, exc: print(f"{queue}: {exc!r}", file=sys.stderr),
        )
        started = time.perf_counter()
        job_id = service.submit(controller.job_type, params).chain.job.job_id
        instance.start()
        if not ended.wait(DEADLINE_S):
            raise TimeoutError(f"{controller.job_type} {params} did not end within {DEADLINE_S} s")
        seconds = time.perf_counter() - started
        left = instance.stop(10)
        job = service.repository.get_chain(job_id).job
        if job.status is not Status.COMPLETED or left:
            raise RuntimeError(f"job {job.status.value}, {left} threads left, {job.error}")
    return seconds


def cold(folder: Path, console: Console, runs: int) -> None:
    """Whole processes: a first run of hello_worlds against the bare imports."""
    commands = {
        "jobkit run hello_worlds --n 5": [sys.executable, "-m", "jobkit", "run", "hello_worlds", "--n", "5"],
        "python -c 'import typer, rich, pydantic'": [sys.executable, "-c", "import typer, rich, pydantic"],
        "jobkit --help": [sys.executable, "-m", "jobkit", "--help"],
        "python -c 'import typer, rich'": [sys.executable, "-c", "import typer, rich"],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(runs + 1):
        for name, command in commands.items():
            place = folder / f"cold{number}"
            place.mkdir(exist_ok=True)
            started = time.perf_counter()
            subprocess.run(command, cwd=place, check=True, capture_output=True)
            if number:  # the first round warms the disk cache
                seconds[name].append(time.perf_counter() - started)
    table = Table(title=f"Cold start, whole process, {runs} runs in turn")
    for title in ("command", "median s", "min", "max"):
        table.add_column(title, justify="left" if title == "command" else "right")
    for name, found in seconds.items():
        table.add_row(name, f"{statistics.median(found):.3f}", f"{min(found):.3f}", f"{max(found):.3f}")
    console.print(table)
    run, imports, helped, light = (statistics.median(found) for found in seconds.values())
    console.print(
        f"run over the imports: {run - imports:+.3f} s (<= 0.4)   --help / imports: {helped / light:.2f} (<= 2)\n"
    )


def tasks(folder: Path, console: Console, runs: int, n: int) -> None:
    """No-op tasks a second on one instance against bare sqlite3, in turn."""
    table = Table(title=f"No-op tasks a second, n = {n:,}, one instance, concurrency {CONCURRENCY}")
    for title in ("run", "jobkit", "bare sqlite3", "ratio"):
        table.add_column(title, justify="right")
    ratios: list[float] = []
    for number in range(1, runs + 1):
        ours = n / run_job(Noop, {"n": n}, folder)
        bare = bare_tasks_a_second(n, folder / f"bare{number}.db")
        ratios.append(ours / bare)
        table.add_row(str(number), f"{ours:,.0f}", f"{bare:,.0f}", f"{ours / bare:.2f}")
    console.print(table)
    console.print(f"median ratio: {statistics.median(ratios):.2f} (>= 0.5)\n")


def calls(folder: Path, console: Console, sizes: list[int]) -> None:
    """Port calls a task by kind, as Azure would bill them."""
    runs = {f"n = {n:,}": (Noop, n) for n in sizes} | {f"n = {sizes[-1]:,}, batch 50": (Batched, sizes[-1])}
    by_run: dict[str, Counter[str]] = {}
    seconds: dict[str, float] = {}
    for title, (controller, n) in runs.items():
        found: list[Any] = []

        def wrap(store: Store, found: list[Any] = found) -> Store:
            wrapped, counts = counted(store)
            found.append(counts)
            return wrapped

        seconds[title] = run_job(controller, {"n": n}, folder, wrap=wrap)
        by_run[title] = found[0].calls
    table = Table(title="Port calls a task, one stage (polls, extensions and peeks apart)")
    table.add_column("kind")
    for title in runs:
        table.add_column(title, justify="right")
    apart = ("idle receive", "extend", "peek")
    kinds = sorted({kind for counts in by_run.values() for kind in counts} - set(apart))

    def row(kinds: list[str]) -> list[str]:
        return [f"{sum(by_run[title][kind] for kind in kinds) / n:.3f}" for title, (_, n) in runs.items()]

    for kind in kinds:
        table.add_row(kind, *row([kind]))
    table.add_row("all", *row(kinds), style="bold")
    for kind in apart:
        table.add_row(kind, *row([kind]), style="dim")
    table.add_row("seconds, counted", *(f"{seconds[title]:.2f}" for title in runs), style="dim")
    console.print(table)
    console.print("to hold: <= 5.5 at n = 100, <= 5.3 from 1,000; <= 0.5 with batch 50\n")


def latency(folder: Path, console: Console, stages: int) -> None:
    """From a stage's last record to the first claim of the next one."""
    table = Table(title=f"Stage to stage: last record to first claim, {stages} stages")
    for title in ("tasks a stage", "median ms", "p95 ms", "max ms"):
        table.add_column(title, justify="right")
    for size in (1, 10, 100):
        last: dict[int, float] = {}
        first: dict[int, float] = {}

        def observe(event: Event, last: dict[int, float] = last, first: dict[int, float] = first) -> None:
            if event.stage is None:
                return
            if event.action is Action.COMPLETED:
                last[event.stage] = time.perf_counter()
            elif event.action is Action.CLAIMED:
                first.setdefault(event.stage, time.perf_counter())

        run_job(chain_controller(stages, size), {}, folder, observe=observe)
        gaps = sorted(1000 * (first[number + 1] - last[number]) for number in range(1, stages))
        p95 = gaps[min(len(gaps) - 1, int(0.95 * len(gaps)))]
        table.add_row(str(size), f"{statistics.median(gaps):.1f}", f"{p95:.1f}", f"{gaps[-1]:.1f}")
    console.print(table)
    console.print("to hold: p95 under 50 ms\n")


def instances(folder: Path, console: Console, n: int) -> None:
    """Whole commands on 1, 2 and 4 instances: tasks that compute, and tasks that do nothing."""
    project = folder / "project"
    (project / "controllers").mkdir(parents=True)
    (project / "pyproject.toml").write_text("[tool.jobkit]\n")
    for name in ("noop.py", "cpu.py"):
        (project / "controllers" / name).write_text((Path(__file__).parent / name).read_text())
    table = Table(title=f"Instances: whole commands, {os.cpu_count()} cores; peak memory of the largest process")
    for title in ("job", "instances", "seconds", "tasks a second", "speed-up", "peak MB"):
        table.add_column(title, justify="left" if title == "job" else "right")
    jobs = {"cpu": ("cpu", 192, 2), "noop": ("noop", n, 8)}
    for title, (job_type, size, concurrency) in jobs.items():
        first = 0.0
        for count in (1, 2, 4):
            store = f"local:{folder / f'{job_type}{count}.db'}"
            command = ["run", job_type, "--n", str(size), "--instances", str(count), "--concurrency", str(concurrency)]
            seconds, peak_mb = measured([sys.executable, "-m", "jobkit", *command, "--store", store], project)
            first = first or seconds
            cells = (f"{seconds:.1f}", f"{size / seconds:,.0f}", f"{first / seconds:.2f}", f"{peak_mb:.0f}")
            table.add_row(f"{title}, n = {size:,}", str(count), *cells)
    console.print(table)
    console.print()


def memory(folder: Path, console: Console, sizes: list[int]) -> None:
    """Peak memory of a whole run by its number of tasks."""
    table = Table(title="Memory: jobkit run noop, one instance, whole process")
    for title in ("n", "seconds", "peak MB"):
        table.add_column(title, justify="right")
    project = folder / "memory"
    (project / "controllers").mkdir(parents=True)
    (project / "pyproject.toml").write_text("[tool.jobkit]\n")
    (project / "controllers" / "noop.py").write_text((Path(__file__).parent / "noop.py").read_text())
    for n in sizes:
        command = [
            sys.executable,
            "-m",
            "jobkit",
            "run",
            "noop",
            "--n",
            str(n),
            "--store",
            f"local:{folder / f'm{n}.db'}",
        ]
        seconds, peak_mb = measured(command, project)
        table.add_row(f"{n:,}", f"{seconds:.1f}", f"{peak_mb:.0f}")
    console.print(table)
    console.print("to hold: under 250 MB, whatever n is\n")


def measured(command: list[str], folder: Path) -> tuple[float, float]:
    """Run a command; return its seconds and the peak memory of its largest process in MB, by the system's account."""
    code = (
        "import resource, subprocess, sys\n"
        "done = subprocess.run(sys.argv[1:], capture_output=True, text=True)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, done.returncode, done.stderr[-500:])"
    )
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code, *command], cwd=folder, capture_output=True, text=True, check=True
    )
    seconds = time.perf_counter() - started
    peak_kb, returned, said = done.stdout.split(" ", 2)
    if int(returned):
        raise RuntimeError(f"{command}: {said}")
    return seconds, int(peak_kb) / 1024


def main() -> None:
    """Run the parts that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=["cold", "tasks", "calls", "latency", "instances", "memory"])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--n", type=int, default=10_000)
    arguments = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 100)
    console.print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores\n")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        parts: dict[str, Callable[[], None]] = {
            "cold": lambda: cold(folder, console, arguments.runs),
            "tasks": lambda: tasks(folder, console, arguments.runs, arguments.n),
            "calls": lambda: calls(folder, console, [100, 1_000, arguments.n]),
            "latency": lambda: latency(folder, console, 40),
            "instances": lambda: instances(folder, console, arguments.n),
            "memory": lambda: memory(folder, console, [1_000, arguments.n, 10 * arguments.n]),
        }
        for part in arguments.parts:
            parts[part]()


if __name__ == "__main__":
    main()
