"""What the errors of Azure's SDKs mean in the words of the ports."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Generator
from typing import Any, Final
from urllib.parse import urlsplit

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceModifiedError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceResponseError,
)

from jobkit.runtime.errors import EntityChanged, EntityExists, EntityNotFound, RefusedAsTooLarge, StoreUnavailable

#: The container is missing, not the row or message: it is made, and the call done again.
MISSING_CONTAINERS: Final = ("TableNotFound", "QueueNotFound")
#: Source: "Table service error codes" and "Common REST API error codes" in Microsoft's reference of Azure Storage.
_TOO_LARGE: Final = (
    "ContentLengthExceeded",
    "EntityTooLarge",
    "KeyValueTooLarge",
    "MessageTooLarge",
    "PropertyNameTooLong",
    "PropertyValueTooLarge",
    "RequestBodyTooLarge",
    "TooManyProperties",
)
_CHANGED: Final = ("PopReceiptMismatch", "UpdateConditionNotSatisfied", "ConditionNotMet")


class ContainerMissing(Exception):
    """The table or queue of a call does not exist."""


@contextlib.contextmanager
def mapped_errors(place: str, container: str, partition: str = "", row: str = "") -> Generator[None]:
    """Raise the ports' errors for those of the SDK, by the place, the table or queue, and the row or message, of the call.

    Nothing of the SDK's own text is repeated: it may hold a signed address.
    """
    try:
        yield
    except AzureError as exc:
        code = error_code(exc)
        status = getattr(exc, "status_code", None)
        if code in MISSING_CONTAINERS:
            raise ContainerMissing from exc
        if code in _TOO_LARGE:
            raise RefusedAsTooLarge(what=f"{container}: {partition} / {row}", code=code) from exc
        if code == "EntityAlreadyExists":  # other conflicts (a table that is being deleted) are no verdict on a row
            raise EntityExists(table=container, partition=partition, row=row) from exc
        if isinstance(exc, ResourceModifiedError) or code in _CHANGED or status == 412:
            raise EntityChanged(table=container, partition=partition, row=row) from exc
        if isinstance(exc, ResourceNotFoundError) or status == 404:
            raise EntityNotFound(table=container, partition=partition, row=row) from exc
        if isinstance(exc, ServiceRequestError | ServiceResponseError):
            reason = f"no answer ({type(exc).__name__}); is it running, and is AzureWebJobsStorage right?"
        elif isinstance(exc, ClientAuthenticationError) or status in (401, 403):
            reason = (
                f"{container}: refused ({status} {code}); has the key or identity of AzureWebJobsStorage the right?"
            )
        else:
            reason = f"{container}: {status} {code}".rstrip() if status else f"{container}: {type(exc).__name__}"
        raise StoreUnavailable(store=f"azure at {place}", reason=reason) from exc


def place_of(url: str) -> str:
    """Return the scheme and host of a service's address, without what may be secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def error_code(exc: AzureError) -> str:
    """Return the service's code of an error, empty where there is none."""
    code = getattr(exc, "error_code", None)
    if code is None and isinstance(exc, HttpResponseError):
        code = _code_of(exc.response)  # of some calls the SDK hands errors on unread
    return str(getattr(code, "value", code) or "")


def _code_of(response: Any) -> str:
    """Read the code from an answer: from its header (queues) or its body (tables)."""
    try:
        return str(response.headers.get("x-ms-error-code") or json.loads(response.text())["odata.error"]["code"])
    except (AttributeError, ValueError, KeyError, TypeError):
        return ""
