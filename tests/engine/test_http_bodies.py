"""What the body of a request to operators' functions may be, and how much one request does."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import azure.functions as func
import pytest

from driver import Driver
from jobkit.runtime.errors import InvalidFilter, SourcesUnknown, UnknownJob
from jobkit.runtime.functions import operations
from jobkit.runtime.functions.answers import BadRequest
from jobkit.runtime.storage.ports import Entity
from samples import one_stage, two_stages

Drive = Callable[..., Driver]
WHICH = "name jobs (job_ids) or give a filter (status, type, since, param), one of them"
FIELDS = "job_ids, status, type, since, param, reason, stage, dry_run"


def broken(task: Any) -> int:
    raise ValueError("broken")


def ask(driver: Driver, do: Callable[..., func.HttpResponse], body: Any) -> Any:
    request = func.HttpRequest("POST", "/api/it", body=json.dumps(body).encode())
    return json.loads(do(SimpleNamespace(service=driver.service), request).get_body())


@pytest.mark.parametrize(
    ("body", "error", "text"),
    [
        ([], BadRequest, "the body must be a JSON object"),
        ({}, BadRequest, WHICH),
        ({"job_ids": ["abc"], "type": "tiles"}, BadRequest, WHICH),
        ({"stat": "failed"}, BadRequest, f"stat: there is no such field. Did you mean 'status'? There are: {FIELDS}."),
        ({"all": True}, BadRequest, f"all: there is no such field. There are: {FIELDS}."),
        ({"job_ids": [5]}, BadRequest, "job_ids: must be a list of texts"),
        ({"type": "x", "dry_run": "yes"}, BadRequest, "dry_run: must be true or false"),
        ({"type": "x", "stage": 1}, BadRequest, "stage: must be a text"),
        ({"param": "n=3"}, BadRequest, 'param: must be an object, such as {"n": 5}'),
        ({"status": "x"}, InvalidFilter, "status 'x': must be one of queued, processing, completed, failed."),
        ({"job_ids": ["ff"]}, UnknownJob, "no job 'ff' in this store"),
    ],
)
def test_a_body_that_can_not_be_meant_is_refused(drive: Drive, body: Any, error: type[Exception], text: str):
    driver = drive(two_stages())

    with pytest.raises(error) as refused:
        ask(driver, operations.retry_jobs, body)

    assert str(refused.value) == text


@pytest.mark.parametrize(
    "body",
    [{}, {"job_ids": ["ff"], "older_than": "30d"}, {"type": "tiles"}, {"job_ids": ["ff"], "type": "tiles"}],
)
def test_a_purge_means_named_jobs_or_old_ones(drive: Drive, body: Any):
    with pytest.raises(BadRequest, match=r"name jobs \(job_ids\) or say how long ago they must have ended"):
        ask(drive(two_stages()), operations.purge_jobs, body)


@pytest.mark.parametrize(
    "do", [operations.cancel_jobs, operations.retry_jobs, operations.repair_jobs, operations.purge_jobs]
)
def test_what_belongs_into_the_body_is_refused_in_the_query(drive: Drive, do: Callable[..., func.HttpResponse]):
    driver = drive(two_stages())
    job_id = driver.finish("two_stages", {"n": 1})["job_id"]
    before = driver.everything()
    body = json.dumps({"job_ids": [job_id]}).encode()
    request = func.HttpRequest("POST", "/api/it", params={"code": "key", "dry_run": "true"}, body=body)

    with pytest.raises(BadRequest) as refused:
        do(SimpleNamespace(service=driver.service), request)

    assert str(refused.value) == "?dry_run=: there is no such field. There are none here."
    assert driver.everything() == before


def test_one_request_does_so_much_and_the_next_one_goes_on(drive: Drive, monkeypatch: pytest.MonkeyPatch):
    driver = drive(one_stage(broken))
    for n in range(1, 6):
        driver.finish("one_stage", {"n": n})
    monkeypatch.setattr(operations, "MOST_JOBS", 3)

    answers = [ask(driver, operations.retry_jobs, {"status": ["failed"]}) for _ in range(3)]

    assert [(len(answer["jobs"]), answer["complete"]) for answer in answers] == [(3, False), (2, True), (0, True)]


def test_a_purge_ends_with_its_time_and_the_next_one_goes_on(drive: Drive, monkeypatch: pytest.MonkeyPatch):
    driver = drive(two_stages())
    for n in range(3):
        driver.finish("two_stages", {"n": n})
    driver.clock.advance(60)
    monkeypatch.setattr(operations, "MOST", timedelta(0))
    begun = ask(driver, operations.purge_jobs, {"older_than": "1s"})
    monkeypatch.setattr(operations, "MOST", timedelta(60))

    rest = ask(driver, operations.purge_jobs, {"older_than": "1s"})

    assert (begun["jobs"], begun["complete"]) == ([], False)
    assert (len(rest["jobs"]), rest["complete"]) == (3, True)
    left = driver.everything()
    assert (left["jobs"], left["tasks"], left["index"]) == ([], [], [])


def change(driver: Driver, job_id: str, **properties: Any) -> None:
    row = driver.store.tables.get("jobs", job_id, "job")
    driver.store.tables.update("jobs", Entity(partition=job_id, row="job", properties=properties), etag=row.etag)


@pytest.mark.parametrize(
    ("do", "body"),
    [
        (operations.retry_jobs, {"status": "failed"}),
        (operations.repair_jobs, {"type": "one_stage", "status": "failed"}),
        (operations.purge_jobs, {"older_than": "1s"}),
    ],
)
def test_a_job_that_can_not_be_read_is_refused_by_name_and_the_others_are_done(
    drive: Drive, do: Callable[..., func.HttpResponse], body: dict[str, Any]
):
    driver = drive(one_stage(broken))
    jobs = [driver.finish("one_stage", {"n": n})["job_id"] for n in (1, 2, 3)]
    driver.clock.advance(60)
    change(driver, jobs[1], stage=9)

    answer = ask(driver, do, body)

    detail = f"store row {jobs[1]} / job: it is damaged: it is at stage 9 of (1,)"
    assert answer["refused"] == [{"job_id": jobs[1], "error": "RowDamaged", "detail": detail}]
    assert ([job["job_id"] for job in answer["jobs"]], answer["complete"]) == ([jobs[2], jobs[0]], True)


def test_while_an_active_job_can_not_be_read_a_purge_is_refused(drive: Drive):
    driver = drive(two_stages())
    driver.finish("two_stages", {"n": 1})
    change(driver, driver.submit("two_stages", {"n": 2}), stage=9)
    driver.clock.advance(60)

    with pytest.raises(SourcesUnknown, match="nothing is purged: active job"):
        ask(driver, operations.purge_jobs, {"older_than": "1s"})

    assert len(list(driver.repository.index.recent())) == 2
