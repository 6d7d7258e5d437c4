"""HTTP answers: JSON documents, and errors as problem documents (RFC 9457)."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

import azure.functions as func

from jobkit.runtime.errors import (
    AmbiguousId,
    InvalidSetting,
    JobHasEnded,
    JobIsBeingPurged,
    JobkitError,
    LimitExceeded,
    NotFound,
    NothingToRetry,
    NotToBePurged,
    PayloadRefused,
    PayloadTooLarge,
    SourcesUnknown,
    StoreUnavailable,
    WasCancelled,
    WrongUsage,
)

_LOGGER: Final = logging.getLogger("jobkit")
#: The first that fits decides.
_STATUS: Final[tuple[tuple[type[JobkitError], HTTPStatus], ...]] = (
    (AmbiguousId, HTTPStatus.CONFLICT),
    (NotFound, HTTPStatus.NOT_FOUND),
    (JobHasEnded, HTTPStatus.CONFLICT),
    (NothingToRetry, HTTPStatus.CONFLICT),
    (WasCancelled, HTTPStatus.CONFLICT),
    (NotToBePurged, HTTPStatus.CONFLICT),
    (JobIsBeingPurged, HTTPStatus.CONFLICT),
    (SourcesUnknown, HTTPStatus.CONFLICT),
    (InvalidSetting, HTTPStatus.INTERNAL_SERVER_ERROR),  # the app's, not the caller's
    (WrongUsage, HTTPStatus.BAD_REQUEST),
    (PayloadTooLarge, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (LimitExceeded, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (PayloadRefused, HTTPStatus.BAD_REQUEST),
    (StoreUnavailable, HTTPStatus.SERVICE_UNAVAILABLE),
)


class BadRequest(WrongUsage):
    """Raised when an HTTP request can't be meant."""


def answer_json(
    document: Any, *, status: HTTPStatus = HTTPStatus.OK, headers: Mapping[str, str] | None = None
) -> func.HttpResponse:
    """Answer with a JSON document."""
    return func.HttpResponse(
        json.dumps(document), status_code=status, mimetype="application/json", charset="utf-8", headers=headers
    )


def answer_or_problem(do: Callable[[], func.HttpResponse]) -> func.HttpResponse:
    """Answer, or tell what was wrong: a caller's error by name, one of our own without its details."""
    try:
        return do()
    except JobkitError as exc:
        status = next((status for kind, status in _STATUS if isinstance(exc, kind)), HTTPStatus.INTERNAL_SERVER_ERROR)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            _LOGGER.error("%s: %s", type(exc).__name__, exc)
        return _problem(status, str(exc), error=type(exc).__name__, problems=getattr(exc, "problems", None))
    except Exception:
        _LOGGER.exception("a request failed")
        return _problem(HTTPStatus.INTERNAL_SERVER_ERROR, "an unexpected error; the app's log has it")


def _problem(status: HTTPStatus, detail: str, **more: Any) -> func.HttpResponse:
    document = {"type": "about:blank", "title": status.phrase, "status": int(status), "detail": detail}
    document |= {name: value for name, value in more.items() if value is not None}
    return func.HttpResponse(
        json.dumps(document),
        status_code=status,
        mimetype="application/problem+json",
        charset="utf-8",
        headers={"Retry-After": "5"} if status is HTTPStatus.SERVICE_UNAVAILABLE else None,
    )
