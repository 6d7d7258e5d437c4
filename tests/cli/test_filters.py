"""Operators' commands take ids or a filter: what a user sees of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from commands import InProcess

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


def test_all_goes_with_no_filter(jobkit: InProcess):
    done = jobkit("repair", "--all", "--type", "odd", "--yes")

    assert (done.code, done.err) == (2, "error: --all goes with no other filter\n")
