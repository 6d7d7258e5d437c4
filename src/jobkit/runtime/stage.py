"""The `@stage` decorator: a task function, its fan-out and its options."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from functools import cached_property
from typing import Any, Generic, Literal, Never, TypeVar, get_args, get_origin, get_type_hints, overload

from .context import JobContext, TaskContext
from .options import DEFAULT_RETRY_DELAY, Options
from .payload import Codec

J = TypeVar("J")
T = TypeVar("T")
R = TypeVar("R")

FanOut = Callable[[Any, JobContext[J]], Iterable[T]]


class Stage(Generic[J, T, R]):
    """One stage of a controller, made by `@stage`. As a class attribute it names the stage: `job.results(self.hello)`."""

    def __init__(self, name: str, task: Callable[..., Any], options: Options) -> None:
        """Keep what the decorator was given; it is checked when the controller's class is made."""
        self.name = name
        self.options = options
        self.task_function = task
        self.fan_out_function: FanOut[Any, Any] | None = None
        self.attribute = getattr(task, "__name__", "task")
        self.owner: type | None = None
        self.__doc__ = task.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        """Remember the class that defines the stage: its functions get one of it as `self`, also in other controllers."""
        if self.owner is None:
            self.owner, self.attribute = owner, name

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
        return Codec(self._context_arguments()[1])

    @cached_property
    def result_codec(self) -> Codec:
        """Writes and reads the results, by the task's return annotation."""
        return Codec(get_type_hints(self.task_function).get("return", Any))

    def problems(self) -> list[tuple[str | None, str]]:
        """Return what is wrong with the definition, each with the option it is about."""
        found: list[tuple[str | None, str]] = []
        if not self.slug:
            found.append((None, "the name needs a letter or digit"))
        found.extend(self.options.problems())
        found.extend((None, text) for text in self._signature_problems())
        return found

    def refuses_params(self, params_type: Any) -> str:
        """Return why the task can't take a controller's parameters, by their types; empty when it can."""
        wanted, given = (get_origin(found) or found for found in (self._context_arguments()[0], params_type))
        if Any in (wanted, given) or not (isinstance(wanted, type) and isinstance(given, type)):
            return ""
        if issubclass(given, wanted):
            return ""
        return f"its task takes the parameters {wanted.__name__}, and those of this controller are {given.__name__}"

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

    def _context_arguments(self) -> tuple[Any, Any]:
        """Return the types of the parameters and of the item, by the annotation of the task's argument."""
        parameters = list(inspect.signature(self.task_function).parameters)
        annotation = get_type_hints(self.task_function).get(parameters[1], Any)
        if get_origin(annotation) is not TaskContext:
            return Any, Any
        job, item = (Any if isinstance(found, TypeVar) else found for found in get_args(annotation))
        return job, item


class stage:  # noqa: N801 - a decorator, used as @stage("name")
    """Make a method a stage: it runs once for each item of its fan-out, in parallel, or once without a fan-out.

    Options:
    `max_attempts` (1 to 100) is how often a task that raises is tried in all; `retry_delay` is the pause before the
    second attempt, which doubles for each further one, with jitter (10 minutes at most unless it is larger).
    `on_failure` says what happens when tasks have failed for good: `"fail"`, the others finish, then the job fails;
    `"stop"`, what has not started is not run any more, and the job fails; `"continue"`, the job goes on.
    `tolerated_failures` is how many tasks (an int), or what share of them (a float, rounded down), may fail before that.
    `max_parallel` is how many of the stage's tasks run at a time at most, wherever they run.
    `timeout` is how long a task may show no sign of life (its start, `task.progress`) before `repair` hands it on.
    `skip_if` is a function of the job context; when it is true the stage closes with 0 tasks, and the job goes on.
    `batch` (1 to 100) is how many small tasks share one message, one claim and one record; not with `max_parallel`.
    """

    def __init__(
        self,
        name: str,
        *,
        max_attempts: int = 1,
        retry_delay: timedelta = DEFAULT_RETRY_DELAY,
        on_failure: Literal["fail", "stop", "continue"] = "fail",
        tolerated_failures: int | float = 0,
        max_parallel: int | None = None,
        timeout: timedelta | None = None,
        skip_if: Callable[[JobContext[Any]], bool] | None = None,
        batch: int = 1,
        **unknown: Never,
    ) -> None:
        """Keep the options; they are checked when the controller's class is made."""
        self.name = name
        self.options = Options(
            max_attempts=max_attempts,
            retry_delay=retry_delay,
            on_failure=on_failure,
            tolerated_failures=tolerated_failures,
            max_parallel=max_parallel,
            timeout=timeout,
            skip_if=skip_if,
            batch=batch,
            unknown=tuple(unknown),
        )

    @overload
    def __call__(self, function: Callable[[Any, TaskContext[J, T]], Awaitable[R]]) -> Stage[J, T, R]: ...
    @overload
    def __call__(self, function: Callable[[Any, TaskContext[J, T]], R]) -> Stage[J, T, R]: ...
    def __call__(self, function: Callable[..., Any]) -> Stage[Any, Any, Any]:
        """Decorate the task."""
        return Stage(self.name, function, self.options)
