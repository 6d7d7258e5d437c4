"""`jobkit inspect tasks` and `jobkit inspect task`: a page of a job's tasks, and one of them whole."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from jobkit.runtime.clock import SystemClock
from jobkit.runtime.documents import SCHEMA, task_document, tasks_document
from jobkit.runtime.errors import InvalidSetting, UnknownTask
from jobkit.runtime.figures import counted
from jobkit.runtime.listing import list_tasks
from jobkit.runtime.model import Chain, StageRecord, Status
from jobkit.runtime.repository import Repository

from .screens import Frame, How, exit_code, present
from .session import open_without_code
from .stores import store_option

_TASK_ID: Final = re.compile(r"([0-9a-f]+)-(\d{1,2})-(\d{1,9})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Which tasks are wanted, as it was typed."""

    stage: str | None
    status: str | None
    first: int
    limit: int

    @property
    def known_status(self) -> Status | None:
        """The status that is wanted. Raises InvalidSetting for one that there is not."""
        if self.status is None:
            return None
        try:
            return Status(self.status)
        except ValueError:
            raise InvalidSetting(
                setting="--status",
                value=self.status,
                reason=f"give {', '.join(list(Status)[:-1])} or {list(Status)[-1]}",
            ) from None


def show_tasks(job_id: str, page: Page, how: How, *, store: str) -> None:
    """Run `jobkit inspect tasks`."""
    how.check()
    status = page.known_status
    with open_without_code(store) as session:
        repository = Repository(session.store.store.tables)
        whole_id = repository.resolve_job_id(job_id)

        def read() -> Frame:
            from jobkit.views.tasks import tasks_view

            chain = repository.get_chain(whole_id)
            stage = _find_stage(chain, page.stage)
            found = list_tasks(repository, stage, first=page.first, limit=page.limit, status=status)
            go_on = "" if found.following is None else _next_page(chain, page, found.following) + store_option(store)
            return Frame(
                view=lambda whole: tasks_view(chain, stage, found.tasks, go_on=go_on, whole=whole),
                document=lambda: tasks_document(found),
                line=f"stage {stage.number} {stage.name} is {stage.status}, the job {chain.job.status}",
                ended=exit_code(chain.job),
            )

        present(read, how, title=f"jobkit inspect tasks {job_id}")


def show_task(task_id: str, how: How, *, store: str) -> None:
    """Run `jobkit inspect task`."""
    how.check()
    parts = _TASK_ID.fullmatch(task_id)
    if parts is None:
        reason = "an id is that of its job, the stage's number and the index, such as 3f9c2a7b-1-17"
        raise UnknownTask(task_id=task_id, reason=reason)
    job, number, index = parts[1], int(parts[2]), int(parts[3])
    with open_without_code(store) as session:
        repository = Repository(session.store.store.tables)
        whole_id = repository.resolve_job_id(job)

        def read() -> Frame:
            from jobkit.views.tasks import task_view

            chain = repository.get_chain(whole_id)
            stage = chain.find_stage(number)
            if stage is None or stage.task_count is None or index >= stage.task_count:
                raise UnknownTask(task_id=task_id, reason=_why_none(chain, stage))
            task = repository.find_listed_task(stage, index)
            if task is None:
                raise UnknownTask(task_id=task_id, reason="its row is gone")
            now = SystemClock().now()
            return Frame(
                view=lambda whole: task_view(chain, stage, task, now=now, whole=whole),
                document=lambda: {"schema": SCHEMA, **task_document(task)},
                line=f"task {task.ref.task_id} is {task.status}, attempt {task.attempt}",
                ended=int(task.status is Status.FAILED) if task.status.ended else None,
            )

        present(read, how, title=f"jobkit inspect task {task_id}")


def _why_none(chain: Chain, stage: StageRecord | None) -> str:
    if stage is None:
        numbers = ", ".join(str(stage.number) for stage in chain.stages)
        return f"its job has the stages {numbers}"
    if stage.task_count is None:
        return f"stage {stage.number} {stage.name!r} has no tasks yet"
    return f"stage {stage.number} {stage.name!r} has {counted(stage.task_count, 'task')}, counted from 0"


def _find_stage(chain: Chain, wanted: str | None) -> StageRecord:
    if wanted is None:
        return chain.latest_stage
    stage = chain.find_stage_named(wanted)
    if stage is None:
        raise InvalidSetting(setting="--stage", value=wanted, reason=f"the job has the stages {chain.known_stages}")
    return stage


def _next_page(chain: Chain, page: Page, following: int) -> str:
    words = ["jobkit inspect tasks", chain.job.job_id[:12]]
    words += [f"--stage {_find_stage(chain, page.stage).number}"]
    words += [] if page.status is None else [f"--status {page.status}"]
    words += [f"--first {following}"]
    words += [] if page.limit == 50 else [f"--limit {page.limit}"]
    return " ".join(words)
