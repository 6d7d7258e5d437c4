"""Poison messages are chosen by the jobs that they are about: by commands and by HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import azure.functions as func
import pytest

from driver import START, Driver
from faulty import Faulty
from jobkit.runtime.errors import InvalidFilter, UnknownPoison
from jobkit.runtime.functions import poison_routes
from jobkit.runtime.functions.answers import BadRequest
from jobkit.runtime.messages import decode_message, encode_message
from jobkit.runtime.model import Status
from jobkit.runtime.poison import Found, PoisonMessage
from jobkit.runtime.poison_choice import Wanted
from jobkit.runtime.poison_search import PoisonSearch
from jobkit.runtime.selection import Selection
from jobkit.runtime.storage.ports import Entity
from samples import one_stage, two_stages

Drive = Callable[..., Driver]
Http = Callable[..., func.HttpResponse]
GONE = "f" * 32
#: What there is of each job, by its number of tasks: an hour after the other, `one_stage`, `one_stage`, `two_stages`.
ALL = [(35, index) for index in range(35)] + [(3, index) for index in range(3)] + [(4, index) for index in range(4)]


def into_poison(driver: Driver, queue: str) -> list[str]:
    """Move what waits in a queue into its poison queue; return the texts."""
    queues, texts = driver.store.queues, []
    while found := queues.receive(queue, limit=32, visibility_s=30):
        for each in found:
            texts.append(each.body)
            queues.send(f"{queue}-poison", each.body)
            queues.delete(queue, each)
    return texts


def filled(driver: Driver) -> Driver:
    """Have poison of three jobs in `tasks-poison`, two foreign messages among them and one whose job is gone."""
    for number, (job_type, n) in enumerate([("one_stage", 35), ("one_stage", 3), ("two_stages", 4)]):
        driver.clock.advance((START + timedelta(hours=number) - driver.clock.now()).total_seconds())
        driver.submit(job_type, {"n": n})
        driver.run(deliveries=1)  # it is planned
        if number == 0:
            driver.store.queues.send("tasks", "foreign")
    texts = into_poison(driver, "tasks")
    message = decode_message(next(text for text in texts if text != "foreign"))
    driver.store.queues.send("tasks-poison", encode_message(replace(message, job_id=GONE), key="k"))
    driver.store.queues.send("jobs-poison", "foreign")
    return driver


@pytest.fixture
def driver(drive: Drive) -> Driver:
    return filled(drive(one_stage(lambda task: task.index), two_stages()))


def find(driver: Driver, *, take: bool = True, **wanted: Any) -> Found:
    return PoisonSearch(driver.service, driver.store.queues).find(Wanted(**wanted), take=take)


def tasks(messages: Any) -> list[tuple[int, int]]:
    """What is meant: the task, by how many there are of its job, and its index."""
    found: list[tuple[int, int]] = []
    for each in messages:
        assert isinstance(each, PoisonMessage)
        assert each.message is not None
        assert each.outlook is not None
        assert each.outlook.job is not None
        found.append((json.loads(each.outlook.job.params_json)["n"], each.message.first))
    return sorted(found)


def ask(driver: Driver, do: Http, **query: str) -> Any:
    request = func.HttpRequest("POST", "/api/poison", params=query, body=b"")
    return json.loads(do(SimpleNamespace(service=driver.service, queues=driver.store.queues), request).get_body())


@pytest.mark.parametrize(
    ("selection", "query", "numbers"),
    [
        ({"job_types": frozenset({"one_stage"})}, {"type": "one_stage"}, {35, 3}),
        ({"job_types": frozenset({"one_stage", "two_stages"})}, {"type": "one_stage,two_stages"}, {35, 3, 4}),
        ({"job_types": frozenset({"no_stage"})}, {"type": "no_stage"}, set()),
        ({"statuses": frozenset({Status.PROCESSING})}, {"status": "processing"}, {35, 3, 4}),
        ({"statuses": frozenset({Status.FAILED, Status.QUEUED})}, {"status": "failed,queued"}, set()),
        ({"since": START + timedelta(minutes=30)}, {"since": "90m"}, {3, 4}),
        ({"params": {"n": "3"}}, {"param": "n=3"}, {3}),
        ({"params": {"n": "3"}, "job_types": frozenset({"two_stages"})}, {"param": "n=3", "type": "two_stages"}, set()),
    ],
)
def test_a_filter_means_the_messages_of_the_jobs_that_fit(
    driver: Driver, selection: dict[str, Any], query: dict[str, str], numbers: set[int]
):
    expected = sorted(each for each in ALL if each[0] in numbers)

    found = find(driver, jobs=Selection(**selection))
    listed = ask(driver, poison_routes.list_poison, all="true", **query)

    assert (tasks(found.messages), found.seen) == (expected, 45)
    assert (found.foreign, found.gone, found.unseen, found.damaged) == (2, 1, {"tasks": 0, "jobs": 0}, [])
    assert sorted(each["id"] for each in listed.pop("messages")) == sorted(each.id for each in found.messages)
    assert listed == {
        "schema": 1,
        "left_out": 0,
        "seen": 45,
        "unseen": {"tasks": 0, "jobs": 0},
        "cut": [],
        "jobless": {"foreign": 2, "gone": 1},
        "damaged": [],
    }


def test_without_taking_the_first_32_alone_are_asked_and_a_queue_that_is_not_meant_not_at_all(driver: Driver):
    jobs = Selection(job_types=frozenset({"two_stages"}))

    peeked, taken, of_jobs = find(driver, take=False, jobs=jobs), find(driver, jobs=jobs), find(driver, queue="jobs")

    assert len(peeked.messages) < 4
    assert (peeked.seen, peeked.unseen, peeked.is_cut) == (33, {"tasks": 12, "jobs": 0}, {"tasks"})
    assert (tasks(taken.messages), taken.seen) == ([(4, 0), (4, 1), (4, 2), (4, 3)], 45)
    assert ([each.body for each in of_jobs.messages], of_jobs.seen, of_jobs.unseen) == (["foreign"], 1, {"jobs": 0})
    held = {each.dequeue_count for each in driver.store.queues.peek("tasks-poison", limit=32)}
    assert held == {1}  # by the second look alone: the third did not touch them
    with pytest.raises(UnknownPoison) as unknown:
        find(driver, take=False, ids=["ffff"])
    text = "no poison message 'ffff' was seen; 12 were not looked at: --all (?all=true) does that"
    assert str(unknown.value) == text


def test_each_job_is_read_once_however_many_messages_it_has(
    drive_faulty: Callable[..., tuple[Driver, Faulty]],
):
    driver, faulty = drive_faulty(one_stage(lambda task: task.index), two_stages())
    filled(driver)
    before = len(faulty.calls)

    found = find(driver, jobs=Selection(job_types=frozenset({"one_stage"})))

    read = [(call.verb, call.place.split(" ")[0]) for call in faulty.calls[before:] if not call.writes]
    assert len(found.messages) == 38
    assert read.count(("query", "jobs")) == 4  # with the one that is gone
    assert read.count(("get", "tasks")) == 38  # of those that are shown alone


def test_what_can_not_be_judged_is_told_and_the_others_are_found(driver: Driver):
    [of_three, *_] = (each.message for each in find(driver, jobs=Selection(params={"n": "3"})).messages)
    assert of_three is not None
    tables = driver.store.tables
    row = tables.get("jobs", of_three.job_id, "job")
    tables.update("jobs", Entity(partition=row.partition, row="job", properties={"status": "of clay"}), etag=row.etag)
    tables.insert("index", Entity(partition="poison", row="tasks-poison-1", properties={"queue": "tasks-poison"}))

    found = find(driver, jobs=Selection(statuses=frozenset({Status.PROCESSING})))
    whole = find(driver)
    dropped = ask(driver, poison_routes.drop_poison, type="one_stage", dry_run="true")

    assert {number for number, _ in tasks(found.messages)} == {35, 4}
    kept = "store row poison / tasks-poison-1: it is damaged: it has no 'reason'"
    of_job = f"store row {of_three.job_id} / job: it is damaged: 'of clay' is not a valid Status"
    assert found.damaged == [kept, f"{of_job} (3 messages of it could not be judged)"]
    assert (len(whole.messages), whole.damaged) == (45, [kept])
    assert [
        each.outlook.state for each in whole.messages if each.message and each.outlook and not each.outlook.job
    ] == [
        *[of_job] * 3,
        "its job is gone",
    ]
    assert dropped["damaged"] == list(found.damaged)


def test_by_http_what_fits_is_requeued_or_dropped_and_nothing_else(driver: Driver):
    requeued = ask(driver, poison_routes.requeue_poison, param="n=3", reason="mended")
    dropped = ask(driver, poison_routes.drop_poison, type="two_stages")
    lengths = driver.lengths()
    driver.run()

    assert [each["requeued"] for each in requeued["messages"]] == [True] * 3
    assert [each["dropped"] for each in dropped["messages"]] == [True] * 4
    assert (requeued["seen"], dropped["seen"], dropped["complete"]) == (45, 42, True)
    assert requeued["jobless"] == dropped["jobless"] == {"foreign": 2, "gone": 1}
    assert (lengths["tasks"], lengths["tasks-poison"], lengths["jobs-poison"]) == (3, 37, 1)
    jobs = [driver.job(listed.job_id) for listed in driver.repository.index.recent()]
    assert {job["params"]["n"]: job["status"] for job in jobs} == {3: "completed", 4: "failed", 35: "completed"}


WHICH = "?queue=, ?job=, ?status=, ?type=, ?since=, ?param="
FIELDS = "id, queue, job, status, type, since, param, all, reason, dry_run"


@pytest.mark.parametrize(
    ("query", "error", "text"),
    [
        ({}, BadRequest, f"name messages (?id=, several by commas), or give {WHICH} or, alone, ?all=true"),
        (
            {"all": "true", "type": "x"},
            BadRequest,
            f"name messages (?id=, several by commas), or give {WHICH} or, alone, ?all=true",
        ),
        ({"id": "3f", "type": "x"}, BadRequest, f"?id= goes with no filter ({WHICH}): give one of them"),
        ({"job": ""}, BadRequest, "?job=: must be how the job's id begins"),
        ({"tipe": "x"}, BadRequest, f"?tipe=: there is no such field. Did you mean 'type'? There are: {FIELDS}."),
        ({"status": "x"}, InvalidFilter, "status 'x': must be one of queued, processing, completed, failed."),
        ({"since": "soon"}, InvalidFilter, "since 'soon': "),
        ({"param": "n"}, InvalidFilter, "param 'n': give NAME=VALUE"),
    ],
)
def test_a_request_that_can_not_be_meant_is_refused(
    drive: Drive, query: dict[str, str], error: type[Exception], text: str
):
    driver = drive(two_stages())
    driver.store.queues.send("tasks-poison", "foreign")

    with pytest.raises(error) as refused:
        ask(driver, poison_routes.drop_poison, **query)

    assert str(refused.value).startswith(text)
    assert driver.lengths()["tasks-poison"] == 1
