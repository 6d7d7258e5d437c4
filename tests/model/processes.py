"""One process: who may work in it beside whom, and what its death does to all that it was at."""

from __future__ import annotations

from . import batches, planning, tasks
from .giving_up import is_innocent, send_again
from .rows import PROCESSING, TURN, Task
from .turn import DELETE, LEAVE, then

#: The step of a worker that waits for its turn in its process.
WAITS = "waits for its turn"
#: What runs a user's code, and may kill its process.
GATED = ("task", "plan", "complete", "killer")
KILLER = ("killer",)


def is_suspect(case, delivery):
    """Whether a message has been delivered so often that it may be what kills its processes."""
    return bool(case.alone_from) and delivery.body.spent + delivery.number % TURN >= case.alone_from


def is_gated(case, message):
    """Whether a message, or a delivery of one, is worked on by turns."""
    return bool(case.alone_from) and message.queue in ("jobs", "tasks") and message.body.kind in GATED


def may_begin(case, workers, worker):
    """Whether a worker need not wait: a suspect runs alone, and nothing runs beside one."""
    if "no_gate" in case.without:
        return True
    others = [
        other
        for other in workers
        if other is not None and other is not worker and other.step is not WAITS and is_gated(case, other.delivery)
    ]
    if is_suspect(case, worker.delivery):
        return not others
    return not any(is_suspect(case, other.delivery) for other in others)


def step_aside(turn):
    """Give up waiting: the message comes again as itself, with what it has spent."""
    spent = turn.delivery.number % TURN - 1
    if turn.body.spent + spent >= turn.case.most_spent:
        return LEAVE
    turn.send_again(spent)
    return DELETE


def kills(case, worker):
    """Whether a worker's next step is what kills its process."""
    step, args = worker.step, worker.args
    if step is tasks.record:
        return worker.delivery.body.first in case.deadly
    if step is batches.record:
        return any(index in case.deadly for index, _ in args[0])
    if step is planning.write_tasks:
        return case.deadly_plan
    return step is die


# a task of another job


def killer(turn):
    """Claim its row, then kill the process."""
    row = Task(PROCESSING, 1, 1, (turn.delivery.key, turn.delivery.id), turn.delivery.number, None)
    turn.write(turn.put(KILLER, row))
    return then(die)


def die(turn):
    raise AssertionError("the explorer ends the process")


def poisoned_killer(turn):
    """Judge it as any task; what becomes of its row is that job's business."""
    row = turn.read(KILLER).row
    claimed = row.delivery if row is not None else None
    return then(send_again) if is_innocent(turn, claimed) else DELETE
