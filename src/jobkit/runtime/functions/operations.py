"""What operators do to jobs by HTTP, one or many: cancel, retry, repair, purge; the twins of the commands."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final

import azure.functions as func

from jobkit.runtime.documents import (
    SCHEMA,
    cancel_document,
    job_document,
    look_document,
    refused_document,
    retry_document,
)
from jobkit.runtime.model import Status
from jobkit.runtime.operator import Operator
from jobkit.runtime.purging import Purging, TimeIsUp
from jobkit.runtime.service import Service
from jobkit.runtime.times import read_time
from jobkit.runtime.unread import REFUSALS, Refused

from .answers import BadRequest, answer_json
from .app import App
from .bodies import Body
from .requests import caller, read_flag, read_query, read_several

#: A request is ended by the platform after 230 s; what is left is for the next one.
MOST: Final = timedelta(seconds=60)
MOST_JOBS: Final = 1_000

_OPEN: Final = (Status.QUEUED, Status.PROCESSING)


def cancel_job(app: App, request: func.HttpRequest) -> func.HttpResponse:
    """Ask for the end of a job (202), which whoever works on its queues brings about."""
    query = read_query(request, ("reason", "now"))
    now = read_flag(query, "now")
    return _act(app, request, lambda operator, job_id: operator.cancel(job_id, reason=query.get("reason", ""), now=now))


def retry_job(app: App, request: func.HttpRequest) -> func.HttpResponse:
    """Begin another round of a failed job (202)."""
    query = read_query(request, ("reason", "stage", "task"))
    tasks = read_several(query, "task")
    reason, stage = query.get("reason", ""), query.get("stage")
    return _act(app, request, lambda operator, job_id: operator.retry(job_id, reason=reason, stage=stage, tasks=tasks))


def repair_job(app: App, request: func.HttpRequest) -> func.HttpResponse:
    """Look at a job, mend what is broken, and tell what was found."""
    query = read_query(request, ("reason", "force", "dry_run"))
    force, dry_run = read_flag(query, "force"), read_flag(query, "dry_run")
    operator, job_id = _operator(app, request), _job_id(app, request)
    look = operator.repair(job_id, force=force, reason=query.get("reason", ""), dry_run=dry_run)
    return answer_json({"schema": SCHEMA, **look_document(look, mended=not dry_run)})


def cancel_jobs(app: App, request: func.HttpRequest) -> func.HttpResponse:
    """Cancel the jobs that the body means."""
    body = Body(request, ("reason", "now", "dry_run"))
    operator = _operator(app, request)
    reason, now, dry_run = body.text("reason") or "", body.flag("now"), body.flag("dry_run")

    def cancel(job_id: str) -> dict[str, Any]:
        chain = operator.check_can_cancel(job_id) if dry_run else operator.cancel(job_id, reason=reason, now=now)
        return cancel_document(chain, cancelled=not dry_run)

    refused: list[Refused] = []
    return _many(app.service, body.job_ids(app.service, _OPEN, refused), refused, cancel)


def retry_jobs(app: App, request: func.HttpRequest) -> func.HttpResponse:
    """Retry the jobs that the body means."""
    body = Body(request, ("reason", "stage", "dry_run"))
    operator = _operator(app, request)
    reason, stage, dry_run = body.text("reason") or "", body.text("stage"), body.flag("dry_run")

    def retry(job_id: str) -> dict[str, Any]:
        chain, choice = operator.retry(job_id, reason=reason, stage=stage, dry_run=dry_run, is_named=not body.is_filter)
        return retry_document(chain, choice, retried=not dry_run)

    refused: list[Refused] = []
    return _many(app.service, body.job_ids(app.service, (Status.FAILED,), refused), refused, retry)


def repair_jobs(app: App, request: func.HttpRequest) -> func.HttpResponse:
    """Repair the jobs that the body means; `all` are those that have not been wound up."""
    body = Body(request, ("all", "reason", "force", "dry_run"))
    operator = _operator(app, request)
    reason, force, dry_run = body.text("reason") or "", body.flag("force"), body.flag("dry_run")

    def repair(job_id: str) -> dict[str, Any]:
        look = operator.repair(job_id, force=force, reason=reason, dry_run=dry_run)
        return look_document(look, mended=not dry_run)

    refused: list[Refused] = []
    return _many(app.service, body.job_ids(app.service, _OPEN, refused), refused, repair)


def purge_jobs(app: App, request: func.HttpRequest) -> func.HttpResponse:
    """Delete the jobs that the body means: named ones, or those that ended longer ago than `older_than`."""
    body = Body(request, ("older_than", "reason", "dry_run"))
    service = app.service
    purging = Purging(service, by=caller(request))
    older_than, named, reason = body.text("older_than"), body.texts("job_ids"), body.text("reason") or ""
    if (older_than is None) is not bool(named) or (named and body.is_filter):
        raise BadRequest("name jobs (job_ids) or say how long ago they must have ended (older_than), one of them")
    until = service.clock.now() + MOST
    rows = 0

    def count(more: int) -> None:
        nonlocal rows
        rows += more
        if service.clock.now() >= until:
            raise TimeIsUp

    def purge(job_id: str) -> dict[str, Any]:
        job = purging.check(job_id)
        is_purged = not dry_run and purging.purge(job, count, reason=reason)
        return {"job_id": job.job_id, "status": job.status.value, "purged": is_purged}

    dry_run = body.flag("dry_run")
    refused: list[Refused] = []
    job_ids: Iterable[str]
    if older_than is None:
        job_ids = service.repository.resolve_job_ids(named)
    else:
        ended_before = read_time(older_than, "older_than", now=service.clock.now())
        found = purging.find(body.selection(service), ended_before, refused, dry_run=dry_run)
        job_ids = (job.job_id for job in found)
    return _many(service, job_ids, refused, purge, lambda: {"rows": None if dry_run else rows})


def _many(
    service: Service,
    job_ids: Iterable[str],
    refused: list[Refused],
    act: Callable[[str], dict[str, Any]],
    more: Callable[[], dict[str, Any]] = dict,
) -> func.HttpResponse:
    """Do something to jobs, and tell which have `refused` it.

    `complete` is false when there were too many for one request: the same one again goes on.
    """
    until = service.clock.now() + MOST
    done: list[dict[str, Any]] = []
    is_complete = True
    for count, job_id in enumerate(job_ids):
        if count >= MOST_JOBS or service.clock.now() >= until:
            is_complete = False
            break
        try:
            done.append(act(job_id))
        except TimeIsUp:
            is_complete = False
            break
        except REFUSALS as exc:
            refused.append(Refused(job_id=job_id, error=exc))
    documents = list(map(refused_document, refused))
    return answer_json({"schema": SCHEMA, "jobs": done, "refused": documents, "complete": is_complete, **more()})


def _act(app: App, request: func.HttpRequest, act: Callable[[Operator, str], object]) -> func.HttpResponse:
    """Do what an operator asks for; answer with the job as it is then."""
    job_id = _job_id(app, request)
    act(_operator(app, request), job_id)
    return answer_json(job_document(app.service.repository.get_chain(job_id)), status=HTTPStatus.ACCEPTED)


def _job_id(app: App, request: func.HttpRequest) -> str:
    return app.service.repository.resolve_job_id(request.route_params["job_id"])


def _operator(app: App, request: func.HttpRequest) -> Operator:
    return Operator(app.service, by=caller(request))
