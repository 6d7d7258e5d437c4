"""What the HTTP functions about poison messages do: list them, have them tried again, give them up."""

from __future__ import annotations

from typing import Final

import azure.functions as func

from jobkit.runtime.documents import poison_act_document, poison_document
from jobkit.runtime.poison import ORIGINS, Done
from jobkit.runtime.poison_acts import PoisonActs
from jobkit.runtime.poison_choice import Wanted
from jobkit.runtime.poison_search import PoisonSearch

from .answers import BadRequest, answer_json
from .app import App
from .requests import JOB_FILTER, caller, read_count, read_flag, read_job_filter, read_query, read_several

DEFAULT_MESSAGES: Final = 100
MOST_MESSAGES: Final = 1_000  # the next request has the rest
_WHICH: Final = ("id", "queue", "job", *JOB_FILTER)
_FILTER: Final = ", ".join(f"?{name}=" for name in _WHICH[1:])


def list_poison(app: App, request: func.HttpRequest) -> func.HttpResponse:
    """List poison messages, oldest first; with `all` also what comes after the first 32 of a queue."""
    query = read_query(request, (*_WHICH, "all", "limit"))
    limit = read_count(query, "limit", DEFAULT_MESSAGES, least=1, most=MOST_MESSAGES)
    found = PoisonSearch(app.service, app.queues).find(_wanted(app, query), take=read_flag(query, "all"))
    return answer_json(poison_document(found, limit=limit))


def requeue_poison(app: App, request: func.HttpRequest) -> func.HttpResponse:
    """Have poison messages tried again."""
    return _act(app, request, "requeued")


def drop_poison(app: App, request: func.HttpRequest) -> func.HttpResponse:
    """Give poison messages up."""
    return _act(app, request, "dropped")


def _act(app: App, request: func.HttpRequest, verb: str) -> func.HttpResponse:
    query = read_query(request, (*_WHICH, "all", "reason", "dry_run"))
    wanted, is_all = _wanted(app, query), read_flag(query, "all")
    if is_all is any(name in query for name in _WHICH):
        raise BadRequest(f"name messages (?id=, several by commas), or give {_FILTER} or, alone, ?all=true")
    found = PoisonSearch(app.service, app.queues).find(wanted, take=True)
    meant = found.messages[:MOST_MESSAGES]
    is_complete = len(meant) == len(found.messages) and not found.is_cut
    acts = PoisonActs(app.service, app.queues, by=caller(request))
    if read_flag(query, "dry_run"):
        done = [Done(message=message, is_done=False) for message in meant]
    else:
        done = (acts.requeue if verb == "requeued" else acts.drop)(meant, reason=query.get("reason", ""))
    return answer_json({**poison_act_document(found, done, verb=verb), "complete": is_complete})


def _wanted(app: App, query: dict[str, str]) -> Wanted:
    queue, job = query.get("queue"), query.get("job")
    if queue is not None and queue not in ORIGINS:
        raise BadRequest(f"?queue={queue}: must be {' or '.join(ORIGINS)}")
    if job == "":
        raise BadRequest("?job=: must be how the job's id begins")
    if "id" in query and any(name in query for name in _WHICH if name != "id"):
        raise BadRequest(f"?id= goes with no filter ({_FILTER}): give one of them")
    jobs = read_job_filter(query, now=app.service.clock.now())
    return Wanted(ids=read_several(query, "id"), queue=queue, job=job, jobs=jobs)
