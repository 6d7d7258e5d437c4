"""`jobkit deprecate --report`: who still uses what is deprecated, and how it went since the last report."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from jobkit.deprecation.history import FILE, Figures, figures_of, find_last, keep
from jobkit.deprecation.uses import Deprecated, Report, report
from jobkit.runtime.errors import InvalidSetting
from jobkit.runtime.loader import Project

from .output import print_json, say, show


def show_report(paths: Sequence[Path], project: Project | None, *, json: bool, tree: bool) -> None:
    """Report on one path; exit code 1 when a file could not be read."""
    if len(paths) > 1:
        raise InvalidSetting(setting="PATH", value=" ".join(map(str, paths)), reason="--report takes one path")
    root = paths[0].absolute().resolve()
    found = report(root)
    base = project.root.resolve() if project else root if root.is_dir() else root.parent
    file, of = base / FILE, root.relative_to(base).as_posix() if root.is_relative_to(base) else str(root)
    last, now = find_last(file, of), figures_of(found, dt.datetime.now(dt.UTC).replace(microsecond=0))
    here = Path.cwd().resolve()
    if json:
        print_json(_document(found, last, now, here))
    else:
        from jobkit.views.deprecation import report_view

        rows = [_row(item, last, here) for item in found.items]
        gone = sorted(set(last.uses) - set(now.uses)) if last else []
        show(report_view(rows, as_tree=tree, last=_last_text(last), last_uses=last.use_count if last else 0, gone=gone))
    try:
        keep(file, of, now)
    except OSError as exc:
        say(f"warning: {_shown(file, here)} can't be written ({exc.strerror}): the next report will tell no progress")
    for path, reason in found.problems:
        say(f"left: {_shown(path, here)}: {reason}")
    if found.problems:
        raise typer.Exit(1)


def _shown(path: Path, here: Path) -> str:
    return (path.relative_to(here) if path.is_relative_to(here) else path).as_posix()


def _last_text(last: Figures | None) -> str:
    return f"{last.at:%Y-%m-%d %H:%M} UTC" if last else ""


def _row(item: Deprecated, last: Figures | None, here: Path) -> Any:
    from jobkit.views.deprecation import DeprecatedRow, UseRow

    before = last.uses.get(item.name) if last else None
    return DeprecatedRow(
        name=item.name,
        since=item.since.isoformat() if item.since else "",
        is_ours=item.is_ours,
        is_deletable=item.is_deletable,
        change=None if before is None else len(item.uses) - before,
        uses=tuple(
            UseRow(path=_shown(use.path, here), line=use.line, name=use.name, how=use.how, in_test=use.in_test)
            for use in item.uses
        ),
    )


def _document(found: Report, last: Figures | None, now: Figures, here: Path) -> dict[str, Any]:
    progress: dict[str, Any] | None = None
    if last:
        progress = {
            "last_at": last.at.isoformat().replace("+00:00", "Z"),
            "deprecated_then": len(last.uses),
            "uses_then": last.use_count,
            "uses_change": now.use_count - last.use_count,
            "gone": sorted(set(last.uses) - set(now.uses)),
            "new": sorted(set(now.uses) - set(last.uses)),
        }
    return {
        "schema": 1,
        "at": now.at.isoformat().replace("+00:00", "Z"),
        "deprecated": [
            {
                "name": item.name,
                "path": _shown(item.path, here),
                "symbol": item.symbol or None,
                "since": item.since.isoformat() if item.since else None,
                "marked_by": "jobkit" if item.is_ours else "others",
                "use_count": len(item.uses),
                "deletable": item.is_deletable,
                "uses": [
                    {
                        "path": _shown(use.path, here),
                        "line": use.line,
                        "name": use.name,
                        "how": use.how,
                        "in_test": use.in_test,
                    }
                    for use in item.uses
                ],
            }
            for item in found.items
        ],
        "use_count": found.use_count,
        "deletable": [item.name for item in found.items if item.is_deletable],
        "progress": progress,
        "problems": [{"path": _shown(path, here), "reason": reason} for path, reason in found.problems],
    }
