"""The controllers that an installation knows, by job type."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from .controller import BaseController
from .errors import DuplicateJobType, UnknownJobType


class Registry:
    """Job types and their controllers. A built-in one gives way to a user's."""

    def __init__(self, built_in: Iterable[type[BaseController[Any]]] = ()) -> None:
        """Start with the built-in controllers."""
        self._built_in = {controller.job_type: controller for controller in built_in}
        self._added: dict[str, type[BaseController[Any]]] = {}
        self.note = ""

    def add(self, controller: type[BaseController[Any]]) -> None:
        """Register a controller (idempotent). Raises DuplicateJobType."""
        known = self._added.get(controller.job_type)
        if known is not None and known is not controller:
            raise DuplicateJobType(job_type=controller.job_type, first=_name(known), second=_name(controller))
        self._added[controller.job_type] = controller

    def get(self, job_type: str) -> type[BaseController[Any]]:
        """Return a controller. Raises UnknownJobType with the nearest known name."""
        found = self._added.get(job_type) or self._built_in.get(job_type)
        if found is None:
            raise UnknownJobType(job_type=job_type, known={*self._added, *self._built_in}, note=self.note)
        return found

    def __iter__(self) -> Iterator[type[BaseController[Any]]]:
        """Iterate over the controllers in the order of their job types."""
        return iter([both[1] for both in sorted({**self._built_in, **self._added}.items())])


def _name(controller: type[BaseController[Any]]) -> str:
    return f"{controller.__module__}.{controller.__qualname__}"
