"""The `@stage` decorator: a task function, its fan-out and its options."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Collection, Generator, Iterable, Iterator, Sequence
from datetime import timedelta
from functools import cached_property
from types import UnionType
from typing import Any, Final, Generic, Literal, Never, TypeVar, cast, get_args, get_origin, get_type_hints, overload

from pydantic import BaseModel, ValidationError

from .context import JobContext, TaskContext
from .errors import DoesNotFit, InvalidController
from .model import slug_of
from .options import DEFAULT_RETRY_DELAY, Options
from .payload import Codec, describe_validation
from .signatures import call_problem

J = TypeVar("J")
T = TypeVar("T")
R = TypeVar("R")

_ITERABLES: Final = (Iterable, Iterator, Generator, Sequence, Collection, list, set, frozenset)

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
        """Register the function that yields the stage's items, one for each task. Raises InvalidController for a second."""
        if self.fan_out_function is not None:
            names = f"{_name(self.fan_out_function)!r} and {_name(function)!r}"
            raise InvalidController(
                controller=_class_of(function), stage=self.name, reason=f"it has two fan-outs, {names}"
            )
        self.fan_out_function = function
        return function

    @property
    def slug(self) -> str:
        """The name as it can be typed: lower case, with underscores."""
        return slug_of(self.name)

    @cached_property
    def item_codec(self) -> Codec:
        """Writes and reads the items, by the annotation of the task's parameter."""
        return Codec(self._context_arguments()[1])

    @cached_property
    def result_codec(self) -> Codec:
        """Writes and reads the results, by the task's return annotation."""
        return Codec(get_type_hints(self.task_function).get("return", Any))

    def items(self, host: Any, job: JobContext[Any]) -> Iterable[Any]:
        """Start the fan-out and return its items, lazily where it yields. Raises what it raises."""
        if self.fan_out_function is None:
            return (None,)
        items = self.fan_out_function(host, job)
        if not isinstance(items, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance] - users need not type
            raise TypeError(f"the fan-out {_name(self.fan_out_function)!r} must give items, not {type(items).__name__}")
        return items

    def read_item(self, text: str, *, what: str) -> Any:
        """Read an item that a plan has written. Raises DoesNotFit with `what` when the code has changed since."""
        return self._read(self.item_codec, text, what)

    def read_result(self, text: str, *, what: str) -> Any:
        """Read what a task returned. Raises DoesNotFit with `what` when the code has changed since."""
        return self._read(self.result_codec, text, what)

    def _read(self, codec: Codec, text: str, what: str) -> Any:
        try:
            return codec.decode(text)
        except ValidationError as exc:
            problems = describe_validation(exc)
            raise DoesNotFit(what=what, stage=self.name, declared=codec.type_name, problems=problems) from exc

    def problems(self) -> list[tuple[str | None, str]]:
        """Return what is wrong with the definition, each with the option it is about."""
        name = cast("object", self.name)
        if not isinstance(name, str):
            return [(None, f"the name is {name!r}, must be a text")]
        found: list[tuple[str | None, str]] = []
        if not self.slug:
            found.append((None, "the name needs a letter or digit"))
        found.extend(self.options.problems())
        found.extend((None, text) for text in self._signature_problems())
        return found

    def refuses_params(self, params_type: Any) -> str:
        """Return why task or fan-out can't take a controller's parameters, by their types; empty when both can."""
        for kind, taken in (("task", self._context_arguments()[0]), ("fan-out", self._fan_out_types()[0])):
            wanted, given = (get_origin(found) or found for found in (taken, params_type))
            if Any in (wanted, given) or not (isinstance(wanted, type) and isinstance(given, type)):
                continue
            if not issubclass(given, wanted):
                names = f"{wanted.__name__}, and those of this controller are {given.__name__}"
                return f"its {kind} takes the parameters {names}"
        return ""

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
            problem = call_problem(function, f"(self, {argument})", 2)
            if problem:
                found.append(f"{kind} {problem}")
            elif _count_positional(function) != 2:
                found.append(f"{kind} must take (self, {argument}), not {inspect.signature(function)}")
        if not found:
            try:
                _ = (self.item_codec, self.result_codec)  # resolves the annotations
            except (NameError, AttributeError, TypeError) as exc:
                found.append(f"an annotation of the task can't be resolved: {exc}")
            else:
                found.extend(self._type_problems())
        return found

    def _type_problems(self) -> list[str]:
        if _origin(self._argument_type()) is JobContext:
            return ["the task takes a JobContext, must take a TaskContext"]
        item, (_, yielded) = _origin(self._context_arguments()[1]), self._fan_out_types()
        given = _origin(yielded)
        if Any in (item, given) or not (isinstance(item, type) and isinstance(given, type)) or issubclass(given, item):
            return []
        if not (issubclass(item, BaseModel) or issubclass(given, BaseModel)):
            return []  # a number for a float, say: pydantic knows when it has the value
        return [f"the fan-out yields {given.__name__}, and the task takes {item.__name__}"]

    def _fan_out_types(self) -> tuple[Any, Any]:
        """Return the types of the parameters and of the items, by the annotations of the fan-out."""
        if self.fan_out_function is None:
            return Any, Any
        try:
            hints = get_type_hints(self.fan_out_function)
        except (NameError, AttributeError, TypeError):
            return Any, Any
        parameters = list(inspect.signature(self.fan_out_function).parameters)
        job, returned = hints.get(parameters[1], Any), hints.get("return", Any)
        params = get_args(job)[0] if get_origin(job) is JobContext else Any
        items = get_args(returned) if _origin(returned) in _ITERABLES else ()
        params, item = (Any if isinstance(t, TypeVar) else t for t in (params, items[0] if items else Any))
        return params, item

    def _argument_type(self) -> Any:
        return get_type_hints(self.task_function).get(list(inspect.signature(self.task_function).parameters)[1], Any)

    def _context_arguments(self) -> tuple[Any, Any]:
        """Return the types of the parameters and of the item, by the annotation of the task's argument."""
        annotation = self._argument_type()
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
    `timeout` is how long a task may show no sign of life (its start, `task.progress`) before `repair` hands it on;
    `batch` times as long where tasks share a message.
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

    @staticmethod
    def fan_out(function: Callable[..., Any]) -> Never:
        """Refuse to be a decorator: a fan-out is registered with the task that it is for. Raises InvalidController."""
        reason = (
            f'the fan-out {_name(function)!r} has no task: write @stage("name") over a task, and @<task>.fan_out here'
        )
        raise InvalidController(controller=_class_of(function), reason=reason)

    @overload
    def __call__(self, function: Callable[[Any, TaskContext[J, T]], Awaitable[R]]) -> Stage[J, T, R]: ...
    @overload
    def __call__(self, function: Callable[[Any, TaskContext[J, T]], R]) -> Stage[J, T, R]: ...
    def __call__(self, function: Callable[..., Any]) -> Stage[Any, Any, Any]:
        """Decorate the task."""
        return Stage(self.name, function, self.options)


def _count_positional(function: Callable[..., Any]) -> int:
    parameters = inspect.signature(function).parameters.values()
    return sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)


def _origin(annotation: Any) -> Any:
    origin = get_origin(annotation)
    return Any if origin is UnionType else origin or annotation


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", repr(function))


def _class_of(function: Callable[..., Any]) -> str:
    """Return the name of the class in whose body a function is defined, as the class itself will have it."""
    return getattr(function, "__qualname__", "").rpartition(".")[0] or _name(function)
