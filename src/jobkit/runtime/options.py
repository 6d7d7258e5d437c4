"""The options of a stage: what `@stage` takes besides the name, checked when the controller's class is made."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, cast

from .errors import did_you_mean
from .model import OnFailure, Policy
from .signatures import call_problem

DEFAULT_RETRY_DELAY: Final = timedelta(seconds=2)
MAX_ATTEMPTS: Final = 100
MAX_RETRY_DELAY: Final = timedelta(days=7)
MAX_BATCH: Final = 100  # a shard: the most that one table transaction takes


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of one stage, as its decorator was given them; `unknown` names those that there are not."""

    max_attempts: int = 1
    retry_delay: timedelta = DEFAULT_RETRY_DELAY
    on_failure: str = OnFailure.FAIL.value
    tolerated_failures: int | float = 0
    max_parallel: int | None = None
    timeout: timedelta | None = None
    skip_if: Callable[[Any], bool] | None = None
    batch: int = 1
    unknown: tuple[str, ...] = ()

    def policy(self, task_count: int) -> Policy:
        """Return what holds for a stage of so many tasks from its seal on. A share is rounded down."""
        tolerated = self.tolerated_failures
        if isinstance(tolerated, float):  # by its digits: 0.29 of 100 is 29
            from fractions import Fraction  # only for those who use it

            tolerated = int(Fraction(str(tolerated)) * task_count)
        return Policy(
            on_failure=OnFailure(self.on_failure),
            tolerated=tolerated,
            max_parallel=self.max_parallel or 0,
            batch=self.batch,
            timeout_s=0.0 if self.timeout is None else self.timeout.total_seconds(),
        )

    def problems(self) -> list[tuple[str | None, str]]:
        """Return what is wrong, each with the option it is about. Users need not type, so nothing is taken for granted."""
        found: list[tuple[str | None, str]] = [
            (name, "is not an option of a stage in this version") for name in self.unknown
        ]
        if not _is_whole(self.max_attempts, 1, MAX_ATTEMPTS):
            found.append(("max_attempts", f"is {self.max_attempts!r}, must be a whole number from 1 to {MAX_ATTEMPTS}"))
        delay = cast("object", self.retry_delay)
        if not isinstance(delay, timedelta) or not timedelta(0) <= delay <= MAX_RETRY_DELAY:
            found.append(("retry_delay", f"is {self.retry_delay!r}, must be a timedelta from 0 to 7 days"))
        names = [choice.value for choice in OnFailure]
        if self.on_failure not in names:
            hint = did_you_mean(str(self.on_failure), names)
            found.append(("on_failure", f"is {self.on_failure!r}, must be one of {', '.join(map(repr, names))}.{hint}"))
        found.extend(("tolerated_failures", text) for text in self._tolerance_problems())
        if self.max_parallel is not None and not _is_whole(self.max_parallel, 1, None):
            text = f"is {self.max_parallel!r}, must be a whole number from 1, or None for no limit"
            found.append(("max_parallel", text))
        if not _is_whole(self.batch, 1, MAX_BATCH):
            found.append(("batch", f"is {self.batch!r}, must be a whole number from 1 to {MAX_BATCH}"))
        elif self.batch > 1 and self.max_parallel is not None:
            found.append(("batch", "does not go together with max_parallel: a batch runs its tasks one after another"))
        timeout = cast("object", self.timeout)
        if timeout is not None and not (isinstance(timeout, timedelta) and timeout > timedelta(0)):
            found.append(("timeout", f"is {self.timeout!r}, must be a timedelta of more than 0, or None"))
        found.extend(("skip_if", text) for text in self._skip_problems())
        return found

    def _tolerance_problems(self) -> list[str]:
        tolerated = cast("object", self.tolerated_failures)
        if isinstance(tolerated, float):
            if not 0.0 <= tolerated <= 1.0:
                return [f"is {tolerated!r}, must be a share from 0.0 to 1.0, or a whole number of tasks"]
        elif not _is_whole(tolerated, 0, None):
            return [f"is {tolerated!r}, must be a whole number of tasks from 0, or a share from 0.0 to 1.0"]
        if tolerated and self.on_failure == OnFailure.CONTINUE.value:
            return ["has no meaning with on_failure='continue', which tolerates every failure"]
        return []

    def _skip_problems(self) -> list[str]:
        skip_if = cast("object", self.skip_if)
        if skip_if is None:
            return []
        if inspect.iscoroutinefunction(skip_if):
            return ["must be a plain function, not async"]
        problem = call_problem(skip_if, "(job)", 1)
        return [problem] if problem else []


def _is_whole(value: object, least: int, most: int | None) -> bool:
    return type(value) is int and value >= least and (most is None or value <= most)
