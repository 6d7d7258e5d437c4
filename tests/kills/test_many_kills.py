"""Four instances on one job, killed with -9 one after the other at random moments: the job comes to what it must."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from invariants import check_invariants, outcome
from jobkit.local import LocalStore
from kills.instance import service_on
from kills.project import Project

#: `make kills` and `make proof` do 200 within one job of 1,000 tasks a stage.
KILLS = int(os.environ.get("JOBKIT_TEST_INSTANCE_KILLS", "12"))
TASKS = 5 * KILLS
SECONDS = 0.4
INSTANCES = 4


class Instances:
    """Processes that work on a project's store, each replaced when it has been killed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        while len(self._processes) < INSTANCES:
            self._start()

    def _start(self) -> None:
        command = [sys.executable, str(Path(__file__).parent / "instance.py"), str(self._folder)]
        log = {**os.environ, "RUN_LOG": str(self._folder / "runs.log")}
        self._processes.append(subprocess.Popen(command, cwd=self._folder, env=log))

    def kill_one(self, rng: random.Random) -> None:
        killed = self._processes.pop(rng.randrange(INSTANCES))
        killed.send_signal(signal.SIGKILL)
        killed.wait(30)
        self._start()

    def stop(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait(30)


@pytest.mark.timeout(1200)
def test_four_instances_that_are_killed_all_the_time_finish_the_job(project: Project):
    rng = random.Random(KILLS)
    with LocalStore.open(project.folder / ".jobkit" / "local.db") as store:
        service = service_on(store, project.folder)
        job_id = service.submit("logged", {"n": TASKS, "seconds": SECONDS}).chain.job.job_id
        instances = Instances(project.folder)
        kills = 0
        deadline = time.monotonic() + 1000
        try:
            while not service.repository.get_chain(job_id).job.status.ended:
                assert time.monotonic() < deadline, f"the job has not ended after {kills} kills"
                time.sleep(rng.uniform(0.05, 0.6))
                if kills < KILLS:
                    instances.kill_one(rng)
                    kills += 1
            while service.repository.index.is_active(service.repository.get_chain(job_id).job):
                assert time.monotonic() < deadline, "the completion has not been tidied up"
                time.sleep(0.02)
        finally:
            instances.stop()
        time_left = time.monotonic() + 10
        while any(store.queues.length(queue) for queue in ("jobs", "tasks", "jobs-poison", "tasks-poison")):
            assert time.monotonic() < time_left, "messages are left"
            time.sleep(0.05)

        check_invariants(store.store, job_id)
        found = outcome(store.store, job_id)
        assert (found["status"], found["result"], kills) == ("completed", str(sum(range(TASKS))), KILLS)
        ran = Counter((project.folder / "runs.log").read_text().split())
        assert set(ran) == {task[0] for task in found["tasks"]}
