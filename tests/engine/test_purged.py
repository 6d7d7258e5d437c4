"""Messages of rows that are gone are dropped, and bring nothing back."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from driver import EVERYTHING, TABLES, Driver
from jobkit.runtime.events import Action
from samples import two_stages

Drive = Callable[..., Driver]


def purge(driver: Driver) -> None:
    tables = driver.store.tables
    for table in TABLES:
        for entity in list(tables.query(table, EVERYTHING, select=())):
            tables.delete(table, entity.partition, entity.row, etag=entity.etag)


@pytest.mark.parametrize("same_process", [True, False])
@pytest.mark.parametrize("deliveries", [0, 1, 2, 3, 4, 5, 6, 7])
def test_a_message_of_a_purged_job_is_dropped_wherever_it_was(
    drive: Drive, deliveries: int, same_process: bool
) -> None:
    driver = drive(two_stages())
    driver.submit("two_stages", {"n": 2})
    driver.run(deliveries=deliveries)
    waiting = sum(driver.lengths().values())
    purge(driver)
    if not same_process:
        driver.start()
    driver.events.clear()

    driver.run()

    assert (driver.errors, [event.action for event in driver.events]) == ([], [Action.DROPPED] * waiting)
    assert driver.everything() == {"jobs": [], "tasks": [], "index": [], "queues": dict.fromkeys(driver.lengths(), 0)}


def test_a_purged_job_can_be_submitted_again_and_its_old_messages_do_not_touch_the_new_one(drive: Drive) -> None:
    driver = drive(two_stages())
    old = driver.submit("two_stages", {"n": 2})
    driver.run(deliveries=1)
    purge(driver)

    job = driver.finish("two_stages", {"n": 2})

    assert (job["job_id"], job["status"], driver.errors) == (old, "completed", [])
    assert len(driver.told(Action.CLAIMED)) == 4
