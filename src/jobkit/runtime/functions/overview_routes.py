"""What the HTTP functions over a whole installation do: list its jobs, show its queues, and all at a glance."""

from __future__ import annotations

from typing import Final

import azure.functions as func

from jobkit.runtime.concerns import find_concerns
from jobkit.runtime.inspected import Diagnosis
from jobkit.runtime.inspection import Inspection
from jobkit.runtime.installation import Glance
from jobkit.runtime.installation_documents import installation_document, jobs_document, queues_document
from jobkit.runtime.listing import find_line, read_order
from jobkit.runtime.listing import list_jobs as find_page
from jobkit.runtime.processing import QUEUES
from jobkit.runtime.queue_look import look_at_queue
from jobkit.runtime.selection import Selection
from jobkit.runtime.storage.limits import RECEIVE_MESSAGES

from .answers import answer_json
from .app import App
from .requests import JOB_FILTER, read_count, read_flag, read_job_filter, read_query

JOBS_FIELDS: Final = (*JOB_FILTER, "sort", "reverse", "limit", "after")
DEFAULT_JOBS: Final = 20
MOST_JOBS: Final = 1_000
DEFAULT_PEEKED: Final = 5
_STORE: Final = " --store azure"


def list_jobs(app: App, request: func.HttpRequest) -> func.HttpResponse:
    """List a page of the jobs that a filter finds, newest first unless told."""
    query = read_query(request, JOBS_FIELDS)
    service = app.service
    repository, now = service.repository, service.clock.now()
    after = query.get("after")
    page = find_page(
        repository,
        read_job_filter(query, now=now) or Selection(),
        each=service.outbox.each,
        now=now,
        limit=read_count(query, "limit", DEFAULT_JOBS, least=1, most=MOST_JOBS),
        order=read_order(query.get("sort", "created")),
        reverse=read_flag(query, "reverse"),
        after=None if after is None else find_line(repository, repository.resolve_job_id(after)),
    )
    return answer_json(jobs_document(page))


def list_queues(app: App, request: func.HttpRequest) -> func.HttpResponse:
    """Show the queues, and the first messages that wait there."""
    query = read_query(request, ("limit",))
    peek = read_count(query, "limit", DEFAULT_PEEKED, least=0, most=RECEIVE_MESSAGES)
    return answer_json(queues_document([look_at_queue(app.queues, name) for name in QUEUES], peek=peek))


def show_installation(app: App, request: func.HttpRequest) -> func.HttpResponse:
    """Show the installation at a glance."""
    read_query(request, ())
    service, queues = app.service, app.queues
    glance = Glance(service.repository, queues, each=service.outbox.each)
    found = glance.read(service.clock.now(), living=None)

    def diagnose(job_id: str) -> Diagnosis:
        return Inspection(service, queues, job_id, options=_STORE).diagnose()

    return answer_json(installation_document(found, list(find_concerns(found, diagnose=diagnose, store=_STORE))))
