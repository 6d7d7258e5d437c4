"""What the HTTP functions about poison messages do: list them, have them tried again, give them up."""

from __future__ import annotations

from typing import Final

import azure.functions as func

from jobkit.runtime.documents import poison_act_document, poison_document
from jobkit.runtime.poison import ORIGINS, Done, Wanted
from jobkit.runtime.poison_acts import PoisonActs
from jobkit.runtime.poison_search import PoisonSearch

from .answers import BadRequest, answer_json
from .app import App
from .requests import caller, read_count, read_flag, read_query, read_several

DEFAULT_MESSAGES: Final = 100
MOST_MESSAGES: Final = 1_000  # the next request has the rest


def list_poison(app: App, request: func.HttpRequest) -> func.HttpResponse:
    """List poison messages, oldest first; with `all` also what comes after the first 32 of a queue."""
    query = read_query(request, ("queue", "job", "all", "limit"))
    limit = read_count(query, "limit", DEFAULT_MESSAGES, least=1, most=MOST_MESSAGES)
    found = PoisonSearch(app.service, app.queues).find(_wanted(query), take=read_flag(query, "all"))
    return answer_json(poison_document(found, limit=limit))


def requeue_poison(app: App, request: func.HttpRequest) -> func.HttpResponse:
    """Have poison messages tried again."""
    return _act(app, request, "requeued")


def drop_poison(app: App, request: func.HttpRequest) -> func.HttpResponse:
    """Give poison messages up."""
    return _act(app, request, "dropped")


def _act(app: App, request: func.HttpRequest, verb: str) -> func.HttpResponse:
    query = read_query(request, ("id", "queue", "job", "all", "reason", "dry_run"))
    wanted, is_all = _wanted(query), read_flag(query, "all")
    is_some = bool(wanted.ids or wanted.queue or wanted.job)
    if is_all is is_some:
        raise BadRequest("name messages (?id=, several by commas), or give ?queue=, ?job= or, alone, ?all=true")
    found = PoisonSearch(app.service, app.queues).find(wanted, take=True)
    meant = found.messages[:MOST_MESSAGES]
    is_complete = len(meant) == len(found.messages) and not found.is_cut
    acts = PoisonActs(app.service, app.queues, by=caller(request))
    if read_flag(query, "dry_run"):
        done = [Done(message=message, is_done=False) for message in meant]
    else:
        done = (acts.requeue if verb == "requeued" else acts.drop)(meant, reason=query.get("reason", ""))
    return answer_json({**poison_act_document(done, verb=verb), "complete": is_complete})


def _wanted(query: dict[str, str]) -> Wanted:
    queue = query.get("queue")
    if queue is not None and queue not in ORIGINS:
        raise BadRequest(f"?queue={queue}: must be {' or '.join(ORIGINS)}")
    return Wanted(ids=read_several(query, "id"), queue=queue, job=query.get("job"))
