"""`jobkit deprecate --report`: uses, what can be deleted, and progress."""

from __future__ import annotations

import pytest

from commands import InProcess
from writing_files import Write

FILES = {
    "legacy/__init__.py": "",
    "legacy/orders.py": "# DEPRECATED since 2025-08-28.\nfrom . import rates\ndef create(): ...\n",
    "legacy/rates.py": "# DEPRECATED since 2025-08-28.\nX = 1\n",
    "legacy/dead.py": "# DEPRECATED since 2025-08-28.\nfrom legacy import deader\n",
    "legacy/deader.py": "# deprecated, long ago\nX = 1\n",
    "legacy/mixed.py": "from typing_extensions import deprecated\n\n@deprecated('no')\ndef old(): ...\ndef new(): ...\n",
    "app.py": "import legacy.orders\nfrom legacy.mixed import new, old\n\ndef f():\n    legacy.orders.create()\n    new()\n    return old()\n",
    "tests/test_app.py": "from legacy.orders import create as make\n\nmake()\n",
}
TABLE = """\
deprecated        since       uses  files  change
legacy.dead       2025-08-28     0      0
legacy.deader     by others      1      1
legacy.mixed.old  by others      2      1
legacy.orders     2025-08-28     4      2
legacy.rates      2025-08-28     1      1

used at              name                  how
app.py:1             legacy.orders         import
app.py:2             legacy.mixed.old      import
app.py:5             legacy.orders.create  call
app.py:7             legacy.mixed.old      call
legacy/dead.py:2     legacy.deader         import
legacy/orders.py:2   legacy.rates          import
tests/test_app.py:1  legacy.orders.create  import, in a test
tests/test_app.py:3  legacy.orders.create  call, in a test

used by nobody, can be deleted:
  legacy.dead
  legacy.deader

5 deprecated, 8 uses; the next report tells the progress
"""
TREE = """\
5 deprecated
├── legacy.dead  0 uses
├── legacy.deader  1 use
│   └── legacy/dead.py
│       └── 2  import  legacy.deader
├── legacy.mixed.old  2 uses
│   └── app.py
│       ├── 2  import  legacy.mixed.old
│       └── 7  call  legacy.mixed.old
├── legacy.orders  4 uses
│   ├── app.py
│   │   ├── 1  import  legacy.orders
│   │   └── 5  call  legacy.orders.create
│   └── tests/test_app.py
│       ├── 1  import  legacy.orders.create  in a test
│       └── 3  call  legacy.orders.create  in a test
└── legacy.rates  1 use
    └── legacy/orders.py
        └── 2  import  legacy.rates
"""


@pytest.fixture(autouse=True)
def project(write: Write) -> None:
    write(FILES)


def test_the_table_names_every_use_and_what_can_be_deleted(jobkit: InProcess):
    done = jobkit("deprecate", "--report", ".")

    assert (done.code, done.err, done.out) == (0, "", TABLE)


def test_the_tree(jobkit: InProcess):
    done = jobkit("deprecate", "--report", ".", "--tree")

    assert (done.code, done.out.partition("\nused by nobody")[0]) == (0, TREE)


def test_the_next_report_tells_the_progress(jobkit: InProcess, write: Write):
    jobkit("deprecate", "--report", ".")
    write({"app.py": "import legacy.orders\n", "legacy/deader.py": "X = 1\n"})

    done = jobkit("deprecate", "--report", ".")

    lines = done.out.splitlines()
    assert lines[2].split() == ["legacy.mixed.old", "by", "others", "0", "0", "-2"]
    assert lines[3].split() == ["legacy.orders", "2025-08-28", "3", "2", "-1"]
    assert lines[-1].startswith("4 deprecated, 4 uses (-4 since 20")
    assert lines[-1].endswith(" UTC); gone: legacy.deader")


def test_json(jobkit: InProcess):
    jobkit("deprecate", "--report", ".")
    document = jobkit("deprecate", "--report", ".", "--json").document

    assert (document["schema"], document["use_count"], document["problems"]) == (1, 8, [])
    assert document["deletable"] == ["legacy.dead", "legacy.deader"]
    assert document["deprecated"][2] == {
        "name": "legacy.mixed.old",
        "path": "legacy/mixed.py",
        "symbol": "old",
        "since": None,
        "marked_by": "others",
        "use_count": 2,
        "deletable": False,
        "uses": [
            {"path": "app.py", "line": 2, "name": "legacy.mixed.old", "how": "import", "in_test": False},
            {"path": "app.py", "line": 7, "name": "legacy.mixed.old", "how": "call", "in_test": False},
        ],
    }
    assert {name: document["progress"][name] for name in ("uses_then", "uses_change", "gone", "new")} == {
        "uses_then": 8,
        "uses_change": 0,
        "gone": [],
        "new": [],
    }


def test_a_file_that_can_not_be_read_is_named(jobkit: InProcess, write: Write):
    write({"broken.py": "x = (\n"})

    done = jobkit("deprecate", "--report", ".")

    assert (done.code, done.out) == (1, TABLE)
    assert done.err.startswith("left: broken.py: syntax error for this Python: line 1: ")


def test_a_file_that_nests_too_deep_for_libcst_is_named(jobkit: InProcess, write: Write):
    write({"deep.py": '"""A text."""\nx = (\n' + "    'deprecated'\n" * 2_000 + ")\n"})

    done = jobkit("deprecate", "--report", ".")

    assert (done.code, done.out) == (1, TABLE)
    assert done.err == "left: deep.py: libcst can't read it: RecursionError\n"
