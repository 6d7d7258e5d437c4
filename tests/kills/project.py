"""A project whose tasks keep a log of their runs, and a run of it that can be killed at any moment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from jobkit.local import LocalStore
from jobkit.runtime.repository import Repository

CONTROLLER = '''
import os, time
from jobkit.runtime import BaseController, JobContext, Params, TaskContext, stage

class LoggedParams(Params):
    n: int = 10
    deadly: int = -1     # the index of a task that kills its process
    seconds: float = 0.0

class Logged(BaseController[LoggedParams]):
    """Two stages whose tasks write their ids to a log."""
    job_type = "logged"

    @stage("first")
    def first(self, task: TaskContext[LoggedParams, int]) -> int:
        log(task.task_id)
        if task.index == task.job.params.deadly:
            os._exit(9)
        time.sleep(task.job.params.seconds)
        return task.params

    @first.fan_out
    def numbers(self, job: JobContext[LoggedParams]):
        yield from range(job.params.n)

    @stage("second")
    def second(self, task: TaskContext[LoggedParams, int]) -> int:
        log(task.task_id)
        return task.params

    @second.fan_out
    def results(self, job: JobContext[LoggedParams]):
        for result in job.results(self.first):
            yield result.value

    def aggregate(self, job: JobContext[LoggedParams]):
        return sum(result.value for result in job.results(self.second))

def log(line: str) -> None:
    file = os.open(os.environ["RUN_LOG"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(file, (line + "\\n").encode())
    os.close(file)
'''


class Project:
    """A folder with the controller, its store and the logs of its runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "controllers").mkdir()
        (folder / "controllers" / "logged.py").write_text(CONTROLLER)
        (folder / "pyproject.toml").write_text("[tool.jobkit]\n")
        self._runs = 0

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `jobkit run logged` with a new log."""
        self._runs += 1
        self.log = self.folder / f"run{self._runs}.log"
        self.log.touch()
        return subprocess.Popen(
            [sys.executable, "-m", "jobkit", "run", "logged", "--json", *arguments],
            cwd=self.folder,
            env={**os.environ, "RUN_LOG": str(self.log)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ran(self) -> Counter[str]:
        """Return how often each task has run in the newest run."""
        return Counter(self.log.read_text().split())

    def wait_for_runs(self, n: int) -> None:
        """Wait until the newest run has started `n` tasks."""
        deadline = time.monotonic() + 30
        while sum(self.ran().values()) < n:
            assert time.monotonic() < deadline, f"no {n} tasks have run within 30 s"
            time.sleep(0.005)

    def recorded(self) -> set[str]:
        """Return the ids of the tasks that the store has as ended."""
        with LocalStore.open(self.folder / ".jobkit" / "local.db") as store:
            repository = Repository(store.tables)
            found: set[str] = set()
            for job_id in self._job_ids(store):
                for stage in repository.get_chain(job_id).stages:
                    found |= {task.ref.task_id for task in repository.all_tasks(stage) if task.status.ended}
            return found

    @staticmethod
    def _job_ids(store: LocalStore) -> set[str]:
        from jobkit.runtime.storage.ports import Span

        return {entity.partition for entity in store.tables.query("jobs", Span("", "~"), rows=Span("job", "job "))}


def children_of(pid: int) -> list[int]:
    """Return the processes that a process has spawned."""
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, timeout=10)
    return [int(line) for line in found.stdout.split()]


def kill_all(process: subprocess.Popen[str]) -> None:
    """Kill a run and its instances at once, with -9."""
    pids = [process.pid, *children_of(process.pid)]
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    process.communicate(timeout=30)


def finish(process: subprocess.Popen[str]) -> tuple[int, dict[str, Any], str]:
    """Wait for a run's end; return its exit code, its job and what it said on stderr."""
    out, err = process.communicate(timeout=90)
    return process.returncode, json.loads(out) if out else {}, err
