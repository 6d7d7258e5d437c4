"""Runs the user's code of one task and turns whatever happens into an outcome."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Any, Final

from .context import TaskContext
from .errors import HookFailed, JobkitError, StoreUnavailable
from .jobs import LoadedJob
from .model import MAX_MESSAGE_CHARS, MAX_TRACEBACK_CHARS, MAX_TYPE_CHARS, Failure, TaskRef
from .payload import check_size
from .signals import PermanentError, RetryLater
from .stage import Stage

_OWN_FRAMES: Final = ("jobkit.runtime.", "jobkit.testing.")
_CONTROL: Final = dict.fromkeys({*range(0x20), 0x7F} - set(map(ord, "\n\r\t")), "\N{REPLACEMENT CHARACTER}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one attempt came to: a result, or a failure and whether and when another attempt makes sense."""

    result_json: str | None = None
    failure: Failure | None = None
    permanent: bool = False
    delay: timedelta | None = None


def describe_exception(exc: BaseException) -> Failure:
    """Keep an exception as data: its type, its text and the tail of its traceback without jobkit's own frames."""
    try:
        message = str(exc) or repr(exc)
    except Exception:  # noqa: BLE001 - the exception is a user's class
        message = "its text can't be made: __str__ or __repr__ raises"
    if isinstance(exc, SystemExit):
        message = f"sys.exit({exc.code!r}) was called"
    shown = _skip_own_frames(exc.__traceback__)
    lines = traceback.format_exception(type(exc), exc, shown)
    if isinstance(exc, JobkitError) and shown is not None and shown.tb_next is None and _is_own(shown):
        lines = []  # none of the user's code was on the way
    return Failure(
        type=_clean(type(exc).__name__)[:MAX_TYPE_CHARS],
        message=_clean(message)[:MAX_MESSAGE_CHARS],
        traceback=_clean("".join(lines))[-MAX_TRACEBACK_CHARS:].strip(),
    )


def run_task(
    job: LoadedJob,
    stage: Stage[Any, Any, Any],
    ref: TaskRef,
    *,
    attempt: int,
    params_json: str | None,
    report: Callable[[int, int, str], None],
    is_cancelled: Callable[[], bool],
) -> Outcome:
    """Run one attempt. Whatever the user's code raises is an outcome; only StoreUnavailable passes through."""
    try:
        result_json = attempt_task(
            job, stage, ref, attempt=attempt, params_json=params_json, report=report, is_cancelled=is_cancelled
        )
        return Outcome(result_json=result_json)
    except StoreUnavailable:
        raise
    except RetryLater as exc:
        return Outcome(failure=describe_exception(exc), delay=exc.delay)
    except PermanentError as exc:
        return Outcome(failure=describe_exception(exc), permanent=True)
    except BaseException as exc:  # noqa: BLE001 - SystemExit too is a failure of the task, never the end of the worker
        return Outcome(failure=describe_exception(exc))


def attempt_task(
    job: LoadedJob,
    stage: Stage[Any, Any, Any],
    ref: TaskRef,
    *,
    attempt: int,
    params_json: str | None,
    report: Callable[[int, int, str], None],
    is_cancelled: Callable[[], bool],
) -> str:
    """Run one attempt and return, as JSON, what it returned. Raises what the user's code raises, PayloadRefused."""
    context: TaskContext[Any, Any] = TaskContext(
        task_id=ref.task_id,
        index=ref.index,
        attempt=attempt,
        params=None if params_json is None else stage.read_item(params_json, what=f"the item of task {ref.index}"),
        job=job.context,
        report=report,
        is_cancelled=is_cancelled,
    )
    try:
        value = call_task(stage, job.host(stage), context)
        result_json = stage.result_codec.encode(value, what="what the task returned")
        return check_size(result_json, what="what the task returned")
    finally:
        context.remove_workdir()


def call_task(stage: Stage[Any, Any, Any], host: Any, context: TaskContext[Any, Any]) -> Any:
    """Call a task's function on its host, and wait for what an `async def` returns."""
    value = stage.task_function(host, context)
    if inspect.isawaitable(value):
        import asyncio  # only for those who use it: it is slow to import

        return asyncio.run(_await(value))
    return value


def run_hook(job: LoadedJob, *, status: str) -> None:
    """Call a controller's `on_complete`. Raises HookFailed with what it raised, so that the message comes again."""
    try:
        job.controller.on_complete(job.context, status=status)
    except StoreUnavailable:
        raise
    except BaseException as exc:
        failure = describe_exception(exc)
        raise HookFailed(job_type=job.record.job_type, error_type=failure.type, text=failure.message) from exc


async def _await(value: Any) -> Any:
    return await value


def _skip_own_frames(tb: TracebackType | None) -> TracebackType | None:
    while tb is not None and _is_own(tb):
        if tb.tb_next is None or tb.tb_frame.f_globals["__name__"] == "jobkit.runtime.controllers":
            break
        tb = tb.tb_next
    return tb


def _is_own(tb: TracebackType) -> bool:
    return str(tb.tb_frame.f_globals.get("__name__", "")).startswith(_OWN_FRAMES)


def _clean(text: str) -> str:
    """Replace what UTF-8 can't hold, and control characters: a screen obeys them, JSON makes six characters of each."""
    return text.encode("utf-8", "replace").decode().translate(_CONTROL)
