"""Controllers that users of `jobkit.testing` might have."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from pydantic import BaseModel

from jobkit.runtime import BaseController, JobContext, TaskContext, stage
from samples import Count


class Row(BaseModel):
    number: int
    text: str


class Rows(BaseController[Count]):
    """Writes n rows, then joins them in one task."""

    job_type = "rows"

    @stage("Write Row", max_attempts=3, retry_delay=timedelta(minutes=5))
    async def write(self, task: TaskContext[Count, int]) -> Row:
        task.progress(1, 2, "half")
        (task.workdir / "row.txt").write_text(f"row {task.params}")
        task.progress(2, 2)
        return Row(number=task.params, text=(task.workdir / "row.txt").read_text())

    @write.fan_out
    def numbers(self, job: JobContext[Count]) -> Iterator[int]:
        yield from range(job.params.n)

    @stage("Join")
    def join(self, task: TaskContext[Count, None]) -> str:
        return "+".join(result.value.text for result in task.job.results(self.write))

    def aggregate(self, job: JobContext[Count]) -> dict[str, Any]:
        return {"joined": next(job.results(self.join)).value}
