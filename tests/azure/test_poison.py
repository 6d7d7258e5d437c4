"""Poison messages as foreigners may put them into a queue of Azure: no base64, no UTF-8, whatever XML would mind."""

from __future__ import annotations

import base64
import random
from typing import Any

from azurite import new_account
from clocks import ManualClock
from jobkit.runtime.poison import Wanted
from jobkit.runtime.poison_acts import PoisonActs
from jobkit.runtime.poison_search import PoisonSearch
from jobkit.runtime.registry import Registry
from jobkit.runtime.service import Service
from jobkit.runtime.storage.azure import AzureStore

RAW = ("{no base64", "<a>&amp;]]></a>", "  ", "é \u202e", "/////w==", "abc", base64.b64encode(b"\x1b[2J\x00").decode())


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
