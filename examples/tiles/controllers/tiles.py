"""The example of the README."""

from collections.abc import Iterator
from datetime import timedelta

from pydantic import BaseModel, Field

from jobkit.runtime import BaseController, JobContext, Params, TaskContext, stage


class TileParams(Params):
    width: int = Field(ge=1, description="Width of the raster in pixels.")
    tile_px: int = Field(512, ge=64, description="Edge of a tile in pixels.")


class Window(BaseModel):
    start: int
    stop: int


class Tile(BaseModel):
    pixels: int


class Tiles(BaseController[TileParams]):
    """Cuts a raster into tiles and adds up their pixels."""

    job_type = "tiles"

    @stage("cut", max_attempts=3, retry_delay=timedelta(seconds=5))
    def cut(self, task: TaskContext[TileParams, Window]) -> Tile:
        return Tile(pixels=task.params.stop - task.params.start)

    @cut.fan_out
    def windows(self, job: JobContext[TileParams]) -> Iterator[Window]:
        for start in range(0, job.params.width, job.params.tile_px):
            yield Window(start=start, stop=min(start + job.params.tile_px, job.params.width))

    @stage("check")
    def check(self, task: TaskContext[TileParams, None]) -> int:
        return sum(tile.value.pixels for tile in task.job.results(self.cut))

    def aggregate(self, job: JobContext[TileParams]) -> dict[str, int]:
        return {"pixels": next(job.results(self.check)).value}
