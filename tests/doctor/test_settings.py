"""Doctor on settings, on the machine, and on secrets, which it never tells."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from jobkit.doctor.settings import check_settings
from jobkit.doctor.subject import Subject
from jobkit.runtime.checks.finding import Finding
from jobkit.runtime.checks.machine import judge_dependencies, judge_python

Make = Callable[..., Subject]
Tell = Callable[[Iterable[Finding]], list[Any]]
IN_AZURE = ("settings in Azure", "not checked", "what the deployed app has can't be seen from here")
DEVELOPMENT = "connection string of account devstoreaccount1, in local.settings.json"
GOOD = [
    ("JOBKIT_HUB", "ok", "myetl, in local.settings.json"),
    ("FUNCTIONS_WORKER_RUNTIME", "ok", "python, in local.settings.json"),
    ("AzureWebJobsStorage", "ok", DEVELOPMENT),
    IN_AZURE,
]


def test_those_of_a_made_app(subject: Make, told: Tell):
    assert told(check_settings(subject())) == GOOD


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        (
            "JOBKIT_HUB",
            "My-ETL",
            ("error", "JOBKIT_HUB=My-ETL: must be 3 to 31 lower-case letters and digits, a letter first"),
        ),
        ("FUNCTIONS_WORKER_RUNTIME", "node", ("error", "is 'node'")),
        ("AzureWebJobsStorage", "secret", ("error", "AzureWebJobsStorage=…: is no connection string")),
        (
            "AzureWebJobsStorage",
            "DefaultEndpointsProtocol=https;AccountName=mine;AccountKey=c2VjcmV0;",
            ("ok", "connection string of account mine, in the environment"),
        ),
    ],
)
def test_one_that_is_set_otherwise(subject: Make, told: Tell, name: str, value: str, expected: tuple[str, str]):
    found = told(check_settings(subject(**{name: value})))

    assert found == [(name, *expected) if each[0] == name else each for each in GOOD]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("30d", ("ok", "jobs that ended 30 days ago are deleted, in the environment")),
        ("for ever", ("error", "JOBKIT_RETENTION=for ever: must be a time such as 30d, 12h or 8w")),
    ],
)
def test_a_retention(subject: Make, told: Tell, value: str, expected: tuple[str, str]):
    assert told(check_settings(subject(JOBKIT_RETENTION=value)))[1] == ("JOBKIT_RETENTION", *expected)


def test_those_that_are_missing(subject: Make, told: Tell, app: Path):
    (app / "local.settings.json").unlink()

    assert [(name, state) for name, state, _ in told(check_settings(subject()))] == [
        ("JOBKIT_HUB", "warning"),
        ("FUNCTIONS_WORKER_RUNTIME", "error"),
        ("AzureWebJobsStorage", "error"),
        ("settings in Azure", "not checked"),
    ]


def test_an_identity_needs_no_connection_string(subject: Make, told: Tell, app: Path):
    (app / "local.settings.json").unlink()

    found = told(check_settings(subject(AzureWebJobsStorage__accountName="mine")))

    evidence = "an identity, for https://mine.table.core.windows.net and https://mine.queue.core.windows.net"
    assert found[2] == ("AzureWebJobsStorage", "ok", evidence)


def test_a_file_that_can_not_be_read_is_told_and_the_environment_still_counts(subject: Make, told: Tell, app: Path):
    (app / "local.settings.json").write_text("{")

    found = told(check_settings(subject(FUNCTIONS_WORKER_RUNTIME="python")))

    assert found[0][:2] == ("local.settings.json", "error")
    assert ("FUNCTIONS_WORKER_RUNTIME", "ok", "python, in the environment") in found


def test_functions_that_are_turned_off(subject: Make, told: Tell, app: Path):
    path = app / "local.settings.json"
    document = json.loads(path.read_text())
    document["Values"] |= {"AzureWebJobs.process_task.Disabled": "true", "AzureWebJobs.health.Disabled": "0"}
    path.write_text(json.dumps(document))

    evidence = "turned off by AzureWebJobs.NAME.Disabled: process_task"
    assert told(check_settings(subject()))[3] == ("disabled functions", "warning", evidence)


def test_no_secret_is_left_in_any_text(subject: Make):
    sick = subject(AzureWebJobsStorage="AccountName=mine;AccountKey=c2VjcmV0;EndpointSuffix=core.windows.net")

    assert (
        sick.without_secrets(
            "no answer from AccountName=mine;AccountKey=c2VjcmV0;EndpointSuffix=core.windows.net, "
            "nor from AccountName=other;AccountKey=b3RoZXI= or https://other?sv=2024&sig=aGVsbG8%3D&se=2030"
        )
        == "no answer from …, nor from AccountName=other;AccountKey=… or https://other?sv=2024&sig=…&se=2030"
    )


@pytest.mark.parametrize(
    ("version", "state"), [((3, 10), "error"), ((3, 11), "ok"), ((3, 13), "ok"), ((3, 14), "warning")]
)
def test_pythons(version: tuple[int, int], state: str, told: Tell):
    found = judge_python(version, f"{version[0]}.{version[1]}.1", "take another")

    told([found])
    assert found.state == state


def test_dependencies_that_are_missing_old_or_not_understood(told: Tell):
    wanted = ["rich>=9000", "nobody-has-this>=1.0", "typer==0.1", "pydantic>=2.0.0"]

    found = list(judge_dependencies(wanted, 'pip install "{line}"'))

    assert [
        (finding.state.value, finding.evidence.partition(" is installed")[2] or finding.evidence) for finding in found
    ] == [
        ("error", ", jobkit needs 9000 or newer"),
        ("error", "nobody-has-this is not installed"),
        ("not checked", "typer==0.1: not of the form NAME>=VERSION"),
    ]
    assert found[0].fix == 'pip install "rich>=9000"'
    assert [finding.evidence for finding in judge_dependencies(wanted[3:], "")] == ["all 1 are there, none is too old"]
