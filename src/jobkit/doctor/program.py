"""Run in a process of its own, `program.py functions|controllers ANSWER`: imports users' code and tells what there is.

Of the functions it tells what Microsoft's worker would find, with nothing of jobkit imported but what the app brings.
"""

from __future__ import annotations

import importlib
import json
import os
import runpy
import sys
import traceback
from pathlib import Path
from typing import Any, Final

_INDEXED: Final = Path(__file__).parents[1] / "runtime" / "checks" / "indexed.py"


def functions(root: Path) -> dict[str, Any]:
    """Return the app's functions with their bindings, or the step that failed."""
    sys.path.insert(0, str(root))
    document: dict[str, Any] = {"failed": "", "error": "", "where": "", "apps": [], "functions": [], "files": []}
    try:
        module = importlib.import_module("function_app")
    except BaseException as exc:  # noqa: BLE001 - whatever it raises, SystemExit included, is what there is to tell
        return {**document, "failed": "import", "error": f"{type(exc).__name__}: {exc}", "where": _where(exc, root)}
    indexed = runpy.run_path(str(_INDEXED))
    apps = indexed["find_apps"](module)
    document |= {"apps": list(apps), "files": _files_below(root)}
    if len(apps) != 1:
        return {**document, "failed": "apps"}
    try:
        document["functions"] = indexed["describe_functions"](next(iter(apps.values())))
    except Exception as exc:  # noqa: BLE001 - as above
        return {**document, "failed": "functions", "error": f"{type(exc).__name__}: {exc}"}
    return document


def controllers(root: Path) -> dict[str, Any]:
    """Return the project's controllers and what could not be loaded, by the loader of everything else."""
    from jobkit.runtime.loader import find_project, load

    loaded = load(find_project(root))
    return {
        "controllers": [
            {
                "job_type": controller.job_type,
                "stages": [
                    {"name": stage.name, "timeout_s": _seconds(stage.options.timeout)} for stage in controller.stages
                ],
            }
            for controller in loaded.registry
        ],
        "problems": [{"name": each.name, "reason": each.reason, "where": each.where} for each in loaded.problems],
        "files": _files_below(root),
    }


def _seconds(time: Any) -> float:
    return 0.0 if time is None else float(time.total_seconds())


def _files_below(root: Path) -> list[str]:
    """Return the files below a folder that modules were imported from, relative to it."""
    paths = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    below = [Path(path) for path in paths if isinstance(path, str) and Path(path).is_relative_to(root)]
    found = {path.relative_to(root).as_posix() for path in below}
    return sorted(name for name in found if not name.startswith(".") and "site-packages" not in name)


def _where(exc: BaseException, root: Path) -> str:
    """Name the last line of the app's own that was running."""
    if isinstance(exc, SyntaxError) and exc.filename:
        return f"{exc.filename}:{exc.lineno}"
    frames = [f for f in traceback.extract_tb(exc.__traceback__) if Path(f.filename).is_relative_to(root)]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""


if __name__ == "__main__":
    told = (functions if sys.argv[1] == "functions" else controllers)(Path.cwd())
    Path(sys.argv[2]).write_text(json.dumps(told), encoding="utf-8")
    os._exit(0)  # threads that users' modules have started hold nobody up
