"""Proves of a changed file that it compiles and that its syntax tree is the old one but for our nodes."""

from __future__ import annotations

import ast

from .marker import DEPRECATED, WARNINGS
from .source import Unreadable, compile_tree


def verify(before: ast.Module, after: ast.Module) -> None:
    """Raises Unreadable when it is not so."""
    compile_tree(after)
    if ast.get_docstring(before, clean=False) != ast.get_docstring(after, clean=False):
        raise Unreadable("its docstring would be lost")
    if _dump(before) != _dump(after):
        raise Unreadable("its syntax tree would be another")


def without_ours(tree: ast.Module) -> ast.Module:
    """Return a module without what we have put into it; nodes are shared, but for decorated ones nothing is copied."""
    return ast.Module(
        body=[_undecorated(node) for node in tree.body if not _is_ours(node)], type_ignores=tree.type_ignores
    )


def is_our_decorator(node: ast.expr) -> bool:
    """Whether a decorator is ours."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == DEPRECATED


def _dump(tree: ast.Module) -> str:
    try:
        return ast.dump(without_ours(tree))
    except RecursionError as exc:
        raise Unreadable("it nests too deep to be verified") from exc


def _is_ours(node: ast.stmt) -> bool:
    if isinstance(node, ast.Import | ast.ImportFrom):
        return len(node.names) == 1 and node.names[0].asname in (WARNINGS, DEPRECATED)
    if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
        return False
    called = node.value.func
    return isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name) and called.value.id == WARNINGS


def _undecorated(node: ast.stmt) -> ast.stmt:
    """Take our decorators off, in `if` and `try` too."""
    fields = dict(ast.iter_fields(node))
    changed = False
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        kept = [decorator for decorator in node.decorator_list if not is_our_decorator(decorator)]
        changed, fields["decorator_list"] = len(kept) != len(node.decorator_list), kept
    elif isinstance(node, ast.If | ast.Try | ast.TryStar | ast.With):
        for name in ("body", "orelse", "finalbody"):
            if name in fields:
                fields[name] = [_undecorated(inner) for inner in fields[name]]
        if isinstance(node, ast.Try | ast.TryStar):
            fields["handlers"] = [
                ast.ExceptHandler(
                    type=handler.type, name=handler.name, body=[_undecorated(inner) for inner in handler.body]
                )
                for handler in node.handlers
            ]
        changed = True
    return type(node)(**fields) if changed else node
