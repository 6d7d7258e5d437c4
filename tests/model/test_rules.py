"""The model: no state of any case breaks an invariant, and each rule that is left out is missed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from model.cases import CASES
from model.explorer import explore

#: What is explored to its end here alone, with the number of states; `make proof` explores all others.
SMALL = {
    "two submits, a doubtful write": 5_837,
    "a retried task": 22_299,
    "a lane": 18_451,
    "a lane, poisoned": 31_647,
    "a lane, stopped": 39_566,
    "a cancel that dies": 24_404,
    "a cancel while retrying": 8_562,
    "a retry, a lost lease": 50_085,
    "a purge": 2_437,
    "a purge that dies": 810,
    "a purge and a retry": 9_005,
    "a purge, an index": 1_590,
    "the same job again, a duplicate": 8_067,
    "a long result": 63_136,
    "empty stages": 3_038,
    "a doubtful write anywhere": 3_115,
    "a retry of a stopped task": 11_237,
    "the same job again, numbered ETags": 12_187,
    "hints": 18_294,
    "an index": 1_543,
    "an index, a retry": 9_144,
    "groups of two shards": 16_443,
    "pages": 47_738,
    "a crash ends nothing": 6_668,
    "a batch": 24_537,
    "a batch, a lost lease": 35_867,
    "a batch, a doubtful write": 2_028,
    "a batch, poisoned": 24_477,
    "a batch, repaired": 53_786,
    "a batch, planned": 15_880,
    "a batch, cancelled": 1_789,
    "a deadly task": 1_052,
    "a deadly task, no patience": 7_744,
    "a deadly task, lost leases": 10_047,
    "a deadly task, sent twice": 1_594,
    "a deadly task, a crash": 6_170,
    "a deadly task in a lane": 1_994,
    "a killer beside": 21_168,
    "a deadly fan-out": 47,
}
#: Larger ones that are explored here as well: the smallest in which more than one stage, or shard, is to end.
LARGER = {"three tasks in two shards": 237_093, "two stages": 208_498}

#: For each rule: the case, and the invariant that breaks without it.
RULES = {
    "all_or_nothing": ("a batch", "ends"),
    "batch_poison_claimed_only": ("a batch, poisoned", "ends"),
    "batch_poison_fails": ("a batch, poisoned", "outcome"),
    "cancel_ends_job": ("a cancel", "one record"),
    "cancel_in_cli": ("a cancel that dies", "ends"),
    "cancel_job_only": ("a cancel while planning", "one record"),
    "check_before_mark": ("three tasks in two shards", "ends"),
    "check_before_record": ("three tasks in two shards", "ends"),
    "chunks_no_token": ("a long result", "one result"),
    "claim_any_attempt": ("a retried task", "ends"),
    "claim_any_round": ("a retry, a lost lease", "ends"),
    "claim_lost_drops": ("a doubtful write anywhere", "ends"),
    "close_any_round": ("a retry, a lost lease", "counts"),
    "close_lost_drops": ("a doubtful write anywhere", "ends"),
    "delete_before_send": ("three tasks in two shards", "ends"),
    "ended_row_skips_check": ("three tasks in two shards", "ends"),
    "etag_restarts": ("the same job again, numbered ETags", "stays ended"),
    "index_job_first": ("an index", "index"),
    "index_one_key": ("an index, a retry", "index"),
    "lane_no_forward": ("a lane, retried", "ends"),
    "lost_record_drops": ("a doubtful write anywhere", "ends"),
    "marker_no_round": ("a retry", "one record"),
    "no_epoch": ("the same job again after a purge", "epochs"),
    "no_heal": ("two submits, a doubtful write", "ends"),
    "no_lane_after": ("a lane", "ends"),
    "no_takeover": ("three tasks in two shards", "ends"),
    "only_winner_sends": ("two stages", "ends"),
    "pjob_drops_stopping": ("a poisoned plan", "ends"),
    "pjob_fails_at_once": ("a poisoned plan", "one record"),
    "plan_takeover_any": ("planning, a lost lease", "ends"),
    "poison_ended_drop": ("a poisoned task", "ends"),
    "poison_key_only": ("a poisoned task", "ends"),
    "poison_requeued_drop": ("a poisoned task", "ends"),
    "purge_deletes_anything": ("a purge", "purge"),
    "purge_does_not_look": ("a purge", "purge"),
    "purge_job_first": ("a purge that dies", "purge"),
    "purge_looks_first": ("a purge", "purge"),
    "purge_marks_anything": ("a purge and a retry", "one record"),
    "purge_unmarked": ("a purge and a retry", "purge"),
    "purge_untidied": ("a purge, an index", "index"),
    "purging_retried": ("a purge and a retry", "purge"),
    "reopen_no_lights": ("a retry", "ends"),
    "reopen_no_seal": ("a retry and a cancel", "counts"),
    "repair_any_lane": ("a lane, repaired", "lanes"),
    "requeued_drop": ("a retried task", "ends"),
    "round_from_stage": ("a retry", "counts"),
    "seal_lost_drops": ("two submits, a doubtful write", "ends"),
    "sealed_drop": ("planning, a lost lease", "ends"),
    "send_before_seal": ("planning, a lost lease", "no early send"),
    "stop_any_round": ("a retry of a stopped task", "ends"),
    "stop_no_lights": ("a cancel", "ends"),
    "take_without_job": ("a cancel while planning", "stays ended"),
    "no_gate": ("a deadly task", "outcome"),
    "poison_unjudged": ("a deadly task", "outcome"),
    "turns_are_strangers": ("a deadly task", "ends"),
    "winner_or_redelivery_sends": ("three tasks in two shards", "ends"),
    "zero_drop": ("empty stages", "ends"),
}


@pytest.mark.parametrize(("name", "states"), (SMALL | LARGER).items(), ids=SMALL | LARGER)
def test_every_state_of_a_case_holds_every_invariant(name: str, states: int):
    found = explore(CASES[name])

    assert (found.violation, found.states) == (None, states)


#: What one row's message may not leave out, a batch's may not either.
OF_A_BATCH = {
    "claim_any_attempt": "a batch, both",
    "claim_lost_drops": "a batch, a doubtful write",
    "lost_record_drops": "a batch, a doubtful write",
    "no_takeover": "a batch",
    "requeued_drop": "a batch",
}


@pytest.mark.parametrize("rule", OF_A_BATCH)
def test_without_a_rule_a_batch_is_stuck(rule: str):
    found = explore(replace(CASES[OF_A_BATCH[rule]], without=frozenset({rule})))

    assert found.violation is not None
    assert found.violation.name == "ends"


@pytest.mark.parametrize("rule", RULES)
def test_without_a_rule_an_invariant_breaks(rule: str):
    name, invariant = RULES[rule]

    found = explore(replace(CASES[name], without=frozenset({rule})))

    assert found.violation is not None
    assert found.violation.name == invariant
