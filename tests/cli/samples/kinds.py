"""A parameter of each kind."""
# ruff: noqa: RUF012 - pydantic copies a default

import enum
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from jobkit.runtime import BaseController, JobContext, NotInId, Params, TaskContext, stage


class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 9


class Box(BaseModel):
    west: float
    east: float = 1.0


class KindsParams(Params):
    name: str = Field(description="Who [bold]it[/bold] is for [px].", min_length=1)
    tile_px: int = Field(512, ge=64, le=4096, description="Edge of a tile.")
    share: float = 0.5
    dry_run: bool = False
    keep: bool = True
    maybe: bool | None = None
    colour: Colour = Colour.RED
    level: Level = Level.LOW
    mode: Literal["fast", "slow"] = "fast"
    zoom: Literal[1, 2, 3] = 1
    tags: list[str] = []
    zooms: list[Literal[1, 2, 3]] = []
    numbers: set[int] = Field(default_factory=set)
    pair: tuple[int, int] = (1, 2)
    box: Box | None = None
    boxes: list[Box] = []
    extra: dict[str, int] = {}
    anything: Any = None
    since: date | None = None
    wait: timedelta = timedelta(seconds=1)
    price: Decimal = Decimal("1.50")
    path: Path = Path("a/b")
    class_: str = "none of Python's"
    stage: str = "a field"
    timeout: int = 3
    param_timeout: int = 4
    note: Annotated[str, NotInId] = ""


class Kinds(BaseController[KindsParams]):
    """Shows its parameters.

    [red]Nothing[/red] more.
    """

    job_type = "kinds"

    @stage("Show")
    def show(self, task: TaskContext[KindsParams, None]) -> dict[str, Any]:
        return task.job.params.model_dump(mode="json")

    def aggregate(self, job: JobContext[KindsParams]) -> dict[str, Any]:
        return next(job.results(self.show)).value


class Plain(BaseController[dict[str, Any]]):
    """Takes anything."""

    job_type = "plain"

    @stage("Show")
    def show(self, task: TaskContext[dict[str, Any], None]) -> dict[str, Any]:
        return dict(task.job.params)
