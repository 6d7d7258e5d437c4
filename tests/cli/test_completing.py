"""What a shell offers: commands, job types, stages, parameters, values and jobs; without typer, pydantic or azure."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path

import pytest

from commands import JOBKIT, InProcess
from jobkit.cli import making, project_catalogue
from jobkit.cli.completing import BETWEEN, SHELL, WORDS, Candidate, candidates
from waiting import wait_until

TILES = '''\
from typing import Literal

from pydantic import Field

from jobkit.runtime import BaseController, Params, TaskContext, stage

print("a controller that prints")


class TileParams(Params):
    tile_px: int = Field(512, description="Edge of a tile in pixels.")
    kind: Literal["png", "tif"] = "png"
    overwrite: bool = False


class Tiles(BaseController[TileParams]):
    """Cuts tiles.

    From anything.
    """

    job_type = "tiles"

    @stage("Cut tiles")
    def cut(self, task: TaskContext[TileParams, None]) -> None:
        pass

    @stage("Check")
    def check(self, task: TaskContext[TileParams, None]) -> None:
        pass
'''


@pytest.fixture
def tiles(folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one module of controllers, and a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    (folder / "pyproject.toml").write_text("[tool.jobkit]\n")
    (folder / "controllers").mkdir()
    path = folder / "controllers" / "tiles.py"
    path.write_text(TILES)
    return path


def offered(line: str) -> list[str]:
    """The words that may follow; the last one of the line is being typed."""
    return [found.word for found in explained(line)]


def explained(line: str) -> list[Candidate]:
    """The words that may follow, and what they are."""
    return candidates(line.split(" "), Path.cwd(), making.here)


def answered(line: str) -> list[str]:
    """What a shell is told."""
    environment = {**os.environ, SHELL: "bash", WORDS: line.replace(" ", BETWEEN)}
    done = subprocess.run([*JOBKIT], env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def is_unlocked() -> bool:
    """Whether no process makes anything for this folder."""
    folder = os.open(Path.cwd(), os.O_RDONLY)
    try:
        flock(folder, LOCK_EX | LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(folder)
    return True


def forget_imports() -> None:
    """As if the next completion were in a process of its own, as it is."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "controllers"]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("re", ["repair", "retry"]),
        ("inspect ", ["jobs", "job", "poison", "tasks", "task", "queues"]),
        ("run ", ["hello_worlds", "tiles"]),
        ("submit t", ["tiles"]),
        ("dev t", ["tiles"]),
        ("run tiels ", []),
        ("nonsense ", []),
        ("--v", ["--version"]),
        ("run tiles --t", ["--tile-px", "--timeout"]),
        ("run tiles --tile_", ["--tile_px"]),
        ("run tiles --tile-px=8 --t", ["--timeout"]),
        ("run tiles --tile-px 8 --stage check --s", ["--stage", "--store", "--seed"]),
        ("submit tiles --t", ["--tile-px"]),
        ("dev tiles --a", []),
        ("run tiles --o", ["--overwrite"]),
        ("run tiles --no", ["--no-overwrite"]),
        ("run tiles --kind ", ["png", "tif"]),
        ("run tiles --kind=t", ["--kind=tif"]),
        ("run tiles --kind = t", ["tif"]),  # as bash has it
        ("run tiles --tile-px ", []),
        ("run tiles --overwrite --stage c", ["cut_tiles", "check"]),
        ("run tiles --store ", ["local", "azure"]),
        ("worker --con", ["--concurrency"]),
        ("retry --status f", ["failed"]),
        ("retry --type t", ["tiles"]),
        ("completion z", ["zsh"]),
        ("deploy ", []),
    ],
)
def test_what_may_follow(tiles: Path, line: str, words: list[str]):
    assert offered(line) == words


def test_what_is_offered_says_what_it_is(tiles: Path):
    assert explained("run ti") == [("tiles", "Cuts tiles.")]
    assert explained("run tiles --tile-") == [("--tile-px", "Edge of a tile in pixels. [default: 512]")]
    assert explained("run tiles --stage cu") == [("cut_tiles", "Cut tiles")]
    assert explained("cancel") == [("cancel", "End a job that has not ended: no further task starts.")]


def test_jobs_are_offered_newest_first_from_the_store_that_is_typed(
    tiles: Path, jobkit: InProcess, monkeypatch: pytest.MonkeyPatch
):
    nothing = offered("inspect job ")
    ids = [jobkit("submit", "tiles", "--tile-px", px, "--json").document["job_id"] for px in ("1", "2", "3")]
    other = jobkit("submit", "hello_worlds", "--store", "local:other.db", "--json").document["job_id"]

    newest = [job_id[:12] for job_id in reversed(ids)]
    assert nothing == []
    for line in ("inspect job ", "retry ", f"cancel {ids[0]} ", "run tiles --stage check --from "):
        assert offered(line) == newest
    for line in ("poison drop ", "poison requeue ", "inspect poison "):  # a message's id is no job's
        assert offered(line) == []
    assert offered("poison drop --job ") == newest
    assert offered(f"inspect job {ids[1][:8]}") == [ids[1][:12]]
    assert offered("inspect job --store local:other.db ") == [other[:12]]
    assert offered("inspect job --store azure ") == []
    assert explained(f"inspect job {newest[0]}")[0].help.startswith("tiles, 20")
    monkeypatch.setenv("JOBKIT_HUB", "another")
    assert offered("inspect job ") == []


def test_what_is_known_is_kept_until_the_code_changes(tiles: Path, monkeypatch: pytest.MonkeyPatch):
    first = offered("run tiles --t")
    with monkeypatch.context() as patch:
        patch.delattr(project_catalogue, "make_controllers")
        kept = offered("run tiles --t")

    forget_imports()
    tiles.write_text(TILES.replace("    overwrite:", "    top: int = 0\n    overwrite:"))
    changed = offered("run tiles --t")
    forget_imports()
    tiles.with_name("more.py").write_text(TILES.replace('"tiles"', '"more"'))
    added = offered("run ")
    tiles.write_text("def broken(:\n")
    forget_imports()
    broken = offered("run ")
    tiles.write_text(TILES)
    forget_imports()

    assert first == kept == ["--tile-px", "--timeout"]
    assert changed == ["--tile-px", "--top", "--timeout"]
    assert (added, broken, offered("run ")) == (
        ["hello_worlds", "more", "tiles"],
        ["hello_worlds", "more", "tiles"],  # as it was known
        ["hello_worlds", "more", "tiles"],
    )


def test_a_cache_that_is_damaged_or_cannot_be_written_does_no_harm(tiles: Path, monkeypatch: pytest.MonkeyPatch):
    offered("run ")
    files = list(Path(os.environ["XDG_CACHE_HOME"], "jobkit").iterdir())
    for kept in files:
        kept.write_text(kept.read_text()[:40])
    damaged = offered("run t")
    mended = [json.loads(kept.read_text()) for kept in files]
    (Path.cwd() / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(Path.cwd() / "file"))

    assert [sorted(document) for document in mended] == [["content", "looks"]] * 2
    assert (damaged, offered("run t")) == (["tiles"], ["tiles"])


def test_names_of_commands_need_no_code_of_the_project(tiles: Path):
    tiles.write_text("from pathlib import Path\nPath('imported').touch()\n")

    assert (offered("re"), offered("inspect job --w")) == (["repair", "retry"], ["--watch"])
    assert not Path("imported").exists()
    assert (offered("run "), Path("imported").exists()) == (["hello_worlds"], True)


def test_controllers_in_src_are_looked_for_again_when_there_is_another(tiles: Path):
    Path("pyproject.toml").write_text('[tool.jobkit]\ncontrollers = ["etl.jobs"]\n')
    jobs = Path("src/etl/jobs")
    jobs.mkdir(parents=True)
    (jobs / "one.py").write_text(TILES.replace('"tiles"', '"one"'))
    one = offered("run ")
    (jobs / "two.py").write_text(TILES.replace('"tiles"', '"two"'))

    assert (one, offered("run ")) == (["hello_worlds", "one"], ["hello_worlds", "one", "two"])


def test_settings_that_cannot_be_read_leave_the_commands_and_what_was_known(tiles: Path, jobkit: InProcess):
    job_id = jobkit("submit", "tiles", "--json").document["job_id"]
    lines = ["re", "run t", "inspect job "]
    before = [offered(line) for line in lines]
    Path("pyproject.toml").write_text("[tool.jobkit\n")

    assert before == [offered(line) for line in lines] == [["repair", "retry"], ["tiles"], [job_id[:12]]]


def test_what_is_made_after_a_save_needs_neither_typer_nor_a_store(tiles: Path):
    text = (
        "import sys; from pathlib import Path; from jobkit.cli.project_catalogue import make_controllers\n"
        "made = make_controllers(Path.cwd(), {})\n"
        "print(*made.content, *{'typer', 'rich', 'azure', 'sqlite3', 'jobkit.local'} & set(sys.modules), sep='|')"
    )

    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=60)

    assert (done.stderr, done.stdout) == ("", "a controller that prints\nhello_worlds|tiles\n")


def test_what_takes_long_to_import_is_there_for_a_later_key_and_no_process_is_left(tiles: Path):
    """The import waits until somebody writes into the pipe."""
    first = offered("run tiles --t")
    tiles.write_text("open('gate').read()\n" + TILES.replace("    overwrite:", "    top: int = 0\n    overwrite:"))
    os.mkfifo("gate")

    meanwhile = [answered("run tiles --t"), answered("run tiles --t")]  # the second one starts no other import
    Path("gate").write_text("")
    wait_until(is_unlocked, "the process that imports has ended")
    Path("gate").unlink()

    assert meanwhile == [first, first]
    assert answered("run tiles --t") == ["--tile-px", "--top", "--timeout"]


def test_bash_itself_is_answered_with_the_words_alone(tiles: Path, jobkit: InProcess):
    """The script in a real bash, which starts jobkit as a shell does."""
    script = jobkit("completion", "bash").out
    job_id = jobkit("submit", "tiles", "--store", "local:other.db", "--json").document["job_id"]
    tiles.with_name("broken.py").write_text("raise SystemExit('broken')\n")
    typed = 'COMP_WORDS=({}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _jobkit jobkit; printf "%s|" "${{COMPREPLY[@]}}"; echo\n'
    in_other = 'jobkit cancel --store = local : other.db ""'  # as bash takes it apart
    lines = ['jobkit run ""', "jobkit run tiles --kind = t", in_other, 'jobkit "it\'s" ""', "jobkit re"]
    text = f"jobkit() {{ '{sys.executable}' -m jobkit \"$@\"; }}\n" + script + "".join(map(typed.format, lines))

    done = subprocess.run(["bash", "--norc"], input=text, capture_output=True, text=True, timeout=60)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["hello_worlds|tiles|", "tif|", f"{job_id[:12]}|", "|", "repair|retry|"]


@pytest.mark.parametrize(
    ("shell", "written"),
    [
        ("bash", "tiles\n"),
        ("zsh", "tiles:Cuts tiles.\n"),
        ("fish", "tiles\tCuts tiles.\n"),
    ],
)
def test_each_shell_has_its_own_form_and_a_kept_answer_imports_nothing_heavy(tiles: Path, shell: str, written: str):
    offered("run t")
    environment = {**os.environ, SHELL: shell, WORDS: BETWEEN.join(["run", "t"]), "PYTHONPROFILEIMPORTTIME": "1"}

    done = subprocess.run([sys.executable, "-m", "jobkit"], env=environment, capture_output=True, text=True, timeout=60)

    assert (done.returncode, done.stdout) == (0, written)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "jobkit.cli.completing" in imported
    assert {"typer", "pydantic", "rich", "azure", "jobkit.runtime"} & imported == set()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell_passes_words_by_the_environment_and_names_no_path(jobkit: InProcess, shell: str):
    done = jobkit("completion", shell)

    assert (done.code, done.err) == (0, "")
    assert (f"{SHELL}={shell}" in done.out or f"{SHELL} {shell}" in done.out, WORDS in done.out) == (True, True)
    assert sys.prefix not in done.out


def test_a_shell_that_there_is_not_is_refused(jobkit: InProcess):
    done = jobkit("completion", "fisch")

    assert (done.code, done.out) == (2, "")
    assert done.err == "error: SHELL=fisch: give bash, zsh or fish. Did you mean 'fish'?\n"
