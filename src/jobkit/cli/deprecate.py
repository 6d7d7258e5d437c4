"""`jobkit deprecate`: marks old code, takes the markers out again, and reports who still uses it."""

from __future__ import annotations

import contextlib
import datetime as dt
import sys
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import typer

from jobkit.deprecation import settings
from jobkit.deprecation.imports import reach
from jobkit.deprecation.marker import Marker
from jobkit.deprecation.modules import names_of, package_root
from jobkit.deprecation.outcome import CHANGES, Outcome, Status
from jobkit.deprecation.selection import Candidate, Rules, select
from jobkit.deprecation.work import Task, do_all
from jobkit.deprecation.working_tree import count_uncommitted
from jobkit.runtime.errors import InvalidSetting, JobkitError, OptionsContradict
from jobkit.runtime.loader import Project

from .output import INTERRUPTED, err, print_json, say, show, write_out
from .session import here

_WOULD: Final = {Status.MARKED: "would mark", Status.UPDATED: "would update", Status.UNDONE: "would undo"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The command line; what was not given is None or empty, so that a setting can stand in for it."""

    paths: list[str]
    marker: dict[str, Any]
    files: dict[str, list[str] | None]
    entries: list[str]
    unreachable: bool
    check: bool
    diff: bool
    undo: bool
    report: bool
    tree: bool
    json: bool


def main(wanted: Wanted) -> None:
    """Run `jobkit deprecate`; exit code 1 when a file was left, or with --check when one would change."""
    _refuse_contradictions(wanted)
    project = here()
    table = settings.check_table(project.settings.get("deprecate"), project.root / "pyproject.toml") if project else {}
    paths = _paths(wanted, table, project)
    if wanted.report:
        from .deprecation_report import show_report

        show_report(paths, project, json=wanted.json, tree=wanted.tree)
        return
    tasks, passed = _plan(wanted, table, paths, project)
    if not (wanted.check or wanted.diff):
        _warn_of_uncommitted(paths)
    outcomes = list(passed)
    interrupted = False
    try:
        with contextlib.closing(do_all(tasks)) as doing, _progress(len(tasks)) as step:
            for outcome in doing:
                outcomes.append(outcome)
                step()
    except KeyboardInterrupt:
        interrupted = True
    except BrokenExecutor as exc:
        raise JobkitError("a worker process died: run the command again; every file is whole") from exc
    outcomes.sort(key=lambda outcome: outcome.path)
    _tell(wanted, outcomes)
    if interrupted:
        done = sum(outcome.status in CHANGES for outcome in outcomes)
        say(
            f"interrupted: {done} of {len(tasks)} files known to be changed, every file is whole. The same command goes on."
        )
        raise typer.Exit(INTERRUPTED)
    would_change = wanted.check and any(outcome.status in CHANGES for outcome in outcomes)
    if would_change or any(outcome.status is Status.LEFT for outcome in outcomes):
        raise typer.Exit(1)


def _refuse_contradictions(wanted: Wanted) -> None:
    given = [f"--{name}" for name, value in (wanted.marker | wanted.files).items() if value]
    entries = ["--from-entry"] if wanted.entries else []
    modes = {"--check": wanted.check, "--diff": wanted.diff, "--undo": wanted.undo}
    refused: list[tuple[str, bool, str]] = [
        ("--unreachable", wanted.unreachable and not wanted.entries, "needs --from-entry"),
        ("--tree", wanted.tree and not wanted.report, "needs --report"),
        ("--tree", wanted.tree and wanted.json, "and --json are two forms: choose one"),
        (
            "--symbols",
            bool(wanted.marker["symbols"] and wanted.marker["style"]),
            "has no --style: it marks neither way",
        ),
    ]
    if wanted.report:
        others = [*given, *entries, *(name for name, is_given in modes.items() if is_given)]
        refused.append(("--report", bool(others), f"only looks: it takes no {', '.join(others)}"))
    if wanted.undo:
        others = [name for name in given if name not in ("--include", "--exclude")]
        refused.append(
            ("--undo", bool(others), f"takes markers out, whatever they say: it takes no {', '.join(others)}")
        )
    for option, is_wrong, reason in refused:
        if is_wrong:
            raise OptionsContradict(option=option, reason=reason)


def _paths(wanted: Wanted, table: dict[str, Any], project: Project | None) -> list[Path]:
    paths = [Path(path) for path in wanted.paths]
    if not paths and project:
        paths = [_relative(project.root / path) for path in table.get("paths", [])]
    if not paths and wanted.report:
        paths = [Path()]
    if not paths:
        raise InvalidSetting(
            setting="PATH", value="", reason="say which files or folders, here or as [tool.jobkit.deprecate] paths"
        )
    for path in paths:
        if not path.exists() and not path.is_symlink():
            raise InvalidSetting(setting="PATH", value=str(path), reason="there is no such file or folder")
    return paths


def _relative(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _plan(
    wanted: Wanted, table: dict[str, Any], paths: list[Path], project: Project | None
) -> tuple[list[Task], list[Outcome]]:
    """Decide which files get which marker."""
    options = table | {name: value for name, value in (wanted.marker | wanted.files).items() if value is not None}
    if wanted.marker["style"]:
        options["symbols"] = False
    marker = None if wanted.undo else _marker(options, paths)
    replacements, map_path = _replacements(wanted, table, project)
    rules = Rules(
        include=tuple(options.get("include") or ()),
        exclude=tuple(options.get("exclude") or ()),
        only=settings.kinds_of(options.get("only") or ()),
        tests=wanted.undo,
    )
    candidates, passed = select(paths, rules)
    if wanted.entries:
        candidates, unreached = _by_entry(wanted, candidates, paths)
        passed += unreached
    roots = _roots(paths, project)
    tasks: list[Task] = []
    used: set[str] = set()
    for candidate in candidates:
        names = names_of(candidate.path.absolute(), roots)
        mapped = next((name for name in names if name in replacements), None)
        used.update([mapped] if mapped else [])
        tasks.append(
            Task(
                candidate=candidate,
                only=rules.only,
                module=names[0] if names else candidate.path.stem,
                marker=replace(marker, use=replacements[mapped]) if marker and mapped else marker,
                writes=not (wanted.check or wanted.diff),
                wants_diff=wanted.diff,
            )
        )
    for name in replacements:
        if name not in used and marker:
            say(f"warning: {map_path}: {name} is none of the files")
    return tasks, passed


def _marker(options: dict[str, Any], paths: Sequence[Path]) -> Marker:
    target = options.get("target-python")
    if target is None:
        folder = paths[0].absolute()
        found = next((parent for parent in (folder, *folder.parents) if (parent / "pyproject.toml").is_file()), None)
        target = settings.required_python(found / "pyproject.toml") if found else None
    origin = settings.symbols_origin(target or f"{sys.version_info.major}.{sys.version_info.minor}")
    return settings.marker_of(options, today=dt.datetime.now(dt.UTC).date(), origin=origin)


def _replacements(wanted: Wanted, table: dict[str, Any], project: Project | None) -> tuple[dict[str, str], Path]:
    if wanted.undo:
        return {}, Path()
    if wanted.marker["map"]:
        path = Path(wanted.marker["map"])
    elif table.get("map") and project:
        path = project.root / table["map"]
    else:
        return {}, Path()
    return settings.read_map(path), path


def _roots(paths: Sequence[Path], project: Project | None) -> list[Path]:
    """Return the folders that modules' names may begin in."""
    roots = [Path.cwd(), *([project.root] if project else [])]
    for path in (found.absolute() for found in paths):
        folder = path if path.is_dir() else path.parent
        roots += [package_root(folder), folder, folder / "src"]
        if path.is_dir() and path != Path.cwd():
            roots.append(folder.parent)
    return list(dict.fromkeys(roots))


def _by_entry(
    wanted: Wanted, candidates: list[Candidate], paths: Sequence[Path]
) -> tuple[list[Candidate], list[Outcome]]:
    """Keep what imports reach from the entries, or what they do not."""
    entries = [Path(entry).absolute() for entry in wanted.entries]
    for entry in entries:
        if not entry.is_file():
            raise InvalidSetting(setting="--from-entry", value=str(_relative(entry)), reason="there is no such file")
    roots = [*(entry.parent for entry in entries), *_roots(paths, None)]
    reached = reach(entries, list(dict.fromkeys(roots)))
    files = {path.resolve() for path in reached.files}
    for path, reason in reached.unsure:
        say(f"warning: {_relative(path)}: {reason}; what it imports may be reached and not be known")
    kept: list[Candidate] = []
    passed: list[Outcome] = []
    for candidate in candidates:
        path = candidate.path.resolve()
        if any(path == entry.resolve() for entry in entries):
            passed.append(Outcome(path=candidate.path, status=Status.SKIPPED, reason="the entry itself"))
        elif (path in files) != wanted.unreachable:
            kept.append(candidate)
        else:
            reason = "reached from the entry" if wanted.unreachable else "not reached from the entry"
            passed.append(Outcome(path=candidate.path, status=Status.SKIPPED, reason=reason))
    return kept, passed


def _warn_of_uncommitted(paths: Sequence[Path]) -> None:
    count = count_uncommitted(paths)
    if count:
        files = "1 file" if count == 1 else f"{count} files"
        say(
            f"warning: uncommitted changes in {files}: commit them first, and this change stands alone (--diff shows it)"
        )


@contextlib.contextmanager
def _progress(total: int) -> Generator[Any]:
    """Show progress where stderr is a terminal."""
    if not sys.stderr.isatty() or not total:
        yield lambda: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("files"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err(), transient=True) as progress:
        bar = progress.add_task("files", total=total)
        yield lambda: progress.advance(bar)


def _tell(wanted: Wanted, outcomes: Sequence[Outcome]) -> None:
    counts = Counter((outcome.status, _sort_of(outcome)) for outcome in outcomes)
    if wanted.json:
        print_json(_document(wanted, outcomes))
    elif wanted.diff:
        write_out("".join(outcome.diff for outcome in outcomes))
    else:
        from jobkit.views.deprecation import SummaryRow, summary_view

        for line in _lines(wanted, outcomes):
            write_out(f"{line}\n")
        order = list(Status)
        rows = [
            SummaryRow(status=status.value, reason=reason, count=count)
            for (status, reason), count in sorted(
                counts.items(), key=lambda item: (order.index(item[0][0]), -item[1], item[0][1])
            )
        ]
        show(summary_view(rows, is_dry=wanted.check))
    for outcome in outcomes:
        if outcome.status is Status.LEFT:
            say(f"left: {outcome.path}: {outcome.reason}")


def _lines(wanted: Wanted, outcomes: Sequence[Outcome]) -> Iterator[str]:
    for outcome in outcomes:
        if outcome.status is Status.FOREIGN:
            yield f"marked by others: {outcome.path}:{outcome.line}: {outcome.reason}"
        elif wanted.check and outcome.status in CHANGES:
            yield f"{_WOULD[outcome.status]} {outcome.path}"


def _sort_of(outcome: Outcome) -> str:
    """Return the reason without what differs from file to file, for the summary."""
    if outcome.status is Status.FOREIGN:
        return ""
    return outcome.reason.partition(":")[0] if outcome.status is Status.LEFT else outcome.reason


def _document(wanted: Wanted, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    counts = Counter(outcome.status for outcome in outcomes)
    files: list[dict[str, Any]] = []
    for outcome in outcomes:
        row = {"path": outcome.path.as_posix(), "status": outcome.status.value, "reason": outcome.reason or None}
        files.append(row | {"line": outcome.line} | ({"diff": outcome.diff} if wanted.diff else {}))
    return {
        "schema": 1,
        "written": not (wanted.check or wanted.diff),
        "counts": {status.value: counts[status] for status in Status},
        "files": files,
    }
