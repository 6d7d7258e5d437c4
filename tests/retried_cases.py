"""Failed jobs that are retried, on which faults are tried."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from driver import Crash
from fault_cases import Before, Job, Trial, at, differences, runs_of
from faulty import Fault, Kind
from jobkit.runtime import PermanentError
from jobkit.runtime.errors import JobkitError, NothingToRetry
from jobkit.runtime.operator import Operator
from samples import one_stage

#: What is chosen of a job's failed tasks, by n; else all.
CHOICES: dict[int, dict[str, Any]] = {6: {"stage": "1", "tasks": ["4"]}}


class Mended:
    """A task that fails in the first round for every third item, and not any more once it is mended."""

    def __init__(self) -> None:
        self.is_mended = False

    def __call__(self, task: Any) -> int:
        if not self.is_mended and task.index % 3 == 1:
            raise PermanentError(f"task {task.index} is broken")
        return 3 * int(task.params)


MENDED = Mended()
RETRIED_JOBS = {
    "tasks": Job(make=lambda hook: one_stage(MENDED, on_hook=hook), params={"n": 4}),
    "lanes": Job(make=lambda hook: one_stage(MENDED, max_parallel=2, on_hook=hook), params={"n": 5}),
    "batches": Job(make=lambda hook: one_stage(MENDED, batch=3, on_hook=hook), params={"n": 5}),
    "a stop": Job(make=lambda hook: one_stage(MENDED, on_failure="stop", on_hook=hook), params={"n": 4}),
    "one of two failed tasks": Job(
        make=lambda hook: one_stage(MENDED, tolerated_failures=1, on_hook=hook), params={"n": 6}
    ),
}


def run_retried(run: Trial, before_each: Before = lambda: None) -> dict[str, Any]:
    """Run a job, which fails, without a fault; then retry it, as often as the operator dies over it, and run that."""
    MENDED.is_mended = False
    if not run.job_id:
        with run.undisturbed():
            run.job_id = run.driver.submit(run.controller.job_type, run.job.params)
            run.driver.run()
            run.hooks.clear()
    MENDED.is_mended = True
    before_each()
    for _ in range(0 if run.is_acted else 5):
        try:
            Operator(run.driver.service, by="operator").retry(run.job_id, **CHOICES.get(run.job.params["n"], {}))
            break
        except NothingToRetry:  # another instance has run it meanwhile
            break
        except Crash:
            run.driver.crashed()
        except JobkitError as error:
            run.driver.errors.append(error)
    run.is_acted = True
    run.driver.run(before_each=before_each)
    found = run.outcome()
    assert found["status"] == "completed", f"the job is {found['status']}: {found['error']}"
    assert set(run.hooks) == {"completed"}, f"the hook heard {run.hooks}"
    run.check()
    return found


def every_fault_of_a_retry(name: str, store: str, folder: Path, kind: Kind) -> Iterator[str]:
    """Retry a job once for each call of its further round, with a fault there; yield what is broken, and where."""
    with runs_of(RETRIED_JOBS[name], store, folder, play=run_retried) as runs:
        for call in runs.calls:
            if not call.can(kind):
                continue
            with runs.before(call) as run:
                run.faulty.faults = (Fault(kind, at(call.number)),)
                run.faulty.lease_lost = run.another_instance(2)
                try:
                    found = run_retried(run)
                    assert found == runs.expected, differences(found, runs.expected)
                    assert run.faulty.happened == [call]
                except Exception as error:  # noqa: BLE001 - told, so that one failure shows them all
                    yield f"{kind.value} at {call}: {type(error).__name__}: {error}"
