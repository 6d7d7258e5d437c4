"""What the HTTP functions do: submit a job, show it and its tasks, tell how the app is."""

from __future__ import annotations

import platform
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote, urlsplit, urlunsplit

import azure.functions as func

from jobkit import __version__
from jobkit.runtime.counting import Counting
from jobkit.runtime.documents import SCHEMA, job_document, tasks_document
from jobkit.runtime.errors import JobkitError
from jobkit.runtime.inspected_documents import diagnosis_document
from jobkit.runtime.inspection import Inspection
from jobkit.runtime.invariants import broken_invariants
from jobkit.runtime.listing import list_tasks as find_page
from jobkit.runtime.messages import JOBS_QUEUE
from jobkit.runtime.model import Chain, StageRecord, Status
from jobkit.runtime.processing import QUEUES

from .answers import BadRequest, answer_json
from .app import App
from .requests import read_body, read_count, read_flag, read_query, read_several

SUBMIT_FIELDS: Final = ("stage", "from", "again")
TASKS_FIELDS: Final = ("stage", "status", "first", "limit")
DEFAULT_TASKS: Final = 100
MOST_TASKS: Final = 1_000


def submit_job(app: App, request: func.HttpRequest) -> func.HttpResponse:
    """Create a job (202), or show the one that is the same (200)."""
    query = read_query(request, SUBMIT_FIELDS)
    service = app.service
    source = query.get("from")
    submitted = service.submit(
        request.route_params["job_type"],
        read_body(request),
        stages=read_several(query, "stage"),
        source_job=None if source is None else service.repository.resolve_job_id(source),
        again=read_flag(query, "again"),
    )
    job_id = submitted.chain.job.job_id
    chain = submitted.chain if submitted.created else service.repository.get_chain(job_id)
    return answer_json(
        job_document(chain),
        status=HTTPStatus.ACCEPTED if submitted.created else HTTPStatus.OK,
        headers={"Location": _sibling(request.url, job_id)},
    )


def show_job(app: App, request: func.HttpRequest) -> func.HttpResponse:
    """Show a job, with the counts of the stage that runs."""
    read_query(request, ())
    repository = app.service.repository
    chain = _chain(app, request)
    audits = repository.audits(chain.job.job_id)
    return answer_json(job_document(chain, Counting(repository).open_summaries(chain), audits=audits))


def diagnose_job(app: App, request: func.HttpRequest) -> func.HttpResponse:
    """Tell what keeps a job from moving or made it fail, and which invariants its rows break: all are read for that."""
    read_query(request, ())
    chain = _chain(app, request)
    job = chain.job
    found = Inspection(app.service, app.queues, job.job_id).diagnose()
    broken = [] if job.is_purging else broken_invariants(app.service.repository, chain)
    return answer_json(
        {
            "schema": SCHEMA,
            "job_id": job.job_id,
            "status": job.status.value,
            **diagnosis_document(found),
            "broken": broken,
        }
    )


def list_tasks(app: App, request: func.HttpRequest) -> func.HttpResponse:
    """List the tasks of a job's stage, by index: of the one that runs, or the last one, unless told."""
    query = read_query(request, TASKS_FIELDS)
    chain = _chain(app, request)
    stage = _stage(chain, query.get("stage"))
    first = read_count(query, "first", 0, least=0, most=10**9)
    limit = read_count(query, "limit", DEFAULT_TASKS, least=1, most=MOST_TASKS)
    page = find_page(app.service.repository, stage, first=first, limit=limit, status=_status(query))
    return answer_json(tasks_document(page))


def show_health(app: App) -> func.HttpResponse:
    """Tell what the app has, and what is wrong with it: 200, or 503 when it can't work at all."""
    loaded = app.loaded
    store: dict[str, Any]
    try:
        store = {"hub": app.hub, "queues": {queue: app.queues.length(queue) for queue in QUEUES}, "error": None}
    except JobkitError as exc:
        store = {"hub": None, "queues": {}, "error": str(exc)}
    works = store["error"] is None
    document = {
        "schema": SCHEMA,
        "status": "unavailable" if not works else "degraded" if loaded.problems else "ok",
        "version": __version__,
        "python": platform.python_version(),
        "controllers": [controller.job_type for controller in loaded.registry],
        "problems": [{"name": each.name, "reason": each.reason, "where": each.where} for each in loaded.problems],
        "store": store,
    }
    return answer_json(document, status=HTTPStatus.OK if works else HTTPStatus.SERVICE_UNAVAILABLE)


def check_ready(app: App) -> func.HttpResponse:
    """Say that jobs can be taken: the store answers. Raises StoreUnavailable, InvalidSetting."""
    app.queues.length(JOBS_QUEUE)
    return answer_json({"status": "ready"})


def _chain(app: App, request: func.HttpRequest) -> Chain:
    repository = app.service.repository
    return repository.get_chain(repository.resolve_job_id(request.route_params["job_id"]))


def _stage(chain: Chain, number: str | None) -> StageRecord:
    if number is None:
        return chain.latest_stage
    found = chain.find_stage(int(number)) if number.isascii() and number.isdigit() and len(number) <= 3 else None
    if found is None:
        numbers = ", ".join(str(stage.number) for stage in chain.stages)
        raise BadRequest(f"?stage={number}: the job has no such stage. There are: {numbers}.")
    return found


def _status(query: dict[str, str]) -> Status | None:
    name = query.get("status")
    if name is None:
        return None
    try:
        return Status(name)
    except ValueError:
        raise BadRequest(f"?status={name}: must be one of {', '.join(Status)}") from None


def _sibling(url: str, name: str) -> str:
    """Return an address beside that of the request, without its query (which may hold the key)."""
    parts = urlsplit(url)
    return urlunsplit(
        (parts.scheme, parts.netloc, f"{parts.path.rstrip('/').rpartition('/')[0]}/{quote(name)}", "", "")
    )
