"""Writes a changed file in one step: at every moment the whole old file or the whole new one is there."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from pathlib import Path

from .source import Unreadable

#: A larger file is no source that people maintain, and takes a gigabyte to be parsed.
LARGEST_BYTES = 2 * 1024 * 1024


def check_writable(path: Path) -> os.stat_result:
    """Return what the file is. Raises Unreadable for one that must be left as it is."""
    try:
        found = path.lstat()
    except OSError as exc:
        raise Unreadable(f"can't be read: {exc.strerror}") from exc
    if stat.S_ISLNK(found.st_mode):
        raise Unreadable("symlink")
    if not stat.S_ISREG(found.st_mode):
        raise Unreadable("not a regular file")
    if not found.st_size:
        raise Unreadable("empty")
    if found.st_size > LARGEST_BYTES:
        raise Unreadable(f"huge: {found.st_size:,} bytes, the limit is {LARGEST_BYTES:,}")
    if not found.st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH) or not os.access(path, os.W_OK):
        raise Unreadable("read-only")
    if found.st_nlink > 1:
        raise Unreadable(f"it has {found.st_nlink} hard links: the others would keep the old text")
    return found


def is_empty(path: Path) -> bool:
    """Whether a file, not a symlink, has no bytes."""
    return path.is_file() and not path.is_symlink() and not path.stat().st_size


def read_bytes(path: Path) -> bytes:
    """Raises Unreadable."""
    try:
        return path.read_bytes()
    except OSError as exc:
        raise Unreadable(f"can't be read: {exc.strerror}") from exc


def replace_file(path: Path, content: bytes, *, was: os.stat_result) -> None:
    """Replace a file, with its mode, owner and extended attributes. Raises Unreadable, and then nothing has changed."""
    temporary = path.with_name(f".{path.name[:60]}.{secrets.token_hex(4)}.jobkit")
    try:
        try:
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                _take_over(path, file.fileno(), was)
                os.fsync(file.fileno())
            now = path.lstat()
            if (now.st_ino, now.st_size, now.st_mtime_ns) != (was.st_ino, was.st_size, was.st_mtime_ns):
                raise Unreadable("it has changed meanwhile: run the command again")
            temporary.replace(path)
        except OSError as exc:
            raise Unreadable(f"can't be written: {exc.strerror}") from exc
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _take_over(path: Path, handle: int, was: os.stat_result) -> None:
    if not hasattr(os, "fchown"):
        return  # Windows: the folder decides
    now = os.fstat(handle)
    if (now.st_uid, now.st_gid) != (was.st_uid, was.st_gid):
        os.fchown(handle, was.st_uid, was.st_gid)
    os.fchmod(handle, stat.S_IMODE(was.st_mode))
    if hasattr(os, "listxattr"):
        with contextlib.suppress(OSError):  # a file system without them
            for name in os.listxattr(path):
                os.setxattr(handle, name, os.getxattr(path, name))
