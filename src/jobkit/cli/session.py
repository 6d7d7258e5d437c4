"""What a command works with: the project, its controllers, an open store and a service on it."""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from jobkit.local import LocalStore
from jobkit.local.host import Instance, Waiter
from jobkit.runtime.clock import SystemClock
from jobkit.runtime.errors import NoStore
from jobkit.runtime.events import Observer
from jobkit.runtime.loader import Loaded, Project, find_project, load
from jobkit.runtime.processing import Processing
from jobkit.runtime.registry import Registry
from jobkit.runtime.service import Service
from jobkit.runtime.settings import hub_name, read_settings
from jobkit.runtime.storage.ports import Delivery, Store
from jobkit.runtime.turns import Gate

from .output import foreign_output_on_stderr, say
from .stores import AZURE, store_path

if TYPE_CHECKING:
    from jobkit.runtime.storage.azure import AzureStore

    from .chaos import RunChaos


class OpenStore(Waiter, Protocol):
    """What a command and its instances need of an open store, whichever it is."""

    store: Store

    @property
    def together(self) -> Callable[[], AbstractContextManager[None]]:
        """Return the context in which what is done may be stored as a whole."""
        ...

    def each(self, items: Iterable[Any], do: Callable[[Any], None]) -> None:
        """Do all items, perhaps in parallel."""
        ...

    def close(self) -> None:
        """Give back what is held."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A project's controllers and an open store; `store_name` is what `--store` takes to open it from anywhere."""

    loaded: Loaded
    store: OpenStore
    store_name: str
    hub: str

    @property
    def place(self) -> str:
        """Where the store is, for people."""
        kind, _, path = self.store_name.partition(":")
        return path or f"the {kind} store, hub {self.hub}"

    @property
    def living(self) -> Callable[[], int] | None:
        """Return what counts the processes that work on the store; None where that can't be seen."""
        return self.store.count_living if isinstance(self.store, LocalStore) else None

    def service(self, observe: Observer, *, chaos: RunChaos | None = None) -> Service:
        """Make the service of one instance; `chaos` disturbs it."""
        service = Service(
            self.store.store if chaos is None else chaos.store,
            self.loaded.registry,
            clock=SystemClock(),
            rng=random.Random(),  # noqa: S311 - names that must differ, not secrets
            worker=f"{os.uname().nodename if hasattr(os, 'uname') else 'local'}-{os.getpid()}",
            observe=observe,
            each=self.store.each,
            together=self.store.together,
        )
        if chaos is not None:
            chaos.watch(service, self.loaded.registry)
        return service

    def instance(self, service: Service, *, concurrency: int, chaos: RunChaos | None = None) -> Instance:
        """Make an instance that works on the store's queues; what goes wrong with a message is told on stderr."""
        # Under chaos no process dies, and a holder whose lease is lost waits for the next delivery, inside the gate.
        gate = Gate(pause=self.store.flush) if chaos is None else None
        handle = Processing(service, gate=gate).handle

        def tell(queue: str, _: Delivery, exc: BaseException) -> None:
            if chaos is None or not chaos.injected(exc):
                say(f"warning: {queue}: {type(exc).__name__}: {exc}")

        return Instance(
            (self.store if chaos is None else chaos).store.queues,
            handle if chaos is None else chaos.handler(handle),
            waiter=self.store,
            concurrency=concurrency,
            on_error=tell,
        )


def stop_instance(instance: Instance, chaos: RunChaos | None, grace_s: float) -> int:
    """Stop an instance, and what chaos still has at work; return how many messages are at work after `grace_s`."""
    deadline = time.monotonic() + grace_s
    left = instance.stop(grace_s)
    return left if chaos is None else left + chaos.finish(max(0.0, deadline - time.monotonic()))


def here() -> Project | None:
    """Find the project that the current folder belongs to."""
    return find_project(Path.cwd())


def load_controllers(project: Project | None) -> Loaded:
    """Import the project's controllers; warn on stderr about what could not be imported."""
    with foreign_output_on_stderr():
        loaded = load(project)
    for problem in loaded.problems:
        say(f"warning: not loaded: {problem}")
    return loaded


@contextlib.contextmanager
def open_session(store: str, *, project: Project | None, loaded: Loaded | None = None) -> Generator[Session]:
    """Open the store that `--store` names. Raises InvalidSetting, StoreUnavailable."""
    path = store_path(store, project)
    settings = read_settings(os.environ, None if project is None else project.root)
    hub = hub_name(settings)
    opened = _open_azure(settings, hub) if path is None else LocalStore.open(path, hub=hub)
    name = AZURE if path is None else f"local:{path}"
    with contextlib.closing(opened):
        yield Session(loaded=loaded or load_controllers(project), store=opened, store_name=name, hub=hub)


def _open_azure(settings: Mapping[str, str], hub: str) -> AzureStore:
    from jobkit.runtime.storage.azure import AzureStore  # it takes as long to import as all the rest
    from jobkit.runtime.storage.azure_account import find_account

    return AzureStore(find_account(settings), hub=hub)


@contextlib.contextmanager
def open_without_code(store: str) -> Generator[Session]:
    """Open a store to look for jobs, with none of the project's code. Raises NoStore where there is none."""
    project = here()
    with contextlib.suppress(OSError):  # opening it says what is wrong
        path = store_path(store, project)
        if path is not None and not path.exists():
            raise NoStore(place=str(path))
    with open_session(store, project=project, loaded=Loaded(registry=Registry(), problems=())) as session:
        yield session
