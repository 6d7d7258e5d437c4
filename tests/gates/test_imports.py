"""What an import or a help screen costs: heavy packages come in only with the command that needs them."""

import subprocess
import sys

import pytest

HEAVY = {"azure", "libcst", "pathspec", "cookiecutter", "sqlite3", "asyncio", "pydantic", "rfc8785", "watchfiles"}
OURS = {"jobkit.deprecation", "jobkit.local", "jobkit.runtime", "jobkit.testing", "jobkit.views"}


def loaded_by(statement: str) -> set[str]:
    """Return all modules that a new interpreter has after a statement."""
    code = f"import sys\nbefore = set(sys.modules)\n{statement}\nloaded = sorted(set(sys.modules) - before)\nprint(*loaded)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_import_jobkit_loads_nothing_else():
    assert loaded_by("import jobkit") == {"jobkit"}


def test_the_command_line_starts_without_the_runtime_the_store_and_azure():
    loaded = loaded_by("import jobkit.cli.main")

    # typer itself comes with what it needs; the rest must wait for the command
    own = {name for name in loaded if any(name == part or name.startswith(part + ".") for part in OURS)}
    foreign = {name.partition(".")[0] for name in loaded - loaded_by("import typer, rich")} & HEAVY
    assert (own, foreign) == (set(), set())


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["inspect", "--help"],
        ["worker", "--help"],
        ["deprecate", "--help"],
        ["new-controller", "--help"],
    ],
)
def test_a_help_screen_loads_nothing_but_typer_and_its_own(arguments):
    loaded = loaded_by(
        f"from jobkit.cli.main import main\nsys.argv = ['jobkit', *{arguments}]\ntry: main()\nexcept SystemExit: pass"
    )

    own = {name for name in loaded if any(name == part or name.startswith(part + ".") for part in OURS)}
    # pydantic comes with typer's own reading of typed options
    foreign = {name.partition(".")[0] for name in loaded} & ((HEAVY | {"rich"}) - {"pydantic"})
    assert (own, foreign) == (set(), set())


def test_the_runtime_loads_nothing_that_a_function_app_need_not_have():
    loaded = {name.partition(".")[0] for name in loaded_by("import jobkit.runtime.processing, jobkit.runtime.loader")}

    assert loaded & {"typer", "rich", "cookiecutter", "libcst", "sqlite3", "asyncio", "azure"} == set()


def test_running_a_job_loads_no_azure():
    loaded = {name.partition(".")[0] for name in loaded_by("import jobkit.cli.run, jobkit.cli.child")}

    assert loaded & {"azure", "cookiecutter", "libcst", "asyncio"} == set()
