"""A Python file as bytes, text, lines and syntax tree; what can't be read as one is refused with the reason."""

from __future__ import annotations

import ast
import io
import re
import tokenize
import warnings
from dataclasses import dataclass
from typing import Final

_BOM: Final = b"\xef\xbb\xbf"
_LINE: Final = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")
_LINE_BYTES: Final = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")
#: PEP 263: in line 1 or 2, a comment that names the file's encoding.
CODING: Final = re.compile(r"[ \t\f]*#.*?coding[:=][ \t]*[-\w.]+")


class Unreadable(Exception):
    """A file that is left as it is; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file that parses. `lines` are text, `raw_lines` the same lines as bytes, both with their ends, without the BOM."""

    raw: bytes
    bom: bytes
    codec: str
    lines: tuple[str, ...]
    raw_lines: tuple[bytes, ...]
    tree: ast.Module

    def normal(self, first: int, last: int) -> str:
        """Return lines that end with LF, and without form feeds: the same lines, in a form all parsers take."""
        return "".join(_normal_line(line) for line in self.lines[first:last])

    @property
    def newline(self) -> str:
        """How the first line ends."""
        return line_end(self.lines[0]) if self.lines else "\n"


def read_source(raw: bytes) -> Source:
    """Read a file's bytes. Raises Unreadable."""
    bom = _BOM if raw.startswith(_BOM) else b""
    codec = _codec(raw)
    try:
        text = raw[len(bom) :].decode(codec)
    except UnicodeError as exc:
        what = "not UTF-8, and no coding line says what else" if codec == "utf-8" else f"not {codec}"
        raise Unreadable(f"{what}: {exc}") from exc
    tree = parse(raw)
    lines, raw_lines = tuple(_LINE.findall(text)), tuple(_LINE_BYTES.findall(raw[len(bom) :]))
    if [line.encode(codec) for line in lines] != list(raw_lines):
        raise Unreadable(f"its lines can't be told apart in {codec}")
    return Source(raw=raw, bom=bom, codec=codec, lines=lines, raw_lines=raw_lines, tree=tree)


def parse(raw: bytes) -> ast.Module:
    """Parse as this Python does. Raises Unreadable."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a doubtful escape in the file is not ours to tell
            return ast.parse(raw)
    except SyntaxError as exc:
        where = f"line {exc.lineno}: " if exc.lineno else ""
        raise Unreadable(f"syntax error for this Python: {where}{exc.msg}") from exc
    except (ValueError, RecursionError, MemoryError) as exc:
        raise Unreadable(f"can't be parsed: {type(exc).__name__}: {exc}") from exc


def compile_tree(tree: ast.Module) -> None:
    """Compile, and forget the code. Raises Unreadable."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(tree, "<deprecate>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as exc:
        raise Unreadable(f"does not compile with this Python: {exc}") from exc


def line_end(line: str) -> str:
    """Return what ends a line; LF for one that nothing ends."""
    return line[len(line.rstrip("\r\n")) :] or "\n"


def _codec(raw: bytes) -> str:
    head = raw[:4096].replace(b"\r\n", b"\n").replace(b"\r", b"\n")  # the compiler sees the lines so
    try:
        codec, _ = tokenize.detect_encoding(io.BytesIO(b"\n".join(head.split(b"\n")[:2]) + b"\n").readline)
    except SyntaxError as exc:
        if not any(CODING.match(line.decode("latin-1")) for line in head.split(b"\n")[:2]):
            return "utf-8"  # decoding it says what is wrong
        raise Unreadable(f"its encoding can't be told: {exc.msg}") from exc
    return "utf-8" if codec == "utf-8-sig" else codec


def _normal_line(line: str) -> str:
    body = line.rstrip("\r\n")
    if "\f" in body:
        start = len(body) - len(body.lstrip(" \t\f"))
        # a form feed among the indentation starts it anew; elsewhere it is a blank
        body = body[:start].rpartition("\f")[2] + body[start:].replace("\f", " ")
    return body + ("\n" if line[-1:] in ("\r", "\n") else "")
