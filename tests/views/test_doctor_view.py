"""Doctor's screen: by group, each state in words, the fix below; folded at 80 columns, one line each where wide."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from jobkit.views.doctor import FindingRow, doctor_view

ROWS = [
    FindingRow(group="machine", name="Python", state="ok", evidence="3.13.1", fix="", can_mend=False),
    FindingRow(
        group="app",
        name="host.json queues",
        state="error",
        evidence="messageEncoding is 'none', and jobkit's messages are base64: all end in the poison queue",
        fix='set "messageEncoding": "base64"',
        can_mend=True,
    ),
    FindingRow(
        group="app",
        name="backups",
        state="warning",
        evidence="left behind: controllers/[tiles].py.orig",
        fix="delete them, or add them to .funcignore",
        can_mend=False,
    ),
    FindingRow(
        group="jobs",
        name="jobs",
        state="not checked",
        evidence="the store can't be reached",
        fix="mend that",
        can_mend=False,
    ),
]
WIDE = """\
machine
  ok           Python: 3.13.1
app
  error        host.json queues: messageEncoding is 'none', and jobkit's messages are base64: all end in the poison queue
               --fix does it: set "messageEncoding": "base64"
  warning      backups: left behind: controllers/[tiles].py.orig
               fix: delete them, or add them to .funcignore
jobs
  not checked  jobs: the store can't be reached
               fix: mend that
1 error
"""
NARROW = """\
machine
  ok           Python: 3.13.1
app
  error        host.json queues: messageEncoding is 'none', and jobkit's
               messages are base64: all end in the poison queue
               --fix does it: set "messageEncoding": "base64"
  warning      backups: left behind: controllers/[tiles].py.orig
               fix: delete them, or add them to .funcignore
jobs
  not checked  jobs: the store can't be reached
               fix: mend that
1 error
"""


@pytest.mark.parametrize(("width", "expected"), [(80, NARROW), (200, WIDE)])
def test_the_screen(width: int, expected: str):
    text = StringIO()
    Console(file=text, width=width, highlight=False).print(doctor_view(ROWS, "1 error"))

    assert "".join(line.rstrip() + "\n" for line in text.getvalue().splitlines()) == expected
