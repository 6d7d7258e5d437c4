"""Operators' commands take ids or a filter: what a user sees of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from commands import InProcess, still
from jobkit.local import LocalStore
from jobkit.runtime.errors import JobHasEnded
from jobkit.runtime.operator import Operator
from jobkit.runtime.storage.ports import Entity

NOT_BOTH = "error: a filter goes with no ids: give one of them\n"
CONTROLLER = """
from jobkit.runtime import BaseController, Params, PermanentError, TaskContext, stage


class Which(Params):
    n: int


class Odd(BaseController[Which]):
    job_type = "odd"

    @stage("only")
    def only(self, task: TaskContext[Which, None]) -> int:
        if task.job.params.n % 2:
            raise PermanentError("odd")
        return 0
"""


@pytest.fixture(autouse=True)
def project(folder: Path) -> None:
    (folder / "pyproject.toml").write_text("[tool.jobkit]\n")
    (folder / "controllers").mkdir()
    (folder / "controllers" / "odd.py").write_text(CONTROLLER)


def submit(jobkit: InProcess, *command: str) -> str:
    return str(json.loads(jobkit(*command, "--json").out)["job_id"])


def ids(jobkit: InProcess, *command: str) -> list[str]:
    done = jobkit(*command, "--json")
    assert done.code == 0, done.err
    return [job["job_id"] for job in done.document["jobs"]]


def test_retry_by_a_filter_takes_the_failed_ones_cancel_and_repair_the_open_ones(jobkit: InProcess):
    failed = [submit(jobkit, "run", "odd", "--n", str(n)) for n in range(1, 6)][::2]
    queued = submit(jobkit, "submit", "odd", "--n", "6")
    hello = submit(jobkit, "submit", "hello_worlds", "--n", "1")

    newest_first = [failed[2], failed[1], failed[0]]
    assert ids(jobkit, "retry", "--since", "1h", "--dry-run") == newest_first
    assert ids(jobkit, "retry", "--param", "n=3", "--dry-run") == [failed[1]]
    assert ids(jobkit, "retry", "--type", "odd") == newest_first
    assert ids(jobkit, "repair", "--status", "queued", "--dry-run") == [hello, queued, *newest_first]
    assert sorted(ids(jobkit, "repair", "--all", "--dry-run")) == sorted([hello, queued, *newest_first])
    assert ids(jobkit, "cancel", "--type", "hello_worlds", "--yes") == [hello]


def test_retry_by_a_filter_leaves_what_was_cancelled_and_by_its_id_takes_it(jobkit: InProcess):
    failed = submit(jobkit, "run", "odd", "--n", "1")
    cancelled = submit(jobkit, "submit", "odd", "--n", "2")
    jobkit("cancel", cancelled, "--yes")
    assert jobkit("run", "odd", "--n", "2").code == 1

    by_filter = jobkit("retry", "--status", "failed", "--json", "--dry-run")
    named = jobkit("retry", cancelled, "--json", "--dry-run")

    assert (by_filter.code, [job["job_id"] for job in by_filter.document["jobs"]]) == (0, [failed])
    assert by_filter.err == "left out: 1 job, cancelled (named, they are retried)\n"
    assert (named.code, [job["job_id"] for job in named.document["jobs"]]) == (0, [cancelled])


def test_a_filter_that_finds_nothing_says_so(jobkit: InProcess):
    submit(jobkit, "run", "odd", "--n", "2")

    done = jobkit("retry", "--status", "failed")

    assert (done.code, done.out, done.err) == (0, "", "No job matches.\n")


@pytest.mark.parametrize("command", ["retry", "cancel", "repair"])
@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "error: ID is missing: name jobs, or give a filter (see --help)\n"),
        (["3f9c", "--type", "odd"], 2, NOT_BOTH),
        (
            ["--type", "odd", "--dry-run"],
            3,
            "error: there is no store at .jobkit/local.db: no job has been submitted to it\n",
        ),
    ],
)
def test_what_can_not_be_meant_is_refused(
    jobkit: InProcess, folder: Path, command: str, arguments: list[str], code: int, said: str
):
    done = jobkit(command, *arguments)

    assert (done.code, done.out, done.err.replace(f"{folder}/", "")) == (code, "", said)
    assert not (folder / ".jobkit").exists()


@pytest.mark.parametrize("command", [("cancel", "--type", "odd"), ("repair", "--all")])
def test_many_are_not_changed_without_being_asked(jobkit: InProcess, command: tuple[str, ...]):
    submit(jobkit, "submit", "odd", "--n", "1")

    done = jobkit(*command)

    said = "error: --yes is needed where nobody can be asked (there is no terminal)\n"
    assert (done.code, done.out, done.err[done.err.index("error") :]) == (2, "", said)


@pytest.mark.parametrize("command", [("retry",), ("cancel", "--yes"), ("repair", "--yes")])
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_ctrl_c_says_how_far_it_came_and_how_to_go_on(
    jobkit: InProcess, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], options: tuple[str, ...]
):
    verb = "run" if command == ("retry",) else "submit"
    jobs = [submit(jobkit, verb, "odd", "--n", str(n)) for n in (1, 3)]
    real = getattr(Operator, command[0])
    asked: list[str] = []

    def interrupted(operator: Operator, job_id: str, **how: Any) -> Any:
        asked.append(job_id)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return real(operator, job_id, **how)

    monkeypatch.setattr(Operator, command[0], interrupted)
    done = jobkit(*command, "--type", "odd", *options)

    what = {"retry": "retried", "cancel": "to be cancelled", "repair": "looked at"}[command[0]]
    said = f"interrupted: 1 job {what}; the same command goes on with what is left"
    assert (done.code, done.err.splitlines()[-1], asked) == (130, said, jobs[::-1])
    if options:
        assert [job["job_id"] for job in done.document["jobs"]] == [jobs[1]]
    else:
        assert done.out.startswith(f"job {jobs[1][:12]} odd")


def test_a_stage_that_not_every_job_has_is_retried_where_it_is(jobkit: InProcess, folder: Path):
    other = CONTROLLER.replace('"odd"', '"even"', 1).replace("class Odd", "class Even").replace('"only"', '"lonely"')
    (folder / "controllers" / "even.py").write_text(other)
    odd, _, even, _ = (submit(jobkit, "run", job_type, "--n", str(n)) for job_type in ("odd", "even") for n in (1, 2))

    done = jobkit("retry", "--since", "1h", "--stage", "only", "--json")
    asked_again = jobkit("retry", "--status", "completed", "--stage", "1")

    error = f"error: job {even[:12]}: it has no stage 'only'. Did you mean 'lonely'? There are: 1 'lonely'\n"
    assert (done.code, [job["job_id"] for job in done.document["jobs"]]) == (1, [odd])
    assert done.err.startswith(error)
    assert (asked_again.code, asked_again.out, asked_again.err) == (0, "", "left out: 2 jobs, nothing to retry\n")


def test_what_is_to_be_done_about_many_jobs_is_said_once(jobkit: InProcess):
    jobs = [submit(jobkit, "submit", "odd", "--n", str(n)) for n in (1, 2)]

    done = jobkit("repair", "--type", "odd", "--dry-run")

    yet = "odd, queued: nothing is broken that can be told yet\n"
    then = (
        "  Run this without --dry-run, then again when it has not moved for a while; "
        "what has not moved by then is taken for lost (--force: now).\n"
    )
    assert (done.out, done.err) == (f"job {jobs[1][:12]} {yet}job {jobs[0][:12]} {yet}{then}", "")


def test_a_job_that_a_filter_found_and_that_has_ended_since_is_no_failure(
    jobkit: InProcess, monkeypatch: pytest.MonkeyPatch
):
    for n in (1, 2):
        submit(jobkit, "submit", "odd", "--n", str(n))

    def ended(operator: Operator, job_id: str, **how: Any) -> None:
        raise JobHasEnded(job_id=job_id, status="completed")

    monkeypatch.setattr(Operator, "cancel", ended)
    done = jobkit("cancel", "--type", "odd", "--yes")

    assert (done.code, done.out, done.err) == (0, "", "left out: 2 jobs, ended already\n")


def test_all_goes_with_no_filter(jobkit: InProcess):
    done = jobkit("repair", "--all", "--type", "odd", "--yes")

    assert (done.code, done.err) == (2, "error: --all goes with no other filter\n")


def change(folder: Path, job: str, row: str = "job", **properties: str | int) -> str:
    """Change a row of a job by hand; return how its id is shown."""
    with LocalStore.open(folder / ".jobkit" / "local.db") as store:
        found = store.tables.get("jobs", job, row)
        store.tables.update("jobs", Entity(partition=job, row=row, properties=properties), etag=found.etag)
    return job[:12]


def damaged(job: str, row: str = "job", reason: str = "it is at stage 9 of (1,)") -> str:
    return f"store row {job} / {row}: it is damaged: {reason}"


@pytest.mark.parametrize(
    ("command", "ended"),
    [
        (("retry", "--status", "failed"), True),
        (("cancel", "--since", "1d", "--yes"), False),
        (("repair", "--all", "--yes"), False),
        (("purge", "--older-than", "0s", "--yes"), True),
    ],
)
def test_a_job_that_can_not_be_read_is_named_and_the_others_are_done(
    jobkit: InProcess, folder: Path, command: tuple[str, ...], ended: bool
):
    jobs = [submit(jobkit, "run" if ended else "submit", "odd", "--n", str(n)) for n in (1, 3)]
    bad = change(folder, jobs[1], stage=9)

    done = jobkit(*command, "--json")

    assert (done.code, done.err.partition("\nWhoever")[0].strip()) == (
        1,
        f"error: job {bad} can't be read: {damaged(jobs[1])}\n  What is broken: jobkit doctor --job {bad}",
    )
    document = done.document
    assert document["refused"] == [{"job_id": jobs[1], "error": "RowDamaged", "detail": damaged(jobs[1])}]
    if command[0] == "purge":
        assert document["purged"] == 1
    else:
        assert [job["job_id"] for job in document["jobs"]] == [jobs[0]]


def test_a_job_of_several_ids_whose_stage_can_not_be_read_is_named_too(jobkit: InProcess, folder: Path):
    jobs = [submit(jobkit, "run", "odd", "--n", str(n)) for n in (1, 3)]
    bad = change(folder, jobs[0], "stage-01", state="odd")
    why = damaged(jobs[0], "stage-01", "'odd' is not a valid StageState")

    retried, purged = jobkit("retry", *jobs), jobkit("purge", *jobs, "--yes")

    said = f"error: job {bad} can't be read: {why}\n  What is broken: jobkit doctor --job {bad}\n"
    assert retried.code == 1
    assert retried.out == f"job {jobs[1][:12]} odd: round 2: stage 1 only, 1 of 1 tasks runs again\n"
    assert retried.err.startswith(said)
    assert (purged.code, purged.out) == (1, "")
    assert purged.err == f"{said}error: job {jobs[1][:12]} is kept: it has not ended (queued)\n"


def test_nothing_is_purged_while_an_active_job_can_not_be_read(jobkit: InProcess, folder: Path):
    submit(jobkit, "run", "odd", "--n", "2")
    active = submit(jobkit, "submit", "odd", "--n", "4")
    bad = change(folder, active, stage=9)

    done = jobkit("purge", "--older-than", "0s", "--yes")

    assert (done.code, done.out) == (1, "")
    assert done.err == (
        f"error: nothing is purged: active job {bad} can't be read, so nobody knows whose results it needs: "
        f"{damaged(active)}\n  What is broken: jobkit doctor --job {bad}\n"
    )


def test_screens_and_the_doctor_tell_of_a_job_that_can_not_be_read(jobkit: InProcess, folder: Path):
    jobs = [submit(jobkit, "submit", "odd", "--n", str(n)) for n in (1, 3)]
    bad = change(folder, jobs[0], row_version=2)
    change(folder, jobs[1], params="{")
    too_new = f"store row {jobs[0]} job: it has schema version 2, this jobkit knows 1 at most. Upgrade jobkit."

    table, glance = jobkit("inspect", "jobs"), jobkit("inspect")
    document, doctor = jobkit("inspect", "jobs", "--json").document, jobkit("doctor", "--job", bad)

    assert (table.code, glance.code, doctor.code) == (0, 0, 1)
    assert still(table.out).splitlines()[1:] == [
        f"{jobs[1]}  odd  can't be read  TIME ago  {damaged(jobs[1], reason='its params is no JSON')}",
        f"{jobs[0]}  odd  can't be read  TIME ago  {too_new}",
        "",
        "What is broken about a job that can't be read: jobkit doctor --job ID",
    ]
    assert f" ! job {bad} odd can't be read: {too_new}\n   jobkit doctor --job {bad}\n" in glance.out
    assert "No active job that could be read\n" in glance.out
    assert (document["jobs"], [each["job_id"] for each in document["unread"]]) == ([], jobs[::-1])
    assert f"{too_new}\n" in doctor.out
    assert "use the jobkit that wrote it\n" in doctor.out
