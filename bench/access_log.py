"""Azurite's access log as calls of the ports: every request, those that were tried again included."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

_LINE = re.compile(r'"(?P<method>[A-Z]+) /devstoreaccount1/(?P<path>\S*) HTTP/1.1" (?P<status>\d+)')
#: By method and what the path is like; the first that fits.
_KINDS = (
    ("POST", r"\$batch$", "transact"),
    ("POST", r"Tables$", "create"),
    ("PUT", r"[^/]+-[a-z-]+$", "create"),
    ("POST", r".*/messages\?", "send"),
    ("GET", r".*/messages\?peekonly", "peek"),
    ("GET", r".*/messages\?", "receive"),
    ("PUT", r".*/messages/", "extend"),
    ("DELETE", r".*/messages/", "delete message"),
    ("GET", r".*\?comp=metadata", "length"),
    ("GET", r".*\(\)\?", "query"),
    ("GET", r".*\(PartitionKey=", "get"),
    ("POST", r"[a-z0-9]+$", "insert"),
    ("PATCH", r".*\(PartitionKey=", "update"),
    ("PUT", r".*\(PartitionKey=", "update"),
    ("DELETE", r".*\(PartitionKey=", "delete"),
)


def calls_in(log: Path) -> Counter[str]:
    """Count the requests by kind; `create` are those that made a table or a queue."""
    found: Counter[str] = Counter()
    for line in _LINE.finditer(log.read_text(encoding="utf-8")):
        method, path = line["method"], line["path"]
        kinds = [kind for of, like, kind in _KINDS if of == method and re.match(like, path)]
        assert kinds, f"what is {method} {path}?"
        found[kinds[0]] += 1
    return found
