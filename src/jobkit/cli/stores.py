"""What `--store` names."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Final

from jobkit.runtime.errors import InvalidSetting
from jobkit.runtime.loader import Project

AZURE: Final = "azure"
LOCAL_FILE: Final = Path(".jobkit") / "local.db"


def store_option(store: str) -> str:
    """Return what another command needs to use the same store; nothing for the default one."""
    return "" if store == "local" else f" --store {shlex.quote(store)}"


def worker_hint(store: str, what: str = "Whoever works on the queues runs it.") -> str:
    """Say who does what was asked for, and how it is had done if nobody is there."""
    return f"{what}\nIf nobody does: jobkit worker{store_option(store)}"


def store_path(store: str, project: Project | None) -> Path | None:
    """Return the file of a `--store`; None for the azure store. Raises InvalidSetting for one that there is not."""
    if store == AZURE:
        return None
    kind, _, given = store.partition(":")
    if kind != "local":
        raise InvalidSetting(setting="--store", value=store, reason="give local, local:PATH or azure")
    if given:
        return Path(given)
    root = project.root if project is not None else Path.cwd()
    return root / LOCAL_FILE
