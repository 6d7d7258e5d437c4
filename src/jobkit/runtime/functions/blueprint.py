"""The Blueprint: which functions a Function App gets, with their triggers."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import azure.functions as func

from jobkit.runtime.errors import InvalidSetting
from jobkit.runtime.loader import DEFAULT_MODULES
from jobkit.runtime.messages import JOBS_QUEUE, POISON_SUFFIX, TASKS_QUEUE
from jobkit.runtime.service import Submitted
from jobkit.runtime.settings import hub_name
from jobkit.runtime.storage.ports import Delivery

from . import operations, overview_routes, poison_routes, routes, upkeep
from .answers import answer_json, answer_or_problem
from .app import App

CONNECTION: Final = "AzureWebJobsStorage"
_LOGGER: Final = logging.getLogger("jobkit")
_QUEUE_FUNCTIONS: Final = {
    "process_job": JOBS_QUEUE,
    "process_task": TASKS_QUEUE,
    "process_job_poison": JOBS_QUEUE + POISON_SUFFIX,
    "process_task_poison": TASKS_QUEUE + POISON_SUFFIX,
}


class JobBlueprint(func.Blueprint):
    """jobkit's functions; `submit` is for functions of your own."""

    def __init__(self, app: App) -> None:
        """Serve one app."""
        base: Any = func.Blueprint  # typed in part
        base.__init__(self)
        self._app = app

    def submit(
        self,
        job_type: str,
        params: Any,
        *,
        stages: Sequence[str] = (),
        source_job: str | None = None,
        again: bool = False,
    ) -> Submitted:
        """Create a job, or find the one that is the same, as `POST /api/jobs/{job_type}` does.

        `params` are the job's parameters as JSON data. `stages` chooses consecutive stages by number, name or slug, and
        `source_job` (a whole id) is where they read earlier results from. `again` makes a further run of the same
        parameters. Raises UnknownJobType, InvalidParams, InvalidSelection, InvalidSource, NotHashable, PayloadTooLarge,
        StoreUnavailable.
        """
        return self._app.service.submit(job_type, params, stages=stages, source_job=source_job, again=again)


def blueprint(controllers: Sequence[str] = DEFAULT_MODULES) -> JobBlueprint:
    """Make the functions of an app whose controllers are in these modules and their submodules.

    Nothing is imported or asked yet; a module that can't be imported is told by `GET /api/health` and in the log, and
    takes nothing else down.
    """
    logging.getLogger("azure.core.pipeline.policies.http_logging_policy").setLevel(logging.WARNING)  # a line a call
    app = App(controllers)
    made = JobBlueprint(app)
    # First those that tell why others fail. Who asks livez (a load balancer, say) has no key, and learns nothing.
    _add_route(made, "livez", "GET", "livez", lambda _: answer_json({"status": "alive"}), level="anonymous")
    _add_route(made, "readyz", "GET", "readyz", lambda _: routes.check_ready(app))
    _add_route(made, "health", "GET", "health", lambda _: routes.show_health(app))
    _add_route(made, "show_doctor", "GET", "doctor", lambda req: _examine_app(app, req, write=False))
    _add_route(made, "ask_doctor", "POST", "doctor", lambda req: _examine_app(app, req, write=True))
    _add_route(made, "submit_job", "POST", "jobs/{job_type}", lambda req: routes.submit_job(app, req))
    _add_route(made, "list_jobs", "GET", "jobs", lambda req: overview_routes.list_jobs(app, req))
    _add_route(made, "list_queues", "GET", "queues", lambda req: overview_routes.list_queues(app, req))
    _add_route(
        made, "show_installation", "GET", "installation", lambda req: overview_routes.show_installation(app, req)
    )
    _add_route(made, "show_job", "GET", "jobs/{job_id}", lambda req: routes.show_job(app, req))
    _add_route(made, "diagnose_job", "GET", "jobs/{job_id}/diagnosis", lambda req: routes.diagnose_job(app, req))
    _add_route(made, "list_tasks", "GET", "jobs/{job_id}/tasks", lambda req: routes.list_tasks(app, req))
    _add_route(made, "cancel_job", "POST", "jobs/{job_id}/cancel", lambda req: operations.cancel_job(app, req))
    _add_route(made, "retry_job", "POST", "jobs/{job_id}/retry", lambda req: operations.retry_job(app, req))
    _add_route(made, "repair_job", "POST", "jobs/{job_id}/repair", lambda req: operations.repair_job(app, req))
    _add_route(made, "cancel_jobs", "POST", "cancel", lambda req: operations.cancel_jobs(app, req))
    _add_route(made, "retry_jobs", "POST", "retry", lambda req: operations.retry_jobs(app, req))
    _add_route(made, "repair_jobs", "POST", "repair", lambda req: operations.repair_jobs(app, req))
    _add_route(made, "purge_jobs", "POST", "purge", lambda req: operations.purge_jobs(app, req))
    _add_route(made, "list_poison", "GET", "poison", lambda req: poison_routes.list_poison(app, req))
    _add_route(made, "requeue_poison", "POST", "poison/requeue", lambda req: poison_routes.requeue_poison(app, req))
    _add_route(made, "drop_poison", "POST", "poison/drop", lambda req: poison_routes.drop_poison(app, req))
    try:
        hub = hub_name(os.environ)
    except InvalidSetting as exc:  # another hub's messages must not be taken; readyz and health tell of it too
        _LOGGER.error("no queue is listened to: %s", exc)
        return made
    for name, queue in _QUEUE_FUNCTIONS.items():
        _add_queue(made, app, name, queue, hub)
    _add_timer(made, app)
    return made


def _examine_app(app: App, request: func.HttpRequest, *, write: bool) -> func.HttpResponse:
    from .doctor_routes import examine_app  # when it is asked for: no cold start waits for it

    return examine_app(app, request, write=write)


def _add_route(
    made: JobBlueprint,
    name: str,
    method: str,
    route: str,
    do: Callable[[func.HttpRequest], func.HttpResponse],
    *,
    level: str | None = None,
) -> None:
    def handle(req: func.HttpRequest) -> func.HttpResponse:
        return answer_or_problem(lambda: do(req))

    handle.__name__ = name
    made.route(route=route, methods=[method], auth_level=level)(handle)


def _add_queue(made: JobBlueprint, app: App, name: str, queue: str, hub: str) -> None:
    def handle(message: func.QueueMessage) -> None:
        app.processing.handle(queue, _delivery(message))

    handle.__name__ = name
    made.queue_trigger(  # pyright: ignore[reportUnknownMemberType] - its keywords are not typed
        arg_name="message", queue_name=f"{hub}-{queue}", connection=CONNECTION
    )(handle)


def _add_timer(made: JobBlueprint, app: App) -> None:
    def repair_timer(timer: func.TimerRequest) -> None:  # noqa: ARG001 - the worker passes it by this name
        upkeep.look_after_jobs(app)

    made.timer_trigger(arg_name="timer", schedule=upkeep.SCHEDULE)(repair_timer)


def _delivery(message: func.QueueMessage) -> Delivery:
    now = datetime.now(UTC)  # the host alone works with these times and the receipt
    return Delivery(
        id=message.id or "",
        body=message.get_body().decode(errors="replace"),  # what is no text is refused like any foreign message
        dequeue_count=message.dequeue_count or 1,
        receipt="",
        inserted_at=message.insertion_time or now,
        visible_at=message.time_next_visible or now,
    )
