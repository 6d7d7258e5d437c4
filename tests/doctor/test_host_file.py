"""Doctor on host.json: each figure that does not go with jobkit's queues, and the ones that --fix sets."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobkit.doctor.host_file import check_host
from jobkit.doctor.mending import values_set
from jobkit.doctor.subject import Subject
from jobkit.runtime.checks import host_file
from jobkit.runtime.checks.finding import Broken
from jobkit.runtime.checks.host_file import seconds_of

Make = Callable[..., Subject]
Tell = Callable[..., list[Any]]
GOOD = [
    ("host.json", "ok", "version 2.0, with queue triggers, no retry policy of its own"),
    ("host.json queues", "ok", "base64, 5 deliveries 30 s apart, polled every 2 s"),
    ("host.json threads", "ok", "32 threads for 2 queues x (8 + 8) messages"),
    ("host.json times", "ok", "functionTimeout 00:10:00, no stage's timeout beyond it"),
]
THREADS = {"PYTHON_THREADPOOL_THREAD_COUNT": "32"}


def changed(host: dict[str, Any], place: str, value: Any) -> dict[str, Any]:
    """The document with one value of it set, or taken away (None)."""
    *parts, name = place.split(".")
    at = host
    for part in parts:
        at = at.setdefault(part, {})
    if value is None:
        del at[name]
    else:
        at[name] = value
    return host


def test_that_of_a_made_app_is_right(subject: Make, told: Tell):
    assert told(check_host(subject())) == GOOD


@pytest.mark.parametrize(
    ("place", "value", "expected", "mended"),
    [
        ("version", "1.0", ("host.json", "error", "version is '1.0'"), True),
        (
            "extensionBundle",
            None,
            ("host.json", "error", "it names no extensionBundle: there are no queue triggers"),
            True,
        ),
        (
            "extensionBundle.version",
            "[2.*, 3.0.0)",
            ("host.json", "warning", "extensionBundle is '[2.*, 3.0.0)': Microsoft supports 4 and newer"),
            False,
        ),
        (
            "retry",
            {"strategy": "fixedDelay", "maxRetryCount": 3},
            (
                "host.json",
                "warning",
                "it has a retry policy for all functions, beside maxDequeueCount and a stage's max_attempts",
            ),
            False,
        ),
        (
            "extensions.queues.messageEncoding",
            "none",
            (
                "host.json queues",
                "error",
                "messageEncoding is 'none', and jobkit's messages are base64: all end in the poison queue",
            ),
            True,
        ),
        (
            "extensions.queues.visibilityTimeout",
            None,
            (
                "host.json queues",
                "error",
                "visibilityTimeout is 0 (the default): a message whose function fails is tried to its end in 0.1 s",
            ),
            True,
        ),
        (
            "extensions.queues.visibilityTimeout",
            "30 s",
            ("host.json queues", "error", "visibilityTimeout is '30 s', no time"),
            False,
        ),
        (
            "extensions.queues.maxDequeueCount",
            1,
            (
                "host.json queues",
                "warning",
                "maxDequeueCount is 1: a worker that is moved or restarted fails the tasks that it had",
            ),
            True,
        ),
        (
            "extensions.queues.maxDequeueCount",
            "many",
            ("host.json queues", "error", "maxDequeueCount is 'many'"),
            False,
        ),
        (
            "extensions.queues.maxPollingInterval",
            None,
            (
                "host.json queues",
                "warning",
                "maxPollingInterval is 00:01:00: a stage that begins after a pause waits so long",
            ),
            True,
        ),
        (
            "extensions.queues.batchSize",
            33,
            ("host.json threads", "error", "batchSize is 33, newBatchThreshold 8"),
            False,
        ),
        (
            "extensions.queues.batchSize",
            16,
            (
                "host.json threads",
                "warning",
                (
                    "2 queues x (16 + 8) = 48 messages are taken at once, 32 threads work on them: the others wait while "
                    "their leases run"
                ),
            ),
            False,
        ),
        (
            "concurrency.dynamicConcurrencyEnabled",
            True,
            ("host.json threads", "warning", "dynamicConcurrencyEnabled: the host takes as many messages as it likes"),
            False,
        ),
        (
            "functionTimeout",
            None,
            (
                "host.json times",
                "warning",
                "functionTimeout is not set: 5 minutes on the Consumption plan, 30 elsewhere",
            ),
            False,
        ),
        ("functionTimeout", "10 min", ("host.json times", "error", "functionTimeout is '10 min', no time"), False),
    ],
)
def test_one_figure_that_is_wrong(
    app: Path, told: Tell, place: str, value: Any, expected: tuple[str, str, str], mended: bool
):
    path = app / "host.json"
    path.write_text(json.dumps(changed(json.loads(path.read_text()), place, value)))

    found = list(
        host_file.check_host(json.loads(path.read_text()), settings=THREADS, timeouts={}, mends=values_set(app))
    )

    assert told(found) == [expected if name == expected[0] else (name, *rest) for name, *rest in GOOD]
    assert [finding.mend is not None for finding in found if finding.state != "ok"] == [mended]
    if mended:
        [finding.mend() for finding in found if finding.mend is not None]
        assert (
            told(
                host_file.check_host(json.loads(path.read_text()), settings=THREADS, timeouts={}, mends=values_set(app))
            )
            == GOOD
        )


def test_settings_stand_above_it(app: Path, told: Tell):
    path = app / "host.json"
    settings = {**THREADS, "AzureFunctionsJobHost__extensions__queues__batchSize": "20"}

    found = told(
        host_file.check_host(json.loads(path.read_text()), settings=settings, timeouts={}, mends=values_set(app))
    )

    assert found[2][2].startswith("2 queues x (20 + 8) = 56 messages are taken at once, 32 threads")


def test_the_encoding_that_messages_are_read_with():
    host = {"extensions": {"queues": {"messageEncoding": "None"}}}
    over = {"AzureFunctionsJobHost__extensions__queues__messageEncoding": "base64"}

    found = [
        host_file.message_encoding(*each) for each in (({}, {}), (host, {}), (host, over), (Broken(reason=""), over))
    ]

    assert found == ["base64", "none", "base64", "base64"]


def test_threads_that_are_not_set_are_set_here(app: Path, told: Tell, subject: Make):
    path = app / "local.settings.json"
    document = json.loads(path.read_text())
    del document["Values"]["PYTHON_THREADPOOL_THREAD_COUNT"]
    path.write_text(json.dumps(document))

    found = list(check_host(subject()))

    assert told(found)[2] == (
        "host.json threads",
        "warning",
        (
            "2 queues x (8 + 8) = 32 messages are taken at once, 5 threads on one processor "
            "(PYTHON_THREADPOOL_THREAD_COUNT is not set) work on them: the others wait while their leases run"
        ),
    )
    assert found[2].mend is not None
    assert found[2].mend() == "Values.PYTHON_THREADPOOL_THREAD_COUNT set in local.settings.json"
    assert json.loads(path.read_text())["Values"]["PYTHON_THREADPOOL_THREAD_COUNT"] == "32"


def test_times_of_stages_against_the_hosts(app: Path, told: Tell):
    path = app / "host.json"
    timeouts = {"tiles, 'Cut'": 3600.0, "tiles, 'Mosaic'": 20.0, "tiles, 'Check'": 600.0}

    found = told(
        host_file.check_host(json.loads(path.read_text()), settings=THREADS, timeouts=timeouts, mends=values_set(app))
    )

    assert found[3:] == [
        (
            "host.json times",
            "warning",
            "tiles, 'Cut': tasks may be silent for 3600 s, and functionTimeout ends them after 600",
        ),
        (
            "host.json times",
            "warning",
            "tiles, 'Mosaic': taken for dead after 20 s, before its message is back after 30",
        ),
    ]


@pytest.mark.parametrize("text", ['{"version": "2.0",}', "[]", ""])
def test_one_that_is_no_json_leaves_the_rest_not_checked(subject: Make, told: Tell, app: Path, text: str):
    (app / "host.json").write_text(text)

    found = told(check_host(subject()))

    assert [(name, state) for name, state, _ in found] == [
        ("host.json", "error"),
        ("host.json queues", "not checked"),
        ("host.json threads", "not checked"),
        ("host.json times", "not checked"),
    ]


@pytest.mark.parametrize(
    ("text", "seconds"), [("00:00:30", 30.0), ("1.00:00:00", 86_400.0), ("0:5:0.5", 300.0), ("5", None), (30, None)]
)
def test_times_as_host_json_writes_them(text: object, seconds: float | None):
    assert seconds_of(text) == seconds
