"""Purge: a job that has ended is marked, its rows go, the job row last; then it may be submitted anew.

In the order of rule 17: rows are read, then it is made sure that the job still says that it is being purged, and only
then are they deleted, each on the condition that it is as it was read.
"""

from __future__ import annotations

from .planning import submit
from .rows import JOB, active_key, is_ended
from .turn import DELETE, then


def purge(turn):
    """Look whether the job has ended."""
    job, _ = turn.chain()
    if job.row is None or not is_ended(job.row):
        return DELETE
    if turn.case.index and not turn.without("purge_untidied"):
        return then(see_tidied, job)
    return _begin(turn, job)


def see_tidied(turn, job):
    """What its own completion still has to tidy up after is left."""
    return DELETE if turn.read(active_key(job.row, turn.case.without)).row else _begin(turn, job)


def _begin(turn, job):
    marked = job.row.purging or turn.without("purge_unmarked")
    return _first(turn, job.row.epoch) if marked else then(mark_job, job)


def mark_job(turn, job):
    """Say in the job row that it is being purged; refused, it is another's: a retry's, or another purge's."""
    row = job.row._replace(purging=True)
    done = turn.write(turn.put(JOB, row) if turn.without("purge_marks_anything") else turn.update(JOB, job, row))
    return _first(turn, row.epoch) if done else DELETE


def _first(turn, epoch):
    return then(find_chain, epoch) if turn.without("purge_job_first") else _next(turn, find_tasks, epoch)


def _next(turn, find, epoch):
    """Find rows, then look at the mark; without the rule the other way round."""
    return then(see_mark, epoch, (find, epoch)) if turn.without("purge_looks_first") else then(find, epoch)


def find_tasks(turn, epoch):
    """Read what there is of tasks and markers."""
    return _found(turn, epoch, turn.all_of("task", "marker"), delete_tasks)


def find_chain(turn, epoch):
    """Read the parts of the result, the stage rows and the job row."""
    return _found(turn, epoch, turn.all_of("chunk", "stage", "job"), delete_chain)


def _found(turn, epoch, found, delete):
    looked = turn.without("purge_does_not_look") or turn.without("purge_looks_first")
    if delete is delete_tasks and not found:
        return DELETE if turn.without("purge_job_first") else _next(turn, find_chain, epoch)
    return then(delete, epoch, found) if looked else then(see_mark, epoch, (delete, epoch, found))


def see_mark(turn, epoch, following):
    """Whether the job is still the one that is being purged: what was read before that is of no newer one."""
    job = turn.read(JOB)
    if not turn.without("purge_unmarked") and (job.row is None or not job.row.purging or job.row.epoch != epoch):
        return DELETE
    return then(*following)


def delete_tasks(turn, epoch, found):
    """Delete a row, if it is as it was read; another purge may have been first."""
    (key, entry), *rest = found
    turn.write(turn.update(key, entry, None))
    if rest:
        return then(delete_tasks, epoch, tuple(rest))
    return DELETE if turn.without("purge_job_first") else _next(turn, find_chain, epoch)


def delete_chain(turn, epoch, found):
    """Delete them in one transaction, the last one; refused, what is left is read again."""
    if found:
        if turn.without("purge_deletes_anything"):
            turn.write(*[turn.put(key, None) for key, _ in found])
        elif not turn.write(*[turn.update(key, entry, None) for key, entry in found]):
            return _next(turn, find_chain, epoch)
    if turn.without("purge_job_first"):
        return then(find_tasks, epoch)
    return then(submit) if turn.body.kind == "again command" else DELETE
