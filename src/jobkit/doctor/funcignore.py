"""`.funcignore`: what it keeps from being deployed, and what it should."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from jobkit.deploy.vendored import REQUIREMENTS
from jobkit.runtime.checks.files import FUNCIGNORE, SECRET
from jobkit.runtime.checks.finding import Broken, Finding, Findings, Group, listed
from jobkit.runtime.checks.indexed import FUNCTION_APP
from jobkit.runtime.loader import HOST_FILE
from jobkit.runtime.settings import LOCAL_SETTINGS
from jobkit.runtime.stamp import PLACE

from .mending import lines_added
from .subject import Subject

#: What an app can't do without, beside the modules that it imports.
NEEDED: Final = (HOST_FILE, FUNCTION_APP, REQUIREMENTS)
#: The least that there should be in it.
DEFAULT: Final = (".git*", ".jobkit/", ".venv/", "__pycache__/", "*.pyc", LOCAL_SETTINGS, ".env*", "tests/")
_SHOWN: Final = 3
_TELL: Final = Findings(Group.APP)


def check_funcignore(subject: Subject) -> Iterator[Finding]:
    """Tell which of the files that the app needs would not be deployed, and which secret would."""
    path = subject.folder / FUNCIGNORE
    if not path.is_file():
        evidence = f"there is none: {LOCAL_SETTINGS} and whatever else lies here may be deployed"
        yield _TELL.warning(FUNCIGNORE, evidence, f"write one with: {' '.join(DEFAULT)}", lines_added(path, DEFAULT))
        return
    needed, unknown = _needed_files(subject)
    lines = path.read_text(encoding="utf-8").splitlines()
    yield from judge_funcignore(lines, needed, path)
    if unknown:
        evidence = f"which modules {unknown} need is not known: only files of the app's own folders were looked for"
        yield _TELL.not_checked(FUNCIGNORE, evidence, f"mend {unknown} first")


def judge_funcignore(lines: list[str], needed: set[str], path: Path) -> Iterator[Finding]:
    """Judge the lines of a .funcignore by the files that the app needs."""
    from pathspec import GitIgnoreSpec

    spec = GitIgnoreSpec.from_lines(lines)
    hidden: dict[int, list[str]] = {}
    for name in sorted(needed):
        found = spec.check_file(name)
        if found.include and found.index is not None:
            hidden.setdefault(found.index, []).append(name)
    for index, names in hidden.items():
        evidence = f"line {index + 1}, {lines[index]!r}, hides what the app needs: {listed(names, _SHOWN)}"
        yield _TELL.error(FUNCIGNORE, evidence, "take the line away, or narrow it")
    bare = [name for name in SECRET if (path.parent / name).is_file() and not spec.match_file(name)]
    if bare:
        evidence = f"it does not keep back {', '.join(bare)}, which may hold keys"
        yield _TELL.warning(FUNCIGNORE, evidence, f"add the lines: {' '.join(bare)}", lines_added(path, bare))
    if not hidden and not bare:
        yield _TELL.ok(FUNCIGNORE, f"{len(needed)} files that the app needs go along, settings stay here")


def _needed_files(subject: Subject) -> tuple[set[str], str]:
    """Return the files that the app needs, and whose modules are not known."""
    found = {name for name in NEEDED if (subject.folder / name).is_file()}
    vendored = subject.folder / PLACE
    found |= {
        path.relative_to(subject.folder).as_posix()
        for path in vendored.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    for name in () if subject.project is None else subject.project.modules:
        place = subject.folder / name.replace(".", "/")
        found |= {path.relative_to(subject.folder).as_posix() for path in place.rglob("*.py")}
    unknown: list[str] = []
    for what, answer in (("the functions", subject.functions), ("the controllers", subject.controllers)):
        if isinstance(answer, Broken) or answer.get("failed") == "import":
            unknown.append(what)
        else:
            found |= set(answer["files"])
    return found, " and ".join(unknown)
