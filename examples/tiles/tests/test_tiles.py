"""The example of docs/testing.md."""

from controllers.tiles import Tile, TileParams, Tiles, Window

from jobkit.testing import RunJob, crash, fail, run_fan_out, run_job, run_task


def test_a_raster_is_cut_and_its_pixels_are_added_up() -> None:
    job = run_job(Tiles, width=1000, tile_px=300)

    assert job.result == {"pixels": 1000}
    assert job.results(Tiles.cut) == [Tile(pixels=300), Tile(pixels=300), Tile(pixels=300), Tile(pixels=100)]
    assert [(stage.name, stage.status, stage.task_count) for stage in job.stages] == [
        ("cut", "completed", 4),
        ("check", "completed", 1),
    ]


def test_a_tile_that_fails_once_is_cut_again() -> None:
    job = run_job(Tiles, width=1000, failures=[fail("cut", index=1, error=TimeoutError("no answer"))])

    assert job.result == {"pixels": 1000}
    assert [task.attempt for task in job.tasks_of("cut")] == [1, 2]


def test_a_tile_that_fails_three_times_fails_the_job() -> None:
    job = run_job(Tiles, width=1000, failures=[fail("cut", index=1, attempt=None, error=OSError("disk full"))])

    assert (job.status, job.result) == ("failed", None)
    assert [(failure.index, failure.error.message) for failure in job.failures("cut")] == [(1, "disk full")]


def test_a_worker_that_dies_over_a_tile_changes_nothing() -> None:
    job = run_job(Tiles, width=1000, failures=[crash("cut", index=0)])

    assert job.result == {"pixels": 1000}


def test_the_check_alone_on_the_tiles_of_another_job(jobkit_run: RunJob) -> None:
    whole = jobkit_run(Tiles, width=1000)

    assert jobkit_run(Tiles, width=1000, stages="check", earlier=whole).result == {"pixels": 1000}
    assert jobkit_run(Tiles, width=1000, stages="check", earlier=[Tile(pixels=7)]).result == {"pixels": 7}


def test_one_tile_alone() -> None:
    assert run_task(Tiles.cut, Window(start=0, stop=5), params=TileParams(width=5)) == Tile(pixels=5)


def test_the_windows_alone() -> None:
    assert run_fan_out(Tiles.cut, TileParams(width=100, tile_px=64)) == [
        Window(start=0, stop=64),
        Window(start=64, stop=100),
    ]


def test_the_check_alone_with_tiles_made_up() -> None:
    tiles = [Tile(pixels=1), Tile(pixels=2)]

    assert run_task(Tiles.check, params={"width": 3}, earlier={Tiles.cut: tiles}) == 3
