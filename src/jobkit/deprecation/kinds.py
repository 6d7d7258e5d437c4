"""What kind of code a file holds, by its names and definitions: controllers, services, repositories and more."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from typing import Final

#: The words of each kind, as they end a file's, a folder's, a class's or a base class's name.
KINDS: Final = {
    "controllers": ("controller", "controllers"),
    "services": ("service", "services"),
    "repositories": ("repository", "repositories", "repo", "repos", "dao"),
    "models": ("model", "models", "schema", "schemas"),
    "jobs": ("job", "jobs"),
    "tasks": ("task", "tasks"),
    "handlers": ("handler", "handlers"),
    "clients": ("client", "clients"),
    "views": ("view", "views"),
}
_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+")


def is_of(kinds: Iterable[str], names: Iterable[str], tree: ast.Module) -> bool:
    """Whether a file is of one of the kinds; `names` are those of the file and of the folders around it."""
    wanted = {word for kind in kinds for word in KINDS[kind]}
    return any(_last_word(name) in wanted for name in (*names, *_defined(tree)))


def _defined(tree: ast.Module) -> Iterable[str]:
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield node.name
            for base in node.bases:
                yield base.attr if isinstance(base, ast.Attribute) else base.id if isinstance(base, ast.Name) else ""
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name


def _last_word(name: str) -> str:
    words = _WORDS.findall(name)
    return words[-1].lower() if words else ""
