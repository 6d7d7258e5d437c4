"""What the functions of one process share: controllers, store and service, made when one of them is first called.

Nothing of it happens while the app is indexed: a controller that hangs or a setting that is wrong must not cost the
other functions, and a cold start imports the SDKs once only.
"""

from __future__ import annotations

import logging
import os
import random
import socket
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import jobkit
from jobkit.runtime.clock import SystemClock
from jobkit.runtime.events import log_event
from jobkit.runtime.loader import Loaded, load_modules
from jobkit.runtime.settings import hub_name

if TYPE_CHECKING:
    from jobkit.runtime.processing import Processing
    from jobkit.runtime.service import Service
    from jobkit.runtime.storage.azure_account import Account
    from jobkit.runtime.storage.ports import Queues, Store

_LOGGER: Final = logging.getLogger("jobkit")


class App:
    """One process of a Function App. Thread-safe."""

    def __init__(self, modules: Sequence[str]) -> None:
        """Keep which modules hold the controllers; the settings are the environment's."""
        self._modules = tuple(modules)
        self._lock = threading.Lock()
        self._loaded: Loaded | None = None
        self._parts: tuple[Processing, Store] | None = None

    @property
    def hub(self) -> str:
        """The prefix of tables and queues. Raises InvalidSetting."""
        return hub_name(os.environ)

    @property
    def place(self) -> Path:
        """Where the runtime is that runs."""
        return Path(jobkit.__file__).parent

    @property
    def loaded(self) -> Loaded:
        """The controllers; what could not be loaded is logged the first time."""
        with self._lock:
            if self._loaded is None:
                self._loaded = load_modules(self._modules)
                for problem in self._loaded.problems:
                    _LOGGER.error("not loaded: %s", problem)
            return self._loaded

    @property
    def processing(self) -> Processing:
        """What handles queue messages. Raises InvalidSetting when the settings name no storage account."""
        return self._made[0]

    @property
    def service(self) -> Service:
        """The service. Raises InvalidSetting when the settings name no storage account."""
        return self._made[0].service

    @property
    def queues(self) -> Queues:
        """The hub's queues. Raises InvalidSetting when the settings name no storage account."""
        return self.store.queues

    @property
    def store(self) -> Store:
        """The hub's tables and queues. Raises InvalidSetting when the settings name no storage account."""
        return self._made[1]

    def find_account(self) -> Account:
        """Find the storage account. Raises InvalidSetting when the settings name none."""
        from jobkit.runtime.storage.azure_account import find_account

        return find_account(os.environ)

    @property
    def _made(self) -> tuple[Processing, Store]:
        loaded = self.loaded
        with self._lock:
            if self._parts is None:
                from jobkit.runtime.processing import Processing
                from jobkit.runtime.service import Service
                from jobkit.runtime.storage.azure import AzureStore
                from jobkit.runtime.turns import Gate

                store = AzureStore(self.find_account(), hub=self.hub)
                service = Service(
                    store.store,
                    loaded.registry,
                    clock=SystemClock(),
                    rng=random.Random(),  # noqa: S311 - names that must differ, not secrets
                    worker=_worker_name(),
                    observe=log_event,
                    each=store.each,
                )
                self._parts = (Processing(service, gate=Gate()), store.store)
            return self._parts


def _worker_name() -> str:
    """Name this process in task rows: the instance that Functions shows, and the process on it."""
    instance = os.environ.get("WEBSITE_INSTANCE_ID", "")[:8] or socket.gethostname()
    return f"{instance}-{os.getpid()}"
