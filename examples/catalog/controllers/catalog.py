"""The examples of docs/controllers.md."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, Field

from jobkit.runtime import (
    BaseController,
    JobContext,
    NotInId,
    Params,
    PermanentError,
    RetryLater,
    TaskContext,
    stage,
)


class FilesParams(Params):
    count: int = Field(ge=0, description="How many files there are.")
    note: Annotated[str, NotInId] = ""


class CatalogParams(FilesParams):
    publish: bool = True
    broken: int = Field(0, ge=0, description="How many of the files are broken.")


class File(BaseModel):
    name: str
    number: int


class Footprint(BaseModel):
    name: str
    pixels: int


class Report(BaseModel):
    read: int
    broken: list[str]


class Validate(BaseController[FilesParams]):
    """Looks whether files can be read."""

    job_type = "validate_files"

    @stage("Validate", batch=50)
    def validate(self, task: TaskContext[FilesParams, File]) -> str:
        return task.params.name

    @validate.fan_out
    def files(self, job: JobContext[FilesParams]) -> Iterator[File]:
        for number in range(job.params.count):
            yield File(name=f"file-{number:04}.tif", number=number)


class Catalog(BaseController[CatalogParams]):
    """Validates files, reads each one's footprint and publishes a catalog."""

    job_type = "catalog"
    version = 1

    @stage("Read", max_attempts=3, retry_delay=timedelta(seconds=5), tolerated_failures=0.1)
    def read(self, task: TaskContext[CatalogParams, File]) -> Footprint:
        if task.params.number < task.job.params.broken:
            raise PermanentError(f"{task.params.name} is no raster")
        if task.params.number == 5 and task.attempt == 1:
            raise RetryLater(timedelta(minutes=1), "the file is locked")
        scratch = task.workdir / "overview.bin"
        scratch.write_bytes(bytes(512))
        task.progress(1, 1, "read")
        return Footprint(name=task.params.name, pixels=len(scratch.read_bytes()))

    @read.fan_out
    def validated(self, job: JobContext[CatalogParams]) -> Iterator[File]:
        for result in job.results(Validate.validate):
            yield File(name=result.value, number=result.index)

    @stage("Register", max_parallel=2, on_failure="stop")
    def register(self, task: TaskContext[CatalogParams, Footprint]) -> str:
        return f"registered {task.params.name}"  # in a database that takes two connections

    @register.fan_out
    def footprints(self, job: JobContext[CatalogParams]) -> Iterator[Footprint]:
        for result in job.results(self.read):
            yield result.value

    @stage("Publish", skip_if=lambda job: not job.params.publish)
    def publish(self, task: TaskContext[CatalogParams, None]) -> Report:
        return Report(
            read=sum(1 for _ in task.job.results(self.read)),
            broken=[failure.error.message for failure in task.job.results(self.read, failed=True)],
        )

    stages = (Validate.validate, read, register, publish)

    def aggregate(self, job: JobContext[CatalogParams]) -> Report | None:
        return next((result.value for result in job.results(self.publish)), None)
