"""A project for each test, of which no later test knows."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kills.project import Project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield Project(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "controllers"]:
        del sys.modules[name]
