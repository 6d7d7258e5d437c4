"""Puts objects back to how they were at a moment, so that what differs only from there on is not run from the start."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import is_dataclass
from datetime import datetime
from enum import Enum
from threading import Lock, RLock
from types import BuiltinMethodType, FunctionType, MappingProxyType, MethodType
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from invariants import Written
from jobkit.runtime.events import Event
from jobkit.runtime.storage.ports import Delivery, Entity

if TYPE_CHECKING:
    from fault_cases import Trial
    from faulty import Call

#: What never changes, or leads to nothing that does. What a function has enclosed is left as it is.
_CONSTANT = (type(None), str, int, float, bytes, datetime, Enum, type, FunctionType, MappingProxyType, BaseModel)
_RECORDS = (Entity, Delivery, Event, Written, BaseException)
_LOCKS = (type(Lock()), type(RLock()))  # nobody may hold one at a moment


class Moment:
    """What some objects, and all that these lead to, were like when this was made."""

    def __init__(self, *roots: object) -> None:
        """Keep it. Raises TypeError for an object that could not be put back."""
        self._kept: list[Callable[[], object]] = []
        leaves: set[type] = set()
        known: set[int] = set()
        waiting: list[object] = list(roots)
        while waiting:
            one = waiting.pop()
            kind = type(one)
            if kind in leaves or id(one) in known:
                continue
            if issubclass(kind, (*_CONSTANT, *_RECORDS, *_LOCKS)):
                leaves.add(kind)
                continue
            known.add(id(one))
            waiting += self._keep(one)

    def put_back(self) -> None:
        """Make them so again, as often as is wanted."""
        for put_back in self._kept:
            put_back()

    def _keep(self, one: Any) -> Iterable[object]:
        """Keep what an object holds, and return that."""
        match one:
            case dict():
                items = dict(one)
                self._kept.append(lambda: (one.clear(), one.update(items)))
                return [*items, *items.values()]
            case list():
                values = list(one)
                self._kept.append(lambda: one.__setitem__(slice(None), values))
                return values
            case set():
                members = frozenset(one)
                self._kept.append(lambda: (one.clear(), one.update(members)))
                return members
            case tuple() | frozenset():
                return one
            case MethodType() | BuiltinMethodType():
                return [one.__self__]
            case random.Random():
                state = one.getstate()
                self._kept.append(lambda: one.setstate(state))
                return ()
        return self._keep_attributes(one)

    def _keep_attributes(self, one: Any) -> Iterable[object]:
        slots = [name for kind in type(one).__mro__ for name in vars(kind).get("__slots__", ())]
        if not hasattr(one, "__dict__") and not slots:
            raise TypeError(f"{one!r} can't be put back to how it was")
        attributes: dict[str, Any] = dict(getattr(one, "__dict__", {}))
        slotted = {name: getattr(one, name) for name in slots if hasattr(one, name)}
        if hasattr(one, "__dict__"):
            self._kept.append(lambda: (one.__dict__.clear(), one.__dict__.update(attributes)))
        if slotted and not (is_dataclass(one) and one.__dataclass_params__.frozen):
            self._kept.append(lambda: [setattr(one, name, value) for name, value in slotted.items()])
        return [*attributes.values(), *slotted.values()]


class Trail:
    """A run in memory, which can be put back to before any of its deliveries."""

    def __init__(self, run: Trial, play: Callable[[Trial, Callable[[], object]], dict[str, Any]]) -> None:
        """Begin where the run is; `play` goes on with it, and tells before each delivery."""
        self._run = run
        self._play = play
        self._moments: list[tuple[int, Moment]] = []
        self._keep()

    def follow(self) -> dict[str, Any]:
        """Run on to the end; return what the job came to."""
        return self._play(self._run, self._keep)

    def back_before(self, call: Call) -> None:
        """Put the run back to the last moment before a call."""
        _, moment = max((kept for kept in self._moments if kept[0] < call.number), key=lambda kept: kept[0])
        moment.put_back()

    def _keep(self) -> None:
        self._moments.append((len(self._run.faulty.calls), Moment(self._run)))
