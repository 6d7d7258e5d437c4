"""Claim, run, record, retry, lanes: what a task message does with the row it meets."""

from __future__ import annotations

from .lights import lights_out
from .rows import (
    COMPLETED,
    FAILED,
    PROCESSING,
    QUEUED,
    SEALED,
    Entry,
    Message,
    Scope,
    Task,
    is_ended,
    is_mine,
    task_key,
)
from .turn import DELETE, LEAVE, then


def scope_of_task(body):
    return Scope(body.epoch, body.stage, body.plan, body.round, body.count)


def _key(turn):
    return task_key(turn.body, turn.body.first)


def _mine(turn, row):
    return row.owner is not None and is_mine(turn.delivery, *row.owner, row.delivery, turn.case.without)


def task(turn):
    """Claim at once where the message has the row's ETag; else, and when that is refused, read."""
    body = turn.body
    if body.hint is None or body.attempt > 1 or turn.delivery.number != 1:
        return decide(turn)
    planner = turn.rows[_key(turn)].row.planner if _key(turn) in turn.rows and turn.rows[_key(turn)].row else None
    return claim(turn, Entry(Task(QUEUED, 1, body.round, None, 0, planner), body.hint))


def decide(turn):
    """Read the row; the table of docs/protocol.md says the rest."""
    entry = turn.read(_key(turn))
    row = entry.row
    if row is None:
        return DELETE
    if is_ended(row):
        return _meet_ended(turn, row)
    if row.status == PROCESSING:
        return _meet_processing(turn, entry)
    if row.round != turn.body.round and not turn.without("claim_any_round"):
        return DELETE
    if row.attempt != turn.body.attempt and not turn.without("claim_any_attempt"):
        requeued = _mine(turn, row) and row.attempt == turn.body.attempt + 1 and row.round == turn.body.round
        return then(send_retry, row.attempt) if requeued and not turn.without("requeued_drop") else DELETE
    if row.attempt > 1 and not turn.without("retry_ignores_stop"):
        return then(look_at_stop, entry)
    return then(claim, entry)


def _meet_ended(turn, row):
    if not _mine(turn, row):
        return forward(turn)
    if turn.without("ended_row_skips_check"):
        return DELETE
    return after_end(turn, row.status)


def _meet_processing(turn, entry):
    if not _mine(turn, entry.row) or turn.without("no_takeover"):
        return DELETE
    if entry.row.delivery > turn.delivery.number:
        return LEAVE
    if entry.row.delivery == turn.delivery.number:
        return ready(turn, entry)
    return then(claim, entry)


def look_at_stop(turn, entry):
    """A further attempt is not begun in a stage that is being stopped."""
    _, stage = turn.chain(turn.body.stage)
    return then(fail_stopped, entry) if stage.row is not None and stage.row.stop else then(claim, entry)


def fail_stopped(turn, entry):
    owner = (turn.delivery.key, turn.delivery.id)
    turn.write(turn.update(_key(turn), entry, entry.row._replace(status=FAILED, owner=owner)))
    return then(decide)


def claim(turn, entry):
    """Make the row this message's and this delivery's."""
    owner = (turn.delivery.key, turn.delivery.id)
    claimed = entry.row._replace(status=PROCESSING, owner=owner, delivery=turn.delivery.number)
    if turn.write(turn.update(_key(turn), entry, claimed)):
        return ready(turn, turn.rows[_key(turn)])
    return DELETE if turn.without("claim_lost_drops") else then(decide)


def ready(turn, entry):
    """Begin to run the user's code; without the rule, look first and record afterwards."""
    return then(look_before_record, entry) if turn.without("check_before_record") else then(record, entry)


def look_before_record(turn, entry):
    scope = scope_of_task(turn.body)
    first = turn.body.first - turn.body.first % turn.case.shard
    others = turn.tasks(scope, range(first, min(first + turn.case.shard, scope.count)))
    last = all(other.row is not None and is_ended(other.row) for index, other in others if index != turn.body.first)
    return then(record, entry, last)


def record(turn, entry, last=True):
    """Write what the attempt came to, if the row is still this delivery's."""
    outcome = turn.choose(turn.case.outcomes)
    retried = outcome == FAILED and entry.row.attempt < turn.case.max_attempts
    if retried:
        after = entry.row._replace(status=QUEUED, attempt=entry.row.attempt + 1)
    else:
        after = entry.row._replace(status=outcome)
    if not turn.write(turn.update(_key(turn), entry, after)):
        return DELETE if turn.without("lost_record_drops") else then(decide)
    if retried:
        return then(send_retry, after.attempt)
    return after_end(turn, outcome) if last else DELETE


def send_retry(turn, attempt):
    turn.send("tasks", turn.body._replace(attempt=attempt, hint=None, turn=0, spent=0), "r")
    return DELETE


# after the end of a task: its lane, its stage's stop, the lights


def after_end(turn, status):
    if turn.case.stop_on_failure and status != COMPLETED:
        return then(see_stop)  # what is stopped needs no lanes any more
    return then(send_lane, True) if _has_next(turn) and not turn.without("no_lane_after") else out(turn)


def forward(turn):
    """Pass a lane on over a row that another message has ended, unless its stage is being stopped."""
    if _has_next(turn) and not turn.without("lane_no_forward"):
        return then(see_open)
    return DELETE


def see_open(turn):
    job, stage = turn.chain(turn.body.stage)
    if job.row is None or job.row.round != turn.body.round or stage.row.state != SEALED or stage.row.stop:
        return DELETE
    return then(send_lane, False)


def _has_next(turn):
    return turn.case.lanes and turn.body.first + turn.case.lanes < turn.body.count


def send_lane(turn, mine):
    """Send the lane's next task, before the own message is deleted."""
    following = turn.body.first + turn.case.lanes
    turn.send("tasks", turn.body._replace(first=following, attempt=1, hint=None, turn=0, spent=0), f"l{following}")
    return out(turn) if mine else DELETE


def see_stop(turn):
    """Ask for a stop, unless the stage is being stopped, or is not open any more."""
    job, stage = turn.chain(turn.body.stage)
    if job.row is None or job.row.round != turn.body.round or stage.row.state != SEALED or stage.row.stop:
        return out(turn)
    return then(send_stop)


def send_stop(turn):
    turn.send("jobs", Message("stop", turn.body.epoch, turn.body.stage, round=turn.body.round), "s")
    return out(turn)


def out(turn):
    return then(lights_out, scope_of_task(turn.body), turn.body.first // turn.case.shard)
