"""Arithmetic of summaries: counts, durations and first errors of tasks that have ended, added up along the tree."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from .figures import took_s
from .model import ErrorGroup, Failure, Status, Summary, TaskRecord

MAX_ERROR_GROUPS = 5
MAX_EXAMPLE_CHARS = 1_500
_DIGITS: Final = re.compile(r"\d+")


def summarise(tasks: Iterable[TaskRecord]) -> Summary:
    """Add up tasks that have ended."""
    return merge(_of_one(task) for task in tasks)


def merge(summaries: Iterable[Summary]) -> Summary:
    """Add up summaries; of the errors at most five types are kept, those that come first by index."""
    completed = failed = 0
    busy_s = longest_s = 0.0
    longest_index: int | None = None
    groups: dict[str, ErrorGroup] = {}
    for summary in summaries:
        completed += summary.completed
        failed += summary.failed
        busy_s += summary.busy_s
        if summary.longest_index is not None and (longest_index is None or summary.longest_s > longest_s):
            longest_s, longest_index = summary.longest_s, summary.longest_index
        for group in summary.errors:
            known = groups.get(group.failure.type)
            groups[group.failure.type] = group if known is None else _join(known, group)
    first = sorted(groups.values(), key=lambda group: group.index)
    return Summary(
        completed=completed,
        failed=failed,
        busy_s=busy_s,
        longest_s=longest_s,
        longest_index=longest_index,
        errors=tuple(first[:MAX_ERROR_GROUPS]),
    )


def first_error(summary: Summary) -> ErrorGroup | None:
    """Return the failure with the lowest index."""
    return min(summary.errors, key=lambda group: group.index, default=None)


def group_errors(tasks: Iterable[TaskRecord]) -> list[ErrorGroup]:
    """Group failed tasks by the type and the text of their error, numbers apart; the largest group first."""
    groups: dict[tuple[str, str], ErrorGroup] = {}
    for task in tasks:
        failure = task.error or Failure(type="Unknown", message="no error was stored")
        kind = (failure.type, _DIGITS.sub("#", failure.message))
        known = groups.get(kind)
        first = task.ref.index if known is None else known.index
        groups[kind] = ErrorGroup(
            count=1 if known is None else known.count + 1,
            index=first,
            failure=failure if known is None else known.failure,
        )
    return sorted(groups.values(), key=lambda group: (-group.count, group.index))


def _of_one(task: TaskRecord) -> Summary:
    duration_s = took_s(task) or 0.0
    errors: tuple[ErrorGroup, ...] = ()
    if task.status is Status.FAILED:
        failure = task.error or Failure(type="Unknown", message="no error was stored")
        example = Failure(
            type=failure.type,
            message=failure.message[:MAX_EXAMPLE_CHARS],
            traceback=failure.traceback[-MAX_EXAMPLE_CHARS:],
        )
        errors = (ErrorGroup(count=1, index=task.ref.index, failure=example),)
    return Summary(
        completed=int(task.status is Status.COMPLETED),
        failed=int(task.status is Status.FAILED),
        busy_s=duration_s,
        longest_s=duration_s,
        longest_index=task.ref.index,
        errors=errors,
    )


def _join(one: ErrorGroup, other: ErrorGroup) -> ErrorGroup:
    first = one if one.index <= other.index else other
    return ErrorGroup(count=one.count + other.count, index=first.index, failure=first.failure)
