"""Doctor on functions: what the worker would refuse, and what takes jobkit's messages or routes away."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobkit.doctor.functions import check_functions
from jobkit.doctor.subject import Subject

Make = Callable[..., Subject]
Tell = Callable[..., list[Any]]

UNKNOWN = [
    ("routes", "not checked", "the functions can't be indexed"),
    ("queues", "not checked", "the functions can't be indexed"),
]
MORE = """
@app.route(route="Administration/keys")
def keys(req: func.HttpRequest) -> str:
    return ""

@app.route(route="jobs/{job_type}", methods=["POST"])
def also_submit(req: func.HttpRequest) -> str:
    return ""

@app.queue_trigger(arg_name="message", queue_name="myetl-tasks", connection="AzureWebJobsStorage")
def thief(message: func.QueueMessage) -> None: ...

@app.queue_trigger(arg_name="message", queue_name="q" * 57, connection="AzureWebJobsStorage")
@app.retry(strategy="fixed_delay", max_retry_count="3", delay_interval="00:00:10")
def long(message: func.QueueMessage) -> None: ...
"""


def test_those_of_a_made_app_are_all_there(subject: Make, told: Tell):
    found = told(check_functions(subject()))

    assert [(name, state, re.sub(r"^\d+", "N", evidence)) for name, state, evidence in found] == [
        ("functions", "ok", "N with their own names, jobkit's among them"),
        ("routes", "ok", "N, none of them twice or reserved"),
        ("queues", "ok", "N listened to, each by one function"),
    ]


def test_routes_and_queues_that_are_not_to_be_had(subject: Make, told: Tell, app: Path):
    with (app / "function_app.py").open("a") as file:
        file.write(MORE)

    found = told(check_functions(subject()))

    assert found[1:] == [
        ("routes", "error", "keys: the route 'administration/keys' is the host's own (admin, runtime)"),
        ("routes", "error", "2 functions have POST 'jobs/{job_type}'"),
        ("queues", "error", "two functions listen to myetl-tasks: each gets some of its messages"),
        ("queues", "warning", f"long: {'q' * 57} is longer than 56 characters, so it has no poison queue"),
        (
            "queues",
            "warning",
            "long has a retry policy, and its queue's maxDequeueCount beside it: tries multiply",
        ),
    ]


@pytest.mark.parametrize(
    ("change", "evidence"),
    [
        (("app.register_functions(jobs)", "1 / 0"), "ZeroDivisionError: division by zero ({app}:LINE)"),
        (("app.register_functions(jobs)", "exit(1)"), "SystemExit: 1 ({app}:LINE)"),
        (
            ("jobs = blueprint", "other = func.FunctionApp()\njobs = blueprint"),
            "function_app.py has 2 FunctionApps (other, app): the worker wants one",
        ),
        (
            ("app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)\napp.register_functions(jobs)", ""),
            "function_app.py has no FunctionApp: the worker finds no functions",
        ),
        (
            ("app.register_functions(jobs)", "app.register_functions(jobs)\napp.register_functions(jobs)"),
            (
                "ValueError: Function livez does not have a unique function name. Please change @app.function_name() or the "
                "function method name to be unique."
            ),
        ),
    ],
)
def test_an_app_that_would_have_no_functions_at_all(
    subject: Make, told: Tell, app: Path, change: tuple[str, str], evidence: str
):
    place = app / "function_app.py"
    text = place.read_text()
    assert text.count(change[0]) == 1
    place.write_text(text.replace(*change))
    line = next((n for n, each in enumerate(place.read_text().splitlines(), 1) if each in ("1 / 0", "exit(1)")), 0)

    expected = evidence.replace("{app}", str(place)).replace("LINE", str(line))
    assert told(check_functions(subject())) == [("functions", "error", expected), *UNKNOWN]


def test_an_app_without_jobkits_functions(subject: Make, told: Tell, app: Path):
    place = app / "function_app.py"
    place.write_text(place.read_text().replace("app.register_functions(jobs)", ""))

    assert told(check_functions(subject()))[0] == (
        "functions",
        "error",
        "jobkit's are not registered: process_job, process_task, process_job_poison, process_task_poison, submit_job",
    )


def test_an_app_without_function_app_py(subject: Make, told: Tell, app: Path):
    (app / "function_app.py").unlink()

    assert told(check_functions(subject())) == [
        ("functions", "error", "there is no function_app.py: the app has no functions"),
        ("routes", "not checked", "function_app.py is missing"),
        ("queues", "not checked", "function_app.py is missing"),
    ]
