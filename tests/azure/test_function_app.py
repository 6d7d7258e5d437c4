"""A generated app in Microsoft's worker: jobs by HTTP and queues alone, and what foreign messages and deaths do to them."""

from __future__ import annotations

import os
import signal
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from azurite import KEY
from driver import Driver
from faulty import Fault, Faulty, Kind
from functions_host.host import FunctionsHost
from jobkit import __version__
from jobkit.runtime.clock import SystemClock
from jobkit.runtime.controllers import HelloWorlds
from jobkit.runtime.storage.azure import AzureStore
from made_app import Answer, Client, MadeApp, ask
from waiting import wait_until

LONG = bool(os.environ.get("JOBKIT_TEST_FUNCTIONS_LONG"))  # `make functions` sets it
DEATHS_S = 120.0  # a busy machine needs a while to start five workers
QUEUES = ("jobs", "tasks", "jobs-poison", "tasks-poison")
TROUBLE = '''
"""Controllers that go wrong."""

import os
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from jobkit.runtime import BaseController, JobContext, Params, TaskContext, stage


class Which(Params):
    """Which of the tasks goes wrong."""

    n: int
    bad: int


class Kills(BaseController[Which]):
    """One task kills its process."""

    job_type = "kills"

    @stage("Try", on_failure="continue")
    def attempt(self, task: TaskContext[Which, int]) -> int:
        if task.index == task.job.params.bad:
            os._exit(3)
        return task.index

    @attempt.fan_out
    def items(self, job: JobContext[Which]) -> Iterator[int]:
        yield from range(job.params.n)


class KillsAmongOthers(BaseController[Which]):
    """One task kills its process while the others are at work."""

    job_type = "kills_among_others"

    @stage("Try", on_failure="continue")
    def attempt(self, task: TaskContext[Which, int]) -> int:
        time.sleep(0.2 if task.index == task.job.params.bad else 0.6)
        if task.index == task.job.params.bad:
            os._exit(3)
        return task.index

    @attempt.fan_out
    def items(self, job: JobContext[Which]) -> Iterator[int]:
        yield from range(job.params.n)


class Beside(BaseController[Which]):
    """A plan and batches that are at work while another job's task kills their process."""

    job_type = "beside"

    @stage("Try", batch=2)
    def attempt(self, task: TaskContext[Which, int]) -> int:
        time.sleep(0.3)
        return task.index

    @attempt.fan_out
    def items(self, job: JobContext[Which]) -> Iterator[int]:
        time.sleep(job.params.bad / 10)
        yield from range(job.params.n)


class Raises(BaseController[Which]):
    """One task raises each time."""

    job_type = "raises"

    @stage("Try", max_attempts=3, retry_delay=timedelta(0))
    def attempt(self, task: TaskContext[Which, int]) -> int:
        if task.index == task.job.params.bad:
            raise ValueError(f"attempt {task.attempt}")
        return task.index

    @attempt.fan_out
    def items(self, job: JobContext[Which]) -> Iterator[int]:
        yield from range(job.params.n)


class KillsWhilePlanning(BaseController[Which]):
    """The fan-out kills its process."""

    job_type = "kills_while_planning"

    @stage("Try")
    def attempt(self, task: TaskContext[Which, int]) -> int:
        return task.index

    @attempt.fan_out
    def items(self, job: JobContext[Which]) -> Iterator[int]:
        yield 1
        os._exit(3)


class Slow(BaseController[Which]):
    """Each task takes a while."""

    job_type = "slow"

    @stage("Wait")
    def attempt(self, task: TaskContext[Which, int]) -> int:
        time.sleep(0.1)
        return task.index

    @attempt.fan_out
    def items(self, job: JobContext[Which]) -> Iterator[int]:
        yield from range(job.params.n)


class Held(BaseController[Which]):
    """Tasks that wait for a file in the app's folder, all but the first four, and four at a time."""

    job_type = "held"

    @stage("Wait", max_parallel=4)
    def attempt(self, task: TaskContext[Which, int]) -> int:
        deadline = time.monotonic() + 60
        while task.index >= 4 and not Path("release").exists():
            if time.monotonic() > deadline:
                raise TimeoutError("nobody released the tasks")
            time.sleep(0.02)
        return task.index

    @attempt.fan_out
    def items(self, job: JobContext[Which]) -> Iterator[int]:
        yield from range(job.params.n)
'''


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeApp:
    return MadeApp(tmp_path_factory.mktemp("made") / "app", controllers={"trouble": TROUBLE})


@pytest.fixture(scope="module")
def host(made: MadeApp) -> Iterator[FunctionsHost]:
    with made.host() as started:
        yield started


@pytest.fixture
def client(host: FunctionsHost) -> Client:
    return Client(host)


@pytest.fixture
def start() -> Iterator[Callable[[MadeApp], Client]]:
    """Start a host of its own for an app."""
    with ExitStack() as stack:
        yield lambda app: Client(stack.enter_context(app.host()))


def greeting(n: int, job_id: str) -> dict[str, Any]:
    """What hello_worlds results in."""
    first, second = ([f"{job_id[:16]}-{stage}-{i}" for i in range(n)] for stage in (1, 2))
    said = [
        [{"task_id": one, "value": {"message": f"hello from {one}!"}} for one in first],
        [
            {"task_id": two, "value": {"message": f"hello {one} from {two}"}}
            for one, two in zip(first, second, strict=True)
        ],
    ]
    if 2 * n > 1_000:
        said = [results[:100] for results in said]
    names = ("Hello Worlds", "Worlds Reply")
    stages = [{"number": k + 1, "name": names[k], "completed": n, "failed": 0, "results": said[k]} for k in range(2)]
    return {"stages": stages, "truncated": 2 * n > 1_000}


def lasting(job: dict[str, Any]) -> dict[str, Any]:
    """What of a job's document is the same each time."""
    times = ("created_at", "updated_at", "started_at", "ended_at")
    stages = [{name: value for name, value in stage.items() if name not in times} for stage in job["stages"]]
    return {**{name: value for name, value in job.items() if name not in times}, "stages": stages}


def wait_until_idle(app: MadeApp) -> None:
    wait_until(lambda: [app.count(queue) for queue in QUEUES] == [0, 0, 0, 0], "no message is left", every_s=0.1)


@pytest.mark.parametrize("n", [0, 5, 101, *([1_000] if LONG else [])])
def test_a_job_runs_by_http_and_queues_alone(made: MadeApp, client: Client, n: int):
    submitted = client.post("jobs/hello_worlds", {"n": n})
    job_id = submitted.document["job_id"]
    job = client.ended(job_id, within_s=30 + n / 5)
    tasks = client.get(f"jobs/{job_id}/tasks?stage=2&limit=1000").document["tasks"]
    again = client.post("jobs/hello_worlds", {"n": n})

    assert (submitted.status, submitted.document["status"]) == (202, "queued")
    assert submitted.headers["location"] == f"{client.host.url}/api/jobs/{job_id}"
    counts = {"status": "completed", "skipped": False, "task_count": n, "completed": n, "failed": 0}
    assert lasting(job) == {
        "schema": 1,
        "job_id": job_id,
        "job_type": "hello_worlds",
        "version": 1,
        "run": 1,
        "status": "completed",
        "stage": None,
        "params": {"n": n},
        "stages": [{"number": 1, "name": "Hello Worlds", **counts}, {"number": 2, "name": "Worlds Reply", **counts}],
        "result": greeting(n, job_id),
        "error": None,
    }
    assert [(task["index"], task["status"], task["attempt"]) for task in tasks] == [
        (i, "completed", 1) for i in range(n)
    ]
    assert (again.status, again.document) == (200, job)
    assert [log for log in client.host.logs if log.level not in ("DEBUG", "INFO") and job_id in log.text] == []
    assert [log for log in client.host.logs if log.category.startswith("urllib3")] == []  # its pools are large enough
    wait_until_idle(made)


def test_fifty_equal_submits_at_once_are_one_job(client: Client):
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: client.post("jobs/hello_worlds", {"n": 3}), range(50)))

    assert Counter(answer.status for answer in answers) == {202: 1, 200: 49}
    (job_id,) = {answer.document["job_id"] for answer in answers}
    job = client.ended(job_id)
    assert (job["status"], job["run"], job["result"]) == ("completed", 1, greeting(3, job_id))


def test_a_task_that_raises_fails_when_its_attempts_are_spent(client: Client):
    job = client.run("raises", {"n": 4, "bad": 2})
    task = client.get(f"jobs/{job['job_id']}/tasks?status=failed").document["tasks"]

    assert (job["status"], job["error"]["type"], job["error"]["message"]) == (
        "failed",
        "StageFailed",
        f"1 of 4 tasks of stage 1 'Try' failed: ValueError: attempt 3 (task {job['job_id'][:16]}-1-2)",
    )
    assert [(each["index"], each["attempt"], each["error"]["message"]) for each in task] == [(2, 3, "attempt 3")]
    assert [(stage["completed"], stage["failed"]) for stage in job["stages"]] == [(3, 1)]


def test_a_task_that_kills_its_worker_fails_and_its_job_ends(made: MadeApp, client: Client):
    before = client.host.worker.started

    job = client.run("kills", {"n": 1, "bad": 0}, within_s=DEATHS_S)
    (task,) = client.get(f"jobs/{job['job_id']}/tasks").document["tasks"]

    assert (job["status"], job["stages"][0]["failed"]) == ("completed", 1)  # on_failure="continue"
    assert (task["status"], task["error"]["type"]) == ("failed", "PoisonMessage")
    assert client.host.worker.started == before + 5
    wait_until_idle(made)


def test_a_task_that_kills_its_worker_takes_no_other_with_it(client: Client):
    """Neither of its own stage, nor another job's batches, nor a plan."""
    beside = [client.post("jobs/beside", {"n": 4, "bad": bad}).document["job_id"] for bad in (0, 6)]
    job = client.run("kills_among_others", {"n": 5, "bad": 2}, within_s=DEATHS_S)
    failed = client.get(f"jobs/{job['job_id']}/tasks?status=failed").document["tasks"]

    assert [(task["index"], task["attempt"]) for task in failed] == [(2, 1)]
    assert [client.ended(job_id)["status"] for job_id in beside] == ["completed", "completed"]


def test_a_fan_out_that_kills_its_worker_fails_its_job(made: MadeApp, client: Client):
    job = client.run("kills_while_planning", {"n": 1, "bad": 0}, within_s=DEATHS_S)

    assert (job["status"], job["error"]["type"]) == ("failed", "PoisonMessage")
    assert [(stage["status"], stage["task_count"]) for stage in job["stages"]] == [("failed", None)]
    wait_until_idle(made)


def test_a_worker_killed_amid_a_job_loses_nothing(made: MadeApp, client: Client):
    job_id = client.post("jobs/slow", {"n": 60, "bad": 0}).document["job_id"]
    wait_until(lambda: client.get(f"jobs/{job_id}").document["stages"][0]["completed"], "some are done", every_s=0.05)
    os.kill(client.host.worker.pid, signal.SIGKILL)

    job = client.ended(job_id)

    assert (job["status"], job["stages"][0]["completed"]) == ("completed", 60)
    assert [result["value"] for result in job["result"]["stages"][0]["results"]] == list(range(60))
    wait_until_idle(made)


def test_a_failed_job_can_be_retried_and_a_completed_one_not(made: MadeApp, client: Client):
    failed = client.run("raises", {"n": 5, "bad": 3})["job_id"]
    completed = client.run("raises", {"n": 5, "bad": 9})["job_id"]

    answers = [client.post(f"jobs/{job_id}/retry?reason=again") for job_id in (failed, completed)]
    job = client.ended(failed)
    (task,) = client.get(f"jobs/{failed}/tasks?status=failed").document["tasks"]

    assert [(answer.status, answer.document.get("error")) for answer in answers] == [
        (202, None),
        (409, "NothingToRetry"),
    ]
    assert (job["status"], task["index"], task["attempt"]) == ("failed", 3, 3)
    assert [(each["action"], each["by"], each["reason"]) for each in job["audit"]] == [
        ("retry", "an HTTP request", "again")
    ]
    wait_until_idle(made)


def test_a_job_is_diagnosed(made: MadeApp, client: Client):
    failed = client.run("raises", {"n": 9, "bad": 2})
    wait_until_idle(made)

    found = client.get(f"jobs/{failed['job_id']}/diagnosis")

    assert (found.status, found.document) == (
        200,
        {
            "schema": 1,
            "job_id": failed["job_id"],
            "status": "failed",
            "findings": [
                {
                    "name": "failed",
                    "weight": "note",
                    "evidence": "1 of 9 tasks of stage 1 Try",
                    "remedy": f"mend the cause, then jobkit retry {failed['job_id'][:12]}",
                }
            ],
            "unchecked": [],
            "broken": [],
        },
    )


def test_operators_do_to_many_jobs_what_they_do_to_one(made: MadeApp, client: Client):
    failed = [client.run("raises", {"n": n, "bad": 0})["job_id"] for n in (11, 12)]
    completed = client.run("raises", {"n": 1, "bad": 5})["job_id"]

    one = client.post("retry", {"type": ["raises"], "param": {"n": 12}, "dry_run": True}).document
    other = client.run("hello_worlds", {"n": 3})["job_id"]
    both = client.post("retry", {"job_ids": [other, *failed, completed[:12]], "stage": "try"}).document
    for job_id in failed:
        client.ended(job_id)
    wait_until_idle(made)
    looked = client.post("repair", {"job_ids": failed}).document
    purged = client.post("purge", {"older_than": "0s", "type": "raises", "param": {"n": 12}}).document

    again = {"round": 2, "stage": 1, "tasks": 1}
    assert one == {
        "schema": 1,
        "jobs": [{"job_id": failed[1], **again, "retried": False}],
        "refused": [],
        "complete": True,
    }
    assert both["jobs"] == [{"job_id": job_id, **again, "retried": True} for job_id in failed]
    assert [(each["job_id"], each["error"]) for each in both["refused"]] == [
        (other, "InvalidRetry"),
        (completed, "NothingToRetry"),
    ]
    assert [(look["job_id"], look["findings"]) for look in looked["jobs"]] == [(job_id, []) for job_id in failed]
    gone = {"job_id": failed[1], "status": "failed", "purged": True}
    assert (purged["jobs"], purged["rows"], purged["complete"]) == ([gone], 1 + 2 + 12 + 1, True)
    assert client.get(f"jobs/{failed[1]}").status == 404


def test_the_timer_repairs_what_does_not_move(made: MadeApp, client: Client):
    wait_until_idle(made)
    with AzureStore(made.account, hub=made.hub) as azure:
        # its message comes late, and is lost
        faulty = Faulty(azure.store, Fault(Kind.LATE, lambda call: call.verb == "send"))
        job_id = Driver(faulty.store, [HelloWorlds], clock=SystemClock()).submit("hello_worlds", {"n": 2})
    made.service.get_queue_client(f"{made.hub}-jobs").clear_messages()
    for _ in range(2):  # what has not moved between two looks is lost
        client.host.fire("repair_timer")

    job = client.ended(job_id)

    assert (job["status"], [each["action"] for each in job["audit"]]) == ("completed", ["repair: not planned"])
    told = [log.text for log in client.host.logs if log.category == "jobkit" and "repaired" in log.text]
    assert told == [f"job {job_id[:12]} hello_worlds: repaired: not planned"]


def test_no_key_is_told_by_anything_that_the_app_logs(client: Client):
    client.run("hello_worlds", {"n": 2})
    client.get("health")

    logged = "\n".join(log.text for log in client.host.logs)
    assert "hello_worlds" in logged or "created" in logged or "sealed" in logged, "nothing was logged"
    assert [secret for secret in (KEY, "AccountKey") if secret in logged] == []


def test_a_job_can_be_cancelled_while_it_runs(made: MadeApp, client: Client):
    job_id = client.post("jobs/held", {"n": 200, "bad": 0}).document["job_id"]
    running = f"jobs/{job_id}/tasks?status=processing"
    wait_until(
        lambda: [task["index"] for task in client.get(running).document["tasks"]] == [4, 5, 6, 7], "four are held"
    )

    cancelled = client.post(f"jobs/{job_id}/cancel?reason=enough")
    wait_until(lambda: client.get(f"jobs/{job_id}").document["stages"][0]["failed"] == 192, "what waits has failed")
    (made.folder / "release").touch()
    job = client.ended(job_id)

    assert (cancelled.status, job["status"], job["error"]["type"]) == (202, "failed", "Cancelled")
    assert [(stage["completed"], stage["failed"]) for stage in job["stages"]] == [(8, 192)]
    wait_until_idle(made)


def test_the_whole_installation_can_be_looked_at(made: MadeApp, client: Client):
    failed = client.run("raises", {"n": 7, "bad": 1})  # of these parameters no other test has made a job
    job = client.run("hello_worlds", {"n": 8})
    wait_until_idle(made)

    listed = client.get("jobs?type=hello_worlds,raises&since=1h&limit=2").document
    rest = client.get(f"jobs?after={job['job_id']}&limit=1").document
    filtered = client.get("jobs?type=raises&status=failed&param=bad%3D1").document
    queues = client.get("queues").document["queues"]
    glance = client.get("installation").document

    assert [each["job_id"] for each in listed["jobs"]] == [job["job_id"], failed["job_id"]]
    assert [each["job_id"] for each in rest["jobs"]] == [failed["job_id"]]
    assert filtered["jobs"][0] == {name: failed[name] for name in filtered["jobs"][0]}
    assert [(queue["name"], queue["messages"], queue["peeked"]) for queue in queues] == [
        (name, 0, []) for name in QUEUES
    ]
    assert (glance["warnings"], glance["ended"][0]["job_id"]) == ([], job["job_id"])
    assert [client.get(f"jobs?{query}").status for query in ("status=odd", "limit=0", "sort=age", "stat=failed")] == (
        [400] * 4
    )


def test_foreign_messages_end_in_the_poison_table_and_disturb_no_job(tmp_path: Path, start: Callable[..., Client]):
    app = MadeApp(tmp_path / "app")
    app.set_queues(maxDequeueCount=2)
    client = start(app)
    client.get("health")  # makes the queues
    newer = '{"jobkit": 2, "kind": "task", "job": "x"}'

    for queue in ("jobs", "tasks"):
        for text in ("{malformed", '{"order": 1}', newer):
            app.send(queue, text)
        app.send(queue, "{no base64", encoded=False)
    job = client.run("hello_worlds", {"n": 5})
    wait_until(lambda: [app.count(queue) for queue in QUEUES] == [0, 0, 1, 1], "the rest is poison", every_s=0.1)

    assert (job["status"], job["result"]) == ("completed", greeting(5, job["job_id"]))
    refused = Counter(log.text for log in client.host.logs if "refused (" in log.text)
    assert refused == {
        "refused (refused a queue message: it is no JSON: '{malformed')": 2,
        "refused (refused a queue message: it is not a message of jobkit: '{\"order\": 1}')": 2,
        f"refused (refused a queue message: it has version 2, this jobkit reads 1: '{newer}')": 2,
    }
    # What is no base64 no function is ever given; it waits in the poison queue for whoever looks.
    assert sum("decoding has failed" in log.text for log in client.host.logs) == 4

    listed = client.get("poison?queue=tasks&limit=2").document
    assert [(each["kept"], each["kind"], each["deliveries"]) for each in listed["messages"]] == [(True, None, 1)] * 2
    assert (listed["left_out"], listed["unseen"], listed["cut"]) == (1, {"tasks": 1}, [])
    of_jobs = client.get("poison?type=hello_worlds&status=completed&since=1h").document
    assert (of_jobs["messages"], of_jobs["seen"], of_jobs["jobless"]) == ([], 6, {"foreign": 6, "gone": 0})
    dropped = client.post("poison/drop?queue=tasks").document
    assert dropped["complete"] is True
    of_tasks = dropped["messages"]
    assert [(each["dropped"], each["left"]) for each in of_tasks] == [(True, None)] * 3
    assert sorted(each["body"] for each in of_tasks) == sorted(["{malformed", '{"order": 1}', newer])
    (order,) = (each for each in client.get("poison").document["messages"] if each["body"] == '{"order": 1}')
    would = client.post(f"poison/requeue?id={order['id'][:9]}&dry_run=true").document["messages"]
    again = client.post(f"poison/requeue?id={order['id']}").document["messages"]
    assert [each["requeued"] for each in would + again] == [False, True]
    wait_until(lambda: len(client.get("poison").document["messages"]) == 3, "it was refused again", every_s=0.2)
    wrong = ["poison/requeue", "poison/drop?queue=x", "poison/drop?all=true&type=x", "poison/drop?id=ffff"]
    assert [client.post(path).status for path in wrong] == [400, 400, 400, 404]


def test_apps_with_different_hubs_do_not_see_each_other(tmp_path: Path, start: Callable[..., Client]):
    one, two = (start(MadeApp(tmp_path / name)) for name in ("one", "two"))

    job_id = one.post("jobs/hello_worlds", {"n": 2}).document["job_id"]
    unknown = two.get(f"jobs/{job_id}")
    submitted = two.post("jobs/hello_worlds", {"n": 2})

    assert (unknown.status, submitted.status, submitted.document["job_id"]) == (404, 202, job_id)
    workers = []
    for client in (one, two):
        assert client.ended(job_id)["result"] == greeting(2, job_id)
        workers.append({task["worker"] for task in client.get(f"jobs/{job_id}/tasks").document["tasks"]})
    assert workers == [{f"{socket.gethostname()}-{client.host.worker.pid}"} for client in (one, two)]


def test_a_broken_controller_is_named_and_takes_nothing_down(tmp_path: Path, start: Callable[..., Client]):
    broken = {
        "broken": "import os\n\nraise RuntimeError('lost')\n",
        "typo": "x = = 1\n",
        "twice": TROUBLE,
        "good": TROUBLE,
    }
    app = MadeApp(tmp_path / "app", controllers=broken)
    client = start(app)

    health = client.get("health")
    job = client.run("raises", {"n": 2, "bad": 7})

    where = app.folder / "controllers"
    assert (health.status, health.document["status"]) == (200, "degraded")
    assert health.document["controllers"] == [
        "beside", "greetings", "held", "hello_worlds", "kills", "kills_among_others", "kills_while_planning", "raises", "slow",
    ]  # fmt: skip
    problems = {problem["name"]: (problem["reason"], problem["where"]) for problem in health.document["problems"]}
    assert problems["controllers.broken"] == ("RuntimeError: lost", f"{where / 'broken.py'}:3")
    assert problems["controllers.typo"] == ("SyntaxError: invalid syntax", f"{where / 'typo.py'}:1")
    assert [log.text for log in client.host.logs if log.category == "jobkit" and "lost" in log.text] == [
        f"not loaded: controllers.broken: RuntimeError: lost ({where / 'broken.py'}:3)"
    ]
    assert sorted(problems) == ["controllers.broken", "controllers.twice", "controllers.typo"]
    assert job["status"] == "completed"


def test_only_livez_needs_no_key(client: Client):
    routes = {
        ("GET", "livez"): 200,
        ("GET", "readyz"): 401,
        ("GET", "health"): 401,
        ("GET", "doctor"): 401,
        ("POST", "doctor"): 401,
        ("POST", "jobs/hello_worlds"): 401,
        ("GET", "jobs"): 401,
        ("GET", "queues"): 401,
        ("GET", "installation"): 401,
        ("GET", "jobs/abc"): 401,
        ("GET", "jobs/abc/diagnosis"): 401,
        ("GET", "jobs/abc/tasks"): 401,
        ("POST", "jobs/abc/cancel"): 401,
        ("POST", "jobs/abc/retry"): 401,
        ("POST", "jobs/abc/repair"): 401,
        ("POST", "cancel"): 401,
        ("POST", "retry"): 401,
        ("POST", "repair"): 401,
        ("POST", "purge"): 401,
        ("GET", "poison"): 401,
        ("POST", "poison/requeue"): 401,
        ("POST", "poison/drop"): 401,
    }

    found = {
        (method, path): ask(f"{client.host.url}/api/{path}", method, key="wrong").status for method, path in routes
    }

    assert found == routes
    assert len(routes) == sum(
        function.trigger["type"] == "httpTrigger" for function in client.host.functions.values()
    ), "a route is not in the list"


def test_wrong_requests_get_problem_documents(client: Client):
    wrong: list[Answer] = [
        client.post("jobs/hello_world", {"n": 1}),
        client.post("jobs/hello_worlds", {"n": -1}),
        client.get("jobs/ffffffff"),
    ]

    assert [(answer.status, answer.headers["content-type"], answer.document["error"]) for answer in wrong] == [
        (404, "application/problem+json", "UnknownJobType"),
        (400, "application/problem+json", "InvalidParams"),
        (404, "application/problem+json", "UnknownJob"),
    ]


def test_the_app_examines_itself(made: MadeApp, client: Client):
    wait_until_idle(made)

    looked, tried = client.get("doctor"), client.post("doctor")

    here = [
        ("runtime", "not checked"),
        (".funcignore", "not checked"),  # it does not run in Azure
    ]
    found = [[(f["name"], f["state"]) for f in doc["findings"]] for doc in (looked.document, tried.document)]
    assert [[each for each in one if each[1] != "ok"] for one in found] == [
        [*here, ("writable, clock, round trip", "not checked")],
        here,
    ]
    evidence = {f["name"]: f["evidence"] for f in tried.document["findings"] if f["state"] == "ok"}
    assert {name: evidence[name] for name in ("runtime", "controllers", "host.json queues", "round trip")} == {
        "runtime": f"vendor/jobkit is jobkit {__version__}, as it was written",
        "controllers": (
            "9, no job type twice: beside, greetings, held, hello_worlds, kills, kills_among_others, "
            "kills_while_planning, raises, slow"
        ),
        "host.json queues": "base64, 5 deliveries 1 s apart, polled every 2 s",
        "round trip": "a message came back from a queue as the app reads it (base64)",
    }
    assert (looked.status, tried.status) == (200, 200)
    assert tried.document["verdict"] == {"error": 0, "warning": 0, "not checked": 2, "ok": 20}
    assert (tried.document["folder"], tried.document["store"]) == (str(made.folder), "the azure store")
    left = [queue.name for queue in made.service.list_queues(name_starts_with=f"{made.hub}-doctor")]
    assert (left, KEY in tried.text) == ([], False)


def test_the_app_runs_the_vendored_runtime_and_imports_no_more_than_it_needs(made: MadeApp, client: Client):
    client.run("hello_worlds", {"n": 1})

    modules = client.host.worker.modules()

    assert {name: modules.get(name) for name in ("typer", "rich", "cookiecutter", "libcst", "sqlite3", "pytest")} == (
        dict.fromkeys(("typer", "rich", "cookiecutter", "libcst", "sqlite3", "pytest"))
    )
    ours = {name: str(file) for name, file in modules.items() if name.partition(".")[0] == "jobkit"}
    assert {name.split(".")[1] for name in ours if "." in name} == {"runtime"}
    assert {file.startswith(str(made.folder / "vendor" / "jobkit")) for file in ours.values()} == {True}


def test_the_app_starts_wherever_its_folder_is_on_the_path(made: MadeApp):
    made.settings["JOBKIT_TEST_APP_FIRST"] = "1"
    try:
        with made.host() as first:
            assert Client(first).get("readyz").document == {"status": "ready"}
    finally:
        del made.settings["JOBKIT_TEST_APP_FIRST"]


def test_a_hub_that_can_not_be_listens_to_no_queue_and_says_so(made: MadeApp):
    with FunctionsHost(made.folder, {**made.settings, "JOBKIT_HUB": "No!"}) as host:
        ready = Client(host).get("readyz")

        assert [name for name, function in host.functions.items() if function.trigger["type"] == "queueTrigger"] == []
        assert (Client(host).get("livez").status, ready.status) == (200, 500)
        assert "JOBKIT_HUB=No!" in ready.document["detail"]


def test_functions_of_the_users_own_submit_jobs_as_the_docs_say(tmp_path: Path, start: Callable[..., Client]):
    docs = (Path(__file__).parents[2] / "docs" / "functions.md").read_text("utf-8")
    own = docs.partition("app.register_functions(jobs)\n")[2].partition("```")[0]
    app = MadeApp(tmp_path / "app")
    with (app.folder / "function_app.py").open("a", encoding="utf-8") as file:
        file.write(own.replace('"scenes"', f'"{app.hub}-scenes"'))
    app.service.create_queue(f"{app.hub}-scenes")
    client = start(app)
    client.get("health")

    client.host.fire("nightly")
    client.host.fire("nightly")
    app.send("scenes", '{"n": 3}')
    app.send("scenes", '{"n": 3}')
    wait_until(lambda: app.count("scenes") == 0, "both were taken", every_s=0.05)
    by_name = [client.post("jobs/greetings", {"n": n}) for n in (5, 3)]
    jobs = [client.ended(answer.document["job_id"]) for answer in by_name]

    assert [answer.status for answer in by_name] == [200, 200]
    assert [(job["status"], job["params"], job["run"]) for job in jobs] == [
        ("completed", {"n": 5}, 2),
        ("completed", {"n": 3}, 1),
    ]
