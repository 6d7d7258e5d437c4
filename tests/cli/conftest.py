"""Commands in an empty folder."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from commands import InProcess, Spawned


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Be in an empty folder, with an environment that says nothing, and forget afterwards what was imported there."""
    monkeypatch.chdir(tmp_path)
    for name in ("JOBKIT_HUB", "NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    before = set(sys.modules)
    yield tmp_path
    new = set(sys.modules) - before
    for name in [name for name in new if any(place.startswith(str(tmp_path)) for place in _places(name))]:
        del sys.modules[name]


def _places(name: str) -> list[str]:
    """Return where a module is from; one without a file is a namespace of folders."""
    module = sys.modules[name]
    return [getattr(module, "__file__", None) or "", *map(str, getattr(module, "__path__", ()))]


@pytest.fixture
def jobkit(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> InProcess:
    return InProcess(monkeypatch, capfd)


@pytest.fixture
def spawn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Spawned]]:
    """Start `jobkit` in a process of its own; whatever still runs at the end is killed."""
    output = tmp_path_factory.mktemp("output")
    started: list[Spawned] = []

    def start(*arguments: str, stdin: str = "") -> Spawned:
        started.append(Spawned(output, len(started), arguments, stdin))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()
