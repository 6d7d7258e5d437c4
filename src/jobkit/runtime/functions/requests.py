"""What an HTTP request asks for, checked: unknown fields are refused, by name."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Never

import azure.functions as func

from jobkit.runtime.errors import PayloadTooLarge, did_you_mean
from jobkit.runtime.selection import Selection, read_selection

from .answers import BadRequest

MAX_BODY_BYTES: Final = 1_048_576
#: The fields of a filter over jobs.
JOB_FILTER: Final = ("status", "type", "since", "param")
#: The function key, and the name of the client that it belongs to: the host has read them already.
_HOSTS_OWN: Final = ("code", "clientid")


def read_query(request: func.HttpRequest, known: Sequence[str]) -> dict[str, str]:
    """Return the query's fields. Raises BadRequest for one that is not known."""
    found = {name: value for name, value in request.params.items() if name.lower() not in _HOSTS_OWN}
    for name in found:
        if name not in known:
            there_are = f"There are: {', '.join(known)}." if known else "There are none here."
            raise BadRequest(f"?{name}=: there is no such field.{did_you_mean(name, known)} {there_are}")
    return found


def read_flag(query: dict[str, str], name: str) -> bool:
    """Return a field that is true or false, by default false. Raises BadRequest."""
    value = query.get(name, "false").lower()
    if value not in ("true", "false"):
        raise BadRequest(f"?{name}={value}: must be true or false")
    return value == "true"


def read_count(query: dict[str, str], name: str, default: int, *, least: int, most: int) -> int:
    """Return a field that is a whole number. Raises BadRequest."""
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 12 and least <= int(text) <= most):
        raise BadRequest(f"?{name}={text}: must be a whole number from {least:,} to {most:,}")
    return int(text)


def read_several(query: dict[str, str], name: str) -> list[str]:
    """Return the values of a field that may be given more than once: the host joins them by commas."""
    return [value.strip() for value in query[name].split(",")] if name in query else []


def read_job_filter(query: dict[str, str], *, now: datetime) -> Selection | None:
    """Return the filter over jobs that the fields `JOB_FILTER` make; None without any. Raises InvalidFilter."""
    if not any(name in query for name in JOB_FILTER):
        return None
    return read_selection(
        statuses=read_several(query, "status"),
        job_types=read_several(query, "type"),
        since=query.get("since"),
        params=[query["param"]] if "param" in query else [],
        now=now,
    )


def read_body(request: func.HttpRequest) -> Any:
    """Return the body as JSON data; an empty one is `{}`. Raises BadRequest, PayloadTooLarge."""
    body: bytes = request.get_body()
    if len(body) > MAX_BODY_BYTES:
        raise PayloadTooLarge(what="the body", size_bytes=len(body), limit_bytes=MAX_BODY_BYTES)
    if not body.strip():
        return {}
    try:
        return json.loads(body, parse_constant=_refuse)
    except (ValueError, RecursionError) as exc:
        raise BadRequest(f"the body is not JSON: {exc}") from exc


def caller(request: func.HttpRequest) -> str:
    """Name the caller by what the platform's authentication says; where that is off, anybody could write the header."""
    headers: Any = request.headers  # typed in part
    is_on = os.environ.get("WEBSITE_AUTH_ENABLED", "").lower() == "true"
    return str((headers.get("x-ms-client-principal-name") if is_on else None) or "an HTTP request")


def _refuse(name: str) -> Never:
    raise ValueError(f"{name} is no JSON")
