"""`jobkit run`: a job to its end, the same job again, and what stands on the screen."""

from __future__ import annotations

from typing import Any

import pytest

from commands import InProcess, still

N2 = "f5a71d1cf06391137ef6a07742a7387a"  # hello_worlds with n = 2


def counts(document: dict[str, Any]) -> list[tuple[str, int, int, int]]:
    return [(s["status"], s["task_count"], s["completed"], s["failed"]) for s in document["stages"]]


def test_a_run_shows_progress_on_stderr_and_the_result_on_stdout(jobkit: InProcess):
    done = jobkit("run", "hello_worlds", "--n", "2", "--concurrency", "1")

    assert done.code == 0
    lines = still(done.err).splitlines()
    assert lines[0] == f"job {N2} created"
    assert [line for line in lines if "lights out" in line] == [
        "stage 1 Hello Worlds: 2/2, TIME, lights out by task 1",
        "stage 2 Worlds Reply: 2/2, TIME, lights out by task 1",
    ]
    assert lines[-1] == "4 tasks run in TIME"
    assert (
        still(done.out)
        == f"""\
hello_worlds completed in TIME
id  {N2}
parameters  {{"n":2}}
created  DATE

  stage  status  tasks  done  failed  time  lights out by
1  Hello Worlds  completed  2  2  0  TIME  task 1
2  Worlds Reply  completed  2  2  0  TIME  task 1

Result
  1 Hello Worlds
  f5a71d1cf0639113-1-0  hello from f5a71d1cf0639113-1-0!
  f5a71d1cf0639113-1-1  hello from f5a71d1cf0639113-1-1!
  2 Worlds Reply
  f5a71d1cf0639113-2-0  hello f5a71d1cf0639113-1-0 from f5a71d1cf0639113-2-0
  f5a71d1cf0639113-2-1  hello f5a71d1cf0639113-1-1 from f5a71d1cf0639113-2-1

Look again: jobkit inspect job f5a71d1cf063
"""
    )


@pytest.mark.parametrize("n", [0, 1, 100, 101])
def test_odd_sizes_have_n_and_n_tasks_and_results_in_index_order(jobkit: InProcess, n: int):
    document = jobkit("run", "hello_worlds", "--n", str(n), "--json").document

    short = document["job_id"][:16]
    assert counts(document) == [("completed", n, n, 0)] * 2
    assert [[r["task_id"] for r in stage["results"]] for stage in document["result"]["stages"]] == [
        [f"{short}-{number}-{index}" for index in range(n)] for number in (1, 2)
    ]
    assert [r["value"]["message"] for r in document["result"]["stages"][1]["results"]] == [
        f"hello {short}-1-{index} from {short}-2-{index}" for index in range(n)
    ]


def test_the_same_parameters_again_are_the_same_job_and_no_task_runs(jobkit: InProcess):
    first = jobkit("run", "hello_worlds", "--n", "2")
    again = jobkit("run", "hello_worlds", "--n=2")

    assert (again.code, again.out) == (0, first.out)
    assert still(again.err) == f"job {N2} already there\n0 tasks run in TIME\n"


def test_again_is_a_run_of_its_own_and_the_newest_run_is_what_comes_next(jobkit: InProcess):
    first = jobkit("run", "hello_worlds", "--n", "2", "--json").document
    second = jobkit("run", "hello_worlds", "--n", "2", "--again", "--json").document
    newest = jobkit("run", "hello_worlds", "--n", "2", "--json").document

    assert (first["run"], second["run"]) == (1, 2)
    assert second["job_id"] != first["job_id"]
    assert newest == second


def test_json_has_exactly_the_fields_that_are_promised(jobkit: InProcess):
    done = jobkit("run", "hello_worlds", "--n", "1", "--json")

    document = done.document
    times = [document.pop("created_at"), document.pop("updated_at")]
    for stage in document["stages"]:
        times += [stage.pop("started_at"), stage.pop("ended_at")]
    assert [still(time) for time in times] == ["DATE"] * 6
    assert document == {
        "schema": 1,
        "job_id": "c9b3a836b04f59c443457c5eb5e74976",
        "job_type": "hello_worlds",
        "version": 1,
        "run": 1,
        "status": "completed",
        "stage": None,
        "params": {"n": 1},
        "stages": [
            {
                "number": number,
                "name": name,
                "status": "completed",
                "skipped": False,
                "task_count": 1,
                "completed": 1,
                "failed": 0,
            }
            for number, name in ((1, "Hello Worlds"), (2, "Worlds Reply"))
        ],
        "result": {
            "stages": [
                {
                    "number": 1,
                    "name": "Hello Worlds",
                    "completed": 1,
                    "failed": 0,
                    "results": [
                        {
                            "task_id": "c9b3a836b04f59c4-1-0",
                            "value": {"message": "hello from c9b3a836b04f59c4-1-0!"},
                        }
                    ],
                },
                {
                    "number": 2,
                    "name": "Worlds Reply",
                    "completed": 1,
                    "failed": 0,
                    "results": [
                        {
                            "task_id": "c9b3a836b04f59c4-2-0",
                            "value": {"message": "hello c9b3a836b04f59c4-1-0 from c9b3a836b04f59c4-2-0"},
                        }
                    ],
                },
            ],
            "truncated": False,
        },
        "error": None,
    }


def test_a_store_elsewhere_is_named_in_the_command_that_looks_again(jobkit: InProcess):
    done = jobkit("run", "hello_worlds", "--n", "1", "--store", "local:my jobs/here.db")
    command = done.out.splitlines()[-1]

    assert command == "Look again: jobkit inspect job c9b3a836b04f --store 'local:my jobs/here.db'"
    looked = jobkit("inspect", "job", "c9b3a836b04f", "--store", "local:my jobs/here.db")
    same, _, hashed = looked.out.rpartition("\n\nThe id is the hash of\n")
    assert (looked.code, same) == (0, done.out.rpartition("\n\nLook")[0])
    assert (
        hashed
        == '  {"hash":1,"job_type":"hello_worlds","params":{"n":1},"run":1,"source":null,"stages":null,"version":1}\n'
    )


def test_hubs_in_one_store_do_not_see_each_other(jobkit: InProcess, monkeypatch: pytest.MonkeyPatch):
    jobkit("run", "hello_worlds", "--n", "1")

    monkeypatch.setenv("JOBKIT_HUB", "another1")
    unseen = jobkit("inspect", "job", "c9b3")
    run = jobkit("run", "hello_worlds", "--n", "1")

    assert (unseen.code, unseen.err) == (3, "error: no job 'c9b3' in this store\n")
    assert (run.code, run.err.splitlines()[0]) == (0, "job c9b3a836b04f59c443457c5eb5e74976 created")


def test_two_instances_share_a_job(jobkit: InProcess):
    document = jobkit("run", "hello_worlds", "--n", "101", "--instances", "2", "--json").document

    assert counts(document) == [("completed", 101, 101, 0)] * 2
