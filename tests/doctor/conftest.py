"""A Function App as `jobkit new-app` makes it, for each test its own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from jobkit.doctor.subject import Subject
from jobkit.runtime.checks.finding import Finding
from jobkit.runtime.loader import find_project
from jobkit.scaffold.app import make_app

Make = Callable[..., Subject]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "my-etl"
    make_app(folder)
    return folder


@pytest.fixture
def app(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "my-etl"))


@pytest.fixture
def subject(app: Path) -> Make:
    """Return the app as doctor sees it, with these settings in the environment."""

    def make(**settings: str) -> Subject:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("JOBKIT_", "Azure"))}
        return Subject(app, project=find_project(app), environment=environment | settings, limit_s=30)

    return make


@pytest.fixture
def told() -> Callable[[Iterable[Finding]], list[Any]]:
    """Return what is told of findings: name, state, evidence; each that is not ok has a fix."""

    def tell(findings: Iterable[Finding]) -> list[Any]:
        found = list(findings)
        assert [finding for finding in found if bool(finding.fix) is (finding.state == "ok")] == []
        return [(finding.name, finding.state.value, finding.evidence) for finding in found]

    return tell
