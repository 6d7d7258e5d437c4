"""Lanes over four instances of which some are killed: a lane's tasks run one after the other, wherever they run."""

from __future__ import annotations

import random
import time

import pytest

from invariants import check_invariants, outcome
from jobkit.local import LocalStore
from kills.instance import service_on
from kills.project import Project
from kills.test_many_kills import Instances

TASKS = 60
LANES = 1
KILLS = 8
CONTROLLER = f'''
import os, time
from jobkit.runtime import BaseController, JobContext, Params, TaskContext, stage
from .logged import log

class Laned(BaseController[Params]):
    """Tasks that must not overlap."""
    job_type = "laned"

    @stage("only", max_parallel={LANES})
    def only(self, task: TaskContext[Params, int]) -> int:
        log(f"begin-{{task.index}}")
        time.sleep(0.03)
        log(f"end-{{task.index}}")
        return task.index

    @only.fan_out
    def numbers(self, job: JobContext[Params]):
        yield from range({TASKS})
'''


@pytest.mark.timeout(300)
def test_a_lane_keeps_its_order_and_never_overlaps_over_instances_that_are_killed(project: Project):
    (project.folder / "controllers" / "__init__.py").write_text("")
    (project.folder / "controllers" / "laned.py").write_text(CONTROLLER)
    rng = random.Random(3)
    kills = 0
    with LocalStore.open(project.folder / ".jobkit" / "local.db") as store:
        service = service_on(store, project.folder)
        job_id = service.submit("laned", {}).chain.job.job_id
        instances = Instances(project.folder)
        deadline = time.monotonic() + 200
        try:
            while service.repository.index.is_active(service.repository.get_chain(job_id).job):
                assert time.monotonic() < deadline, f"the job has not ended after {kills} kills"
                time.sleep(rng.uniform(0.05, 0.5))
                if kills < KILLS:
                    instances.kill_one(rng)
                    kills += 1
        finally:
            instances.stop()
        check_invariants(store.store, job_id)
        found = outcome(store.store, job_id)

    assert (found["status"], [task[4] for task in found["tasks"]]) == ("completed", [str(i) for i in range(TASKS)])
    at_work, ended = -1, -1
    for line in (project.folder / "runs.log").read_text().split():
        what, index = line.split("-")
        if what == "begin":
            assert int(index) in (at_work, ended + 1), f"task {index} began while {at_work} ran and {ended} had ended"
            at_work = int(index)
        else:
            assert int(index) == at_work
            ended = max(ended, int(index))
    assert ended == TASKS - 1
