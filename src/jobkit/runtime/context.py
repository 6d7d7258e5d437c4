"""What a controller's methods are given: the job, and in a task the task."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeVar, overload

from .model import Failure, Summary

if TYPE_CHECKING:
    from .stage import Stage

J = TypeVar("J")
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskResult(Generic[R]):
    """What a task of an earlier stage returned."""

    task_id: str
    index: int
    value: R


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFailure:
    """How a task of an earlier stage failed."""

    task_id: str
    index: int
    error: Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class StageResults:
    """One stage in `aggregate`: its counts, and its results as plain JSON data."""

    number: int
    name: str
    summary: Summary
    results: Callable[[], Iterator[tuple[str, str]]]


class Reader(Protocol):
    """Where a job context reads earlier results from."""

    def results(self, stage: Stage[Any, Any, Any]) -> Iterator[TaskResult[Any]]:
        """Yield what the stage's completed tasks returned, in index order."""
        ...

    def failures(self, stage: Stage[Any, Any, Any]) -> Iterator[TaskFailure]:
        """Yield how its failed tasks failed, in index order."""
        ...

    def stages(self) -> list[StageResults]:
        """Return the job's own stages."""
        ...


class JobContext(Generic[J]):
    """The job that a fan-out, a task or `aggregate` works for."""

    def __init__(self, *, job_id: str, job_type: str, params: J, reader: Reader) -> None:
        """Made by jobkit."""
        self.job_id = job_id
        self.job_type = job_type
        self.params = params
        self._reader = reader

    @overload
    def results(self, stage: Stage[Any, Any, R]) -> Iterator[TaskResult[R]]: ...
    @overload
    def results(self, stage: Stage[Any, Any, Any], *, failed: Literal[True]) -> Iterator[TaskFailure]: ...
    def results(
        self, stage: Stage[Any, Any, Any], *, failed: bool = False
    ) -> Iterator[TaskResult[Any]] | Iterator[TaskFailure]:
        """Yield the results of an earlier stage's tasks in index order, read lazily; with `failed` the failed ones.

        Raises ValueError when the stage is no earlier one of this job and no source of earlier results was given.
        """
        return self._reader.failures(stage) if failed else self._reader.results(stage)

    def stages(self) -> list[StageResults]:
        """Return the job's stages with their counts; in `aggregate` all of them have ended."""
        return self._reader.stages()


class TaskContext(Generic[J, T]):
    """One task: its item, its job and which attempt this is."""

    def __init__(
        self,
        *,
        task_id: str,
        index: int,
        attempt: int,
        params: T,
        job: JobContext[J],
        report: Callable[[int, int, str], None],
        is_cancelled: Callable[[], bool],
    ) -> None:
        """Made by jobkit."""
        self.task_id = task_id
        self.index = index
        self.attempt = attempt
        self.params = params
        self.job = job
        self._report = report
        self._is_cancelled = is_cancelled
        self._workdir: Path | None = None

    def progress(self, done: int, total: int, text: str = "") -> None:
        """Tell how far the task is; also its sign of life. Written at most every 15 s, so call it as often as you like."""
        self._report(done, total, text)

    @property
    def cancelled(self) -> bool:
        """Whether somebody has cancelled the job and wants what runs to end too (`jobkit cancel --now`).

        A long task asks now and then and raises or returns what it has; the job fails either way. The store is asked at most
        every 5 s, so ask as often as you like.
        """
        return self._is_cancelled()

    @property
    def workdir(self) -> Path:
        """A temporary folder of this attempt's own; it is removed when the attempt ends."""
        if self._workdir is None:
            import tempfile  # only for those who use it

            self._workdir = Path(tempfile.mkdtemp(prefix=f"jobkit-{self.task_id}-"))
        return self._workdir

    def remove_workdir(self) -> None:
        """Remove the temporary folder; jobkit calls it."""
        if self._workdir is not None:
            import shutil  # only for those who use it

            shutil.rmtree(self._workdir, ignore_errors=True)
            self._workdir = None
