"""Asking before something is done that can't be taken back, and who it is that does it."""

from __future__ import annotations

import getpass
import platform
import sys

import typer

from jobkit.runtime.errors import OptionsContradict

from .output import INTERRUPTED


def confirm(question: str, *, yes: bool) -> None:
    """Go on when the answer is yes; end with exit code 1 when it is not, 130 when interrupted. Raises OptionsContradict without a terminal."""
    if yes:
        return
    if not is_terminal():
        raise OptionsContradict(option="--yes", reason="is needed where nobody can be asked (there is no terminal)")
    try:
        agreed = typer.confirm(question, err=True)
    except typer.Abort:  # Ctrl-C, Ctrl-D
        raise typer.Exit(INTERRUPTED) from None
    if not agreed:
        raise typer.Exit(1)


def is_terminal() -> bool:
    """Whether somebody can be asked, and can answer."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def who() -> str:
    """Name the user and the machine."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        user = "somebody"
    return f"{user}@{platform.node()}"
