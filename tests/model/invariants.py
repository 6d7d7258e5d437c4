"""What must hold at every write, every send and every end."""

from __future__ import annotations

from collections import namedtuple

from .rows import CLOSED, COMPLETED, FAILED, JOB, PLANNING, PROCESSING, REOPENING, SEALED, is_ended

#: `name` is one of INVARIANTS.
Violation = namedtuple("Violation", "name text")

INVARIANTS = {
    "ends": "The job ends, and every run is finite.",
    "stays ended": "An ended job is only begun again by a retry, as a new round.",
    "order": "Each stage closes once a round, after its predecessor.",
    "one record": "Each task of a closed stage has one terminal record, which nothing changes within its round.",
    "sealed plan": "A plan's number and rows are fixed at its seal, and all are of one delivery.",
    "no early claim": "No task is claimed before its stage is sealed and the stage before it is closed.",
    "no early send": "No task message is sent before its stage is sealed.",
    "lanes": "A laned stage has at most W tasks processing.",
    "counts": "A closed stage's count of failures is that of its rows.",
    "one result": "A job's result is of one try.",
    "epochs": "No message of an older job changes a newer one's task.",
    "purge": "A purge deletes nothing of a job that has not ended, and leaves no task and no stage of one that is gone.",
    "index": "An active job is in the index, an ended one is not.",
    "outcome": "A job fails only for a reason, and a task only by its own attempt, a stop, or a message of its own.",
}
_MOST_TAKES = 6


def check_step(case, before, turn, step):
    """Return what one step's writes or send violate, or None."""
    if turn.sent is not None:
        return _check_send(before, turn.sent[1])
    for key, old, new, conditional in turn.writes:
        kind = key[0]
        if conditional and old == new and kind != "job":
            raise AssertionError(f"{step} writes {key} without a change: its ETag would not tell")
        if new is None:
            broken = _check_delete(before, key, old)
            if broken is not None:
                return broken
            continue
        if kind == "task":
            broken = _check_task(case, turn, key, old, new, step)
        elif kind == "stage":
            broken = _check_stage(turn.rows, key, old, new)
        elif kind == "job":
            broken = _check_job(turn.rows, old, new, step)
        else:
            broken = None
        if broken is not None:
            return broken
    return None


def _check_delete(before, key, old):
    job = _row(before, *JOB)
    if job is None or job.purging or is_ended(job) or key[0] not in ("task", "stage", "job"):
        return None
    if key[0] == "task" and old is not None and old.planner[0] != job.epoch:
        return None
    return Violation("purge", f"{'-'.join(map(str, key))} of a job that has not ended is deleted")


def _row(rows, *key):
    entry = rows.get(key)
    return entry.row if entry is not None else None


def _of_plan(rows, number, plan):
    return [e.row for key, e in rows.items() if key[0] == "task" and key[1:3] == (number, plan) and e.row is not None]


def _check_send(rows, body):
    if body.kind != "task":
        return None
    stage = _row(rows, "stage", body.stage)
    if stage is not None and stage.plan == body.plan and stage.state == PLANNING:
        return Violation("no early send", f"task {body.first} of an unsealed plan is sent")
    return None


def _check_task(case, turn, key, old, new, step):
    rows = turn.rows
    _, number, plan, index = key
    stage = _row(rows, "stage", number)
    if old is None:
        if stage is not None and stage.plan == plan and stage.state in (SEALED, CLOSED, REOPENING):
            return Violation("sealed plan", f"task {index} is added to a sealed plan")
        return None
    if is_ended(old) and new.round == old.round:
        return Violation("one record", f"{step} makes task {index} {new.status}, which is {old.status}")
    if new.status == FAILED and turn.delivery.queue == "tasks poison" and turn.body.size > 1:
        return Violation("outcome", f"task {index} fails for a poisoned batch, which another task may have poisoned")
    # Of a lost lease, or of a death of its own while it is alone, a task may fail by itself.
    deaths = (case.deadly or case.killer_beside) and not case.expiries and not case.crashes
    if new.status == FAILED and deaths and index not in case.deadly:
        return Violation("outcome", f"task {index} fails for what another task has done")
    if old.status == COMPLETED:
        return Violation("one record", f"{step} makes task {index} {new.status}, which is completed")
    if turn.body.epoch is not None and turn.body.epoch != new.planner[0]:
        return Violation("epochs", f"{step} of job {turn.body.epoch} writes task {index} of job {new.planner[0]}")
    if new.status == PROCESSING and old.status != PROCESSING:
        return _check_claim(case, rows, number, plan, stage)
    return None


def _check_claim(case, rows, number, plan, stage):
    earlier = _row(rows, "stage", number - 1)
    if stage is None or stage.plan != plan or stage.state == PLANNING:
        return Violation("no early claim", f"a task of stage {number} is claimed before the seal")
    if earlier is not None and earlier.state != CLOSED:
        return Violation("no early claim", f"a task of stage {number} is claimed before stage {number - 1} closed")
    if case.lanes and sum(row.status == PROCESSING for row in _of_plan(rows, number, plan)) > case.lanes:
        return Violation("lanes", f"more than {case.lanes} tasks are processing")
    return None


def _check_stage(rows, key, old, new):
    if old is None:
        return None
    number = key[1]
    if new.takes > _MOST_TAKES:
        return Violation("ends", f"stage {number} has been planned {_MOST_TAKES} times and is planned again")
    tasks = _of_plan(rows, number, new.plan) if new.plan is not None else []
    if new.state == SEALED and old.state == PLANNING and not _is_one_plan(tasks, new.count):
        return Violation("sealed plan", f"stage {number} is sealed with {len(tasks)} of {new.count} tasks")
    if old.state == CLOSED and new.round == old.round:
        return Violation("order", f"stage {number} is {new.state} again after it closed")
    if new.state == CLOSED and old.state != CLOSED:
        return _check_closing(rows, number, old, new, tasks)
    return None


def _is_one_plan(tasks, count):
    return len(tasks) == count and len({task.planner for task in tasks}) <= 1


def _check_closing(rows, number, old, new, tasks):
    earlier = _row(rows, "stage", number - 1)
    if earlier is not None and earlier.state != CLOSED:
        return Violation("order", f"stage {number} closes before stage {number - 1}")
    if old.state == REOPENING or new.count is None:  # given up before it was sealed again
        return None
    ended = [task for task in tasks if is_ended(task)]
    if len(ended) != new.count:
        return Violation("one record", f"stage {number} closes with {len(ended)} of {new.count} tasks ended")
    failed = sum(task.status == FAILED for task in ended)
    if failed != new.failed:
        return Violation("counts", f"stage {number} closes with {new.failed} failures, its rows have {failed}")
    return None


def _check_job(rows, old, new, step):
    if old is None:
        return None
    if is_ended(old) and new.round == old.round and new._replace(purging=old.purging) != old:
        return Violation("stays ended", f"{step} makes the job {new.status}, which had {old.status}")
    if new.stage < old.stage:
        return Violation("order", f"{step} takes the job back to stage {new.stage}")
    if is_ended(new) and not is_ended(old):
        return _check_end_of_job(rows, new)
    return None


def _check_end_of_job(rows, job):
    stage = _row(rows, "stage", job.stage)
    if stage is not None and stage.state != CLOSED:
        return Violation("one record", f"the job ends as {job.status} while stage {job.stage} is {stage.state}")
    if job.status == COMPLETED:
        parts = {e.row for key, e in rows.items() if key[0] == "chunk" and (len(key) == 2 or key[1] == job.result)}
        if parts - {job.result}:
            return Violation("one result", f"the result of {job.result} has parts of {sorted(parts)}")
    return None


def check_end(case, state, rows):
    """Return what a state violates in which nothing can happen any more, or None."""
    job = _row(rows, *JOB)
    active = any(key[0] == "active" and entry.row for key, entry in state.rows)
    if job is None:
        return _check_gone(case, state, active)
    if not is_ended(job):
        if case.index and not active:
            return Violation("index", f"the job is {job.status} for ever, and no repair would see it")
        return Violation("ends", _stuck(job, rows))
    if case.index and active:
        return Violation("index", "a job that has ended is still among the active ones")
    if state.messages:
        return Violation("ends", f"messages are left: {[message.id for message in state.messages]}")
    if case.completes and job.status != COMPLETED:
        return Violation("outcome", "the job failed without a reason")
    return None


def _check_gone(case, state, active):
    left = [key for key, entry in state.rows if key[0] in ("task", "stage") and entry.row is not None]
    if left and not case.expiries:  # a planner that lost its lease may write rows of a plan that is nobody's any more
        return Violation("purge", f"the job is gone, and {sorted(left, key=repr)} are left")
    if case.index and active and "purge command" in case.commands:  # a submit that died may leave one for the repair
        return Violation("index", "a job that is gone is still among the active ones")
    return None


def _stuck(job, rows):
    parts = [f"the job is {job.status} at stage {job.stage} for ever"]
    for key, entry in sorted(rows.items(), key=repr):
        if key[0] == "stage" and entry.row is not None:
            parts.append(f"stage {key[1]} {entry.row.state}")
        if key[0] == "task" and entry.row is not None:
            parts.append(f"task {key[3]} {entry.row.status}")
    return ", ".join(parts)
