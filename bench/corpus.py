"""Marks a copy of the standard library and of site-packages, proves that nothing else changed, and takes it all back.

    python bench/corpus.py [FOLDER …] [--limit N]

Its checks are its own: lines are compared with those of the original, and every byte after --undo.
"""

import argparse
import datetime as dt
import hashlib
import os
import shutil
import sys
import sysconfig
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

from jobkit.deprecation.marker import Marker
from jobkit.deprecation.outcome import Status
from jobkit.deprecation.selection import Candidate
from jobkit.deprecation.work import Task, do_all

MARKER = Marker(today=dt.date(2025, 8, 28), use="controllers.hello_worlds", removal="4.0")
SYMBOLS = Marker(today=dt.date(2025, 8, 28), use="controllers.hello_worlds", symbols=True)
OURS = (
    "# DEPRECATED since ",
    "import warnings as _jobkit_warnings",
    "_jobkit_warnings.warn(",
    '    f"{__name__} is depr',
)
OURS_TOO = (
    "    DeprecationWarning,",
    "    stacklevel=2,",
    ")",
    "",
    "from typing_extensions import deprecated as _jobkit",
)


def main() -> int:
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("folders", nargs="*", type=Path)
    given.add_argument("--limit", type=int, help="of files, spread over all")
    given.add_argument("--symbols", action="store_true", help="mark classes and functions instead")
    options = given.parse_args()
    folders = options.folders or [Path(sysconfig.get_path("stdlib")), Path(sysconfig.get_path("purelib"))]
    files = [path for folder in folders for path in sorted(folder.rglob("*.py")) if path.is_file()]
    if options.limit:
        files = files[:: max(1, len(files) // options.limit)]
    with tempfile.TemporaryDirectory() as work:
        return run(files, Path(work), SYMBOLS if options.symbols else MARKER)


def run(files: list[Path], work: Path, marker: Marker) -> int:
    copies = [work / f"{number // 500}" / f"{number}_{path.name}" for number, path in enumerate(files)]
    for path, copy in zip(files, copies, strict=True):
        copy.parent.mkdir(exist_ok=True)
        shutil.copyfile(path, copy)  # neither its mode nor its links: all is to be marked
        copy.chmod(0o640)
    before = {copy: (digest(copy), copy.stat().st_mode) for copy in copies}
    lines = sum(copy.read_bytes().count(b"\n") for copy in copies)
    print(f"{len(copies):,} files, {lines:,} lines, {os.cpu_count()} cores")

    counts, marked = do("marked", copies, marker)
    wrong = [f"{copy}: {why}" for copy in marked if (why := what_is_wrong(files[number_of(copy)], copy))]
    untouched = set(copies) - set(marked)
    wrong += [f"{copy}: left, but changed" for copy in untouched if digest(copy) != before[copy][0]]
    again, _ = do("marked again", copies, marker)
    wrong += [f"a second run: {again}"] if again[Status.MARKED] + again[Status.UPDATED] else []
    undone, _ = do("undone", copies, None)
    after = {copy: (digest(copy), copy.stat().st_mode) for copy in copies}
    wrong += [f"{copy}: not as before" for copy in copies if after[copy] != before[copy]]
    wrong += ["not all was undone"] if undone[Status.UNDONE] != counts[Status.MARKED] else []
    litter = sum(1 for path in work.rglob("*") if path.is_file()) - len(copies)
    wrong += [f"{litter} files left behind"] if litter else []

    print("\n".join([f"WRONG: {text}" for text in wrong] or ["nothing but the insertions changed; every byte is back"]))
    return 1 if wrong else 0


def do(what: str, copies: list[Path], marker: Marker | None) -> tuple[Counter[Status], list[Path]]:
    tasks = [
        Task(candidate=Candidate(path=copy, names=(copy.stem,), is_named=True), module="m", marker=marker)
        for copy in copies
    ]
    start = time.perf_counter()
    outcomes = list(do_all(tasks))
    took_s = time.perf_counter() - start
    counts = Counter(outcome.status for outcome in outcomes)
    told = ", ".join(f"{count:,} {status.value}" for status, count in counts.most_common())
    print(f"{what}: {told}; {took_s:.0f} s, {len(copies) / took_s:,.0f} files a second", flush=True)
    for reason, count in Counter(o.reason[:70] for o in outcomes if o.status is Status.LEFT).most_common(12):
        print(f"    left {count}: {reason}")
    return counts, [outcome.path for outcome in outcomes if outcome.status in (Status.MARKED, Status.UPDATED)]


def what_is_wrong(original: Path, copy: Path) -> str:
    """Look for a line that is neither the original's nor ours, and compile."""
    bom = b"\xef\xbb\xbf"  # stays the first of the file, whatever line comes behind it
    old, new = original.read_bytes(), copy.read_bytes()
    if old.startswith(bom) != new.startswith(bom):
        return "its BOM is gone"
    rest = iter(new.removeprefix(bom).splitlines(keepends=True))
    for line in old.removeprefix(bom).splitlines(keepends=True):
        for found in rest:
            if found == line:
                break
            text = found.decode("latin-1").strip("\r\n")
            is_decorator = text.lstrip().startswith("@_jobkit_deprecated(")
            if not (is_decorator or text.startswith(OURS) or text in OURS_TOO or text.startswith(OURS_TOO[-1])):
                return f"{text!r} is not ours"
        else:
            return "a line is gone"
    if next(rest, None) is not None:
        return "more lines at its end"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compile(copy.read_bytes(), str(copy), "exec", dont_inherit=True)
    return ""


def number_of(copy: Path) -> int:
    return int(copy.name.partition("_")[0])


def digest(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()


if __name__ == "__main__":
    sys.exit(main())
