"""Instances and whole runs that are killed with -9: others take over at once, and nothing recorded runs again."""

import os
import random
import signal
import time

import pytest

from kills.project import Project, children_of, finish, kill_all

KILLS = int(os.environ.get("JOBKIT_TEST_KILLS", "4"))  # `make kills` does 50
TASKS = 1_000 if KILLS >= 50 else 300


def test_a_killed_instance_is_replaced_and_its_tasks_are_taken_over_at_once(project: Project):
    run = project.start("--n", "24", "--seconds", "0.4", "--instances", "2", "--concurrency", "2")
    project.wait_for_runs(6)
    killed_at = time.monotonic()
    os.kill(children_of(run.pid)[0], signal.SIGKILL)

    code, job, err = finish(run)

    assert time.monotonic() - killed_at < 15  # a lease would have run for 30 s
    assert (code, job["result"]) == (0, sum(range(24)))
    assert "instance 2 died; its tasks are taken over" in err
    assert "1 instances lost" in err or "1 instance lost" in err
    assert {task.rpartition("-")[0][-1] for task in project.ran()} == {"1", "2"}


def test_a_run_that_is_killed_again_and_again_ends_and_runs_nothing_recorded_again(project: Project):
    rng = random.Random(KILLS)
    arguments = ("--n", str(TASKS), "--instances", "2", "--concurrency", "4")
    again: list[str] = []
    recorded: set[str] = set()

    for _ in range(KILLS):
        run = project.start(*arguments)
        deadline = time.monotonic() + rng.uniform(0.3, 1.2)
        while time.monotonic() < deadline and run.poll() is None:
            time.sleep(0.01)
        kill_all(run)
        again += sorted(set(project.ran()) & recorded)
        recorded = project.recorded()
    code, job, _ = finish(project.start(*arguments))

    assert (code, job["status"], job["result"]) == (0, "completed", sum(range(TASKS)))
    assert [(s["task_count"], s["completed"], s["failed"]) for s in job["stages"]] == [(TASKS, TASKS, 0)] * 2
    assert again + sorted(set(project.ran()) & recorded) == []


@pytest.mark.parametrize(("n", "deadly"), [(5, 3), (24, 0)])
def test_a_task_that_kills_its_process_each_time_fails_as_poison_and_the_others_complete(
    project: Project, n: int, deadly: int
):
    arguments = ("--n", str(n), "--deadly", str(deadly))
    deaths = 0
    while (ended := finish(project.start(*arguments)))[0] == 9:
        deaths += 1
        assert deaths <= 8

    code, job, _ = ended
    assert (code, job["status"], deaths) == (1, "failed", 5)
    assert [(s["task_count"], s["completed"], s["failed"]) for s in job["stages"]] == [(n, n - 1, 1), (None, 0, 0)]
    assert "PoisonMessage" in job["error"]["message"]
