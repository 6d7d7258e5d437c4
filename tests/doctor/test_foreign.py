"""azure-functions-doctor's findings among ours, where it is installed; a broken one breaks nothing."""

from __future__ import annotations

import importlib.metadata
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobkit.doctor.foreign import PACKAGE, check_with_foreign
from jobkit.doctor.subject import Subject

Make = Callable[..., Subject]
Tell = Callable[..., list[Any]]

#: What version 0.23.1 wrote about an app of ours, cut down to an item of each kind.
DOCUMENT = {
    "schema_version": "2.0",
    "metadata": {"tool_version": "0.23.1"},
    "results": [
        {
            "title": "Tooling",
            "category": "tooling",
            "status": "pass",
            "items": [
                {
                    "rule_id": "check_func_cli",
                    "label": "Azure Functions Core Tools (func)",
                    "value": "func not found (optional)",
                    "status": "warn",
                    "severity": "warning",
                    "hint": "Install Azure Functions Core Tools v4.",
                },
                {
                    "rule_id": "check_host_json",
                    "label": "host.json",
                    "value": "/app/host.json exists",
                    "status": "pass",
                    "severity": "error",
                    "hint": "Add a host.json.",
                },
                {
                    "rule_id": "check_requirements_txt",
                    "label": "requirements.txt",
                    "value": "/app/requirements.txt\nnot found",
                    "status": "fail",
                    "severity": "error",
                    "hint": "Add a requirements.txt.",
                },
                {
                    "rule_id": "check_linux_fx_version",
                    "label": "Linux runtime (linuxFxVersion)",
                    "value": "No Python linuxFxVersion found in infra config; check skipped",
                    "status": "skip",
                    "severity": "warning",
                    "hint": "",
                },
            ],
        }
    ],
}


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, subject: Make) -> Callable[[str], Subject]:
    """Install a package of its name whose program is this code; return the app."""

    def install(code: str) -> Subject:
        place = tmp_path / "packages"
        (place / "azure_functions_doctor").mkdir(parents=True)
        (place / "azure_functions_doctor" / "cli.py").write_text(f"import os, sys, json\ndef main():\n    {code}\n")
        (place / f"{PACKAGE.replace('-', '_')}-9.9.dist-info").mkdir()
        (place / f"{PACKAGE.replace('-', '_')}-9.9.dist-info" / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: 9.9\n"
        )
        monkeypatch.syspath_prepend(str(place))
        return subject(PYTHONPATH=str(place))

    return install


def test_its_findings_join_ours(install: Callable[[str], Subject], told: Tell):
    sick = install(f"open(sys.argv[-1], 'w').write({json.dumps(json.dumps(DOCUMENT))}); print('noise'); sys.exit(1)")

    found = list(check_with_foreign(sick))

    assert told(found) == [
        (PACKAGE, "warning", "Azure Functions Core Tools (func): func not found (optional)"),
        (PACKAGE, "error", "requirements.txt: /app/requirements.txt not found"),
        (PACKAGE, "ok", f"{PACKAGE} 9.9: 1 of its checks passed"),
        (PACKAGE, "not checked", "it skipped 1: Linux runtime (linuxFxVersion)"),
    ]
    assert found[1].fix == "Add a requirements.txt."


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("os._exit(9)", "its process ended with exit code 9"),
        ("import time; time.sleep(60)", "it did not end within 0.5 s"),
        ("open(sys.argv[-1], 'w').write('<html>')", "Expecting value: line 1 column 1 (char 0)"),
        ("json.dump({'schema_version': '3.0'}, open(sys.argv[-1], 'w'))", "its document has schema 3.0, 2.x is known"),
        ("json.dump([], open(sys.argv[-1], 'w'))", "list indices must be integers or slices, not str"),
    ],
)
def test_one_that_is_broken_is_told_as_not_checked(
    install: Callable[[str], Subject], told: Tell, code: str, reason: str
):
    sick = install(code)
    sick.limit_s = 0.5 if "sleep" in code else 30

    evidence = f"{PACKAGE} 9.9 gave no answer that can be read: {reason}"
    assert told(check_with_foreign(sick)) == [(PACKAGE, "not checked", evidence)]


def test_without_it_nothing_is_told(subject: Make):
    if list(importlib.metadata.distributions(name=PACKAGE)):
        pytest.skip(f"{PACKAGE} is installed here")

    assert list(check_with_foreign(subject())) == []


def test_the_real_one(subject: Make, told: Tell, monkeypatch: pytest.MonkeyPatch):
    place = os.environ.get("JOBKIT_TEST_AZURE_FUNCTIONS_DOCTOR")
    if not place:
        how = "pip install --target FOLDER azure-functions-doctor, and name it in JOBKIT_TEST_AZURE_FUNCTIONS_DOCTOR"
        assert not os.environ.get("CI"), f"azure-functions-doctor is missing: {how}"
        pytest.skip(how)
    monkeypatch.syspath_prepend(place)

    found = told(check_with_foreign(subject(PYTHONPATH=place)))

    assert {state for _, state, _ in found} == {"ok", "warning", "not checked"}
    assert any("checks passed" in evidence for _, _, evidence in found)
