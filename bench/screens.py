"""Draws the pictures of docs/inspect.md and docs/inspect-installation.md from real jobs, some of them disturbed: python bench/screens.py [FOLDER].

Takes some 20 s. Ids, times and process numbers differ from time to time.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

IMAGES = Path(__file__).parents[1] / "docs" / "images"
JOBKIT = (sys.executable, "-m", "jobkit")
CONTROLLERS = '''\
import time
from collections.abc import Iterator
from datetime import timedelta

from jobkit.runtime import BaseController, JobContext, Params, TaskContext, stage


class TileParams(Params):
    scene: str = "S2A_33UVP"
    tiles: int = 48
    broken: int = 0
    longest_s: float = 2.0


class Tiles(BaseController[TileParams]):
    """Cuts a scene into tiles and mosaics them."""

    job_type = "tiles"

    @stage("Cut", max_attempts=2, retry_delay=timedelta(seconds=0.3), tolerated_failures=10)
    def cut(self, task: TaskContext[TileParams, int]) -> int:
        if task.params >= task.job.params.tiles - task.job.params.broken:
            raise ValueError(f"tile {task.params} has no data")
        time.sleep(task.job.params.longest_s if task.params == 5 else 0.05 + 0.03 * (task.params % 7))
        return task.params

    @cut.fan_out
    def tiles(self, job: JobContext[TileParams]) -> Iterator[int]:
        yield from range(job.params.tiles)

    @stage("Mosaic")
    def mosaic(self, task: TaskContext[TileParams, int]) -> int:
        if task.job.params.broken and task.index % 9 == 0:
            raise OSError(f"mosaic {task.index}: no space left on device")
        time.sleep(0.1)
        return task.params

    @mosaic.fan_out
    def cuts(self, job: JobContext[TileParams]) -> Iterator[int]:
        for result in job.results(self.cut):
            yield result.value
'''


class Project:
    """A project of its own in a folder that goes away."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "controllers").mkdir()
        (folder / "controllers" / "tiles.py").write_text(CONTROLLERS)
        (folder / "pyproject.toml").write_text("[tool.jobkit]\n")
        self.environment = {**os.environ, "COLUMNS": "100"}

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a command."""
        return subprocess.Popen(
            [*JOBKIT, *words],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def run(self, *words: str) -> str:
        """Run a command to its end; return what it prints."""
        return self.start(*words).communicate(timeout=120)[0]

    def submit(self, **params: Any) -> str:
        """Submit a job; return its id."""
        options = [word for name, value in params.items() for word in (f"--{name.replace('_', '-')}", str(value))]
        return str(json.loads(self.run("submit", "tiles", *options, "--json"))["job_id"])

    def until(self, job_id: str, condition: Any) -> None:
        """Wait until a job's document meets a condition."""
        while not condition(json.loads(self.run("inspect", "job", job_id, "--json"))):
            time.sleep(0.2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=IMAGES)
    images: Path = parser.parse_args().folder.absolute()
    images.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        project = Project(Path(place))

        def draw(name: str, *words: str) -> None:
            picture = images / f"{name}.svg"
            project.run("inspect", *words, "--svg", str(picture))
            elsewhere = ("/home/ann/" + "mosaic".ljust(len(place), "s"))[
                : len(place)
            ]  # as long: each text has its width
            picture.write_text(picture.read_text("utf-8").replace(place, elsewhere), "utf-8")

        completed = json.loads(project.run("run", "tiles", "--instances", "3", "--concurrency", "3", "--json"))[
            "job_id"
        ]
        draw("job-timeline", "job", completed[:8], "--timeline")
        failed = json.loads(project.run("run", "tiles", "--broken", "4", "--longest-s", "0.5", "--json"))["job_id"]
        draw("job-failed", "job", failed[:8])
        draw("tasks-failed", "tasks", failed[:8], "--stage", "cut", "--status", "failed")
        draw("task-failed", "task", f"{failed[:8]}-1-46")
        running = project.submit(longest_s=600, tiles=200)
        worker = project.start("worker", "--concurrency", "4")
        project.until(running, lambda job: job["stages"][0]["completed"] > 20)
        draw("job-running", "job", running[:8])
        draw("installation")
        draw("jobs", "jobs", "--since", "1h")
        draw("queues", "queues", "--limit", "3")
        worker.kill()
        worker.wait()
        draw("job-stuck", "job", running[:8])


if __name__ == "__main__":
    main()
