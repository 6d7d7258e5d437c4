"""The command itself: what it says to no command, a wrong one, a wrong setting; and the example in every help."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from commands import JOBKIT, InProcess
from jobkit import __version__
from jobkit.cli.main import app

USAGE = """\
Usage: jobkit COMMAND JOB_TYPE [OPTIONS]

Job types: hello_worlds
Options of one: jobkit COMMAND hello_worlds --help
Example: jobkit COMMAND hello_worlds --n 5
"""


def all_commands() -> Iterator[tuple[str, ...]]:
    """Every command and group of the command line, by its words."""

    def walk(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        yield words
        for name, child in getattr(command, "commands", {}).items():
            yield from walk(child, (*words, name))

    return walk(typer.main.get_command(app), ())


@pytest.mark.parametrize(
    "words",
    [*all_commands(), ("run", "hello_worlds"), ("submit", "hello_worlds"), ("dev", "hello_worlds")],
    ids=" ".join,
)
def test_every_help_says_what_it_is_for_and_has_an_example(jobkit: InProcess, words: tuple[str, ...]):
    done = jobkit(*words, "--help")

    text = " ".join(done.out.split())
    assert (done.code, done.err) == (0, "")
    assert text.startswith(f"Usage: {' '.join(('jobkit', *words))} ")
    assert f"xample: {' '.join(('jobkit', *words))}" in text
    assert max(map(len, done.out.splitlines())) <= 80


def test_there_are_these_commands():
    assert [" ".join(words) for words in all_commands()] == [
        "",
        "run",
        "submit",
        "dev",
        "worker",
        "controllers",
        "repair",
        "retry",
        "cancel",
        "purge",
        "doctor",
        "new-app",
        "new-controller",
        "deploy",
        "completion",
        "deprecate",
        "inspect",
        "inspect jobs",
        "inspect job",
        "inspect poison",
        "inspect tasks",
        "inspect task",
        "inspect queues",
        "poison",
        "poison requeue",
        "poison drop",
    ]


def test_jobkit_alone_shows_its_help_and_is_wrong_usage(jobkit: InProcess):
    alone, asked = jobkit(), jobkit("--help")

    assert (alone.code, alone.out, alone.err) == (2, "", asked.out)
    assert (asked.code, asked.err) == (0, "")


@pytest.mark.parametrize("command", [["jobkit"], [*JOBKIT]], ids=["jobkit", "python -m jobkit"])
def test_version_is_told_by_the_command_and_by_the_module(command: list[str]):
    if command == ["jobkit"]:
        command = [sys.executable, "-c", "from jobkit.cli.main import main; main()"]

    done = subprocess.run([*command, "--version"], capture_output=True, text=True, timeout=60)

    assert (done.returncode, done.stdout, done.stderr) == (0, f"jobkit {__version__}\n", "")


@pytest.mark.parametrize("command", ["run", "submit"])
def test_without_a_job_type_the_types_are_told(jobkit: InProcess, command: str):
    usage = USAGE.replace("COMMAND", command)

    bare, swapped, asked = jobkit(command), jobkit(command, "--n", "5", "hello_worlds"), jobkit(command, "--help")

    assert (bare.code, bare.out, bare.err) == (2, "", usage)
    assert (swapped.code, swapped.out, swapped.err) == (2, "", f"The job type comes before --n.\n{usage}")
    assert (asked.code, asked.out, asked.err) == (0, usage, "")


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["runn"], "Error: No such command 'runn'. Did you mean 'run'?"),
        (["inspect", "queue"], "Error: No such command 'queue'. Did you mean 'queues'?"),
        (["--verbose"], "Error: No such option: --verbose (Possible options: --version)"),
        (["inspect", "job"], "Error: Missing argument 'ID'."),
        (["worker", "now"], "Error: Got unexpected extra argument(s) (now)"),
        (["worker", "--concurrency", "257"], "Error: Invalid value for '--concurrency': "),
        (["submit", "hello_worlds", "--timeout", "3"], "Error: No such option: --timeout"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_is_answered_with_exit_code_2(jobkit: InProcess, arguments: list[str], answer: str):
    done = jobkit(*arguments)

    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines()[-1].startswith(answer)


@pytest.mark.parametrize("command", ["run", "submit"])
def test_an_unknown_job_type_is_answered_with_exit_code_3(jobkit: InProcess, command: str):
    near, far = jobkit(command, "hello_world", "--n", "5"), jobkit(command, "tiles")

    see = "See them with: jobkit controllers\n"
    assert (near.code, near.out) == (far.code, far.out) == (3, "")
    assert near.err == f"error: no controller has the job type 'hello_world'. Did you mean 'hello_worlds'? {see}"
    assert far.err == f"error: no controller has the job type 'tiles'. {see}"


@pytest.mark.parametrize(
    "arguments", [["run", "hello_worlds"], ["submit", "hello_worlds"], ["worker"], ["inspect", "job", "c9"]]
)
def test_a_store_that_there_is_not_is_refused(jobkit: InProcess, arguments: list[str]):
    for store in ("azur", "other:x", "azure:x"):
        done = jobkit(*arguments, "--store", store)

        answer = f"error: --store={store}: give local, local:PATH or azure\n"
        assert (done.code, done.out, done.err) == (2, "", answer)


@pytest.mark.parametrize("hub", ["", "ab", "Jobs", "9jobs", "my-jobs", "a" * 32])
def test_a_hub_that_cannot_be_a_prefix_is_refused(jobkit: InProcess, monkeypatch: pytest.MonkeyPatch, hub: str):
    monkeypatch.setenv("JOBKIT_HUB", hub)

    done = jobkit("run", "hello_worlds")

    answer = f"error: JOBKIT_HUB={hub}: must be 3 to 31 lower-case letters and digits, a letter first\n"
    assert (done.code, done.out, done.err) == (2, "", answer)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--debug", "run", "hello_worlds", "--n", "-1"),
        ("run", "hello_worlds", "--n", "-1", "--debug"),
        ("run", "--debug", "hello_worlds", "--n", "-1"),
    ],
)
def test_debug_shows_the_traceback_of_an_error_and_keeps_its_exit_code(jobkit: InProcess, arguments: tuple[str, ...]):
    done = jobkit(*arguments)

    lines = done.err.splitlines()
    assert (done.code, done.out, lines[0]) == (2, "", "Traceback (most recent call last):")
    assert lines[-1] == (
        "jobkit.runtime.errors.InvalidParams: wrong parameters for hello_worlds: "
        "n: input should be greater than or equal to 0 (got '-1')"
    )


def test_debug_stands_after_any_command_and_is_none_of_its_words_after_two_dashes(jobkit: InProcess):
    listed = jobkit("inspect", "jobs", "--debug")
    assert jobkit("run", "hello_worlds", "--n", "0").code == 0
    taken = jobkit("retry", "--", "--debug")

    assert (listed.code, listed.err.splitlines()[0]) == (3, "Traceback (most recent call last):")
    assert (taken.code, taken.err) == (3, "error: no job '--debug' in this store\n")
