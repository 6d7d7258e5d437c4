from controllers.catalog import Catalog, Validate

from jobkit.testing import crash, fail, run_job


def test_a_catalog_of_sixty_files_of_which_a_tenth_may_be_broken() -> None:
    job = run_job(Catalog, count=60, broken=6)

    assert job.result == {"read": 54, "broken": [f"file-000{number}.tif is no raster" for number in range(6)]}
    assert [(stage.name, stage.task_count, stage.summary.failed) for stage in job.stages] == [
        ("Validate", 60, 0),
        ("Read", 60, 6),
        ("Register", 54, 0),
        ("Publish", 1, 0),
    ]


def test_one_broken_file_more_fails_the_job() -> None:
    job = run_job(Catalog, count=60, broken=7)

    assert (job.status, [stage.status for stage in job.stages]) == (
        "failed",
        ["completed", "failed", "queued", "queued"],
    )


def test_a_locked_file_is_read_a_minute_later() -> None:
    job = run_job(Catalog, count=6)

    assert [task.attempt for task in job.tasks_of("Read")] == [1, 1, 1, 1, 1, 2]


def test_a_failed_registration_stops_the_rest() -> None:
    job = run_job(Catalog, count=40, failures=[fail("Register", index=1, error=ConnectionError("no route"))])

    assert job.status == "failed"
    assert {failure.error.type for failure in job.failures("Register")} == {"ConnectionError", "Stopped"}


def test_a_catalog_that_is_not_published() -> None:
    job = run_job(Catalog, count=1, publish=False)

    assert (job.result, job.stages[3].skipped) == (None, True)


def test_a_worker_that_dies_in_the_middle_of_a_batch_changes_nothing() -> None:
    job = run_job(Catalog, count=60, failures=[crash("Validate", index=30)])

    assert job.results("Validate") == [f"file-{number:04}.tif" for number in range(60)]


def test_the_shared_stage_in_its_own_controller_and_alone() -> None:
    whole = run_job(Validate, count=2)
    alone = run_job(Catalog, count=2, stages="validate")

    assert whole.results("Validate") == alone.results("Validate") == ["file-0000.tif", "file-0001.tif"]


def test_a_note_makes_no_other_job() -> None:
    assert run_job(Validate, count=1, note="again").job_id == run_job(Validate, count=1).job_id
