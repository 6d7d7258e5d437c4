"""Before and after, byte for byte; marked twice is marked once, and taken out it is as before."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from jobkit.deprecation.codemod import Change, mark, unmark
from jobkit.deprecation.marker import Marker, Style
from jobkit.deprecation.source import Unreadable, read_source

TODAY = dt.date(2025, 8, 28)
MARKER = Marker(today=TODAY, use="controllers.hello_worlds")
SYMBOLS = replace(MARKER, symbols=True)
BANNER = "# DEPRECATED since 2025-08-28: use controllers.hello_worlds instead.\n"
WARN = """\
import warnings as _jobkit_warnings

_jobkit_warnings.warn(
    f"{__name__} is deprecated since 2025-08-28: use controllers.hello_worlds instead.",
    DeprecationWarning,
    stacklevel=2,
)
"""
IMPORT = "from typing_extensions import deprecated as _jobkit_deprecated\n"


def marked(raw: bytes, marker: Marker = MARKER) -> Change:
    return mark(read_source(raw), marker, "legacy.module")


def unmarked(raw: bytes) -> bytes:
    return unmark(read_source(raw)).after


BEFORE_AFTER = {
    "plain": ("x = 1\n", f"{BANNER}{WARN}\nx = 1\n"),
    "docstring": ('"""Doc."""\n\nx = 1\n', f'{BANNER}"""Doc."""\n\n{WARN}\nx = 1\n'),
    "docstring right above code": ('"""Doc."""\nx = 1\n', f'{BANNER}"""Doc."""\n\n{WARN}x = 1\n'),
    "docstring of parts": ("'a' 'b'\nx = 1\n", f"{BANNER}'a' 'b'\n\n{WARN}x = 1\n"),
    "docstring of many lines": ('"""Doc.\n\nMore.\n"""\nx = 1\n', f'{BANNER}"""Doc.\n\nMore.\n"""\n\n{WARN}x = 1\n'),
    "bytes are no docstring": ("b'no'\nx = 1\n", f"{BANNER}{WARN}\nb'no'\nx = 1\n"),
    "f-string is no docstring": ("f'no'\nx = 1\n", f"{BANNER}{WARN}\nf'no'\nx = 1\n"),
    "shebang": ("#!/usr/bin/env python3\nx = 1\n", f"#!/usr/bin/env python3\n{BANNER}{WARN}\nx = 1\n"),
    "shebang and coding": ("#!/x\n# -*- coding: utf-8 -*-\nx = 1\n", f"#!/x\n# -*- coding: utf-8 -*-\n{BANNER}{WARN}\nx = 1\n"),
    "coding below a blank line": ("\n# coding: utf-8\nx = 1\n", f"\n# coding: utf-8\n{BANNER}{WARN}\nx = 1\n"),
    "no coding in line 3": ("# a\n# b\n# coding: rot13\nx = 1\n", f"{BANNER}# a\n# b\n# coding: rot13\n{WARN}\nx = 1\n"),
    "leading comments": ("# Licence\n\n# More\nx = 1\n", f"{BANNER}# Licence\n\n# More\n{WARN}\nx = 1\n"),
    "future": (
        '"""Doc."""\nfrom __future__ import annotations\nfrom __future__ import division  # why\n\nimport os\n',
        f'{BANNER}"""Doc."""\nfrom __future__ import annotations\nfrom __future__ import division  # why\n\n{WARN}\nimport os\n',
    ),
    "future in brackets": (
        "from __future__ import (\n    annotations,\n)\nimport os\n",
        f"{BANNER}from __future__ import (\n    annotations,\n)\n\n{WARN}import os\n",
    ),
    "docstring and future on one line": (
        '"""d"""; from __future__ import annotations\nx = 1\n',
        f'{BANNER}"""d"""; from __future__ import annotations\n\n{WARN}x = 1\n',
    ),
    "comments between docstring and code": (
        '"""Doc."""\n# about os\nimport os\n',
        f'{BANNER}"""Doc."""\n\n{WARN}# about os\nimport os\n',
    ),
    "tabs": ("if x:\n\ty = 1\n", f"{BANNER}{WARN}\nif x:\n\ty = 1\n"),
    "decorated first": ("@a\n\n@b\ndef f(): ...\n", f"{BANNER}{WARN}\n@a\n\n@b\ndef f(): ...\n"),
    "mentions": (
        "x = 1  # not deprecated\n\ndef f():\n    '''Deprecated.'''\n    # DEPRECATED\n",
        f"{BANNER}{WARN}\nx = 1  # not deprecated\n\ndef f():\n    '''Deprecated.'''\n    # DEPRECATED\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize("raw", [f"{BANNER}{WARN}\nx = 1\n", f'{BANNER}"""Doc."""\n\n{WARN}x = 1\n'])
def test_what_says_so_already_stays_as_it_is(raw: str):
    assert marked(raw.encode()).after == raw.encode()


@pytest.mark.parametrize("raw", ["x = 1\n", '"""Doc."""\nimport warnings\n', "\ufeffx = 1"])
def test_undoing_what_has_no_marker_changes_nothing(raw: str):
    assert unmarked(raw.encode()) == raw.encode()


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize(("before", "after"), BEFORE_AFTER.values(), ids=BEFORE_AFTER)
def test_the_marker_has_its_place_and_nothing_else_changes(before: str, after: str, newline: str):
    raw, expected = (text.replace("\n", newline).encode() for text in (before, after))

    first = marked(raw)

    assert first.after == expected
    assert marked(first.after).after == expected
    assert unmarked(first.after) == raw


@pytest.mark.parametrize(
    "raw",
    [
        b"\xef\xbb\xbfx = 1\n",
        b"\xef\xbb\xbf# coding: utf-8\r\nx = '\xc3\xa9'",
        b"# coding: latin-1\nx = '\xe9'\n",
        b"# coding: shift_jis\nx = '\x83\x5c'\n",
        b"# coding: iso-2022-jp\nx = '\x1b$B$\"\x1b(B'\n",
        b"# coding: cp1252\rx = '\x80'\r",
        b"x = 1",
        b"x = 1\\\n + 2",
        b"import os\r\nx = '''a\rb\nc'''\ny = 2\r",
        b"\x0cimport os\n\x0c\ndef f():\n  \x0c  return 1\x0c\n",
        b"'''Doc.'''\n\x0c\nclass A:\n\tpass\n",
        b"x = '\x0c'\n",
        b"if 1:\n\ta = 1\n\tb = 2\n",
        b"# c\n\n\n\nx = 1\n\n\n",
        b"x = 1\n# the end",
        b'""\nx = 1',
    ],
)
def test_line_ends_encoding_bom_and_form_feeds_survive(raw: bytes):
    for marker in (
        MARKER,
        replace(MARKER, style=Style.WARN),
        replace(MARKER, style=Style.COMMENT),
        replace(MARKER, use="café ☕"),
    ):
        change = marked(raw, marker)

        assert change.after != raw
        assert marked(change.after, marker).after == change.after
        assert unmarked(change.after) == raw


def test_bom_and_line_ends_in_full():
    raw = b'\xef\xbb\xbf"""Doc."""\r\nx = 1\r'

    crlf = f'{BANNER}"""Doc."""\n\n{WARN}'.replace("\n", "\r\n").encode()
    assert marked(raw).after == b"\xef\xbb\xbf" + crlf + b"x = 1\r"


def test_a_text_that_the_encoding_lacks_is_escaped():
    after = marked(b"# coding: ascii\nx = 1\n", replace(MARKER, use="caf\u00e9", style=Style.WARN)).after

    assert b"use caf\\u00e9 instead." in after


def test_the_styles():
    both, warn, comment = (marked(b"x = 1\n", replace(MARKER, style=style)).after for style in Style)

    assert both.decode() == f"{BANNER}{WARN}\nx = 1\n"
    assert warn.decode() == f"{WARN}\nx = 1\n"
    assert comment.decode() == f"{BANNER}x = 1\n"


def test_every_style_turns_into_every_other_in_place_and_back_to_the_original():
    raw = b'#!/x\n"""Doc."""\n\n@a\ndef f(): ...\nclass A:\n    pass\n'
    kinds = [*(replace(MARKER, style=style) for style in Style), SYMBOLS]

    for first in kinds:
        for second in kinds:
            turned = marked(marked(raw, first).after, second).after
            assert turned == marked(raw, second).after
            assert unmarked(turned) == raw


def test_other_options_update_the_marker_and_its_date_stays_unless_one_is_given():
    old = marked(b"x = 1\n", replace(MARKER, today=dt.date(2024, 2, 29)))
    for style in Style:
        updated = marked(old.after, replace(MARKER, style=style, removal="4.0", reason="It is slow")).after.decode()
        assert "since 2024-02-29: use controllers.hello_worlds instead. Planned removal: 4.0. It is slow." in updated
        assert "2025" not in updated
        assert marked(updated.encode(), replace(MARKER, style=style)).after.count(b"2024-02-29") == updated.count(
            "2024-02-29"
        )

    assert b"since 2023-01-01: " in marked(old.after, replace(MARKER, since=dt.date(2023, 1, 1))).after


def test_a_marker_without_options_says_since_when():
    assert marked(b"x = 1\n", Marker(today=TODAY)).after.startswith(b"# DEPRECATED since 2025-08-28.\n")


def test_a_template_makes_the_text():
    marker = replace(MARKER, template="{module} goes; see {use}.")

    after = marked(b"x = 1\n", marker).after.decode()

    assert after.startswith("# DEPRECATED since 2025-08-28: legacy.module goes; see controllers.hello_worlds.\n")
    assert 'f"{__name__} is deprecated since 2025-08-28: legacy.module goes; see controllers.hello_worlds."' in after


def test_quotes_braces_and_backslashes_in_a_text_are_text():
    reason = """it's "{x}" \\n {{y}} 100%."""

    after = marked(b"x = 1\n", replace(MARKER, use="", reason=reason)).after
    with pytest.warns(DeprecationWarning, match="is deprecated since") as caught:
        exec(compile(after, "m.py", "exec"), {"__name__": "m"})

    assert str(caught[0].message) == f"m is deprecated since 2025-08-28: {reason}"


def test_a_formatted_marker_is_known_again_updated_and_taken_out():
    formatted = f'{BANNER}"""Doc."""\n\nimport warnings as _jobkit_warnings\n\n\n_jobkit_warnings.warn(f"{{__name__}} is deprecated since 2025-08-28: use controllers.hello_worlds instead.", DeprecationWarning, stacklevel=2)\n\nx = 1\n'  # fmt: skip

    assert marked(formatted.encode()).after == formatted.encode()
    assert unmarked(formatted.encode()) == b'"""Doc."""\n\nx = 1\n'


SYMBOL_CASES = {
    "class and functions": (
        "import os\n\nclass A:\n    def m(self): ...\n\ndef f(): ...\n\nasync def g(): ...\n",
        f'{IMPORT}\nimport os\n\n@_jobkit_deprecated("A TEXT")\nclass A:\n    def m(self): ...\n\n@_jobkit_deprecated("f TEXT")\ndef f(): ...\n\n@_jobkit_deprecated("g TEXT")\nasync def g(): ...\n',
    ),
    "above a class's decorators, below a function's": (
        "@dataclass\nclass A: ...\n# why\n@cache\n# how\ndef f(): ...\n",
        f'{IMPORT}\n@_jobkit_deprecated("A TEXT")\n@dataclass\nclass A: ...\n# why\n@cache\n# how\n@_jobkit_deprecated("f TEXT")\ndef f(): ...\n',
    ),
    "neither private ones, nor overloads, nor those that are marked": (
        "def _f(): ...\n@overload\ndef f(a: int): ...\ndef f(a): ...\n@deprecated('x')\ndef g(): ...\ndef h():\n    warnings.warn('x', DeprecationWarning)\n",
        f"{IMPORT}\ndef _f(): ...\n@overload\ndef f(a: int): ...\n@_jobkit_deprecated(\"f TEXT\")\ndef f(a): ...\n@deprecated('x')\ndef g(): ...\ndef h():\n    warnings.warn('x', DeprecationWarning)\n",
    ),
    "in if and try": (
        '"""Doc."""\nif x:\n\tdef f(): ...\nelif y:\n\tdef f(): ...\nelse:\n\tdef f(): ...\ntry:\n  class A: ...\nexcept E:\n  class A: ...\n',
        f'"""Doc."""\n\n{IMPORT}if x:\n\t@_jobkit_deprecated("f TEXT")\n\tdef f(): ...\nelif y:\n\t@_jobkit_deprecated("f TEXT")\n\tdef f(): ...\nelse:\n\t@_jobkit_deprecated("f TEXT")\n\tdef f(): ...\ntry:\n  @_jobkit_deprecated("A TEXT")\n  class A: ...\nexcept E:\n  @_jobkit_deprecated("A TEXT")\n  class A: ...\n',
    ),
}  # fmt: skip


@pytest.mark.parametrize(("before", "after"), SYMBOL_CASES.values(), ids=SYMBOL_CASES)
def test_symbols_are_marked_by_decorators(before: str, after: str):
    expected = after.replace("TEXT", "is deprecated since 2025-08-28: use controllers.hello_worlds instead.").encode()

    first = marked(before.encode(), SYMBOLS)

    assert first.after.decode() == expected.decode()
    assert marked(first.after, SYMBOLS).after == expected
    assert unmarked(first.after) == before.encode()


def test_a_module_without_public_symbols_has_nothing_to_mark():
    change = marked(b"X = 1\ndef _f(): ...\n", SYMBOLS)

    assert (change.after, change.is_bare) == (change.before, True)


FOREIGN = [
    ("# DEPRECATED: use x\nx = 1\n", 1),
    ("#!/x\n# Licence\n#\n# Deprecated, see y.\nx = 1\n", 4),
    ("# !!! DEPRECATED !!!\nx = 1\n", 1),
    ("# NOTE: this module is deprecated\nx = 1\n", 1),
    ("# Status: deprecated\nx = 1\n", 1),
    ("# Author: me\n# Status:   DEPRECATED\n\nx = 1\n", 2),
    ('"""Doc.\n\nStatus: Deprecated\n"""\nx = 1\n', 3),
    ('"""Doc.\n\n.. deprecated:: 1.2\n"""\nx = 1\n', 3),
    ('"""DEPRECATED: use x."""\nx = 1\n', 1),
    ('"""Doc."""\n# deprecated\nx = 1\n', 2),
    ("import warnings\nwarnings.warn('x', DeprecationWarning)\n", 2),
    ("import warnings\n\nwarnings.warn(\n    'x is old',\n    category=DeprecationWarning,\n    stacklevel=2,\n)\n", 3),
    ("from warnings import warn\nclass A: ...\nwarn('x', PendingDeprecationWarning)\n", 3),
    ("import warnings\nwarnings.warn(DeprecationWarning('x'))\n", 2),
    ("import warnings\nwith warnings.catch_warnings():\n    warnings.warn('x', DeprecationWarning)\n", 2),
    ("raise DeprecationWarning('gone')\n", 1),
    ("x = 1\nraise DeprecationWarning\n", 2),
    ("__status__ = 'Deprecated'\n", 1),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line"), FOREIGN)
def test_other_peoples_markers_are_recognised_and_not_doubled(text: str, line: int):
    for marker in (MARKER, SYMBOLS):
        change = marked(text.encode(), marker)

        assert change.foreign is not None
        assert (change.after, change.foreign.line) == (text.encode(), line)
        assert change.foreign.text == text.splitlines()[line - 1].strip()


@pytest.mark.parametrize(
    "text",
    [
        "x = 1  # deprecated\n",
        "x = 'deprecated'\n",
        "# Removes deprecated rows from the table.\nx = 1\n",
        '"""Finds what is deprecated in a tree."""\nx = 1\n',
        "def f():\n    warnings.warn('x', DeprecationWarning)\n",
        "import warnings\nwarnings.simplefilter('ignore', DeprecationWarning)\n",
        "if old:\n    warnings.warn('this Python is old', DeprecationWarning)\n",
        "def f():\n    raise DeprecationWarning\n",
        "import warnings\nwarnings.warn('deprecated', UserWarning)\n",
        "x = 1\n# DEPRECATED: what follows\ny = 2\n",
        "from typing_extensions import deprecated\n",
    ],
)
def test_a_mention_elsewhere_is_no_marker(text: str):
    change = marked(text.encode())

    assert change.foreign is None
    assert change.after.decode().startswith(BANNER)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"x = (\n", "syntax error for this Python: line 1: "),
        (b"x = '\xe9'\n", "not UTF-8, and no coding line says what else: "),
        (b"x = 1\ny = 2\nx = '\xe9'\n", "not UTF-8, and no coding line says what else: "),
        (b"# coding: no-such\nx = 1\n", "its encoding can't be told: "),
        (b"# coding: ascii\nx = '\xe9'\n", "not ascii: "),
        (b"return 1\n", "does not compile with this Python: "),
        (b"x = 1\0\n", ""),
        (b"'''d'''; x = 1\n", "other code shares a line with its docstring or __future__ import"),
        (b"from __future__ import annotations; import os\n", "other code shares a line"),
        (b"x = " + b"(" * 300 + b")" * 300 + b"\n", ""),
        (b"import warnings as _jobkit_warnings; x = 1\n", "its marker has been edited by hand"),
    ],
)
def test_what_can_not_be_marked_is_refused_with_the_reason(raw: bytes, reason: str):
    with pytest.raises(Unreadable) as refused:
        marked(raw)

    assert str(refused.value).startswith(reason)


def test_a_banner_that_would_be_a_coding_line_is_refused():
    with pytest.raises(Unreadable, match="would be read as a coding line"):
        marked(b"x = 1\n", replace(MARKER, use="", reason="Its coding: latin-1 is no more."))
