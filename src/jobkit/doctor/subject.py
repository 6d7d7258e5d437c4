"""What is examined: a folder with its settings, and what is found out about it once, for all checks that need it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, cast

from jobkit.deploy.vendored import HOST_FILE
from jobkit.runtime.clock import Clock, SystemClock
from jobkit.runtime.errors import InvalidSetting
from jobkit.runtime.loader import Project
from jobkit.runtime.settings import LOCAL_SETTINGS, hub_name, read_settings
from jobkit.runtime.storage.azure_account import SETTING

from .child import MOST_S, NoAnswer, ask_program

FUNCTION_APP: Final = "function_app.py"
#: What is secret in a connection string or a signed address.
_SECRETS: Final = re.compile(r"(?i)\b(AccountKey|SharedAccessSignature|SharedAccessKey|Password|sig)=[^;&\s\"']+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """Why something could not be found out."""

    reason: str


class Subject:
    """A project, or the folder that doctor was called in, and the settings that hold there."""

    def __init__(
        self,
        folder: Path,
        *,
        project: Project | None,
        environment: Mapping[str, str],
        clock: Clock | None = None,
        limit_s: float = MOST_S,
        trouble: str = "",
    ) -> None:
        """Look at a folder. What runs users' code is given `limit_s`; `trouble` is why the project can't be read."""
        self.trouble = trouble
        self.folder = (folder if project is None else project.root).absolute()
        self.project = project
        self.environment = environment
        self.clock = clock or SystemClock()
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
        try:
            found: Any = json.loads((self.folder / HOST_FILE).read_text(encoding="utf-8-sig"))
        except (OSError, ValueError) as exc:
            return Broken(reason=f"can't be read: {exc}")
        if not isinstance(found, dict):
            return Broken(reason="is no JSON object")
        return cast("dict[str, Any]", found)

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
        secret = self.known_settings.get(SETTING, "")
        if len(secret) > len("UseDevelopmentStorage=true;"):
            text = text.replace(secret, "…")
        return _SECRETS.sub(r"\1=…", text)
