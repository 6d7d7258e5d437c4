"""The test host itself: a small app in Microsoft's worker, fed as the host in Azure feeds it."""

from __future__ import annotations

import base64
import json
import os
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.storage.queue import QueueServiceClient

from azurite import new_account
from functions_host.host import KEY, FunctionsHost
from waiting import wait_until

APP = """
import json
import logging
import os
import sys
import time

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
more = func.Blueprint()


@app.route("things/{kind}", methods=["POST"])
def make(req: func.HttpRequest) -> func.HttpResponse:
    logging.info("made a %s", req.route_params["kind"])
    found = {
        "method": req.method,
        "url": req.url,
        "params": dict(req.params),
        "route": dict(req.route_params),
        "body": req.get_body().decode(),
        "type": req.headers.get("content-type"),
    }
    return func.HttpResponse(json.dumps(found), status_code=202, mimetype="application/json", headers={"x-a": "b"})


@app.route("things/all", auth_level="anonymous")
def show_all(req: func.HttpRequest) -> str:
    return "all"


@app.route("things/{kind}", methods=["GET"])
def fail(req: func.HttpRequest) -> func.HttpResponse:
    raise ValueError(req.route_params["kind"])


@app.queue_trigger("message", queue_name="%HUB%-work", connection="AzureWebJobsStorage")
def work(message: func.QueueMessage) -> None:
    body = message.get_body().decode()
    print("working on", body)
    with open(os.environ["SEEN"], "a") as file:
        file.write(json.dumps([body, message.dequeue_count, bool(message.id), str(message.insertion_time.tzinfo)]) + chr(10))
    if "sleep" in body:
        time.sleep(60)
    if "fail" in body:
        raise ValueError(body)
    if "exit" in body:
        os._exit(3)


@more.queue_trigger("message", queue_name="%HUB%-work-poison", connection="AzureWebJobsStorage")
def poison(message: str) -> None:
    with open(os.environ["SEEN"], "a") as file:
        file.write(json.dumps(["poison", message]) + chr(10))


@more.timer_trigger("timer", schedule="0 0 * * * *")
async def tick(timer: func.TimerRequest) -> None:
    print("late" if timer.past_due else "tick")


app.register_functions(more)
"""
HOST = {
    "version": "2.0",
    "extensions": {"queues": {"visibilityTimeout": "00:00:01", "maxDequeueCount": 3, "batchSize": 2}},
}


class Small:
    """The app above on a hub of its own; `seen` is what its queue functions were given."""

    def __init__(self, folder: Path) -> None:
        account, self.hub = new_account()
        self.service = QueueServiceClient.from_connection_string(account.connection_string)
        self._seen = folder / "seen.txt"
        self._seen.touch()
        app = folder / "app"
        app.mkdir()
        (app / "function_app.py").write_text(APP)
        (app / "host.json").write_text(json.dumps(HOST))
        values = {"AzureWebJobsStorage": account.connection_string, "HUB": self.hub, "SEEN": str(self._seen)}
        (app / "local.settings.json").write_text(json.dumps({"Values": values}))
        self.app = app
        for name in ("work", "work-poison"):
            self.service.create_queue(f"{self.hub}-{name}")

    @property
    def seen(self) -> list[list[Any]]:
        return [json.loads(line) for line in self._seen.read_text().splitlines()]

    def send(self, queue: str, *bodies: str, encoded: bool = True) -> None:
        for body in bodies:
            text = base64.b64encode(body.encode()).decode() if encoded else body
            self.service.get_queue_client(f"{self.hub}-{queue}").send_message(text)

    def count(self, queue: str) -> int:
        found = self.service.get_queue_client(f"{self.hub}-{queue}").get_queue_properties()
        return int(found.approximate_message_count or 0)


@pytest.fixture
def small(tmp_path: Path) -> Small:
    return Small(tmp_path)


@pytest.fixture
def host(small: Small) -> Iterator[FunctionsHost]:
    with FunctionsHost(small.app) as started:
        yield started


def ask(url: str, method: str = "GET", body: bytes | None = None, **headers: str) -> tuple[int, dict[str, str], str]:
    request = urllib.request.Request(url, method=method, data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, dict(answer.headers), answer.read().decode()
    except urllib.error.HTTPError as exc:
        with exc:
            return exc.code, dict(exc.headers), exc.read().decode()


def test_it_serves_http_triggers_by_route_method_and_key(host: FunctionsHost):
    things = f"{host.url}/api/things"
    key = {"x-functions-key": KEY, "content-type": "application/json"}

    status, headers, text = ask(f"{things}/a%20b?x=1&x=2&empty=", "POST", b'{"n": 1}', **key)

    assert (status, headers["x-a"], headers["content-type"]) == (202, "b", "application/json")
    assert json.loads(text) == {
        "method": "POST",
        "url": f"{things}/a%20b?x=1&x=2&empty=",
        "params": {"x": "1,2"},
        "route": {"kind": "a b"},
        "body": '{"n": 1}',
        "type": "application/json",
    }
    assert [
        ask(f"{things}/all")[::2],  # the literal segment decides, and it needs no key
        ask(f"{things}/cup", "POST")[0],
        ask(f"{things}/cup?code=wrong", "POST")[0],
        ask(f"{things}/cup?code={KEY}", "PUT")[0],
        ask(f"{things}/cup?code={KEY}")[0],
        ask(f"{host.url}/things/all")[0],
    ] == [(200, "all"), 401, 401, 404, 500, 404]
    assert [log.text for log in host.logs if log.category == "root"] == ["made a a b"]


def test_it_feeds_queue_triggers_and_deletes_what_was_handled(small: Small, host: FunctionsHost):
    small.send("work", *(f"message {number}" for number in range(5)))

    wait_until(lambda: small.count("work") == 0, "the messages are handled", every_s=0.05)

    assert sorted(small.seen) == [[f"message {number}", 1, True, "UTC"] for number in range(5)]
    wait_until(
        lambda: [log.text for log in host.logs if log.category == "stdout"].count("working on message 4") == 1,
        "it is told",
    )


def test_a_failed_message_comes_again_and_then_to_the_poison_queue(small: Small, host: FunctionsHost):
    small.send("work", "fail")

    wait_until(lambda: len(small.seen) == 4, "poison has it", every_s=0.05)

    assert small.seen == [
        ["fail", 1, True, "UTC"],
        ["fail", 2, True, "UTC"],
        ["fail", 3, True, "UTC"],
        ["poison", "fail"],
    ]
    wait_until(lambda: small.count("work") + small.count("work-poison") == 0, "both are empty", every_s=0.05)
    moved = f"Message has reached MaxDequeueCount of 3. Moving message to queue '{small.hub}-work-poison'."
    assert [log.text for log in host.logs if (log.category, log.level) == ("host", "WARNING")] == [moved]
    failed = [log.text.splitlines() for log in host.logs if log.level == "ERROR"]
    assert [(lines[0], lines[-1]) for lines in failed] == [
        ("Executed 'Functions.work' (Failed)", "ValueError: fail")
    ] * 3


def test_what_is_no_base64_is_moved_at_once_and_stays_in_the_poison_queue(small: Small, host: FunctionsHost):
    small.send("work", "{nonsense}", encoded=False)

    wait_until(
        lambda: sum("decoding has failed" in log.text for log in host.logs) == 2,
        "both triggers refused it",
        every_s=0.05,
    )

    assert (small.count("work"), small.count("work-poison"), small.seen) == (0, 1, [])


def test_a_poison_message_that_was_taken_too_often_reaches_no_function(small: Small):
    small.send("work-poison", "often")
    client: Any = small.service.get_queue_client(f"{small.hub}-work-poison")
    for _ in range(3):
        (taken,) = client.receive_messages(visibility_timeout=60)
        client.update_message(taken.id, taken.pop_receipt, visibility_timeout=0)
    small.send("work-poison", "never")

    with FunctionsHost(small.app):
        wait_until(lambda: small.seen, "the other one was handled", every_s=0.05)
        wait_until(lambda: small.count("work-poison") == 1, "and deleted", every_s=0.05)

    assert small.seen == [["poison", "never"]]


def test_a_worker_that_dies_fails_what_it_had_and_is_started_again(small: Small, host: FunctionsHost):
    pid = host.worker.pid
    small.send("work", "sleep", "exit")

    wait_until(lambda: ["poison", "exit"] in small.seen, "exit is poison", every_s=0.05)

    assert sorted(small.seen)[:3] == [["exit", count, True, "UTC"] for count in (1, 2, 3)]
    assert host.worker.pid != pid
    assert host.worker.started == 4


def test_a_killed_worker_is_noticed(small: Small, host: FunctionsHost):
    os.kill(host.worker.pid, signal.SIGKILL)
    wait_until(lambda: host.worker.started == 2, "another one is started")

    small.send("work", "after")

    wait_until(lambda: small.seen == [["after", 1, True, "UTC"]], "the next worker has it", every_s=0.05)


def test_fields_of_a_json_message_take_the_place_of_the_triggers_data(small: Small, host: FunctionsHost):
    small.send("work", json.dumps({"dequeuecount": 7}))

    wait_until(lambda: small.seen, "it was handled", every_s=0.05)

    assert small.seen == [['{"dequeuecount": 7}', 7, True, "UTC"]]


def test_timers_are_due_when_a_test_says_so(host: FunctionsHost):
    host.fire("tick")

    wait_until(lambda: [log.text for log in host.logs if log.category == "stdout"] == ["tick"], "it has run")


def test_an_app_that_does_not_import_has_nothing_but_404s(small: Small):
    (small.app / "function_app.py").write_text(APP + "\nraise ImportError('lost')\n")

    with FunctionsHost(small.app) as host:
        assert (host.functions, ask(f"{host.url}/api/things/all")[0]) == ({}, 404)
        assert host.worker.broken.splitlines()[-1].startswith("ImportError: lost")
