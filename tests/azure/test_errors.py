"""What Azure answers, in the words of the ports: every answer is one of jobkit's errors."""

from __future__ import annotations

import pytest
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    DecodeError,
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceResponseTimeoutError,
)

from jobkit.runtime.errors import (
    EntityChanged,
    EntityExists,
    EntityNotFound,
    JobkitError,
    RefusedAsTooLarge,
    StoreUnavailable,
)
from jobkit.runtime.storage.azure_errors import ContainerMissing, mapped_errors

AT = "store azure at https://a.example: "


def answer(kind: type[HttpResponseError], status: int, code: str) -> HttpResponseError:
    error = kind(message="https://a.example/?sig=secret")
    error.status_code = status
    error.error_code = code  # type: ignore[attr-defined]
    return error


@pytest.mark.parametrize(
    ("given", "kind", "text"),
    [
        (answer(ResourceExistsError, 409, "EntityAlreadyExists"), EntityExists, "tasks: p / r"),
        (answer(ResourceExistsError, 409, "TableBeingDeleted"), StoreUnavailable, f"{AT}tasks: 409 TableBeingDeleted"),
        (answer(ResourceModifiedError, 412, "UpdateConditionNotSatisfied"), EntityChanged, "tasks: p / r"),
        (answer(HttpResponseError, 400, "PopReceiptMismatch"), EntityChanged, "tasks: p / r"),
        (answer(ResourceNotFoundError, 404, "ResourceNotFound"), EntityNotFound, "tasks: p / r"),
        (answer(ResourceNotFoundError, 404, "MessageNotFound"), EntityNotFound, "tasks: p / r"),
        (answer(ResourceNotFoundError, 404, "TableNotFound"), ContainerMissing, ""),
        (answer(ResourceNotFoundError, 404, "QueueNotFound"), ContainerMissing, ""),
        *(
            (
                answer(HttpResponseError, status, code),
                RefusedAsTooLarge,
                f"tasks: p / r: the store refused it as too large ({code})",
            )
            for status, code in (
                (400, "EntityTooLarge"),
                (400, "PropertyValueTooLarge"),
                (400, "TooManyProperties"),
                (400, "MessageTooLarge"),
                (413, "RequestBodyTooLarge"),
            )
        ),
        (
            answer(ClientAuthenticationError, 403, "AuthorizationPermissionMismatch"),
            StoreUnavailable,
            (
                f"{AT}tasks: refused (403 AuthorizationPermissionMismatch); has the key or identity of AzureWebJobsStorage "
                "the right?"
            ),
        ),
        (answer(HttpResponseError, 503, "ServerBusy"), StoreUnavailable, f"{AT}tasks: 503 ServerBusy"),
        (answer(HttpResponseError, 429, "TooManyRequests"), StoreUnavailable, f"{AT}tasks: 429 TooManyRequests"),
        (answer(HttpResponseError, 500, "OperationTimedOut"), StoreUnavailable, f"{AT}tasks: 500 OperationTimedOut"),
        (answer(HttpResponseError, 418, ""), StoreUnavailable, f"{AT}tasks: 418"),
        (
            ServiceRequestError("sig=secret"),
            StoreUnavailable,
            f"{AT}no answer (ServiceRequestError); is it running, and is AzureWebJobsStorage right?",
        ),
        (
            ServiceResponseTimeoutError("sig=secret"),
            StoreUnavailable,
            f"{AT}no answer (ServiceResponseTimeoutError); is it running, and is AzureWebJobsStorage right?",
        ),
        (DecodeError("sig=secret"), StoreUnavailable, f"{AT}tasks: DecodeError"),
        (AzureError("sig=secret"), StoreUnavailable, f"{AT}tasks: AzureError"),
    ],
    ids=lambda value: (
        getattr(value, "error_code", None) or type(value).__name__ if isinstance(value, Exception) else ""
    ),
)
def test_each_answer_has_its_error_and_repeats_nothing_of_the_sdks(given: AzureError, kind: type[Exception], text: str):
    with (
        pytest.raises((JobkitError, ContainerMissing)) as raised,
        mapped_errors("https://a.example", "tasks", "p", "r"),
    ):
        raise given

    assert (type(raised.value), str(raised.value)) == (kind, text)
