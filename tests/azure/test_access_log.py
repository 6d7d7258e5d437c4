"""What a job costs in Azure is what its port calls say: Azurite logs these requests, one for one, and no other."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

from access_log import calls_in
from counted import counted

from azurite import Azurite
from clocked_queues import ClockedQueues
from clocks import ManualClock
from driver import Driver
from jobkit.local.memory import MemoryStore
from jobkit.runtime.controllers import HelloWorlds
from jobkit.runtime.storage.azure import AzureStore
from jobkit.runtime.storage.azure_account import Account
from jobkit.runtime.storage.ports import Store
from waiting import wait_until


def port_calls(real: Store, clock: ManualClock) -> Counter[str]:
    store, counts = counted(real)
    driver = Driver(store, [HelloWorlds], clock=clock)
    assert driver.finish("hello_worlds", {"n": 5})["status"] == "completed"
    return counts.calls


def test_requests_are_the_port_calls_of_the_same_job_in_memory_by_kind(tmp_path: Path):
    clock = ManualClock()
    in_memory = port_calls(MemoryStore(clock=clock, rng=random.Random(7)).store, clock)
    with Azurite("--inMemoryPersistence", log=tmp_path / "log") as azurite:
        account = Account(connection_string=azurite.connection_string)
        with AzureStore(account, hub="log") as first:
            for queue in ("jobs", "tasks", "jobs-poison", "tasks-poison"):
                first.queues.length(queue)
            for table in ("jobs", "tasks", "index"):
                assert list(first.tables.query(table, "none")) == []
        # the log lags behind the answers
        made = Counter({"length": 8, "query": 6, "create": 7})
        wait_until(lambda: calls_in(tmp_path / "log") == made, "all is logged", every_s=0.05)
        clock = ManualClock()
        with AzureStore(account, hub="log") as azure:
            on_azurite = port_calls(Store(azure.tables, ClockedQueues(azure.queues, clock)), clock)

        expected = in_memory.copy()
        expected["receive"] += expected.pop("idle receive")
        expected["transact"] += expected.pop("delete")  # the SDK's own delete does not tell that nothing was there
        wait_until(
            lambda: (calls_in(tmp_path / "log") - made).total() >= expected.total(), "all is logged", every_s=0.05
        )

    assert on_azurite == in_memory
    assert calls_in(tmp_path / "log") - made == expected
