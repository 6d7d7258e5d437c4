"""What is examined: a folder with its settings, and what is found out about it once, for all checks that need it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from jobkit.runtime.checks.finding import Broken
from jobkit.runtime.checks.host_file import read_host
from jobkit.runtime.checks.settings import without_secrets
from jobkit.runtime.errors import InvalidSetting
from jobkit.runtime.loader import HOST_FILE, Project
from jobkit.runtime.settings import LOCAL_SETTINGS, hub_name, read_settings

from .child import MOST_S, NoAnswer, ask_program


class Subject:
    """A project, or the folder that doctor was called in, and the settings that hold there."""

    def __init__(
        self,
        folder: Path,
        *,
        project: Project | None,
        environment: Mapping[str, str],
        limit_s: float = MOST_S,
        trouble: str = "",
    ) -> None:
        """Look at a folder. What runs users' code is given `limit_s`; `trouble` is why the project can't be read."""
        self.trouble = trouble
        self.folder = (folder if project is None else project.root).absolute()
        self.project = project
        self.environment = environment
        self.limit_s = limit_s

    @property
    def is_app(self) -> bool:
        """Whether it is a Function App."""
        return (self.folder / HOST_FILE).is_file()

    @cached_property
    def settings(self) -> dict[str, str] | Broken:
        """The environment's settings and the folder's."""
        try:
            return read_settings(self.environment, self.folder)
        except InvalidSetting as exc:
            return Broken(reason=str(exc))

    @cached_property
    def local_settings(self) -> dict[str, str]:
        """The settings of the folder's file alone; none where that can't be read."""
        try:
            return read_settings({}, self.folder)
        except InvalidSetting:
            return {}

    @property
    def known_settings(self) -> dict[str, str]:
        """All settings that can be read."""
        return dict(self.environment) if isinstance(self.settings, Broken) else self.settings

    @property
    def hub(self) -> str | None:
        """The hub; None when the settings name none that there can be."""
        try:
            return hub_name(self.known_settings)
        except InvalidSetting:
            return None

    def origin(self, setting: str) -> str:
        """Say where a setting was found."""
        return "the environment" if setting in self.environment else LOCAL_SETTINGS

    @cached_property
    def host(self) -> dict[str, Any] | Broken:
        """host.json."""
        return read_host(self.folder)

    @cached_property
    def controllers(self) -> dict[str, Any] | Broken:
        """The project's controllers, what could not be loaded, and the files that took."""
        return self._ask("controllers")

    @cached_property
    def functions(self) -> dict[str, Any] | Broken:
        """The app's functions, as Microsoft's worker finds them."""
        return self._ask("functions")

    def _ask(self, what: str) -> dict[str, Any] | Broken:
        try:
            found: dict[str, Any] = ask_program(
                what, folder=self.folder, environment=self.known_settings, limit_s=self.limit_s
            )
        except NoAnswer as exc:
            return Broken(reason=str(exc))
        return found

    def without_secrets(self, text: str) -> str:
        """Return a text in which no connection string and no key is left."""
        return without_secrets(text, self.known_settings)
