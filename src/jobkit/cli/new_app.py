"""`jobkit new-app`: a Function App, ready to run here and in Azure."""

from __future__ import annotations

import shlex
from pathlib import Path

from jobkit.runtime.stamp import PLACE
from jobkit.scaffold.app import make_app

from .output import print_json, say, write_out


def main(folder: Path, *, dry_run: bool, json: bool) -> None:
    """Run `jobkit new-app`."""
    files = make_app(folder, dry_run=dry_run)
    if json:
        print_json({"schema": 1, "app": str(folder), "files": files, "runtime": PLACE.as_posix(), "made": not dry_run})
        return
    write_out("".join(f"{folder / file}\n" for file in files) + f"{folder / PLACE}/ (the runtime)\n")
    go_there = "" if folder == Path() else f"cd {shlex.quote(str(folder))} && "
    say("Nothing was written." if dry_run else f"Try it: {go_there}jobkit run greetings --n 5")
