"""Jobs and stages as records, made for a screen; and a screen made of them."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from rich.console import Console, RenderableType

from jobkit.runtime.inspected import Diagnosis, Inspected, Provenance
from jobkit.runtime.model import (
    Chain,
    ErrorGroup,
    Failure,
    JobRecord,
    StageRecord,
    StageState,
    Status,
    Summary,
    TaskRecord,
    TaskRef,
)

START = datetime(2024, 2, 29, 12, 0, 0, tzinfo=UTC)
JOB_ID = "0123456789abcdef0123456789abcdef"
LONG_NAME = "Validate every tile of the raster against the catalogue, and then some"

BROKEN_TILE = Failure(
    type="TileBroken",
    message="tile 3 is broken",
    traceback=(
        "Traceback (most recent call last):\n"
        '  File "/project/controllers/tiles.py", line 24, in cut\n'
        "    return read(task.params)\n"
        "           ^^^^^^^^^^^^^^^^^\n"
        '  File "/project/controllers/tiles.py", line 31, in read\n'
        '    raise TileBroken(f"tile {tile} is broken")\n'
        "controllers.tiles.TileBroken: tile 3 is broken"
    ),
)


def after(seconds: float) -> datetime:
    """The time so many seconds after the job was created."""
    return START + timedelta(seconds=seconds)


def job(**changes: Any) -> JobRecord:
    """A job of the controller `tiles` that has ended well, changed in some fields."""
    fields: dict[str, Any] = {
        "job_id": JOB_ID,
        "epoch": "e",
        "job_type": "tiles",
        "version": 1,
        "run": 1,
        "runs": 1,
        "status": Status.COMPLETED,
        "stage": None,
        "stage_numbers": (1, 2),
        "round": 1,
        "params_json": '{"width":5000,"tile_px":512}',
        "source": None,
        "created_at": START,
        "updated_at": after(95.5),
    }
    return JobRecord(**fields | changes)


def closed(number: int, name: str, tasks: int, *, took_s: float = 1.5, failed: int = 0, **changes: Any) -> StageRecord:
    """A stage that has ended."""
    fields: dict[str, Any] = {
        "job_id": JOB_ID,
        "number": number,
        "name": name,
        "state": StageState.CLOSED,
        "round": 1,
        "plan": "p",
        "task_count": tasks,
        "summary": Summary(completed=tasks - failed, failed=failed),
        "last_task": f"{JOB_ID[:16]}-{number}-{tasks - 1}" if tasks else None,
        "started_at": START,
        "ended_at": after(took_s),
    }
    return StageRecord(**fields | changes)


def waiting(number: int, name: str) -> StageRecord:
    """A stage that has not begun."""
    return StageRecord(job_id=JOB_ID, number=number, name=name, state=StageState.UNPLANNED, round=1)


def sealed(number: int, name: str, tasks: int) -> StageRecord:
    """A stage whose tasks run."""
    return StageRecord(
        job_id=JOB_ID,
        number=number,
        name=name,
        state=StageState.SEALED,
        round=1,
        plan="p",
        task_count=tasks,
        started_at=START,
        sealed_at=START,
    )


def broken(count: int, index: int, failure: Failure = BROKEN_TILE) -> ErrorGroup:
    """So many failures of a kind."""
    return ErrorGroup(count=count, index=index, failure=failure)


def chain(record: JobRecord, *stages: StageRecord) -> Chain:
    """A job with its stages."""
    return Chain(job=record, stages=stages)


def listed(*stages: tuple[int, str, int, list[Any]], truncated: bool = False) -> str:
    """A default result as JSON: number, name, completed tasks and the values that are listed, for each stage."""
    return json.dumps(
        {
            "stages": [
                {
                    "number": number,
                    "name": name,
                    "completed": completed,
                    "failed": 0,
                    "results": [
                        {"task_id": f"{JOB_ID[:16]}-{number}-{index}", "value": value}
                        for index, value in enumerate(values)
                    ],
                }
                for number, name, completed, values in stages
            ],
            "truncated": truncated,
        }
    )


def screen(renderable: RenderableType, width: int = 80) -> str:
    """What a screen of this width shows, without colour and without the spaces that end a line."""
    file = io.StringIO()
    Console(file=file, width=width, highlight=False).print(renderable)
    lines = file.getvalue().split("\n")
    assert max(map(len, lines)) <= width
    return "\n" + "\n".join(line.rstrip() for line in lines)


def task(
    index: int, status: Status = Status.COMPLETED, *, stage: int = 1, ran_s: float = 1.5, **changes: Any
) -> TaskRecord:
    """A task of a stage, queued when the job was created and begun a second later."""
    ended = status.ended
    fields: dict[str, Any] = {
        "ref": TaskRef(job_id=JOB_ID, stage=stage, plan="p", index=index),
        "status": status,
        "attempt": 1,
        "round": 1,
        "queued_at": START,
        "started_at": None if status is Status.QUEUED else after(1),
        "ended_at": after(1 + ran_s) if ended else None,
        "error": BROKEN_TILE if status is Status.FAILED else None,
        "worker": None if status is Status.QUEUED else "vm-41",
    }
    return TaskRecord(**fields | changes)


def inspected(found: Chain, **changes: Any) -> Inspected:
    """A job that was looked at two minutes after it was created."""
    fields: dict[str, Any] = {
        "chain": found,
        "at": after(120),
        "counts": {},
        "outliers": {},
        "audits": (),
        "diagnosis": Diagnosis(),
        "provenance": Provenance(
            canonical='{"hash":1,"job_type":"tiles","params":{"tile_px":512,"width":5000},"run":1}'
        ),
    }
    return Inspected(**fields | changes)
