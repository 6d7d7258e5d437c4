"""The bounded worlds that the model explores."""

from __future__ import annotations

from .case import OK_OR_FAIL, Case
from .rows import FAILED

SUBMIT = ("submit",)
TWICE = ("submit", "submit")
CANCEL = ("cancel command",)
RETRY = ("retry command",)
REPAIR = ("repair command",)
AGAIN = ("submit", "again command")

#: A process works on a message alone from its second delivery on, and judges it before it gives it up.
JUDGED = {"max_deliveries": 3, "alone_from": 2, "most_spent": 6}

CASES: dict[str, Case] = {
    "two submits": Case(commands=TWICE, fan_out=((1, 2),), crashes=1, commands_crash=True, quiet_repairs=1),
    "planning, a lost lease": Case(commands=SUBMIT, fan_out=((1, 2),), crashes=1, expiries=1),
    "two submits, a doubtful write": Case(commands=TWICE, doubtful=1),
    "a poisoned plan": Case(commands=TWICE, crashes=1, expiries=1, max_deliveries=1),
    "a retried task": Case(commands=(), sealed=1, outcomes=OK_OR_FAIL, max_attempts=2, crashes=1, expiries=1),
    "a poisoned task": Case(
        commands=(),
        sealed=1,
        outcomes=OK_OR_FAIL,
        max_attempts=2,
        max_deliveries=1,
        crashes=1,
        expiries=1,
        duplicates=1,
    ),
    "a lane": Case(commands=(), sealed=3, lanes=1, shard=2, crashes=1),
    "a lane, poisoned": Case(commands=(), sealed=3, lanes=1, shard=3, max_deliveries=1, crashes=1),
    "a lane, repaired": Case(commands=REPAIR, sealed=2, lanes=1, shard=2, crashes=1),
    "a lane, retried": Case(commands=RETRY, sealed=3, lanes=1, shard=3, outcomes=OK_OR_FAIL, expiries=1),
    "a lane, stopped": Case(
        commands=(), sealed=3, lanes=1, shard=2, outcomes=OK_OR_FAIL, stop_on_failure=True, crashes=1
    ),
    "a lane, cancelled": Case(commands=CANCEL, sealed=3, lanes=1, shard=3, crashes=1),
    "a cancel": Case(commands=CANCEL, sealed=2, crashes=1, duplicates=1),
    "a cancel that dies": Case(commands=CANCEL, sealed=2, crashes=1, commands_crash=True),
    "a cancel while planning": Case(commands=("submit", "cancel command"), crashes=1, expiries=1),
    "a cancel while retrying": Case(commands=CANCEL, sealed=1, outcomes=OK_OR_FAIL, max_attempts=2, crashes=1),
    "a stop": Case(commands=(), sealed=2, outcomes=OK_OR_FAIL, stop_on_failure=True, crashes=1, duplicates=1),
    "a retry": Case(commands=RETRY, sealed=2, outcomes=OK_OR_FAIL, crashes=1, expiries=1),
    "a retry, a lost lease": Case(commands=RETRY, sealed=1, outcomes=OK_OR_FAIL, expiries=1, duplicates=1),
    "a retry of a stopped stage": Case(
        commands=RETRY, sealed=2, shard=2, outcomes=(FAILED,), stop_on_failure=True, duplicates=1
    ),
    "a retry of a stopped stage, a lost lease": Case(
        commands=RETRY, sealed=2, shard=2, outcomes=(FAILED,), stop_on_failure=True, expiries=1
    ),
    "a retry and a cancel": Case(commands=("retry command", "cancel command"), sealed=1, crashes=1, duplicates=1),
    "a repair": Case(commands=REPAIR, sealed=2, crashes=1, duplicates=1),
    "a retry and a repair": Case(commands=("retry command", "repair command"), sealed=2, outcomes=OK_OR_FAIL),
    "a retry, poisoned": Case(
        commands=RETRY, sealed=1, outcomes=OK_OR_FAIL, max_deliveries=1, duplicates=1, crashes=1, expiries=1
    ),
    "a repair while planning": Case(commands=("submit", "repair command"), fan_out=((1, 2),), crashes=1),
    "a repair while planning, a lost lease": Case(commands=("submit", "repair command"), fan_out=((1, 2),), expiries=1),
    "a purge": Case(commands=("purge command", "purge command", "submit"), sealed=1),
    "a purge that dies": Case(commands=("purge command",), sealed=1, crashes=1, commands_crash=True),
    "a purge and a retry": Case(commands=("purge command", "retry command"), sealed=1, outcomes=OK_OR_FAIL, crashes=1),
    "a purge, an index": Case(commands=("purge command",), sealed=1, index=True, crashes=1, quiet_repairs=1),
    "the same job again after a purge": Case(commands=AGAIN, fan_out=((1, 2),), expiries=1),
    "the same job again, a duplicate": Case(commands=AGAIN, duplicates=1),
    "the same job again, poisoned": Case(commands=AGAIN, duplicates=1, crashes=1, max_deliveries=1),
    "two stages": Case(commands=SUBMIT, stages=2, fan_out=((1,), (1,)), duplicates=1, crashes=1),
    "a long result": Case(commands=(), sealed=1, duplicates=1, expiries=1, crashes=1, chunks=2),
    "empty stages": Case(commands=SUBMIT, stages=2, fan_out=((0,), (0, 1)), crashes=1),
    "a doubtful write anywhere": Case(commands=SUBMIT, doubtful=1, crashes=1),
    "a retried task, a doubtful write": Case(
        commands=(), sealed=2, outcomes=OK_OR_FAIL, max_attempts=2, doubtful=1, crashes=1
    ),
    "a retry of a stopped task": Case(commands=RETRY, sealed=1, outcomes=(FAILED,), stop_on_failure=True, expiries=1),
    "the same job again, numbered ETags": Case(commands=AGAIN, expiries=1, numbered=True),
    "hints": Case(commands=SUBMIT, fan_out=((1, 2),), hints=True, expiries=1, numbered=True),
    "an index": Case(commands=SUBMIT, index=True, crashes=1, commands_crash=True, quiet_repairs=1),
    "an index, two submits": Case(commands=TWICE, index=True, crashes=1, commands_crash=True, quiet_repairs=1),
    "an index, a retry": Case(
        commands=RETRY, sealed=1, outcomes=(FAILED,), index=True, crashes=1, commands_crash=True, quiet_repairs=2
    ),
    "groups of two shards": Case(commands=(), sealed=3, group=2, crashes=1),
    "pages": Case(commands=SUBMIT, fan_out=((2,),), page=1, crashes=1),
    "pages, cancelled": Case(commands=CANCEL, sealed=2, page=1, crashes=1),
    "a crash ends nothing": Case(commands=SUBMIT, stages=2, fan_out=((1,), (0, 1)), crashes=1, completes=True),
    "a batch": Case(commands=(), sealed=2, shard=2, batch=2, outcomes=OK_OR_FAIL, max_attempts=2, crashes=1),
    "a batch, a lost lease": Case(
        commands=(), sealed=2, shard=2, batch=2, outcomes=OK_OR_FAIL, max_attempts=2, expiries=1
    ),
    "a batch, a doubtful write": Case(
        commands=(), sealed=2, shard=2, batch=2, outcomes=OK_OR_FAIL, max_attempts=2, doubtful=1
    ),
    "a batch, both": Case(
        commands=(), sealed=2, shard=2, batch=2, outcomes=OK_OR_FAIL, max_attempts=2, crashes=1, expiries=1
    ),
    "a batch, poisoned": Case(commands=(), sealed=2, shard=2, batch=2, crashes=1, expiries=1, max_deliveries=1),
    "a batch, repaired": Case(commands=REPAIR, sealed=2, shard=2, batch=2, crashes=1),
    "a batch, planned": Case(commands=SUBMIT, fan_out=((2, 3),), shard=2, batch=2, expiries=1),
    "a batch, cancelled": Case(commands=CANCEL, sealed=2, shard=2, batch=2, crashes=1),
    "a deadly task": Case(commands=(), sealed=2, shard=2, deadly=(0,), **JUDGED),
    "a deadly task, three workers": Case(commands=(), sealed=3, shard=3, deadly=(0,), workers=3, **JUDGED),
    "two deadly tasks": Case(commands=(), sealed=3, shard=3, deadly=(0, 1), **JUDGED),
    "a deadly task, no patience": Case(commands=(), sealed=2, shard=2, deadly=(0,), impatience=1, **JUDGED),
    "a deadly task, lost leases": Case(commands=(), sealed=2, shard=2, deadly=(0,), expiries=1, **JUDGED),
    "a deadly task, sent twice": Case(commands=(), sealed=2, shard=2, deadly=(0,), duplicates=1, **JUDGED),
    "a deadly task, a crash": Case(commands=(), sealed=2, shard=2, deadly=(0,), crashes=1, **JUDGED),
    "a deadly task in a batch": Case(commands=(), sealed=2, shard=2, batch=2, deadly=(0,), **JUDGED),
    "a deadly task in a lane": Case(commands=(), sealed=3, shard=3, lanes=2, deadly=(0,), **JUDGED),
    "a killer beside": Case(commands=SUBMIT, fan_out=((1,),), killer_beside=True, completes=True, **JUDGED),
    "a deadly fan-out": Case(commands=SUBMIT, deadly_plan=True, **JUDGED),
    "three tasks in two shards": Case(commands=(), sealed=3, shard=2, crashes=1, expiries=1),
}
