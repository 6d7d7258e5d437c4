"""What an operator may do meanwhile: cancel, retry as a new round, repair; `purging` has the purge."""

from __future__ import annotations

from .giving_up import stop
from .lights import close, lights_out, send_on, stale
from .planning import dispatch
from .rows import (
    COMPLETED,
    FAILED,
    JOB,
    PLANNING,
    QUEUED,
    REOPENING,
    SEALED,
    UNPLANNED,
    Message,
    active_key,
    fresh_stage,
    is_ended,
    scope_of,
    shard_members,
    shards,
    stage_key,
    task_key,
)
from .turn import DELETE, then

# cancel


def cancel(turn):
    job, _ = turn.chain()
    if job.row is None or is_ended(job.row):
        return DELETE
    if turn.without("cancel_in_cli"):
        return then(stop_here, job.row.epoch)
    return then(send_cancel, job.row.epoch)


def stop_here(turn, epoch):
    """Without the rule: the command itself stops the stage, and may die amid it."""
    turn.delivery = turn.delivery._replace(body=Message("cancel", epoch))
    return stop(turn)


def send_cancel(turn, epoch):
    turn.send("jobs", Message("cancel", epoch), "c")
    return DELETE


# retry


def retry(turn):
    """Begin a new round of a failed job; again, it only sends again."""
    job, stages = turn.all_stages()
    if job.row is None or job.row.status == COMPLETED or (job.row.purging and not turn.without("purging_retried")):
        return DELETE
    if job.row.status != FAILED:
        return then(send_reopen, job.row) if job.row.round > 1 else DELETE
    return then(add_round_to_index, job, tuple(stages)) if turn.case.index else then(reopen_job, job, tuple(stages))


def add_round_to_index(turn, job, stages):
    """The index row comes before the job is active again, under a key that no earlier round deletes."""
    turn.write(turn.put(active_key(job.row._replace(round=job.row.round + 1), turn.case.without), 1))
    return then(reopen_job, job, stages)


def reopen_job(turn, job, stages):
    round_ = job.row.round + 1
    writes = [turn.update(JOB, job, job.row._replace(status=QUEUED, round=round_))]
    for number, entry in stages:
        if number < job.row.stage:
            continue
        if number == job.row.stage and entry.row.count:
            state = SEALED if turn.without("reopen_no_seal") else REOPENING
            row = entry.row._replace(state=state, round=round_, stop=False, owner=None)
        else:
            row = fresh_stage(round_, entry.row.takes)
        writes.append(turn.update(stage_key(number), entry, row))
    return then(send_reopen, writes[0][3]) if turn.write(*writes) else then(retry)


def send_reopen(turn, job):
    turn.send("jobs", Message("reopen", job.epoch, round=job.round), "o")
    return DELETE


def reopen(turn):
    """Reset a stage's tasks for the new round, seal it again, turn out lights, dispatch."""
    body = turn.body
    job, stage = turn.chain()
    if stale(turn, job, body.epoch, body.round) or is_ended(job.row):
        return DELETE
    if stage.row is None or stage.row.state in (UNPLANNED, PLANNING):
        return then(send_on, job.row)
    scope = scope_of(body.epoch, job.row.stage, stage.row)
    if stage.row.state == REOPENING or (stage.row.state == SEALED and turn.without("reopen_no_seal")):
        return then(find_old, scope, 0)
    return _relight(turn, scope, 0) if stage.row.state == SEALED else DELETE


def find_old(turn, scope, shard):
    """Read what of a shard has not completed and is of an older round."""
    found = turn.tasks(scope, shard_members(shard, scope, turn.case))
    old = tuple(
        (index, entry)
        for index, entry in found
        if entry.row is not None
        and (entry.row.status == FAILED if turn.without("reopen_failed_only") else entry.row.status != COMPLETED)
        and (entry.row.round < scope.round or turn.without("reopen_any_round"))
    )
    if old:
        return then(reset, scope, old, shard)
    if shard + 1 < shards(scope, turn.case):
        return then(find_old, scope, shard + 1)
    return _relight(turn, scope, 0) if turn.without("reopen_no_seal") else then(see_reopening, scope)


def reset(turn, scope, old, shard):
    turn.write(
        *[
            turn.update(
                task_key(scope, index),
                entry,
                entry.row._replace(status=QUEUED, attempt=1, round=scope.round, owner=None, delivery=0),
            )
            for index, entry in old
        ]
    )
    return then(find_old, scope, shard)


def see_reopening(turn, scope):
    job, stage = turn.chain()
    if stale(turn, job, scope.epoch, scope.round) or stage.row is None or stage.row.state != REOPENING:
        return then(reopen)
    return then(reseal, stage, job.row.stage)


def reseal(turn, stage, number):
    turn.write(turn.update(stage_key(number), stage, stage.row._replace(state=SEALED)))
    return then(reopen)


def _relight(turn, scope, shard):
    """Lights out for each shard, of which some may have nothing open; then the dispatch."""
    if turn.without("reopen_no_lights"):
        return then(redispatch, scope)
    rest = (relight, scope, shard + 1) if shard + 1 < shards(scope, turn.case) else (redispatch, scope)
    return then(lights_out, scope, shard, rest)


def relight(turn, scope, shard):
    rest = (relight, scope, shard + 1) if shard + 1 < shards(scope, turn.case) else (redispatch, scope)
    return lights_out(turn, scope, shard, rest)


def redispatch(turn, scope):
    return dispatch(turn, scope, 0, scope.count) if not turn.case.lanes else send_heads(turn, scope)


# repair


def repair(turn):
    """Send again what may have been lost, of a job that does not move."""
    job, stage = turn.chain()
    if job.row is None:
        return DELETE
    if is_ended(job.row):
        return then(forget) if turn.case.index else DELETE
    if stage.row is None or stage.row.state == UNPLANNED:
        return then(send_on, job.row)
    if stage.row.state == PLANNING:
        return then(take_from_planner, job.row, stage)
    if stage.row.state == REOPENING:
        return then(send_reopen, job.row)
    return _repair_sealed(turn, job.row, stage) if stage.row.state == SEALED else DELETE


def forget(turn):
    """Take a job that has ended from the active ones, and whatever a command that died has left there."""
    left = sorted((key for key, entry in turn.rows.items() if key[0] == "active" and entry.row), key=repr)
    turn.write(*[turn.put(key, None) for key in left])
    return DELETE


def take_from_planner(turn, job, stage):
    """Give the stage of a silent planner back, so that another message can claim it."""
    row = stage.row._replace(state=UNPLANNED, owner=None)
    return then(send_on, job) if turn.write(turn.update(stage_key(job.stage), stage, row)) else DELETE


def _repair_sealed(turn, job, stage):
    if stage.row.stop:
        return then(send_stop, job)
    scope = scope_of(job.epoch, job.stage, stage.row)
    if not scope.count:
        return then(close, scope, 0)
    return then(send_reopen, job) if job.round > 1 else then(resend, scope)


def send_stop(turn, job):
    turn.send("jobs", Message("stop", job.epoch, job.stage, round=job.round), "s")
    return DELETE


def resend(turn, scope):
    """Find the queued tasks to send again: of a lane only the head, whose predecessors have all ended."""
    return send_heads(turn, scope, spread=turn.without("repair_any_lane"))


def send_heads(turn, scope, *, spread=False):
    found = dict(turn.tasks(scope, range(scope.count)))
    lanes = turn.case.lanes
    waiting = tuple(
        (index, entry.row.attempt)
        for index, entry in found.items()
        if entry.row.status == QUEUED
        and entry.row.round == scope.round
        and (not lanes or spread or all(is_ended(found[before].row) for before in range(index - lanes, -1, -lanes)))
    )
    return _resend_next(scope, waiting)


def _resend_next(scope, waiting):
    return then(resend_task, scope, waiting) if waiting else then(relight_all, scope, 0)


def resend_task(turn, scope, waiting):
    index, attempt = waiting[0]
    body = Message("task", scope.epoch, scope.stage, scope.plan, scope.round, index, 1, attempt, scope.count)
    turn.send("tasks", body, f"x{index}")
    return _resend_next(scope, waiting[1:])


def relight_all(turn, scope, shard):
    rest = (relight_all, scope, shard + 1) if shard + 1 < shards(scope, turn.case) else None
    return lights_out(turn, scope, shard, rest)
