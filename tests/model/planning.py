"""Submit, plan, seal, dispatch: from a call to one message a task."""

from __future__ import annotations

from .lights import close, pass_on, stale
from .rows import (
    CLOSED,
    JOB,
    PLANNING,
    PROCESSING,
    QUEUED,
    REOPENING,
    SEALED,
    UNPLANNED,
    Entry,
    Job,
    Message,
    Task,
    active_key,
    fresh_stage,
    is_ended,
    is_mine,
    scope_of,
    shard_members,
    stage_key,
    task_key,
)
from .turn import DELETE, LEAVE, then

# submit


def submit(turn):
    """Look whether the job is there."""
    job, _ = turn.chain()
    if job.row is not None:
        return wake(turn, job.row, 1)  # one that is being purged has ended
    new = Job(turn.delivery.key, QUEUED, 1, 1)
    return then(add_to_index, new) if turn.case.index and not turn.without("index_job_first") else then(create, new)


def add_to_index(turn, new):
    turn.write(turn.put(active_key(new, turn.case.without), 1))
    return DELETE if turn.without("index_job_first") else then(create, new)


def create(turn, new):
    """Insert job and stages; whatever the answer, read what is there now."""
    stages = [turn.insert(stage_key(number), fresh_stage()) for number in range(1, turn.case.stages + 1)]
    created = turn.write(turn.insert(JOB, new), *stages)
    if not created and turn.without("no_heal"):
        return DELETE
    return then(see_created, new)


def see_created(turn, new):
    job, stage = turn.chain(1)
    if job.row is None:
        return DELETE
    if turn.case.index and job.row.epoch != new.epoch:
        return then(drop_index_then_wake, new)
    return wake(turn, job.row, 1 if stage.row.state == UNPLANNED else 0)


def drop_index_then_wake(turn, new):
    turn.write(turn.put(active_key(new, turn.case.without), None))
    return then(wake_again)


def wake_again(turn):
    job, _ = turn.chain()
    return DELETE if job.row is None else wake(turn, job.row, 1)


def wake(turn, job, stage):
    """Send the first message of a job that is still where its creation left it."""
    if job.status != QUEUED or job.stage != stage:
        return DELETE
    return then(send_plan, job)


def send_plan(turn, job):
    turn.send("jobs", Message("plan", job.epoch, job.stage, round=job.round), "p")
    if turn.case.index and turn.without("index_job_first"):
        return then(add_to_index, job)
    return DELETE


# plan


def plan(turn):
    """Decide by job row and stage row what a plan message has to do."""
    body = turn.body
    job, stage = turn.chain(body.stage)
    if stale(turn, job, body.epoch, body.round) or stage.row is None:
        return DELETE
    if is_ended(job.row) and stage.row.state != CLOSED and not turn.without("plan_ignores_end"):
        return DELETE
    if stage.row.state == CLOSED:
        if turn.without("zero_drop"):
            return DELETE
        return pass_on(turn, job.row, body.stage)
    if (job.row.stage != body.stage and not turn.without("plan_any_stage")) or stage.row.state == REOPENING:
        return DELETE
    return _plan_open(turn, job, stage)


def _plan_open(turn, job, stage):
    owner, number = stage.row.owner, turn.body.stage
    if stage.row.state != UNPLANNED and owner is not None and not turn.without("plan_takeover_any"):
        if not is_mine(turn.delivery, owner[2], owner[0], owner[1], turn.case.without):
            return DELETE  # that message's own deliveries do the rest, also once the stage is sealed
        if owner[1] > turn.delivery.number:
            return LEAVE
    if stage.row.state == SEALED:
        if turn.without("sealed_drop"):
            return DELETE
        return after_seal(turn, scope_of(job.row.epoch, number, stage.row))
    return then(take, job, stage)


def take(turn, job, stage):
    """Claim the stage for planning under a plan id that nobody has had."""
    takes = stage.row.takes + 1
    taken = stage.row._replace(
        state=PLANNING,
        plan=takes if turn.without("no_epoch") else (job.row.epoch, takes),
        round=turn.body.round,
        owner=(turn.delivery.id, turn.delivery.number, turn.delivery.key),
        takes=takes,
    )
    key = stage_key(turn.body.stage)
    if turn.without("take_without_job"):
        done = turn.write(turn.update(key, stage, taken))
        return then(touch_job, taken, turn.rows[key].tag) if done else then(plan)
    done = turn.write(turn.update(key, stage, taken), turn.update(JOB, job, job.row._replace(status=PROCESSING)))
    return then(write_tasks, taken, turn.rows[key].tag, None, 0) if done else then(plan)


def touch_job(turn, taken, tag):
    """Without the rule: job and stage row are not one transaction."""
    job = turn.rows[JOB].row
    turn.write(turn.put(JOB, job._replace(status=PROCESSING)))
    return then(write_tasks, taken, tag, None, 0)


def write_tasks(turn, taken, tag, count, shard):
    """Run the fan-out, which may give another number at each try, and write a shard."""
    number = turn.body.stage
    if count is None:
        count = turn.choose(turn.case.fan_out[number - 1])
    if turn.without("send_before_seal") and count:
        scope = scope_of(turn.body.epoch, number, taken._replace(count=count))
    else:
        scope = None
    members = shard_members(shard, taken._replace(count=count), turn.case)
    if not members:
        return seal(turn, taken, tag, count)
    planner = (turn.body.epoch, turn.delivery.key, turn.delivery.number)
    fresh = Task(QUEUED, 1, taken.round, None, 0, planner)
    where = Message("task", turn.body.epoch, number, taken.plan)
    turn.write(*[turn.insert(task_key(where, index), fresh) for index in members])
    if scope is not None and members[-1] + 1 == count:
        return then(dispatch, scope, 0, count, (taken, tag))
    if members[-1] + 1 < count:
        return then(write_tasks, taken, tag, count, shard + 1)
    return then(seal, taken, tag, count)


def seal(turn, taken, tag, count):
    """Fix the number of tasks, if the stage is still this delivery's."""
    key = stage_key(turn.body.stage)
    sealed = taken._replace(state=SEALED, count=count)
    done = turn.write(turn.update(key, Entry(taken, tag), sealed))
    if done:
        return after_seal(turn, scope_of(turn.body.epoch, turn.body.stage, sealed))
    return DELETE if turn.without("seal_lost_drops") else then(plan)


def after_seal(turn, scope):
    if not scope.count:
        return then(close, scope, 0)
    return dispatch_or_split(turn, scope, 0, scope.count)


# dispatch


def dispatch_or_split(turn, scope, first, size):
    """Send a small range's tasks, a large one's parts."""
    if size > turn.case.page:
        return then(send_part, "dispatch", scope, first, first + size)
    return then(dispatch, scope, first, size)


def send_part(turn, kind, scope, first, end):
    size = min(turn.case.page, end - first)
    body = Message(kind, scope.epoch, scope.stage, scope.plan, scope.round, first, size)
    turn.send("jobs", body, f"{kind[0]}{first}")
    return then(send_part, kind, scope, first + size, end) if first + size < end else DELETE


def dispatch_range(turn):
    body = turn.body
    job, stage = turn.chain(body.stage)
    if stale(turn, job, body.epoch, body.round) or stage.row.plan != body.plan or stage.row.state != SEALED:
        return DELETE
    return dispatch_or_split(turn, scope_of(body.epoch, body.stage, stage.row), body.first, body.size)


def dispatch(turn, scope, first, size, unsealed=None):
    """Read what of a range is queued for its first attempt; in lanes only the heads start."""
    found = turn.tasks(scope, range(first, first + size))
    lanes = turn.case.lanes
    waiting = tuple(
        (index, entry.tag)
        for index, entry in found
        if entry.row is not None
        and entry.row.status == QUEUED
        and entry.row.attempt == 1
        and (not lanes or index < lanes)
    )
    return _send_next(scope, runs(waiting, turn.case), unsealed)


def runs(waiting, case):
    """Put consecutive (index, tag) of a shard together, up to a batch: (first index, how many, tag of the first)."""
    found = []
    for index, tag in waiting:
        first, size, _ = found[-1] if found else (None, 0, None)
        if size and size < case.batch and index == first + size and index // case.shard == first // case.shard:
            found[-1] = (first, size + 1, found[-1][2])
        else:
            found.append((index, 1, tag))
    return tuple(found)


def _send_next(scope, waiting, unsealed):
    if waiting:
        return then(send_task, scope, waiting, unsealed)
    return DELETE if unsealed is None else then(seal, *unsealed, scope.count)


def send_task(turn, scope, waiting, unsealed):
    first, size, tag = waiting[0]
    hint = tag if turn.case.hints else None
    body = Message("task", scope.epoch, scope.stage, scope.plan, scope.round, first, size, 1, scope.count, hint)
    turn.send("tasks", body, f"t{first}")
    return _send_next(scope, waiting[1:], unsealed)
