"""What the model's rows, messages and states hold: named tuples, so that equal states are one state."""

from __future__ import annotations

from collections import namedtuple

QUEUED, PROCESSING, COMPLETED, FAILED = "queued", "processing", "completed", "failed"
UNPLANNED, PLANNING, SEALED, CLOSED, REOPENING = "unplanned", "planning", "sealed", "closed", "reopening"
ENDED = (COMPLETED, FAILED)

#: `stage` is one past the last when all are closed; `result` names the try that wrote it.
Job = namedtuple("Job", "epoch status stage round result purging", defaults=(None, False))
#: `takes` counts plannings: where a fresh plan id comes from. `owner` is (message id, delivery, key) of the planner.
Stage = namedtuple("Stage", "state plan count failed round stop owner takes")
#: `owner` is (key, message id), `delivery` which delivery of it has claimed; `planner` is the delivery that wrote it.
Task = namedtuple("Task", "status attempt round owner delivery planner")

#: A row as it was read. Its contents and the number of deletes before it, which is `tag`, are together its ETag: no row
#: of the protocol ever gets contents again that it had, which the explorer checks as far as one write goes. In a
#: `numbered` case `tag` counts all writes and is the ETag alone, as in a real store; that makes many more states.
Entry = namedtuple("Entry", "row tag")

Message = namedtuple(
    "Message",
    "kind epoch stage plan round first size attempt count hint turn spent",
    defaults=(None, 0, None, 0, 0, 0, 0, 0, None, 0, 0),
)
#: Deliveries are numbered through the turns of a message that is sent again as itself: those of turn n from n * TURN on.
TURN = 100
#: A message in a queue; `deliveries` counts those begun, `leased` says that one holds it.
Queued = namedtuple("Queued", "id queue key body deliveries leased")
#: What a handler was given.
Delivery = namedtuple("Delivery", "id key number body queue")
#: A worker amid a handler: its next port call is `step(turn, *args)`.
Worker = namedtuple("Worker", "delivery step args")
#: How many faults of each kind may still happen.
Budgets = namedtuple("Budgets", "crashes expiries duplicates doubtful repairs impatience")
State = namedtuple("State", "rows messages workers budgets")

#: The stage plan that tasks, markers and closing belong to.
Scope = namedtuple("Scope", "epoch stage plan round count")

JOB = ("job",)


def stage_key(number):
    return ("stage", number)


def task_key(scope_or_message, index):
    return ("task", scope_or_message.stage, scope_or_message.plan, index)


def active_key(job, rules=frozenset()):
    return ("active", job.epoch, 0 if "index_one_key" in rules else job.round)


def fresh_stage(round_=1, takes=0):
    return Stage(UNPLANNED, None, None, 0, round_, False, None, takes)


def scope_of(epoch, number, stage):
    return Scope(epoch, number, stage.plan, stage.round, stage.count)


def is_mine(delivery, key, message_id, number, rules=frozenset()):
    """Whether an owner is a delivery of the same message, or of another turn of it."""
    if "turns_are_strangers" in rules:
        return (key, message_id) == (delivery.key, delivery.id)
    return key == delivery.key and (message_id == delivery.id or number // TURN != delivery.number // TURN)


def is_ended(row):
    return row.status in ENDED


def shards(scope, case):
    return -(-scope.count // case.shard)


def shard_members(shard, scope, case):
    return range(shard * case.shard, min((shard + 1) * case.shard, scope.count))
