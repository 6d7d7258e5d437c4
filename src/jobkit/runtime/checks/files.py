"""The app's files as they were deployed: its runtime, what should have stayed behind, what editors and merges left."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from jobkit.runtime.settings import LOCAL_SETTINGS
from jobkit.runtime.stamp import PLACE, files_below, hash_files, read_stamp

from .finding import Finding, Findings, Group, listed

FUNCIGNORE: Final = ".funcignore"
#: What has secrets, and must not be deployed.
SECRET: Final = (LOCAL_SETTINGS, ".env")
#: What editors, merges and patches leave beside a file.
BACKUPS: Final = ("*~", "*.bak", "*.orig", "*.rej", "*.old", "*.swp", "*.bak.py", "*.orig.py", "*.old.py", "* copy.py")
#: What a `jobkit deploy` leaves that was killed.
_HALF: Final = (".jobkit-new", ".jobkit-old")
#: A setting that Azure gives to each app. Source: Microsoft's reference of App Service's environment variables.
_SITE: Final = "WEBSITE_SITE_NAME"
_SKIPPED: Final = ("__pycache__", "node_modules", "site-packages")
_SHOWN: Final = 5
_TELL: Final = Findings(Group.APP)


def check_running(place: Path, folder: Path | None) -> Iterator[Finding]:
    """Tell whether the runtime that runs, in `place`, is the app's own, as `jobkit deploy` has written it."""
    stamp = read_stamp(place)
    own = None if folder is None else folder / PLACE
    if own is not None and own.is_dir() and not own.samefile(place):
        evidence = f"jobkit runs from {place}, and not from the app's {PLACE.as_posix()}"
        fix = "put vendor first on the path in function_app.py, and take jobkit out of requirements.txt"
        yield _TELL.warning("runtime", evidence, fix)
    if stamp is None:
        evidence = f"jobkit runs from {place}, which no jobkit deploy has written"
        yield _TELL.not_checked("runtime", evidence, "jobkit deploy APP, and deploy the app")
        return
    if hash_files(files_below(place)) != stamp.sha256:
        evidence = f"{PLACE.as_posix()} was changed by hand since it was written"
        yield _TELL.error("runtime", evidence, "jobkit deploy APP --force, and deploy the app")
    else:
        yield _TELL.ok("runtime", f"{PLACE.as_posix()} is jobkit {stamp.version}, as it was written")
    evidence = "whether it is the newest can't be seen from inside the app"
    yield _TELL.not_checked("runtime", evidence, "jobkit deploy APP --check")


def check_deployed(folder: Path, settings: Mapping[str, str]) -> Iterator[Finding]:
    """Tell which secret was deployed. What was kept back by mistake shows when it is missed: by the other checks."""
    bare = [name for name in SECRET if (folder / name).is_file()]
    if not settings.get(_SITE):
        evidence = f"the app does not run in Azure: that settings lie in {folder} is no fault"
        yield _TELL.not_checked(FUNCIGNORE, evidence, "jobkit doctor APP judges the file itself")
    elif bare:
        evidence = f"it did not keep back {', '.join(bare)}, which may hold keys"
        yield _TELL.warning(FUNCIGNORE, evidence, f"add the lines: {' '.join(bare)}, and deploy again")
    else:
        yield _TELL.ok(FUNCIGNORE, f"no {' or '.join(SECRET)} was deployed")


def check_backups(folder: Path, *, remove: Callable[[Sequence[Path]], str] | None = None) -> Iterator[Finding]:
    """Tell which files an editor, a merge or a killed `jobkit deploy` left; `remove` deletes what the last one did."""
    found: list[str] = []
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in _SKIPPED]
        left = (name for name in files if any(fnmatch.fnmatch(name, pattern) for pattern in BACKUPS))
        found.extend(Path(root, name).relative_to(folder).as_posix() for name in left)
    if found:
        yield _TELL.warning(
            "backups", f"left behind: {listed(sorted(found), _SHOWN)}", f"delete them, or add them to {FUNCIGNORE}"
        )
    half = [path for name in _HALF if (path := folder / PLACE.parent / name).is_dir()]
    if half:
        names = ", ".join(path.relative_to(folder).as_posix() for path in half)
        evidence = f"a jobkit deploy that was killed left {names}"
        yield _TELL.warning("backups", evidence, f"delete {names}", None if remove is None else partial(remove, half))
    if not found and not half:
        yield _TELL.ok("backups", "none")
