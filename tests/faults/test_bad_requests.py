"""Whatever is asked of the Function App by HTTP: an answer by a documented status, and what was not meant is not touched."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import azure.functions as func
import pytest
from hypothesis import given
from hypothesis import strategies as st

from any_input import LOOSE_JSON, TEXT, TIMES, quick
from driver import TABLES, Driver
from jobkit.runtime.functions import blueprint
from jobkit.runtime.functions.app import App
from jobkit.runtime.processing import Processing
from jobkit.runtime.service import Service
from jobkit.runtime.storage.ports import Store
from neighbours import EveryRow, rows_of

#: As docs/functions.md says; 503 is for a storage account that does not answer.
DONE, REFUSED = (200, 202), (400, 404, 409, 413)
NONSENSE = "nonsense"


class OnMemory(App):
    """An app on a store in memory, with the driver's controllers."""

    def __init__(self, driver: Driver) -> None:
        super().__init__(())
        self._driver = driver

    @property
    def service(self) -> Service:
        return self._driver.service

    @property
    def processing(self) -> Processing:
        return self._driver.processing

    @property
    def store(self) -> Store:
        return self._driver.store


@dataclass(frozen=True, slots=True)
class Route:
    """One HTTP function, and which fields it says that its query and its body may have."""

    name: str
    method: str
    do: Callable[[func.HttpRequest], func.HttpResponse]
    query: Sequence[str] = ()
    body: Sequence[str] = ()

    def ask(self, job_id: str, job_type: str = "two_stages", **what: Any) -> func.HttpResponse:
        route_params = {"job_id": job_id, "job_type": job_type}
        address = "https://example.org/api/somewhere"
        return self.do(
            func.HttpRequest(self.method, address, route_params=route_params, **{"params": {}, "body": b"", **what})
        )


@pytest.fixture(scope="module")
def rows() -> EveryRow:
    return EveryRow()


@pytest.fixture(scope="module")
def routes(rows: EveryRow) -> Iterator[list[Route]]:
    """All HTTP functions that the Blueprint has, of an app that has these rows."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AzureWebJobsStorage", "JOBKIT_HUB"):
            patch.delenv(name, raising=False)
        patch.setattr(sys.modules["jobkit.runtime.functions.blueprint"], "App", lambda modules: OnMemory(rows.driver))
        app = func.FunctionApp()
        app.register_functions(blueprint(()))
        functions: list[Any] = app.get_functions()
        http = [one for one in functions if one.get_trigger().get_binding_name() == "httpTrigger"]
        made = [Route(f.get_function_name(), f.get_trigger().methods[0].value, f.get_user_function()) for f in http]
        nonsense = json.dumps({NONSENSE: 1}).encode()
        yield [
            replace(
                route,
                query=fields_named(route.ask(rows.half_done, params={NONSENSE: ""})),
                body=fields_named(route.ask(rows.half_done, body=nonsense)),
            )
            for route in made
        ]


def fields_named(answer: func.HttpResponse) -> Sequence[str]:
    """Return the fields that a refusal of an unknown one lists."""
    _, found, names = json.loads(answer.get_body()).get("detail", "").partition(" There are: ")
    return names.removesuffix(".").split(", ") if found else ()


def test_every_route_says_which_fields_it_has(rows: EveryRow, routes: list[Route]) -> None:
    which, poison = (
        ("status", "type", "since", "param"),
        ("id", "queue", "job", "status", "type", "since", "param", "all"),
    )
    jobs = ("job_ids", *which)

    assert {route.name: (route.method, *route.query) for route in routes} == {
        "livez": ("GET",),
        "readyz": ("GET",),
        "health": ("GET",),
        "show_doctor": ("GET",),
        "ask_doctor": ("POST",),
        "submit_job": ("POST", "stage", "from", "again"),
        "list_jobs": ("GET", *which, "sort", "reverse", "limit", "after"),
        "list_queues": ("GET", "limit"),
        "show_installation": ("GET",),
        "show_job": ("GET",),
        "diagnose_job": ("GET",),
        "list_tasks": ("GET", "stage", "status", "first", "limit"),
        "cancel_job": ("POST", "reason", "now"),
        "retry_job": ("POST", "reason", "stage", "task"),
        "repair_job": ("POST", "reason", "force", "dry_run"),
        **dict.fromkeys(("cancel_jobs", "retry_jobs", "repair_jobs", "purge_jobs"), ("POST",)),
        "list_poison": ("GET", *poison, "limit"),
        **dict.fromkeys(("requeue_poison", "drop_poison"), ("POST", *poison, "reason", "dry_run")),
    }
    assert {route.name: route.body for route in routes if route.body} == {
        "cancel_jobs": [*jobs, "reason", "now", "dry_run"],
        "retry_jobs": [*jobs, "reason", "stage", "dry_run"],
        "repair_jobs": [*jobs, "all", "reason", "force", "dry_run"],
        "purge_jobs": [*jobs, "older_than", "reason", "dry_run"],
    }


WORDS = st.sampled_from(
    [
        *("1", "0", "true", "false", "-1", "failed", "completed", "two_stages", "wide", "n=3", "Square", "1,2", "٣"),
        *("active", "30d", "1s", "99999999999d", *TIMES, "created", "took", "jobs", "tasks", "-", ""),
    ]
)
#: Bodies that are no JSON, or more than one takes.
RAW = (b"{", b"\xff", b"[" * 100_000, b'{"n":' + b"9" * 5_000 + b"}", b'{"n":1e999}', b'{"n":NaN}', b'"\\ud800"')


FLAGS = ("again", "all", "dry_run", "force", "now", "reverse")
IDS = ("after", "from", "id", "job")


def a_query(name: str, job_ids: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """What a field of a query may well be given."""
    likely = st.sampled_from(["true", "false"]) if name in FLAGS else job_ids if name in IDS else WORDS
    return likely | likely | WORDS | TEXT


def a_body(route: Route, job_ids: st.SearchStrategy[str]) -> st.SearchStrategy[bytes]:
    """What a route may well be sent."""
    # A run of the parameters of the job that has ended would be counted in its row.
    values: dict[str, st.SearchStrategy[object]] = {"n": st.integers(3) | st.floats() | st.text()}
    for name in route.body:
        likely = st.booleans() if name in FLAGS else WORDS
        values[name] = likely | likely | TEXT | LOOSE_JSON
    values["job_ids"] = job_ids | st.lists(job_ids, max_size=3) | LOOSE_JSON
    values["param"] = st.dictionaries(st.just("n"), LOOSE_JSON, max_size=1) | LOOSE_JSON
    names = st.lists(st.sampled_from(route.body or ["n"]), max_size=2, unique=True)
    if route.body:
        names |= names.map(lambda found: ["job_ids", *found])
    chosen = names.flatmap(lambda found: st.fixed_dictionaries({name: values[name] for name in found}))
    written = chosen.map(json.dumps).map(str.encode)
    return written | written | LOOSE_JSON.map(json.dumps).map(str.encode) | st.sampled_from(RAW)


@quick(150)
@given(data=st.data())
def test_any_request_is_answered_and_touches_no_job_that_it_does_not_name(
    rows: EveryRow, routes: list[Route], data: st.DataObject
) -> None:
    rows.put_back()
    before = rows.driver.everything()
    jobs = {job_id: rows_of(rows.store.tables, job_id) for job_id in (*rows.meddled, rows.ended, rows.waiting)}
    job_ids = st.sampled_from([*rows.meddled, rows.half_done[:6]]) | TEXT
    route = data.draw(st.sampled_from(routes))
    names = data.draw(st.lists(st.sampled_from(route.query or ["code"]), max_size=3, unique=True))
    query = {name: data.draw(a_query(name, job_ids)) for name in names}
    body = data.draw(a_body(route, job_ids)) if route.method == "POST" else b""

    answer = route.ask(
        data.draw(job_ids), data.draw(st.sampled_from(["two_stages", "one_stage"]) | TEXT), params=query, body=body
    )

    document = json.loads(answer.get_body(), parse_constant=pytest.fail)
    assert answer.status_code in (*DONE, *REFUSED), document
    if answer.status_code in REFUSED:
        told = (answer.mimetype, document["type"], document["status"], bool(document["detail"]))
        assert told == ("application/problem+json", "about:blank", answer.status_code, True)
    if answer.status_code in REFUSED or route.method == "GET":
        assert rows.driver.everything() == before
    named = answer.get_body().decode()
    tables = ("jobs", "tasks") if route.name == "ask_doctor" else TABLES  # it notes in the index that it has looked
    for job_id in (job_id for job_id in jobs if job_id not in named):
        found = rows_of(rows.store.tables, job_id)
        assert [row for row in found if row[0] in tables] == [row for row in jobs[job_id] if row[0] in tables]
    if rows.ended not in named and rows.waiting not in named:
        rows.run()
        rows.check()
