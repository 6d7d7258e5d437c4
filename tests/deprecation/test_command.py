"""`jobkit deprecate` as its users run it: what it writes, says, leaves alone and ends with."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from commands import InProcess
from writing_files import Write

GIVEN = ("--since", "2025-08-28", "--use", "controllers.hello_worlds")
BANNER = "# DEPRECATED since 2025-08-28: use controllers.hello_worlds instead.\n"
WARN = """\
import warnings as _jobkit_warnings

_jobkit_warnings.warn(
    f"{__name__} is deprecated since 2025-08-28: use controllers.hello_worlds instead.",
    DeprecationWarning,
    stacklevel=2,
)
"""


def statuses(jobkit: InProcess, *arguments: str) -> dict[str, tuple[str, str | None]]:
    return {
        row["path"]: (row["status"], row["reason"])
        for row in jobkit("deprecate", *arguments, "--json").document["files"]
    }


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_marking_twice_is_marking_once_and_undo_is_as_before(jobkit: InProcess, folder: Path, write: Write):
    write({"legacy/a.py": '"""Doc."""\nx = 1\n', "legacy/sub/b.py": b"import os\r\n"})
    before = contents(folder)

    first = jobkit("deprecate", "legacy", *GIVEN)
    after = contents(folder)
    second = jobkit("deprecate", "legacy", *GIVEN)
    again = contents(folder)
    undone = jobkit("deprecate", "legacy", "--undo")

    assert (first.code, first.out, first.err) == (0, "2  marked\n", "")
    assert after["legacy/a.py"].decode() == f'{BANNER}"""Doc."""\n\n{WARN}x = 1\n'
    assert (second.code, second.out, second.err) == (0, "2  already marked\n", "")
    assert again == after
    assert (undone.code, undone.out, undone.err) == (0, "2  undone\n", "")
    assert contents(folder) == before


def test_importing_a_marked_module_warns_at_the_importing_line(jobkit: InProcess, folder: Path, write: Write):
    write(
        {
            "legacy/__init__.py": "",
            "legacy/orders.py": "def f(): ...\n",
            "app.py": "import os\n\nfrom legacy import orders\n",
        }
    )
    jobkit("deprecate", "legacy", "--removal", "4.0", *GIVEN)

    command = [sys.executable, "-W", "always::DeprecationWarning", "app.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=True)

    assert done.stderr.splitlines()[0].endswith(
        "app.py:3: DeprecationWarning: legacy.orders is deprecated since 2025-08-28: "
        "use controllers.hello_worlds instead. Planned removal: 4.0."
    )


def test_calling_a_marked_function_warns_at_the_calling_line(jobkit: InProcess, folder: Path, write: Write):
    write(
        {
            "orders.py": "def f():\n    return 5\n\nclass A: ...\n",
            "app.py": "import orders\n\nprint(orders.f())\norders.A()\n",
        }
    )
    jobkit("deprecate", "orders.py", "--symbols", "--target-python", "3.11", *GIVEN)

    command = [sys.executable, "-W", "always::DeprecationWarning", "app.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=True)

    assert (done.stdout, [line.partition("app.py")[2][:45] for line in done.stderr.splitlines()[::2]]) == (
        "5\n",
        [":3: DeprecationWarning: f is deprecated since", ":4: DeprecationWarning: A is deprecated since"],
    )


@pytest.mark.parametrize(
    ("requires", "arguments", "origin"),
    [
        (">=3.11", (), "typing_extensions"),
        (">=3.13,<4", (), "warnings"),
        (">=3.11", ("--target-python", "3.13"), "warnings"),
    ],
)
def test_the_decorator_comes_from_where_the_target_python_has_it(
    jobkit: InProcess, folder: Path, write: Write, requires: str, arguments: tuple[str, ...], origin: str
):
    write({"pyproject.toml": f'[project]\nrequires-python = "{requires}"\n', "a.py": "def f(): ...\n"})

    jobkit("deprecate", "a.py", "--symbols", *arguments)

    assert (folder / "a.py").read_text().startswith(f"from {origin} import deprecated as _jobkit_deprecated\n")


@pytest.mark.parametrize("top", [".git/HEAD", "no-repository"])
def test_a_folder_means_what_defines_something(jobkit: InProcess, write: Write, top: str):
    write(
        {
            top: "",
            ".gitignore": "/legacy/build/\n*_local.py\n!keep_local.py\n",
            "legacy/__init__.py": "",
            "legacy/doc/__init__.py": '"""Doc."""\n',
            "legacy/a.py": "x = 1\n",
            "legacy/if.py": "if a:\n    import b\n",
            "legacy/nothing.py": "# nothing\nprint(5)\n",
            "legacy/build/b.py": "x = 1\n",
            "legacy/my_local.py": "x = 1\n",
            "legacy/keep_local.py": "x = 1\n",
            "legacy/.gitignore": "deep.py\n",
            "legacy/sub/deep.py": "x = 1\n",
            "legacy/env/pyvenv.cfg": "",
            "legacy/env/lib/c.py": "x = 1\n",
            "legacy/tests/d.py": "x = 1\n",
            "legacy/test_a.py": "x = 1\n",
            "legacy/conftest.py": "x = 1\n",
            "legacy/a_pb2.py": "x = 1\n",
            "legacy/made.py": "# Code generated by hand. DO NOT EDIT.\nx = 1\n",
            "legacy/__pycache__/e.py": "x = 1\n",
            "legacy/readme.md": "x",
        }
    )

    assert statuses(jobkit, "legacy", "--check") == {
        "legacy/__init__.py": ("skipped", "empty __init__.py"),
        "legacy/doc/__init__.py": ("skipped", "empty __init__.py"),
        "legacy/a.py": ("marked", None),
        "legacy/if.py": ("marked", None),
        "legacy/nothing.py": ("skipped", "defines nothing"),
        "legacy/build": ("skipped", "ignored by git"),
        "legacy/my_local.py": ("skipped", "ignored by git"),
        "legacy/keep_local.py": ("marked", None),
        "legacy/sub/deep.py": ("skipped", "ignored by git"),
        "legacy/env": ("skipped", "virtual environment"),
        "legacy/tests/d.py": ("skipped", "test"),
        "legacy/test_a.py": ("skipped", "test"),
        "legacy/conftest.py": ("skipped", "test"),
        "legacy/a_pb2.py": ("skipped", "generated"),
        "legacy/made.py": ("skipped", "generated"),
    }


def marked(found: dict[str, tuple[str, str | None]]) -> set[str]:
    return {path for path, (status, _) in found.items() if status == "marked"}


def test_include_and_exclude_are_gitignore_rules(jobkit: InProcess, write: Write):
    write({f"legacy/{name}.py": "x = 1\n" for name in ("a", "b", "tests/c", "sub/a", "sub/d")})

    assert marked(
        statuses(jobkit, "legacy", "--check", "--exclude", "/a.py", "--exclude", "sub/", "--exclude", "!sub/d.py")
    ) == {"legacy/b.py"}
    assert marked(statuses(jobkit, "legacy", "--check", "--include", "tests/", "--include", "/b.py")) == {
        "legacy/b.py",
        "legacy/tests/c.py",
    }


def test_only_some_kinds_by_names_and_definitions(jobkit: InProcess, write: Write):
    write(
        {
            "legacy/order_controller.py": "x = 1\n",
            "legacy/controllers/a.py": "x = 1\n",
            "legacy/b.py": "class TileController: ...\n",
            "legacy/c.py": "class Tiles(base.Controller): ...\n",
            "legacy/user_repo.py": "x = 1\n",
            "legacy/controllerless.py": "x = 1\n",
            "legacy/d.py": "class Other: ...\n",
        }
    )

    controllers = {"legacy/order_controller.py", "legacy/controllers/a.py", "legacy/b.py", "legacy/c.py"}
    assert marked(statuses(jobkit, "legacy", "--check", "--only", "controllers")) == controllers
    assert marked(statuses(jobkit, "legacy", "--check", "--only", "controllers,repositories")) == {
        *controllers,
        "legacy/user_repo.py",
    }
    assert jobkit("deprecate", "legacy", "--only", "controlers").err == (
        "error: --only=controlers: must be of controllers, services, repositories, models, jobs, tasks, handlers, "
        "clients, views. Did you mean 'controllers'?\n"
    )


def test_what_imports_reach_from_an_entry_lazy_ones_included(jobkit: InProcess, write: Write):
    write(
        {
            "function_app.py": "import legacy.a\n\ndef run():\n    from legacy import b\n    import importlib\n    importlib.import_module('legacy.c')\n",
            "legacy/__init__.py": "x = 1\n",
            "legacy/a.py": "from .sub import d\n",
            "legacy/b.py": "x = 1\n",
            "legacy/c.py": "x = 1\n",
            "legacy/sub/__init__.py": "from ..e import *\n",
            "legacy/sub/d.py": "x = 1\n",
            "legacy/e.py": "x = 1\n",
            "legacy/left.py": "import legacy.a\n",
        }
    )
    all_files = {f"legacy/{name}.py" for name in ("__init__", "a", "b", "c", "sub/__init__", "sub/d", "e", "left")}

    reached = marked(statuses(jobkit, ".", "--check", "--from-entry", "function_app.py"))
    rest = marked(statuses(jobkit, "legacy", "--check", "--from-entry", "function_app.py", "--unreachable"))

    assert (reached, rest) == (all_files - {"legacy/left.py"}, {"legacy/left.py"})


def test_a_computed_import_is_told_when_reach_decides(jobkit: InProcess, write: Write):
    write({"app.py": "import importlib\nimportlib.import_module(name)\n", "legacy/a.py": "x = 1\n"})

    done = jobkit("deprecate", "legacy", "--from-entry", "app.py", "--unreachable", "--check")

    assert "warning: app.py: line 2: imports a module whose name is computed; " in done.err


def test_a_map_gives_each_module_its_replacement(jobkit: InProcess, folder: Path, write: Write):
    write(
        {
            "map.toml": '"legacy.a" = "controllers.a"\nlegacy.sub.b = "controllers.b"\n"legacy.zz" = "x"\n',
            "legacy/a.py": "x = 1\n",
            "legacy/sub/b.py": "x = 1\n",
            "legacy/c.py": "x = 1\n",
        }
    )

    done = jobkit("deprecate", "legacy", "--map", "map.toml", "--since", "2025-08-28", "--use", "controllers")

    assert (done.code, done.err) == (0, "warning: map.toml: legacy.zz is none of the files\n")
    assert [(folder / f"legacy/{name}.py").read_text().splitlines()[0] for name in ("a", "sub/b", "c")] == [
        "# DEPRECATED since 2025-08-28: use controllers.a instead.",
        "# DEPRECATED since 2025-08-28: use controllers.b instead.",
        "# DEPRECATED since 2025-08-28: use controllers instead.",
    ]


def test_settings_hold_template_paths_and_options_and_the_command_line_wins(
    jobkit: InProcess, folder: Path, write: Write
):
    write(
        {
            "pyproject.toml": '[tool.jobkit.deprecate]\npaths = ["old"]\nstyle = "comment"\nsince = 2025-01-31\nuse = "new"\n'
            'exclude = ["b.py"]\ntemplate = "{use} has it; ask the data team."\n',
            "old/a.py": "x = 1\n",
            "old/b.py": "x = 1\n",
        }
    )

    first = jobkit("deprecate")
    told = (folder / "old/a.py").read_text()
    jobkit("deprecate", "--use", "newer")

    assert (first.code, first.out) == (0, "1  marked\n1  skipped  excluded\n")
    assert told == "# DEPRECATED since 2025-01-31: new has it; ask the data team.\nx = 1\n"
    assert (
        folder / "old/a.py"
    ).read_text() == "# DEPRECATED since 2025-01-31: newer has it; ask the data team.\nx = 1\n"
    assert jobkit("controllers").code == 0


def test_check_says_what_would_change_and_writes_nothing(jobkit: InProcess, folder: Path, write: Write):
    write({"legacy/a.py": "x = 1\n"})
    before = contents(folder)

    would = jobkit("deprecate", "legacy", "--check")
    unchanged = contents(folder)
    jobkit("deprecate", "legacy")
    fine = jobkit("deprecate", "legacy", "--check")
    would_undo = jobkit("deprecate", "legacy", "--check", "--undo")

    assert (would.code, would.out, would.err) == (
        1,
        "would mark legacy/a.py\n1  marked\nnothing was written: --check\n",
        "",
    )
    assert unchanged == before
    assert (fine.code, fine.out) == (0, "1  already marked\nnothing was written: --check\n")
    assert (would_undo.code, would_undo.out.splitlines()[0]) == (1, "would undo legacy/a.py")


def test_diff_is_what_patch_takes(jobkit: InProcess, folder: Path, write: Write):
    write({"a.py": "x = 1"})

    done = jobkit("deprecate", "a.py", "--diff", "--style", "comment", *GIVEN)

    assert (done.code, done.err) == (0, "")
    assert done.out == f"--- a/a.py\n+++ b/a.py\n@@ -1 +1,2 @@\n+{BANNER} x = 1\n\\ No newline at end of file\n"
    assert (folder / "a.py").read_text() == "x = 1"


def test_what_must_be_left_is_named_and_the_rest_is_done(jobkit: InProcess, folder: Path, write: Write):
    write(
        {
            "legacy/a_good.py": "x = 1\n",
            "legacy/bad.py": "x = (\n",
            "legacy/empty.py": "",
            "legacy/huge.py": b"x = 1\n" + b"#\n" * 1_100_000,
            "legacy/latin.py": b"x = '\xe9'\n",
            "legacy/newer.py": "type = 1\nfrom x import y as\n",
            "legacy/readonly.py": "x = 1\n",
            "legacy/z_good.py": "x = 1\n",
            "other.py": "x = 1\n",
        }
    )
    (folder / "legacy/readonly.py").chmod(0o444)
    (folder / "legacy/link.py").symlink_to(folder / "other.py")
    (folder / "legacy/folder_link").symlink_to(folder)
    os.link(folder / "other.py", folder / "legacy/hard.py")
    before = contents(folder)

    done = jobkit("deprecate", "legacy", *GIVEN)

    assert done.code == 1
    assert [
        line.partition(": ")[2].partition(" bytes")[0].partition(": line")[0] for line in done.err.splitlines()
    ] == [
        "legacy/bad.py: syntax error for this Python",
        "legacy/empty.py: empty",
        "legacy/folder_link: symlink",
        "legacy/hard.py: it has 2 hard links: the others would keep the old text",
        "legacy/huge.py: huge: 2,200,006",
        "legacy/latin.py: not UTF-8, and no coding line says what else: 'utf-8' codec can't decode byte 0xe9 in position 5: invalid continuation byte",
        "legacy/link.py: symlink",
        "legacy/newer.py: syntax error for this Python",
        "legacy/readonly.py: read-only",
    ]
    changed = {name for name, content in contents(folder).items() if content != before[name]}
    assert changed == {"legacy/a_good.py", "legacy/z_good.py"}


def test_the_mode_is_kept_and_nothing_is_left_behind(jobkit: InProcess, folder: Path, write: Write):
    write({"legacy/a.py": "x = 1\n"})
    (folder / "legacy/a.py").chmod(0o751)

    jobkit("deprecate", "legacy")

    assert (folder / "legacy/a.py").stat().st_mode & 0o777 == 0o751
    assert list(contents(folder)) == ["legacy/a.py"]


def test_other_peoples_markers_are_reported(jobkit: InProcess, write: Write):
    write({"legacy/a.py": "# Licence\n# Deprecated: see b\nx = 1\n"})

    done = jobkit("deprecate", "legacy")

    assert (done.code, done.err) == (0, "")
    assert done.out == "marked by others: legacy/a.py:2: # Deprecated: see b\n1  marked by others\n"


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_uncommitted_changes_are_told(jobkit: InProcess, folder: Path, write: Write):
    write({"legacy/a.py": "x = 1\n", "legacy/b.py": "x = 1\n"})
    git = ["git", "-c", "user.name=n", "-c", "user.email=e@example.org"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run([*git, *command], cwd=folder, check=True)

    clean = jobkit("deprecate", "legacy/a.py")
    dirty = jobkit("deprecate", "legacy")

    assert clean.err == ""
    assert dirty.err.startswith("warning: uncommitted changes in 1 file: commit them first")


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["--unreachable"], "--unreachable needs --from-entry"),
        (["--tree"], "--tree needs --report"),
        (["--report", "--tree", "--json"], "--tree and --json are two forms: choose one"),
        (["--symbols", "--style", "warn"], "--symbols has no --style: it marks neither way"),
        (["--report", "--check"], "--report only looks: it takes no --check"),
        (["--report", "--use", "x"], "--report only looks: it takes no --use"),
        (["--undo", "--since", "2025-01-01"], "--undo takes markers out, whatever they say: it takes no --since"),
        (["--undo", "--symbols"], "--undo takes markers out, whatever they say: it takes no --symbols"),
        (["--style", "comments"], "--style=comments: must be one of both, warn, comment. Did you mean 'comment'?"),
        (["--since", "yesterday"], "--since=yesterday: must be a date such as 2025-08-28"),
        (["--reason", "a\nb"], "--reason='a\\nb': must be one line of printable characters"),
        (["--map", "none.toml"], "--map=none.toml: can't be read: No such file or directory"),
        (["--from-entry", "none.py"], "--from-entry=none.py: there is no such file"),
        (["--symbols", "--target-python", "new"], "--target-python=new: must be a version such as 3.12"),
    ],
)
def test_what_can_not_be_meant_is_refused(
    jobkit: InProcess, folder: Path, write: Write, arguments: list[str], answer: str
):
    write({"a.py": "x = 1\n"})

    done = jobkit("deprecate", "a.py", *arguments)

    assert (done.code, done.out, done.err) == (2, "", f"error: {answer}\n")
    assert (folder / "a.py").read_text() == "x = 1\n"


@pytest.mark.parametrize(
    ("table", "answer"),
    [
        ('styel = "both"', "styel in {}=both: there is no such setting. Did you mean 'style'?"),
        ("exclude = 5", "exclude in {}=5: must be a list of texts"),
        ("symbols = 1", "symbols in {}=1: must be true or false"),
        ("use = 1", "use in {}=1: must be a text"),
    ],
)
def test_a_wrong_setting_is_refused(jobkit: InProcess, folder: Path, write: Write, table: str, answer: str):
    write({"pyproject.toml": f"[tool.jobkit.deprecate]\n{table}\n", "a.py": "x = 1\n"})

    done = jobkit("deprecate", "a.py")

    text = answer.format(folder / "pyproject.toml")
    assert (done.code, done.err) == (2, f"error: [tool.jobkit.deprecate] {text}\n")


def test_a_path_that_is_not_there_is_refused_and_so_is_none(jobkit: InProcess):
    assert jobkit("deprecate", "none").err == "error: PATH=none: there is no such file or folder\n"
    assert jobkit("deprecate").code == 2
