"""`jobkit run --chaos`: what is disturbed, in which instances, and what is said of it at the end."""

from __future__ import annotations

import random
import shutil
import tempfile
from pathlib import Path
from typing import Any, Final

from jobkit.runtime.errors import OptionsContradict
from jobkit.runtime.figures import counted
from jobkit.runtime.model import JobRecord, task_id
from jobkit.testing.chaos import Chaos, InjectedError
from jobkit.testing.chaos_log import ChaosLog, ChaosReport, Rerun, read_log
from jobkit.testing.shares import Disturbance, Shares, parse_shares

from .output import say
from .session import OpenStore

MOST_TOLD: Final = 10
_SEEDS: Final = 1_000_000
_DONE: Final = {
    Disturbance.KILL: "killed",
    Disturbance.DUPLICATE: "duplicated",
    Disturbance.LATE: "late",
    Disturbance.ERROR: "failed calls",
}


class RunChaos(Chaos):
    """The chaos of one instance of a run."""

    def __init__(self, store: OpenStore, shares: Shares, *, job_id: str, log_path: Path) -> None:
        """Disturb this job; what happens is added to the log."""
        self.shares = shares
        self.job_id = job_id
        self.too_late = False
        self._log_path = log_path
        super().__init__(shares, job_id=job_id, store=store.store, log=ChaosLog(log_path), flush=store.flush)

    @classmethod
    def of_run(cls, store: OpenStore, shares: Shares, job: JobRecord) -> RunChaos:
        """Make that of the first instance, with a new log, and say what is to come."""
        say(f"chaos: {shares.text} --seed {shares.seed}")
        folder = Path(tempfile.mkdtemp(prefix="jobkit-chaos-"))
        chaos = cls(store, shares, job_id=job.job_id, log_path=folder / "log")
        chaos.too_late = job.status.ended
        return chaos

    @classmethod
    def of_instance(cls, store: OpenStore, job_id: str, words: list[str]) -> RunChaos:
        """Make that of a further instance, from what `words` gave."""
        text, seed, log_path = words
        return cls(store, parse_shares(text, seed=int(seed)), job_id=job_id, log_path=Path(log_path))

    @property
    def words(self) -> list[str]:
        """What a further instance is told on its command line."""
        return [self.shares.text, str(self.shares.seed), str(self._log_path)]

    @staticmethod
    def injected(error: BaseException | None) -> bool:
        """Whether an error is one of chaos, of which nobody needs to hear."""
        return isinstance(error, InjectedError)

    def end(self) -> dict[str, Any]:
        """Tell what came of it and return that as JSON data; remove the log. Call it once, when nobody works any more."""
        report = read_log(self._log_path, self.shares)
        shutil.rmtree(self._log_path.parent)
        _tell(report, self.shares, self.job_id)
        if self.too_late:
            say("  The job had ended before: --again runs it afresh.")
        return report.document(self.shares, self.job_id)


def read_shares(chaos: str | None, seed: int | None, *, store: str) -> Shares | None:
    """Return what `--chaos` and `--seed` ask for; None without. Raises InvalidSetting, OptionsContradict."""
    if chaos is None:
        if seed is not None:
            raise OptionsContradict(option="--seed", reason="is for --chaos: give what is to go wrong")
        return None
    shares = parse_shares(chaos, seed=random.randrange(_SEEDS) if seed is None else seed)  # noqa: S311 - no secret
    if store.partition(":")[0] != "local":
        raise OptionsContradict(option="--chaos", reason=f"disturbs a local store alone, and --store is {store}")
    return shares


def _tell(report: ChaosReport, shares: Shares, job_id: str) -> None:
    """Say what was done, which tasks ran more than once, and whether they came to the same."""
    done = ", ".join(f"{count:,} {_DONE[kind]}" for kind, count in report.injected.items())
    say(f"chaos (--seed {shares.seed}): {done}; {_reruns(report)}")
    differing = [rerun for rerun in report.reruns if rerun.differs]
    for rerun in differing[:MOST_TOLD]:
        say(f"  {_rerun(rerun, job_id)}")
    if len(differing) > MOST_TOLD:
        say(f"  and {len(differing) - MOST_TOLD:,} more (--json has all)")
    if differing:
        say("  Tasks may run twice: what one comes to should follow from its parameters. The exit code is the job's.")


def _reruns(report: ChaosReport) -> str:
    count = len(report.reruns)
    if not count:
        return "no task ran more than once"
    tasks = counted(count, "task")
    differing = sum(rerun.differs for rerun in report.reruns)
    each = "to the same each time" if not differing else f"of which {differing:,} came to different results"
    return f"{tasks} ran more than once, {each}" if differing else f"{tasks} ran more than once and came {each}"


def _rerun(rerun: Rerun, job_id: str) -> str:
    came = " / ".join(came.sample for came in rerun.came)
    return f"{task_id(job_id, rerun.stage, rerun.index)} attempt {rerun.attempt}: {came}"
