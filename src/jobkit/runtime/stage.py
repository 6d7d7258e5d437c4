"""The `@stage` decorator: a task function, its fan-out and its options."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from functools import cached_property
from typing import Any, Generic, Never, TypeVar, cast, get_args, get_origin, get_type_hints, overload

from .context import JobContext, TaskContext
from .payload import Codec

J = TypeVar("J")
T = TypeVar("T")
R = TypeVar("R")

DEFAULT_RETRY_DELAY = timedelta(seconds=2)
MAX_ATTEMPTS = 100

FanOut = Callable[[Any, JobContext[J]], Iterable[T]]


class Stage(Generic[J, T, R]):
    """One stage of a controller, made by `@stage`. As a class attribute it names the stage: `job.results(self.hello)`."""

    def __init__(
        self,
        name: str,
        task: Callable[..., Any],
        *,
        max_attempts: int,
        retry_delay: timedelta,
        unknown_options: tuple[str, ...],
    ) -> None:
        """Keep what the decorator was given; it is checked when the controller's class is made."""
        self.name = name
        self.max_attempts = max_attempts
        self.retry_delay = retry_delay
        self.unknown_options = unknown_options
        self.task_function = task
        self.fan_out_function: FanOut[Any, Any] | None = None
        self.attribute = getattr(task, "__name__", "task")
        self.__doc__ = task.__doc__

    def fan_out(self, function: FanOut[J, T]) -> FanOut[J, T]:
        """Register the function that yields the stage's items, one for each task."""
        self.fan_out_function = function
        return function

    @property
    def slug(self) -> str:
        """The name as it can be typed: lower case, with underscores."""
        return re.sub(r"[^a-z0-9]+", "_", self.name.lower()).strip("_")

    @cached_property
    def item_codec(self) -> Codec:
        """Writes and reads the items, by the annotation of the task's parameter."""
        return Codec(self._item_type())

    @cached_property
    def result_codec(self) -> Codec:
        """Writes and reads the results, by the task's return annotation."""
        return Codec(get_type_hints(self.task_function).get("return", Any))

    def problems(self) -> list[tuple[str | None, str]]:
        """Return what is wrong with the definition, each with the option it is about."""
        found: list[tuple[str | None, str]] = []
        if not self.slug:
            found.append((None, "the name needs a letter or digit"))
        found.extend((name, "is not an option of a stage in this version") for name in self.unknown_options)
        attempts = cast("object", self.max_attempts)  # users need not type
        if type(attempts) is not int or not 1 <= attempts <= MAX_ATTEMPTS:
            found.append(("max_attempts", f"is {self.max_attempts!r}, must be a whole number from 1 to {MAX_ATTEMPTS}"))
        delay = cast("object", self.retry_delay)
        if not isinstance(delay, timedelta) or not timedelta(0) <= delay <= timedelta(days=7):
            found.append(("retry_delay", f"is {self.retry_delay!r}, must be a timedelta from 0 to 7 days"))
        found.extend((None, text) for text in self._signature_problems())
        return found

    def _signature_problems(self) -> list[str]:
        found: list[str] = []
        parts: list[tuple[str, Callable[..., Any], str]] = [("the task", self.task_function, "task")]
        if self.fan_out_function is not None:
            parts.append(("the fan-out", self.fan_out_function, "job"))
            if inspect.iscoroutinefunction(self.fan_out_function) or inspect.isasyncgenfunction(self.fan_out_function):
                found.append("the fan-out must be a plain function or generator, not async")
        if inspect.isgeneratorfunction(self.task_function) or inspect.isasyncgenfunction(self.task_function):
            found.append("the task yields: return the result instead (a fan-out is registered with @<task>.fan_out)")
        for kind, function, argument in parts:
            positional = [
                p
                for p in inspect.signature(function).parameters.values()
                if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
            ]
            if len(positional) != 2:
                found.append(f"{kind} must take (self, {argument}), not {inspect.signature(function)}")
        if not found:
            try:
                _ = (self.item_codec, self.result_codec)  # resolves the annotations
            except (NameError, AttributeError, TypeError) as exc:
                found.append(f"an annotation of the task can't be resolved: {exc}")
        return found

    def _item_type(self) -> Any:
        parameters = list(inspect.signature(self.task_function).parameters)
        annotation = get_type_hints(self.task_function).get(parameters[1], Any)
        if get_origin(annotation) is TaskContext:
            item: Any = get_args(annotation)[1]
            return Any if isinstance(item, TypeVar) else item
        return Any


class stage:  # noqa: N801 - a decorator, used as @stage("name")
    """Make a method a stage: it runs once for each item of its fan-out, in parallel, or once without a fan-out.

    Options: `max_attempts` (1 to 100) is how often a task that raises is tried in all; `retry_delay` is the pause
    before the second attempt, which doubles for each further one, with jitter (10 minutes at most unless it is larger).
    """

    def __init__(
        self,
        name: str,
        *,
        max_attempts: int = 1,
        retry_delay: timedelta = DEFAULT_RETRY_DELAY,
        **unknown_options: Never,
    ) -> None:
        """Keep the options; they are checked when the controller's class is made."""
        self.name = name
        self.max_attempts = max_attempts
        self.retry_delay = retry_delay
        self.unknown_options = tuple(unknown_options)

    @overload
    def __call__(self, function: Callable[[Any, TaskContext[J, T]], Awaitable[R]]) -> Stage[J, T, R]: ...
    @overload
    def __call__(self, function: Callable[[Any, TaskContext[J, T]], R]) -> Stage[J, T, R]: ...
    def __call__(self, function: Callable[..., Any]) -> Stage[Any, Any, Any]:
        """Decorate the task."""
        return Stage(
            self.name,
            function,
            max_attempts=self.max_attempts,
            retry_delay=self.retry_delay,
            unknown_options=self.unknown_options,
        )
