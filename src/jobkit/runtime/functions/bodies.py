"""The JSON body of a request that means jobs: which ones, and what is to be done with them; unknown fields are refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, cast

import azure.functions as func

from jobkit.runtime.errors import did_you_mean
from jobkit.runtime.model import Status
from jobkit.runtime.payload import to_json
from jobkit.runtime.selection import Selection, read_selection
from jobkit.runtime.service import Service
from jobkit.runtime.unread import Refused, without_unread

from .answers import BadRequest
from .requests import read_body, read_query

_WHICH: Final = ("job_ids", "status", "type", "since", "param")


class Body:
    """The fields of a body. Each reader raises BadRequest for a value of another kind than it is to have."""

    def __init__(self, request: func.HttpRequest, more: Sequence[str]) -> None:
        """Read the body; besides what says which jobs are meant it may have `more` fields. Raises BadRequest.

        A query is refused: whoever has written `?dry_run=true` has not meant that jobs are deleted.
        """
        read_query(request, ())
        found = read_body(request)
        if not isinstance(found, dict):
            raise BadRequest("the body must be a JSON object")
        self._fields = cast("dict[str, Any]", found)
        known = (*_WHICH, *more)
        for name in self._fields:
            if name not in known:
                hint = did_you_mean(name, known)
                raise BadRequest(f"{name}: there is no such field.{hint} There are: {', '.join(known)}.")

    def flag(self, name: str) -> bool:
        """Return a field that is true or false, by default false."""
        value = self._fields.get(name, False)
        if not isinstance(value, bool):
            raise BadRequest(f"{name}: must be true or false")
        return value

    def text(self, name: str) -> str | None:
        """Return a field that is a text; None when it is not there."""
        value = self._fields.get(name)
        if value is not None and not isinstance(value, str):
            raise BadRequest(f"{name}: must be a text")
        return value

    def texts(self, name: str) -> list[str]:
        """Return a field that is a text or a list of texts; empty when it is not there."""
        value: Any = self._fields.get(name, [])
        values: list[Any] = value if isinstance(value, list) else [value]  # pyright: ignore[reportUnknownVariableType] - JSON
        if not all(isinstance(each, str) for each in values):
            raise BadRequest(f"{name}: must be a list of texts")
        return values

    @property
    def is_filter(self) -> bool:
        """Whether jobs are meant by a filter."""
        return any(name in self._fields for name in _WHICH if name != "job_ids")

    def selection(self, service: Service, among: Iterable[Status] = ()) -> Selection:
        """Return the filter; without a status it means jobs of the statuses `among`. Raises InvalidFilter."""
        params: Any = self._fields.get("param", {})
        if not isinstance(params, Mapping):
            raise BadRequest('param: must be an object, such as {"n": 5}')
        values = cast("Mapping[str, Any]", params)
        return read_selection(
            statuses=self.texts("status") or list(among),
            job_types=self.texts("type"),
            since=self.text("since"),
            params=[f"{name}={value if isinstance(value, str) else to_json(value)}" for name, value in values.items()],
            now=service.clock.now(),
        )

    def job_ids(self, service: Service, among: Iterable[Status], refused: list[Refused]) -> Iterable[str]:
        """Return the whole ids of the jobs that are meant: those that are named, a filter's, or `all` active ones.

        What a filter may mean and can't be read is `refused`.

        Raises BadRequest, InvalidFilter, UnknownJob, AmbiguousId.
        """
        named, is_all = self.texts("job_ids"), self.flag("all")
        if [bool(named), self.is_filter, is_all].count(True) != 1:
            raise BadRequest("name jobs (job_ids) or give a filter (status, type, since, param), one of them")
        if named:
            return service.repository.resolve_job_ids(named)
        if is_all:
            return service.repository.index.active_ids()
        found = self.selection(service, among).find(service.repository, service.outbox.each)
        return (job.job_id for job in without_unread(found, refused))
