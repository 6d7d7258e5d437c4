"""`jobkit deploy`: put the shared runtime into a Function App."""

from __future__ import annotations

from pathlib import Path

import typer

from jobkit import __version__
from jobkit.deploy.vendored import Found, State, look, write

from .output import print_json, say, write_out


def main(app: Path, *, check: bool, dry_run: bool, force: bool, json: bool) -> None:
    """Run `jobkit deploy`; with `check`, exit code 1 when the app does not have all of this jobkit's runtime."""
    found = look(app)
    wrong = found.state is not State.CURRENT
    files = write(found, force=force) if wrong and not check and not dry_run else 0
    if json:
        print_json(
            {
                "schema": 1,
                "app": str(app),
                "state": found.state.value,
                "version": found.version,
                "this_version": __version__,
                "lacking_requirements": list(found.lacking),
                "files_written": files,
            }
        )
    else:
        write_out(_text(found, files) + "\n")
        if wrong and (check or dry_run):
            say(f"To write it: jobkit deploy {app}" + (" --force" if found.state is State.EDITED else ""))
        if found.lacking:
            say(f"warning: {app / 'requirements.txt'} does not list what the runtime needs: {', '.join(found.lacking)}")
    if check and (wrong or found.lacking):
        raise typer.Exit(1)


def _text(found: Found, files: int) -> str:
    if files:
        was = f", was {found.version}" if found.version not in (None, __version__) else ""
        return f"{found.place}: jobkit {__version__} written ({files} files{was})"
    state = {
        State.MISSING: "not there yet",
        State.CURRENT: f"jobkit {found.version}, up to date",
        State.OUTDATED: f"jobkit {found.version}, not the same as this jobkit {__version__}",
        State.EDITED: f"jobkit {found.version}, changed by hand since it was written",
    }
    return f"{found.place}: {state[found.state]}"
