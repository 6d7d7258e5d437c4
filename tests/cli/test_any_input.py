"""Whatever stands in options, ids and params files: done, or refused by name; never a traceback, and no other job is touched."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from any_input import LOOSE_JSON, TEXT, TIMES, quick
from commands import Done, InProcess, copy_samples
from driver import EVERYTHING, TABLES
from jobkit.local.store import LocalStore
from jobkit.runtime.clock import SystemClock
from jobkit.runtime.messages import JOBS_QUEUE, POISON_SUFFIX
from jobkit.runtime.processing import QUEUES
from jobkit.runtime.storage.ports import Store

NAMES = ("name", "tile_px", "box", "zooms", "when", "kind", "unknown")
FLAGS = ("--name", "--tile-px", "--box", "--zooms", "--stage", "--from", "--params", "--nonsense")


WRONG = "error: wrong parameters for kinds: "
#: Files that are no parameters, or whose numbers are none that can be hashed; and how what is said of each begins.
FILES = {
    b"": "--params params.json is not JSON: Expecting value: line",
    b"\xff\xfe{": "--params params.json is not JSON: 'utf-8' codec can't",
    b"[" * 100_000: "--params params.json is not JSON: maximum recursion",
    b'{"zooms":[' + b"9" * 5_000 + b"]}": "--params params.json is not JSON: Exceeds the limit",
    b'{"name":"x","share":1e999}': "error: the parameters of kinds can't",
    b'{"name":"\\ud800"}': "name: input should be a valid string, unable to",
}
ACTS = [
    *("retry", "cancel", "purge", "repair", "poison requeue", "poison drop"),
    *("inspect", "inspect jobs", "inspect job", "inspect tasks", "inspect task", "inspect queues", "inspect poison"),
]
ACTING = (
    *("--yes", "--yes", "--dry-run", "--all", "--now", "--force", "--reverse", "--timeline"),
    *(
        "--status=failed",
        "--status=completed",
        "--type=kinds",
        "--type=plain",
        "--older-than=1s",
        "--stage=1",
        "--limit=1",
    ),
)
VALUED = (
    "--status",
    "--type",
    "--since",
    "--param",
    "--reason",
    "--stage",
    "--task",
    "--older-than",
    "--queue",
    "--job",
)
VALUED = (*VALUED, "--limit", "--after", "--sort", "--first")


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Two jobs of the store that no command is to touch unless it names them, and a third one; all but one have ended."""

    place: Path
    kept: Path
    ended: str
    waiting: str
    third: str
    before: Any

    def put_back(self) -> None:
        for each in self.place.parent.glob(f"{self.place.name}*"):
            if each.is_file():
                each.unlink()
        shutil.copy(self.kept, self.place)


@pytest.fixture(autouse=True)
def _samples(folder: Path) -> None:
    copy_samples(folder, "kinds", "counting")


@pytest.fixture
def neighbours(_samples: None, folder: Path, jobkit: InProcess) -> Neighbours:
    """A store where one job has ended, one waits, and one has failed; and a message is poison."""
    failed = jobkit("run", "counting", "--fail", "--n=1", "--json").document["job_id"]
    ended = jobkit("run", "counting", "--n=2", "--json").document["job_id"]
    with opened(folder / ".jobkit/local.db") as store:
        store.queues.send(JOBS_QUEUE + POISON_SUFFIX, "foreign")
    waiting = jobkit("submit", "counting", "--n=3", "--json").document["job_id"]
    kept = Path(shutil.copy(folder / ".jobkit/local.db", folder / "kept.db"))
    place = folder / ".jobkit/local.db"
    return Neighbours(place, kept, ended, waiting, failed, everything(place))


@contextlib.contextmanager
def opened(place: Path) -> Iterator[Store]:
    with LocalStore.open(place, clock=SystemClock(), hub="jobkit") as local:
        yield local.store


def everything(place: Path) -> Any:
    """Every row with its ETag, and what each queue holds."""
    with opened(place) as store:
        rows = {
            (table, entity.partition, entity.row): (dict(entity.properties), entity.etag)
            for table in TABLES
            for entity in store.tables.query(table, EVERYTHING)
        }
        return rows, {queue: [each.body for each in store.queues.peek(queue, limit=32)] for queue in QUEUES}


def check_untouched(neighbours: Neighbours, done: Done, *, nothing: bool, purged: int = 0) -> None:
    """Nothing has changed, or at least nothing of jobs that the command has not named, and no message is gone.

    A purge by age names no job: so many that had ended are gone, wholly.
    """
    rows, queues = everything(neighbours.place)
    before, waited = neighbours.before
    if nothing:
        assert (rows, queues) == (before, waited)
    for job_id in (neighbours.ended, neighbours.waiting, neighbours.third):
        if job_id not in done.out:
            of_it = {key: row for key, row in before.items() if job_id in key[1] + key[2]}
            found = {key: row for key, row in rows.items() if job_id in key[1] + key[2]}
            if not found and job_id != neighbours.waiting:
                purged -= 1
            else:
                assert found == of_it
    assert purged == 0
    if neighbours.waiting not in done.out:
        assert [body for body in queues[JOBS_QUEUE] if neighbours.waiting in body] == waited[JOBS_QUEUE]


def check_submitted(neighbours: Neighbours, done: Done) -> None:
    """A job was submitted, or refused by name; either way the others are as they were."""
    assert "Traceback" not in done.err, done.err
    if done.code == 0:
        assert done.document["status"] == "queued"
    else:
        assert (done.code in (2, 3), done.out) == (True, ""), (done.code, done.err)
        assert done.err.strip()
    check_untouched(neighbours, done, nothing=done.code != 0)
    neighbours.put_back()


@quick(40)
@given(flag=st.sampled_from(FLAGS), value=TEXT)
def test_any_value_of_an_option(jobkit: InProcess, neighbours: Neighbours, flag: str, value: str):
    check_submitted(neighbours, jobkit("submit", "kinds", f"{flag}={value}", "--json"))


PARAMS = (
    TEXT | st.dictionaries(st.sampled_from(NAMES), LOOSE_JSON, max_size=3).map(json.dumps) | LOOSE_JSON.map(json.dumps)
)


@quick(25)
@given(text=PARAMS)
def test_any_params_on_stdin(jobkit: InProcess, neighbours: Neighbours, text: str):
    check_submitted(neighbours, jobkit("submit", "kinds", "--params", "-", "--json", stdin=text))


@quick(25)
@given(content=PARAMS.map(str.encode) | st.binary(max_size=40) | st.sampled_from(sorted(FILES, key=len)[:5]))
def test_any_params_file(jobkit: InProcess, neighbours: Neighbours, folder: Path, content: bytes):
    (folder / "params.json").write_bytes(content)

    check_submitted(neighbours, jobkit("submit", "kinds", "--params", "params.json", "--json"))


def test_a_params_file_that_can_not_be_meant_is_refused(jobkit: InProcess, neighbours: Neighbours, folder: Path):
    told: dict[bytes, str] = {}
    for content in FILES:
        (folder / "params.json").write_bytes(content)
        done = jobkit("submit", "kinds", "--params", "params.json", "--json")
        check_submitted(neighbours, done)
        told[content] = done.err.removeprefix(WRONG)

    assert {content: text[: len(FILES[content])] for content, text in told.items()} == FILES


def test_a_params_file_that_is_none_is_refused(jobkit: InProcess, neighbours: Neighbours):
    told: dict[str, str] = {}
    for name in (".", "nowhere.json", "pyproject.toml/params.json"):
        done = jobkit("submit", "kinds", "--params", name, "--json")
        check_submitted(neighbours, done)
        told[name] = done.err.removeprefix(WRONG).rstrip()

    assert told == {
        ".": "--params .: Is a directory",
        "nowhere.json": "--params nowhere.json: No such file or directory",
        "pyproject.toml/params.json": "--params pyproject.toml/params.json: Not a directory",
    }


@pytest.mark.parametrize("option", ["--box", "--from -", "--params -"])
def test_json_that_is_too_deep_is_refused(jobkit: InProcess, option: str):
    deep = "[" * 100_000
    arguments = option.split() if option.endswith("-") else [f"{option}={deep}"]

    done = jobkit("submit", "kinds", *arguments, "--name", "x", "--stage", "1", stdin=deep)

    assert (done.code, done.out) == (2, "")
    assert "maximum recursion depth exceeded" in done.err
    assert "Traceback" not in done.err


@quick(90)
@given(data=st.data())
def test_any_command_line(jobkit: InProcess, neighbours: Neighbours, data: st.DataObject):
    neighbours.put_back()
    act = data.draw(st.sampled_from(ACTS))
    ids = st.sampled_from([neighbours.third, neighbours.third[:8], f"{neighbours.third[:16]}-1-0", "0", "-1"]) | TEXT
    valued = st.tuples(st.sampled_from(VALUED), st.sampled_from([*TIMES, "1", "n=1", "", "x"]) | TEXT).map("=".join)
    words = data.draw(st.lists(ids | st.sampled_from(ACTING) | valued, max_size=4))

    done = jobkit(*act.split(), *words, "--json")

    assert "Traceback" not in done.err, done.err
    assert done.code in (0, 1, 2, 3)
    assert done.out or done.err
    if done.out:
        assert done.document["schema"] == 1
    reads = act.startswith("inspect") or "--dry-run" in words
    by_age = act == "purge" and not reads and any(word.startswith("--older-than") for word in words)
    purged = done.document.get("purged", 0) if by_age and done.out else 0
    check_untouched(neighbours, done, nothing=reads or done.code in (2, 3), purged=purged)


@quick(20)
@given(words=st.lists(TEXT | st.sampled_from(["submit", "inspect", "job", "--json", "--n", "0"]), max_size=4))
def test_any_words(jobkit: InProcess, neighbours: Neighbours, words: list[str]):
    done = jobkit(*(word for word in words if word != "run"))

    assert "Traceback" not in done.err, done.err
    assert done.code in (0, 2, 3)
    check_untouched(neighbours, done, nothing="submit" not in words)


@pytest.mark.parametrize("command", ["deploy", "deprecate", "doctor", "new-app", "run hello_worlds --params"])
def test_a_path_that_the_system_refuses_is_told(jobkit: InProcess, command: str):
    done = jobkit(*command.split(), "x" * 300)

    assert (done.code in (1, 2), done.out) == (True, "")
    assert "Traceback" not in done.err
    assert done.err.rstrip(".\n").endswith("File name too long")


def test_a_folder_that_was_removed_under_the_shell_is_told(
    jobkit: InProcess, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    (folder / "gone").mkdir()
    monkeypatch.chdir(folder / "gone")
    (folder / "gone").rmdir()

    done = jobkit("controllers")

    assert (done.code, done.out) == (1, "")
    assert done.err == "error: the current folder is not there any more: cd into another\n"
