"""Stop, settle, and what the poison handler does: what gives tasks, stages and jobs up."""

from __future__ import annotations

from .lights import close, lights_out, pass_on, stale, wind_up
from .planning import send_part
from .rows import (
    CLOSED,
    FAILED,
    JOB,
    PLANNING,
    PROCESSING,
    QUEUED,
    REOPENING,
    SEALED,
    TURN,
    UNPLANNED,
    is_ended,
    scope_of,
    shard_members,
    stage_key,
    task_key,
)
from .tasks import after_end, forward, send_retry
from .turn import DELETE, then

# stop


def stop(turn):
    """Stop the stage that a message names; a cancel names the current one."""
    job, stage = turn.chain()
    body = turn.body
    if job.row is None or (job.row.epoch != body.epoch and not turn.without("no_epoch")):
        return DELETE
    if body.kind != "cancel" and job.row.round != body.round and not turn.without("stop_any_round"):
        return DELETE
    if is_ended(job.row):
        return wind_up(turn, job.row)
    if body.kind not in ("cancel", "complete", "reopen") and body.stage != job.row.stage:
        return DELETE
    return stop_current(turn, job, stage)


def stop_current(turn, job, stage):
    number = job.row.stage
    if stage.row is None:
        return then(fail_job, job)
    if stage.row.state in (UNPLANNED, PLANNING, REOPENING):
        return then(fail_unsealed, job, stage, number)
    if stage.row.state == CLOSED:
        return DELETE
    if turn.without("cancel_ends_job"):
        return then(fail_unsealed, job, stage, number)
    if not stage.row.stop and not turn.without("no_stop_flag"):
        return then(flag, job, stage, number)
    scope = scope_of(job.row.epoch, number, stage.row)
    if not scope.count:
        return then(close, scope, 0)
    return settle_or_split(turn, scope, 0, scope.count)


def fail_job(turn, job):
    after = job.row._replace(status=FAILED)
    done = turn.write(turn.update(JOB, job, after))
    return wind_up(turn, after, known=True) if done else then(stop)


def fail_unsealed(turn, job, stage, number):
    """Close a stage that is not sealed, with its job."""
    after = job.row._replace(status=FAILED)
    if turn.without("cancel_job_only"):
        done = turn.write(turn.update(JOB, job, after))
    else:
        closed = stage.row._replace(state=CLOSED, stop=True)
        if stage.row.state != REOPENING and not turn.without("cancel_ends_job"):
            closed = closed._replace(plan=None, count=None)
        done = turn.write(turn.update(stage_key(number), stage, closed), turn.update(JOB, job, after))
    return wind_up(turn, after, known=True) if done else then(stop)


def flag(turn, job, stage, number):
    """Flag the stage; that the job row is as it was read is part of the transaction."""
    turn.write(turn.update(stage_key(number), stage, stage.row._replace(stop=True)), turn.update(JOB, job, job.row))
    return then(stop)


# settle


def settle_or_split(turn, scope, first, size):
    if size > turn.case.page:
        return then(send_part, "settle", scope, first, first + size)
    last = (first + size - 1) // turn.case.shard
    return then(settle, scope, first // turn.case.shard, last)


def settle_range(turn):
    body = turn.body
    job, stage = turn.chain(body.stage)
    if stale(turn, job, body.epoch, body.round) or stage.row.plan != body.plan:
        return DELETE
    if stage.row.state != SEALED or not stage.row.stop:
        return DELETE
    return settle_or_split(turn, scope_of(body.epoch, body.stage, stage.row), body.first, body.size)


def settle(turn, scope, shard, last):
    """Read what of a shard is queued in this round."""
    found = turn.tasks(scope, shard_members(shard, scope, turn.case))
    queued = tuple(
        (index, entry)
        for index, entry in found
        if entry.row is not None
        and entry.row.status == QUEUED
        and (entry.row.round == scope.round or turn.without("stop_any_round"))
    )
    if queued:
        return then(fail_queued, scope, queued, shard, last)
    rest = (settle, scope, shard + 1, last) if shard < last else None
    if turn.without("stop_no_lights"):
        return DELETE if rest is None else then(*rest)
    return then(lights_out, scope, shard, rest)


def fail_queued(turn, scope, queued, shard, last):
    """Fail the queued tasks of a shard, all or none; refused or not, read again."""
    owner = ("stop", turn.delivery.key)
    turn.write(
        *[turn.update(task_key(scope, i), entry, entry.row._replace(status=FAILED, owner=owner)) for i, entry in queued]
    )
    return then(settle, scope, shard, last)


# poison


def poisoned_task(turn):
    """Do what a redelivery would do, except run the user's code."""
    body = turn.body
    entry = turn.read(task_key(body, body.first))
    row = entry.row
    if row is None:
        return DELETE
    mine = row.owner is not None and row.owner[0] == turn.delivery.key
    if is_ended(row):
        if mine and not turn.without("poison_ended_drop"):
            return after_end(turn, row.status)
        return forward(turn)
    if row.status == PROCESSING and (not mine or row.delivery // TURN > body.turn):
        return DELETE
    if row.status == QUEUED and not turn.without("poison_any_queued"):
        if row.round != body.round or (turn.without("poison_key_only") and not mine):
            return DELETE
        if row.attempt != body.attempt:
            requeued = mine and row.attempt == body.attempt + 1 and not turn.without("poison_requeued_drop")
            return then(send_retry, row.attempt) if requeued else DELETE
    claimed = row.delivery if row.status == PROCESSING else None
    return then(send_again) if is_innocent(turn, claimed) else then(fail_poisoned, entry)


def is_innocent(turn, claimed):
    """Whether nothing speaks against a poisoned message: it has not run alone when its process died.

    `claimed` is the delivery that its row is claimed by, None for none.
    """
    if turn.body.spent >= turn.case.most_spent or turn.without("poison_unjudged"):
        return False
    if claimed is None or claimed // TURN != turn.body.turn:
        return True
    return turn.body.spent + claimed % TURN < turn.case.alone_from


def send_again(turn):
    """Give a poisoned message another turn, in which it is worked on alone from the first delivery on."""
    turn.send_again(turn.case.max_deliveries)
    return DELETE


def fail_poisoned(turn, entry):
    owner = (turn.delivery.key, turn.delivery.id)
    key = task_key(turn.body, turn.body.first)
    turn.write(turn.update(key, entry, entry.row._replace(status=FAILED, owner=owner)))
    return then(poisoned_task)


def poisoned_job_message(turn):
    """Fail the job that a message was to move on, unless something else has moved it on."""
    body = turn.body
    if body.kind in ("stop", "cancel"):
        return stop(turn)
    job, stage = turn.chain()
    if stale(turn, job, body.epoch, body.round):
        return DELETE
    if is_ended(job.row):
        return wind_up(turn, job.row)
    if body.kind in ("plan", "dispatch", "settle", "complete") and job.row.stage != body.stage:
        if not turn.without("pjob_any_stage"):
            return then(pass_on_poisoned, body.stage) if body.stage <= turn.case.stages else DELETE
    elif body.kind in ("plan", "dispatch") and not turn.without("pjob_any_stage"):
        return _poisoned_sender(turn, job, stage)
    if body.kind in ("complete", "reopen") and is_innocent(turn, None):
        return then(send_again)
    return stop_current(turn, job, stage)


def pass_on_poisoned(turn, number):
    job, stage = turn.chain(number)
    if job.row is None or stage.row.state != CLOSED:
        return DELETE
    return pass_on(turn, job.row, number)


def _poisoned_sender(turn, job, stage):
    """A message that sends a stage's tasks is given up only while something that it has to send is unsent."""
    if turn.without("pjob_fails_at_once"):
        return then(fail_job, job)
    owner = stage.row.owner
    others = owner is not None and (owner[2] != turn.delivery.key or owner[1] // TURN > turn.body.turn)
    if turn.body.kind == "plan" and others:
        return DELETE
    if stage.row.state != SEALED or (stage.row.stop and not turn.without("pjob_drops_stopping")):
        claimed = owner[1] if stage.row.state == PLANNING and owner is not None else None
        if stage.row.state in (UNPLANNED, PLANNING) and is_innocent(turn, claimed):
            return then(send_again)
        return stop_current(turn, job, stage)
    scope = scope_of(job.row.epoch, job.row.stage, stage.row)
    if not scope.count:
        return then(close, scope, 0)
    first, size = (turn.body.first, turn.body.size) if turn.body.size else (0, scope.count)
    return then(see_unsent, scope, first, size)


def see_unsent(turn, scope, first, size):
    found = turn.tasks(scope, range(first, first + size))
    if any(entry.row is not None and entry.row.status == QUEUED and entry.row.attempt == 1 for _, entry in found):
        return then(send_again) if is_innocent(turn, None) else then(stop_poisoned)
    return DELETE


def stop_poisoned(turn):
    job, stage = turn.chain()
    if stale(turn, job, turn.body.epoch, turn.body.round) or is_ended(job.row) or job.row.stage != turn.body.stage:
        return DELETE
    return stop_current(turn, job, stage)
