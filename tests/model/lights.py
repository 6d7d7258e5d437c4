"""Lights out and what follows: mark, count, close, send on, complete."""

from __future__ import annotations

from .rows import CLOSED, COMPLETED, FAILED, JOB, QUEUED, SEALED, Message, active_key, is_ended, shard_members, shards
from .rows import stage_key as _stage_key
from .turn import DELETE, then


def stale(turn, job, epoch, round_):
    """Whether a message belongs to no job, or to another epoch or round of it."""
    if job.row is None:
        return True
    if job.row.epoch != epoch and not turn.without("no_epoch"):
        return True
    return job.row.round != round_ and not turn.without("job_msg_no_round")


def go_on(rest):
    """Go on with the caller's next step, or be done."""
    return DELETE if rest is None else then(*rest)


# a shard, its group, the root


def lights_out(turn, scope, shard, rest=None):
    """Look whether a shard has a row that has not ended."""
    found = turn.tasks(scope, shard_members(shard, scope, turn.case))
    if any(entry.row is None or not is_ended(entry.row) for _, entry in found):
        return go_on(rest)
    failed = sum(entry.row.status == FAILED for _, entry in found)
    if turn.without("round_from_stage"):
        return then(reread_round, scope, shard, failed, rest)
    return _up(turn, scope, 1, shard, shards(scope, turn.case), failed, rest)


def reread_round(turn, scope, shard, failed, rest):
    _, stage = turn.chain(scope.stage)
    scope = scope._replace(round=stage.row.round)
    return _up(turn, scope, 1, shard, shards(scope, turn.case), failed, rest)


def _up(turn, scope, level, member, members, failed, rest):
    """Mark a member of a level; at the root there is nothing to mark, only the stage to close."""
    if members == 1:
        return then(close, scope, failed)
    step = count_before_mark if turn.without("check_before_mark") else mark
    return then(step, scope, level, member, members, failed, rest)


def _group(turn, scope, level, member):
    round_ = 0 if turn.without("marker_no_round") else scope.round
    return ("marker", scope.stage, scope.plan, round_, level, member // turn.case.group)


def mark(turn, scope, level, member, members, failed, rest):
    turn.write(turn.put((*_group(turn, scope, level, member), member), failed))
    return then(count_marks, scope, level, member, members, rest)


def count_marks(turn, scope, level, member, members, rest):
    """Look whether all members of the group are marked."""
    marked = turn.markers(_group(turn, scope, level, member))
    size, group = turn.case.group, member // turn.case.group
    if len(marked) < min(size, members - group * size):
        return go_on(rest)
    return _up(turn, scope, level + 1, group, -(-members // size), sum(marked), rest)


def count_before_mark(turn, scope, level, member, members, failed, rest):
    """Without the rule: look at the others' marks, then make one's own."""
    marked = turn.markers(_group(turn, scope, level, member))
    last = len(marked) >= members - 1
    return then(mark_after_count, scope, level, member, failed, sum(marked) if last else None, rest)


def mark_after_count(turn, scope, level, member, failed, others, rest):
    turn.write(turn.put((*_group(turn, scope, level, member), member), failed))
    return go_on(rest) if others is None else then(close, scope, failed + others)


# close


def close(turn, scope, failed):
    """Read job and stage: is it this plan's and round's to close?"""
    job, stage = turn.chain(scope.stage)
    if job.row is None or (job.row.epoch != scope.epoch and not turn.without("no_epoch")):
        return DELETE
    if stage.row.plan != scope.plan or (stage.row.round != scope.round and not turn.without("close_any_round")):
        return DELETE
    if stage.row.state == CLOSED:
        return _find_closed(turn, job.row, scope.stage)
    if stage.row.state != SEALED or (is_ended(job.row) and not turn.without("close_any_job")):
        return DELETE
    return then(write_close, scope, job, stage, failed)


def _find_closed(turn, job, number):
    """Send on for the one that closed the stage: it may be dead."""
    if turn.without("only_winner_sends"):
        return DELETE
    if turn.without("winner_or_redelivery_sends") and turn.delivery.number == 1:
        return DELETE
    return pass_on(turn, job, number)


def write_close(turn, scope, job, stage, failed):
    bad = failed > 0 or (stage.row.stop and not turn.without("close_ignores_stop"))
    after = job.row._replace(status=FAILED) if bad else job.row._replace(status=QUEUED, stage=scope.stage + 1)
    closed = stage.row._replace(state=CLOSED, failed=failed)
    if not turn.write(turn.update(_stage_key(scope.stage), stage, closed), turn.update(JOB, job, after)):
        return DELETE if turn.without("close_lost_drops") else then(close, scope, failed)
    if bad:
        return wind_up(turn, after, known=True)
    if turn.without("delete_before_send"):
        return then(delete_early, after)
    return then(send_on, after)


def delete_early(turn, job):
    """Without the rule: the message is deleted before what it has to cause is sent."""
    turn.begin(lambda: "delete the message")
    turn.messages = tuple(m for m in turn.messages if m.id != turn.delivery.id)
    return then(send_on, job)


def pass_on(turn, job, number):
    """Send what follows a closed stage, unless the job has gone on."""
    if is_ended(job):
        return wind_up(turn, job)
    waits = job.stage == number + 1 and job.status == QUEUED
    return then(send_on, job) if waits else DELETE


def send_on(turn, job):
    kind = "plan" if job.stage <= turn.case.stages else "complete"
    turn.send("jobs", Message(kind, job.epoch, job.stage, round=job.round), "n")
    return DELETE


# complete


def complete(turn):
    body = turn.body
    job = turn.read(JOB)
    if stale(turn, job, body.epoch, body.round):
        return DELETE
    if is_ended(job.row):
        return then(see_active, job.row) if turn.case.index else DELETE
    if job.row.stage <= turn.case.stages and not turn.without("complete_any_stage"):
        return DELETE
    return then(write_chunk, job, 0) if turn.case.chunks else then(end, job)


def write_chunk(turn, job, number):
    """Write a part of a long result, under the token of this try."""
    token = (turn.delivery.key, turn.delivery.number)
    key = ("chunk", number) if turn.without("chunks_no_token") else ("chunk", token, number)
    turn.write(turn.put(key, token))
    return then(write_chunk, job, number + 1) if number + 1 < turn.case.chunks else then(end, job)


def end(turn, job):
    token = (turn.delivery.key, turn.delivery.number)
    done = turn.write(turn.update(JOB, job, job.row._replace(status=COMPLETED, result=token)))
    return then(complete) if turn.case.index or not done else DELETE


def wind_up(turn, job, *, known=False):
    """See to it that a job that has ended is taken from the active ones."""
    if not turn.case.index:
        return DELETE
    return then(send_tidy, job) if known else then(see_active_then_send, job)


def see_active_then_send(turn, job):
    active = turn.read(active_key(job, turn.case.without))
    return then(send_tidy, job) if active.row else DELETE


def send_tidy(turn, job):
    turn.send("jobs", Message("complete", job.epoch, job.stage, round=job.round), "w")
    return DELETE


def see_active(turn, job):
    active = turn.read(active_key(job, turn.case.without))
    return then(drop_active, job) if active.row else DELETE


def drop_active(turn, job):
    turn.write(turn.put(active_key(job, turn.case.without), None))
    return DELETE
