"""`jobkit doctor --store azure`: on Azurite, as the app in Microsoft's worker would have it."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.storage.queue import QueueServiceClient

from azurite import new_account
from commands import InProcess
from jobkit.runtime.checks import storage
from jobkit.runtime.checks.storage import Access, Opened
from jobkit.runtime.storage.azure_account import SETTING
from jobkit.scaffold.app import make_app


class Shifted:
    """A clock that is set wrongly."""

    def __init__(self, by: timedelta) -> None:
        self._by = by

    def now(self) -> datetime:
        return datetime.now(UTC) + self._by

    def sleep(self, seconds: float) -> None:
        raise AssertionError("nothing waits")


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be in a new app, with an account and a hub of its own."""
    make_app(tmp_path / "my-etl")
    account, hub = new_account()
    monkeypatch.setenv(SETTING, account.connection_string)
    monkeypatch.setenv("JOBKIT_HUB", hub)
    monkeypatch.chdir(tmp_path / "my-etl")
    return tmp_path / "my-etl"


@pytest.fixture
def jobkit(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> InProcess:
    return InProcess(monkeypatch, capfd)


def queues() -> list[str]:
    service = QueueServiceClient.from_connection_string(os.environ[SETTING])
    return [str(queue.name) for queue in service.list_queues(name_starts_with=f"{os.environ['JOBKIT_HUB']}-")]


def not_ok(document: Any) -> list[tuple[str, str, str]]:
    return [(f["name"], f["state"], f["evidence"]) for f in document["findings"] if f["state"] != "ok"]


def test_an_app_on_its_account_is_sound_and_no_queue_of_doctors_is_left(jobkit: InProcess, app: Path):
    done = jobkit("doctor", "--store", "azure", "--json")

    assert (done.code, [name for name, _, _ in not_ok(done.document)]) == (0, ["settings in Azure"])
    found = {finding["name"]: finding["evidence"] for finding in done.document["findings"]}
    assert {name: found[name] for name in ("reachable", "writable", "round trip")} == {
        "reachable": "the azure store: tables and queues answer; 0 in jobs",
        "writable": "a row was written, read back and deleted",
        "round trip": "a message came back from a queue as the app reads it (base64)",
    }
    hub = os.environ["JOBKIT_HUB"]
    assert queues() == [f"{hub}-jobs", f"{hub}-jobs-poison", f"{hub}-tasks-poison"]


def test_an_encoding_that_the_app_can_not_read_poison_and_a_broken_job(jobkit: InProcess, app: Path):
    host = json.loads((app / "host.json").read_text())
    host["extensions"]["queues"]["messageEncoding"] = "none"
    (app / "host.json").write_text(json.dumps(host))
    job_id = jobkit("submit", "greetings", "--n", "1", "--store", "azure", "--json").document["job_id"]
    service = QueueServiceClient.from_connection_string(os.environ[SETTING])
    poison = service.create_queue(f"{os.environ['JOBKIT_HUB']}-tasks-poison")
    poison.send_message("foreign")

    done = jobkit("doctor", "--store", "azure", "--json")
    job = jobkit("doctor", "--job", job_id, "--store", "azure", "--json")

    broken = [found for found in not_ok(done.document) if found[1] != "not checked"]
    assert (done.code, [name for name, _, _ in broken]) == (1, ["host.json queues", "round trip", "poison messages"])
    assert broken[1][2].startswith("the app can't read what is sent: refused a queue message: it is no JSON: '")
    assert broken[2] == ("poison messages", "warning", "1 in tasks-poison")
    assert (job.code, [(name, state) for name, state, _ in not_ok(job.document)]) == (
        0,
        [(f"job {job_id[:12]}", "not checked")],
    )


@pytest.mark.parametrize(("by", "state"), [(timedelta(0), "ok"), (timedelta(minutes=-9), "warning")])
def test_a_clock_that_is_set_wrongly(app: Path, opened: Callable[..., Any], by: timedelta, state: str):
    with opened() as (access, store):
        store.service.clock = Shifted(by)
        clock = next(iter(storage.check_message(access, store)))

    assert (clock.name, clock.state.value) == ("clock", state)
    if by:
        assert clock.evidence.endswith(" s behind the store's: displayed durations are wrong")


@pytest.fixture
def opened(app: Path) -> Callable[[], contextlib.AbstractContextManager[tuple[Access, Opened]]]:
    from jobkit.cli.doctor import _access, _subject

    @contextlib.contextmanager
    def open_it() -> Iterator[tuple[Access, Opened]]:
        access = _access(_subject(None), "azure")
        with access.open() as store:
            yield access, store

    return open_it
