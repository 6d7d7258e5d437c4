"""What a message does that names several rows: each is decided by itself, and all that are its own go together."""

from __future__ import annotations

from itertools import product

from .lights import lights_out
from .rows import FAILED, PROCESSING, QUEUED, is_ended, is_mine, task_key
from .tasks import scope_of_task
from .turn import DELETE, LEAVE, then


def _members(turn):
    return range(turn.body.first, turn.body.first + turn.body.size)


def _mine(turn, row):
    return row.owner is not None and is_mine(turn.delivery, *row.owner, row.delivery, turn.case.without)


def batch(turn):
    """Read the rows and decide by each what is to be done with it."""
    wanted, claimed, again = [], [], []
    ended = False
    for index, entry in turn.tasks(turn.body, _members(turn)):
        row = entry.row
        if row is None:
            continue
        if is_ended(row):
            ended |= _mine(turn, row)
        elif row.status == PROCESSING:
            if not _mine(turn, row) or turn.without("no_takeover"):
                if turn.without("all_or_nothing"):
                    return DELETE
                continue
            if row.delivery > turn.delivery.number and not turn.without("leave_ignored"):
                return LEAVE
            (claimed if row.delivery == turn.delivery.number else wanted).append((index, entry))
        elif row.round == turn.body.round and (row.attempt == turn.body.attempt or turn.without("claim_any_attempt")):
            wanted.append((index, entry))
        elif row.round == turn.body.round and _mine(turn, row) and not turn.without("requeued_drop"):
            again.append((index, row.attempt))
    if wanted:
        return then(claim, tuple(wanted), tuple(claimed), tuple(again), ended)
    return _ready(tuple(claimed), tuple(again), ended)


def _ready(claimed, again, ended):
    return then(record, claimed, again, ended) if claimed else _send_next(again, ended)


def claim(turn, wanted, claimed, again, ended):
    """Claim what is this message's, all in one transaction."""
    owner = (turn.delivery.key, turn.delivery.id)
    rows = [(i, e, e.row._replace(status=PROCESSING, owner=owner, delivery=turn.delivery.number)) for i, e in wanted]
    if not turn.write(*[turn.update(task_key(turn.body, i), entry, row) for i, entry, row in rows]):
        return DELETE if turn.without("claim_lost_drops") else then(batch)
    new = tuple((i, turn.rows[task_key(turn.body, i)]) for i, _, _ in rows)
    return _ready(tuple(sorted((*claimed, *new))), again, ended)


def record(turn, claimed, again, ended):
    """Write what each of the attempts came to, all in one transaction."""
    outcomes = turn.choose(list(product(turn.case.outcomes, repeat=len(claimed))))
    writes, retried = [], []
    for (index, entry), outcome in zip(claimed, outcomes, strict=True):
        after = entry.row._replace(status=outcome)
        if outcome == FAILED and entry.row.attempt < turn.case.max_attempts:
            after = entry.row._replace(status=QUEUED, attempt=entry.row.attempt + 1)
            retried.append((index, after.attempt))
        writes.append(turn.update(task_key(turn.body, index), entry, after))
    if not turn.write(*writes):
        return DELETE if turn.without("lost_record_drops") else then(batch)
    if retried and turn.without("retry_keeps_message"):
        return LEAVE
    return _send_next((*again, *retried), ended or len(retried) < len(claimed))


def _send_next(again, ended):
    if again:
        return then(send_single, again, ended)
    return then(out) if ended else DELETE


def send_single(turn, again, ended):
    """What is tried again goes alone: one message for each task."""
    index, attempt = again[0]
    single = turn.body._replace(first=index, size=1, attempt=attempt, hint=None, turn=0, spent=0)
    turn.send("tasks", single, f"r{index}")
    return _send_next(again[1:], ended)


def out(turn):
    return lights_out(turn, scope_of_task(turn.body), turn.body.first // turn.case.shard)


# poison


def poisoned_batch(turn):
    """Queue all that the batch has left open for another attempt, and send it as singles: only a single fails its task.

    Also what it has not claimed: a late holder of the batch may still claim it, and die.
    """
    held, open_ = [], []
    ended = False
    for index, entry in turn.tasks(turn.body, _members(turn)):
        row = entry.row
        if row is None:
            continue
        mine = row.owner is not None and row.owner[0] == turn.delivery.key
        if is_ended(row):
            ended |= mine
        elif row.status == PROCESSING:
            if mine:
                held.append((index, entry))
        elif row.round == turn.body.round:
            if row.attempt == turn.body.attempt and not turn.without("batch_poison_claimed_only"):
                held.append((index, entry))
            elif mine or row.attempt == turn.body.attempt:
                open_.append((index, row.attempt))
    if turn.without("batch_poison_fails"):
        return then(fail_all, tuple(held)) if held else _send_next(tuple(open_), ended)
    return then(release, tuple(held)) if held else _send_next(tuple(open_), ended)


def release(turn, held):
    owner = (turn.delivery.key, turn.delivery.id)
    writes = []
    for index, entry in held:
        after = entry.row._replace(status=QUEUED, attempt=entry.row.attempt + 1, owner=owner)
        writes.append(turn.update(task_key(turn.body, index), entry, after))
    turn.write(*writes)
    return then(poisoned_batch)


def fail_all(turn, held):
    """Without the rule: one task that kills its worker takes the whole batch with it."""
    turn.write(*[turn.update(task_key(turn.body, i), entry, entry.row._replace(status=FAILED)) for i, entry in held])
    return then(poisoned_batch)
