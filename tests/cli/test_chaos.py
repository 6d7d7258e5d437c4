"""`jobkit run --chaos`: a job comes to the same, and tasks that do not are named."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from commands import InProcess, Spawned, copy_samples

ALL = "kill=30%,duplicate=30%,late=30%"
N2 = "f5a71d1cf0639113"  # hello_worlds with n = 2


def without_times(document: dict[str, Any]) -> dict[str, Any]:
    times = {"created_at", "updated_at", "started_at", "ended_at"}
    stages = [{name: value for name, value in s.items() if name not in times} for s in document["stages"]]
    return {name: value for name, value in document.items() if name not in times} | {"stages": stages}


def said(err: str) -> list[str]:
    return err[err.rindex("\nchaos (") + 1 :].splitlines()


@pytest.mark.parametrize("n", [0, 1, 101])
def test_a_disturbed_job_comes_to_what_an_undisturbed_one_does(jobkit: InProcess, n: int):
    calm = jobkit("run", "hello_worlds", "--n", str(n), "--json", "--store", "local:calm.db").document
    done = jobkit("run", "hello_worlds", "--n", str(n), "--json", "--chaos", f"{ALL},error=1%", "--seed", "7")

    document = done.document
    chaos = document.pop("chaos")
    assert done.code == 0
    assert without_times(document) == without_times(calm)
    assert (chaos["seed"], chaos["shares"]) == (7, {"kill": 0.3, "duplicate": 0.3, "late": 0.3, "error": 0.01})
    assert [rerun for rerun in chaos["ran_more_than_once"] if rerun["differs"]] == []


def test_what_was_done_and_what_ran_twice_stands_in_the_document_and_on_the_screen(jobkit: InProcess):
    done = jobkit("run", "hello_worlds", "--n", "2", "--json", "--chaos", "kill=100%", "--seed", "0")

    came = {
        (1, 0): f'{{"message":"hello from {N2}-1-0!"}}',
        (1, 1): f'{{"message":"hello from {N2}-1-1!"}}',
        (2, 0): f'{{"message":"hello {N2}-1-0 from {N2}-2-0"}}',
        (2, 1): f'{{"message":"hello {N2}-1-1 from {N2}-2-1"}}',
    }
    assert done.document["chaos"] == {
        "seed": 0,
        "shares": {"kill": 1.0},
        "injected": {"kill": 8},
        "ran_more_than_once": [
            {
                "task_id": f"{N2}-{stage}-{index}",
                "stage": stage,
                "index": index,
                "attempt": 1,
                "runs": 3,
                "differs": False,
                "came_to": [text] * 3,
            }
            for (stage, index), text in came.items()
        ],
    }
    assert said(done.err) == ["chaos (--seed 0): 8 killed; 4 tasks ran more than once and came to the same each time"]


def test_a_seed_makes_the_same_choice_again_with_any_number_of_instances(jobkit: InProcess):
    command = ("run", "hello_worlds", "--n", "101", "--json", "--chaos", ALL, "--seed", "11", "--again")

    one, two = jobkit(*command).document, jobkit(*command, "--instances", "2", "--concurrency", "3").document
    other = jobkit(*command[:-2], "12", "--again").document

    def choice(document: dict[str, Any]) -> tuple[Any, ...]:
        reruns = document["chaos"]["ran_more_than_once"]
        return document["chaos"]["injected"], [(r["stage"], r["index"], r["runs"]) for r in reruns]

    assert choice(one) == choice(two)
    assert choice(one) != choice(other)


def test_tasks_that_are_not_the_same_twice_are_named_and_the_exit_code_is_the_jobs(jobkit: InProcess, folder: Path):
    copy_samples(folder, "counting")

    done = jobkit("run", "counting", "--n", "2", "--chaos", "kill=100%", "--seed", "1", "--concurrency", "1")

    job_id = done.err.partition("job ")[2][:16]
    assert done.code == 0
    assert said(done.err) == [
        "chaos (--seed 1): 4 killed; 2 tasks ran more than once, of which 2 came to different results",
        f'  {job_id}-1-0 attempt 1: "run 1" / "run 2" / "run 3"',
        f'  {job_id}-1-1 attempt 1: "run 1" / "run 2" / "run 3"',
        "  Tasks may run twice: what one comes to should follow from its parameters. The exit code is the job's.",
    ]


def test_one_that_has_lost_its_lease_runs_too_and_what_it_comes_to_is_not_recorded(jobkit: InProcess, folder: Path):
    copy_samples(folder, "counting")

    done = jobkit("run", "counting", "--n", "1", "--chaos", "late=100%", "--seed", "1", "--json")

    [rerun] = done.document["chaos"]["ran_more_than_once"]
    [result] = done.document["result"]["stages"][0]["results"]
    assert (rerun["runs"], done.document["chaos"]["injected"]) == (3, {"late": 2})
    assert f'"{result["value"]}"' in rerun["came_to"]
    assert (folder / "seen-0").read_text() == "xxx"


def test_of_many_that_differ_the_first_are_shown(jobkit: InProcess, folder: Path):
    copy_samples(folder, "counting")

    done = jobkit("run", "counting", "--n", "12", "--chaos", "kill=100%", "--seed", "1")

    assert len(said(done.err)) == 13
    assert said(done.err)[-2] == "  and 2 more (--json has all)"


def test_a_job_that_fails_has_exit_code_1_and_what_its_tasks_raised_is_compared(jobkit: InProcess, folder: Path):
    copy_samples(folder, "counting")

    done = jobkit("run", "counting", "--n", "1", "--fail", "--chaos", "kill=100%", "--seed", "1", "--json")

    assert (done.code, done.document["status"]) == (1, "failed")
    assert done.document["stages"][0]["failed"] == 1
    assert done.document["error"]["message"].partition(" (task")[0] == (
        "1 of 1 tasks of stage 1 'Count' failed: ValueError: broken"
    )
    [rerun] = done.document["chaos"]["ran_more_than_once"]
    assert (rerun["differs"], rerun["came_to"]) == (False, ["raised ValueError: broken"] * 3)


def test_without_a_seed_one_is_chosen_and_said_at_the_beginning_and_the_end(jobkit: InProcess):
    done = jobkit("run", "hello_worlds", "--n", "1", "--chaos", "duplicate=100%")

    [first, last] = re.findall(r"--seed (\d+)", done.err)
    assert (done.code, first) == (0, last)
    assert done.err.splitlines()[1] == f"chaos: duplicate=100% --seed {first}"
    assert said(done.err) == [f"chaos (--seed {first}): 2 duplicated; no task ran more than once"]


def test_a_job_that_has_ended_is_not_disturbed(jobkit: InProcess):
    jobkit("run", "hello_worlds", "--n", "1")

    done = jobkit("run", "hello_worlds", "--n", "1", "--chaos", "kill=100%", "--seed", "3", "--json")

    assert done.document["chaos"] == {
        "seed": 3,
        "shares": {"kill": 1.0},
        "injected": {"kill": 0},
        "ran_more_than_once": [],
    }
    assert said(done.err) == [
        "chaos (--seed 3): 0 killed; no task ran more than once",
        "  The job had ended before: --again runs it afresh.",
    ]


def test_other_jobs_of_the_store_are_not_disturbed(jobkit: InProcess, folder: Path):
    copy_samples(folder, "counting")
    jobkit("submit", "counting", "--n", "5")

    done = jobkit("run", "hello_worlds", "--n", "2", "--chaos", "kill=100%", "--seed", "1", "--json")
    jobkit("run", "counting", "--n", "5")

    assert done.document["chaos"]["injected"] == {"kill": 8}
    assert [(folder / f"seen-{index}").read_text() for index in range(5)] == ["x"] * 5


ALLOWED = "(give NAME=SHARE%, separated by commas; names are kill, duplicate, late, error, shares 0% to 100%)"


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("kill=120%", "kill needs a share, and has '120%'"),
        ("kill=-1%", "kill needs a share, and has '-1%'"),
        ("kill=5", "kill needs a share, and has '5'"),
        ("kill=0.05", "kill needs a share, and has '0.05'"),
        ("kill=nan%", "kill needs a share, and has 'nan%'"),
        ("foo=1%", "there is no 'foo'."),
        ("kil=1%", "there is no 'kil'. Did you mean 'kill'?"),
        ("kill", "kill has no share"),
        ("kill=", "kill has no share"),
        ("", "it has an empty part"),
        ("kill=5%,", "it has an empty part"),
        ("kill=5%,kill=6%", "kill is given twice"),
    ],
)
def test_wrong_shares_are_refused_with_what_is_allowed(jobkit: InProcess, folder: Path, spec: str, reason: str):
    done = jobkit("run", "hello_worlds", "--chaos", spec)

    assert (done.code, done.out, done.err) == (2, "", f"error: --chaos={spec}: {reason} {ALLOWED}\n")
    assert not (folder / ".jobkit").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--seed", "7"], "error: --seed is for --chaos: give what is to go wrong\n"),
        (
            ["--chaos", "kill=5%", "--store", "azure"],
            "error: --chaos disturbs a local store alone, and --store is azure\n",
        ),
    ],
)
def test_a_seed_alone_and_chaos_in_azure_are_refused(jobkit: InProcess, options: list[str], message: str):
    done = jobkit("run", "hello_worlds", *options)

    assert (done.code, done.out, done.err) == (2, "", message)


def test_shares_may_have_spaces_and_fractions_and_be_nothing(jobkit: InProcess):
    done = jobkit("run", "hello_worlds", "--n", "1", "--chaos", "kill = 0%, error=0.000001%", "--seed", "1", "--json")

    assert done.document["chaos"] == {
        "seed": 1,
        "shares": {"kill": 0.0, "error": 1e-08},
        "injected": {"kill": 0, "error": 0},
        "ran_more_than_once": [],
    }


def test_an_interrupted_run_tells_what_was_done_and_leaves_no_file_behind(
    spawn: Callable[..., Spawned], folder: Path, monkeypatch: pytest.MonkeyPatch
):
    copy_samples(folder, "gated")
    (folder / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(folder / "tmp"))
    command = ("run", "gated", "--n", "1", "--chaos", "late=100%", "--seed", "1")

    run = spawn(*command)
    run.until(
        lambda: (folder / "log").exists() and (folder / "log").read_text().count("\n") == 3, "all three runs wait"
    )
    run.interrupt()
    run.says("stopping")
    run.interrupt()
    done = run.done()
    (folder / "gate").touch()
    rest = spawn(*command, "--json").done()

    assert (done.code, done.out) == (130, "")
    assert said(done.err) == ["chaos (--seed 1): 2 late; no task ran more than once"]
    assert list((folder / "tmp").iterdir()) == []
    assert (rest.code, rest.document["result"]) == (0, 1)
