"""The findings of azure-functions-doctor, where it is installed: a tool of its own, run in a process of its own.

Its document is the one that its schema 2 describes: sections of items, each with a label, a value, a status and a hint.
"""

from __future__ import annotations

import importlib.metadata
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from jobkit.runtime.checks.finding import Finding, Findings, Group

from .child import NoAnswer, ask
from .subject import Subject

PACKAGE: Final = "azure-functions-doctor"
SCHEMA: Final = "2."
_PROGRAM: Final = (
    "import sys; from azure_functions_doctor.cli import main; "
    "sys.argv = ['azure-functions-doctor', 'doctor', '--format', 'json', '--path', '.', '--output', sys.argv[1]]; main()"
)
_FAILED: Final = 1  # its exit code when a check has failed
_TELL: Final = Findings(Group.APP)


def check_with_foreign(subject: Subject) -> Iterator[Finding]:
    """Tell what azure-functions-doctor finds; nothing where it is not installed."""
    try:
        version = importlib.metadata.version(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        return
    tool = f"{PACKAGE} {version}"
    fix = f"see what it says: {PACKAGE} doctor --path {subject.folder}"
    try:
        text = ask(
            ["-P", "-c", _PROGRAM],
            folder=subject.folder,
            environment=subject.environment,
            limit_s=subject.limit_s,
            code=_FAILED,
        )
        yield from read_foreign(json.loads(text), tool)
    except (NoAnswer, ValueError, KeyError, TypeError, AttributeError) as exc:
        yield _TELL.not_checked(PACKAGE, f"{tool} gave no answer that can be read: {exc}", fix)


def read_foreign(document: dict[str, Any], tool: str) -> list[Finding]:
    """Turn its document into findings: what it warns of one by one, what passed and what it skipped as a number.

    Raises ValueError, KeyError, TypeError, AttributeError for a document of another schema.
    """
    version = str(document["schema_version"])
    if not version.startswith(SCHEMA):
        raise ValueError(f"its document has schema {version}, {SCHEMA}x is known")
    found: list[Finding] = []
    counts: Counter[str] = Counter()
    skipped: list[str] = []
    for section in document["results"]:
        for item in section["items"]:
            status, label = str(item["status"]), str(item["label"])
            counts[status] += 1
            if status == "pass":
                continue
            if status == "skip":
                skipped.append(label)
                continue
            evidence = f"{label}: {' '.join(str(item['value']).split())}"
            fix = str(item.get("hint") or f"see: {PACKAGE} doctor --verbose")
            is_error = status != "warn" and item["severity"] == "error"
            found.append((_TELL.error if is_error else _TELL.warning)(PACKAGE, evidence, fix))
    if counts["pass"]:
        found.append(_TELL.ok(PACKAGE, f"{tool}: {counts['pass']} of its checks passed"))
    if skipped:
        evidence = f"it skipped {len(skipped)}: {', '.join(skipped)}"
        found.append(_TELL.not_checked(PACKAGE, evidence, f"see why: {PACKAGE} doctor --verbose"))
    return found
