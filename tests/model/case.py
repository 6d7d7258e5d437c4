"""What a run of the model explores: a small job, its workers, commands and faults, and the rules left out."""

from __future__ import annotations

from dataclasses import dataclass

from .rows import COMPLETED, FAILED

OK = (COMPLETED,)
OK_OR_FAIL = (COMPLETED, FAILED)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One bounded world. `sealed` starts it at a sealed first stage of so many tasks instead of at a submit."""

    commands: tuple[str, ...] = ("submit",)
    sealed: int = 0
    stages: int = 1
    #: For each stage, the numbers of tasks that its fan-out may give.
    fan_out: tuple[tuple[int, ...], ...] = ((1,),)
    shard: int = 1
    group: int = 9
    page: int = 9
    lanes: int = 0
    #: How many consecutive tasks of a shard one message names.
    batch: int = 1
    outcomes: tuple[str, ...] = OK
    max_attempts: int = 1
    stop_on_failure: bool = False
    #: Deliveries before a message moves to the poison queue.
    max_deliveries: int = 3
    #: The tasks that kill their process whenever they are run.
    deadly: tuple[int, ...] = ()
    #: Whether the fan-out kills its process.
    deadly_plan: bool = False
    #: Whether a task of another job that kills its process is about.
    killer_beside: bool = False
    #: From which delivery on a message is worked on alone in its process; 0 for never.
    alone_from: int = 0
    #: A poisoned message that nothing speaks against is sent again until it has used up so many deliveries.
    most_spent: int = 0
    #: How often a message that waits for others in its process may give up waiting.
    impatience: int = 0
    hints: bool = False
    #: Whether an ETag is a number of its own rather than the row's contents.
    numbered: bool = False
    index: bool = False
    chunks: int = 0
    workers: int = 2
    crashes: int = 0
    expiries: int = 0
    duplicates: int = 0
    doubtful: int = 0
    #: Whether a command's process may die too: what it has not done, nobody does for it.
    commands_crash: bool = False
    #: How often a repair is run once all is quiet and the job has not ended.
    quiet_repairs: int = 0
    #: Whether nothing in this case may end the job as failed.
    completes: bool = False
    #: Rules left out.
    without: frozenset[str] = frozenset()
