"""Which paths git ignores: by the .gitignore files above and below, and .git/info/exclude; git itself is not needed."""

from __future__ import annotations

from pathlib import Path

from pathspec import GitIgnoreSpec


class Ignored:
    """Answers for one tree; each folder's rules are read once."""

    def __init__(self, root: Path) -> None:
        """Look for the repository that `root` (absolute) is in; without one, rules from the current folder down hold."""
        here = Path.cwd()
        without = here if root.is_relative_to(here) else root
        self._top = next((folder for folder in (root, *root.parents) if (folder / ".git").exists()), without)
        self._specs: dict[Path, GitIgnoreSpec | None] = {}
        self._exclude = _read(self._top / ".git" / "info" / "exclude")

    def has(self, path: Path, *, is_folder: bool) -> bool:
        """Whether the rules nearest to a path ignore it; its parents are asked before it."""
        for folder in path.parents:
            if folder not in self._specs:
                self._specs[folder] = _read(folder / ".gitignore")
            verdict = _verdict(self._specs[folder], path, folder, is_folder=is_folder)
            if verdict is not None:
                return verdict
            if folder == self._top:
                break
        return bool(_verdict(self._exclude, path, self._top, is_folder=is_folder))


def _verdict(spec: GitIgnoreSpec | None, path: Path, folder: Path, *, is_folder: bool) -> bool | None:
    if spec is None:
        return None
    return spec.check_file(path.relative_to(folder).as_posix() + ("/" if is_folder else "")).include


def _read(path: Path) -> GitIgnoreSpec | None:
    try:
        return GitIgnoreSpec.from_lines(path.read_text("utf-8", "replace").splitlines())
    except OSError:
        return None
