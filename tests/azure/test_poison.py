"""Poison messages as foreigners may put them into a queue of Azure: no base64, no UTF-8, whatever XML would mind."""

from __future__ import annotations

import base64
import random
from typing import Any

from azurite import new_account
from clocks import ManualClock
from jobkit.runtime.controllers import HelloWorlds
from jobkit.runtime.poison_acts import PoisonActs
from jobkit.runtime.poison_choice import Wanted
from jobkit.runtime.poison_search import PoisonSearch
from jobkit.runtime.processing import Processing
from jobkit.runtime.registry import Registry
from jobkit.runtime.selection import Selection
from jobkit.runtime.service import Service
from jobkit.runtime.storage.azure import AzureStore
from jobkit.runtime.storage.ports import Entity

RAW = ("{no base64", "<a>&amp;]]></a>", "  ", "é \u202e", "/////w==", "abc", base64.b64encode(b"\x1b[2J\x00").decode())


def test_a_kept_message_has_its_count_and_a_filter_over_jobs_finds_those_that_wait():
    account, hub = new_account()
    with AzureStore(account, hub=hub) as store:
        service = Service(
            store.store,
            Registry([HelloWorlds]),
            clock=ManualClock(),
            rng=random.Random(1),
            worker="w",
            observe=lambda _: None,
        )
        search = PoisonSearch(service, store.queues)
        for n in (2, 3):
            service.submit("hello_worlds", {"n": n})
        for plan in store.queues.receive("jobs", limit=2, visibility_s=60):
            store.queues.send("jobs-poison", plan.body)
        store.queues.send("jobs-poison", "foreign")
        older: dict[str, Any] = {"row_version": 1, "queue": "tasks-poison", "reason": "why", "body": "older"}
        older["at"] = "2026-01-02T03:04:05.000006Z"
        store.tables.insert("index", Entity(partition="poison", row="tasks-poison-1", properties=older))
        found = search.find(Wanted(jobs=Selection(params={"n": "3"})), take=True)
        for each in store.queues.receive("jobs-poison", limit=3, visibility_s=60):
            if each.body == "foreign":
                Processing(service).handle("jobs-poison", each)

        kept = [each for each in search.find(Wanted(), take=False).messages if each.kept is not None]

        assert [each.outlook and each.outlook.job and each.outlook.job.params_json for each in found.messages] == [
            '{"n":3}'
        ]
        assert (found.seen, found.foreign, found.unseen) == (4, 2, {"tasks": 0, "jobs": 0})
        assert sorted((each.body, each.deliveries) for each in kept) == [("foreign", 1), ("older", None)]


def test_texts_that_are_no_base64_or_no_utf8_are_listed_among_the_others_requeued_and_dropped():
    account, hub = new_account()
    with AzureStore(account, hub=hub) as store:
        service = Service(
            store.store, Registry(), clock=ManualClock(), rng=random.Random(1), worker="w", observe=lambda _: None
        )
        search = PoisonSearch(service, store.queues)
        assert search.find(Wanted(), take=True).messages == []  # makes the queues
        client: Any = account.queue_service().get_queue_client(f"{hub}-tasks-poison")
        for text in RAW:
            client.send_message(text)
        for number in range(30):
            store.queues.send("tasks-poison", f"text {number}")

        found = search.find(Wanted(), take=True).messages
        acts = PoisonActs(service, store.queues, by="ann@desk")
        no_base64 = [each for each in found if each.body == "{no base64"]
        done = acts.requeue(no_base64) + acts.drop([each for each in found if each not in no_base64])

        bodies = sorted(each.body for each in found if not each.body.startswith("text "))
        assert bodies == sorted([*RAW[:-1], "\x1b[2J\x00"])
        assert [each.why_left for each in done] == [""] * 37
        assert [each.body for each in store.queues.peek("tasks", limit=32)] == ["{no base64"]
        assert store.queues.length("tasks-poison") == 0
