"""A failed job's further round, with a fault at every call of it: the job ends, and every invariant holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from driver import Crash
from fault_cases import Job, Trial, at, differences, trial
from faulty import Call, Fault, Kind
from jobkit.runtime import PermanentError
from jobkit.runtime.errors import JobkitError, NothingToRetry
from jobkit.runtime.operator import Operator
from samples import one_stage


class Mended:
    """A task that fails in the first round for what is odd, and not any more once it is mended."""

    def __init__(self) -> None:
        self.is_mended = False

    def __call__(self, task: Any) -> int:
        if not self.is_mended and task.index % 2 == 1:
            raise PermanentError(f"task {task.index} is broken")
        return 3 * int(task.params)


MENDED = Mended()
JOBS = {
    "tasks": Job(make=lambda hook: one_stage(MENDED, on_hook=hook), params={"n": 4}),
    "lanes": Job(make=lambda hook: one_stage(MENDED, max_parallel=2, on_hook=hook), params={"n": 5}),
    "batches": Job(make=lambda hook: one_stage(MENDED, batch=3, on_hook=hook), params={"n": 5}),
    "a stop": Job(make=lambda hook: one_stage(MENDED, on_failure="stop", on_hook=hook), params={"n": 4}),
}


def run_retried(run: Trial) -> dict[str, Any]:
    """Run a job, which fails, without a fault; then retry it, as often as the operator dies over it, and run that."""
    MENDED.is_mended = False
    with run.undisturbed():
        run.job_id = run.driver.submit(run.controller.job_type, run.job.params)
        run.driver.run()
        run.hooks.clear()
    MENDED.is_mended = True
    for _ in range(5):
        try:
            Operator(run.driver.service, by="operator").retry(run.job_id)
            break
        except NothingToRetry:  # another instance has run it meanwhile
            break
        except Crash:
            run.driver.crashed()
        except JobkitError as error:
            run.driver.errors.append(error)
    run.driver.run()
    found = run.outcome()
    assert found["status"] == "completed", found["error"]
    assert set(run.hooks) == {"completed"}
    run.check()
    return found


#: On SQLite the others are decided as in memory.
CASES = [
    *(("memory", name, kind) for name in JOBS for kind in Kind),
    *(("sqlite", name, kind) for name in ("tasks", "lanes") for kind in (Kind.CRASH_AFTER, Kind.LEASE_LOST)),
]


@pytest.mark.parametrize(("store", "name", "kind"), CASES, ids=lambda value: getattr(value, "value", value))
def test_a_fault_at_any_call_of_a_further_round_changes_nothing(
    tmp_path: Path, store: str, name: str, kind: Kind
) -> None:
    with trial(JOBS[name], store, tmp_path) as run:
        expected = run_retried(run)
        calls: list[Call] = run.faulty.calls
    broken: list[str] = []
    for call in calls:
        if not call.can(kind):
            continue
        with trial(JOBS[name], store, tmp_path, Fault(kind, at(call.number))) as run:
            run.faulty.lease_lost = run.another_instance(2)
            try:
                found = run_retried(run)
                assert found == expected, differences(found, expected)
                assert run.faulty.happened == [call]
            except Exception as error:  # noqa: BLE001 - collected, so that one failure shows them all
                broken.append(f"{kind.value} at {call}: {type(error).__name__}: {error}")

    assert broken == []
