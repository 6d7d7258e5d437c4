"""One instance in a process of its own, with a raised `maxDequeueCount`: what kills it is not the fault of a task."""

from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path

from jobkit.local import LocalStore
from jobkit.local.host import Instance
from jobkit.runtime.clock import SystemClock
from jobkit.runtime.loader import find_project, load
from jobkit.runtime.processing import Processing
from jobkit.runtime.service import Service


def service_on(store: LocalStore, folder: Path) -> Service:
    """Make a service with the project's controllers."""
    return Service(
        store.store,
        load(find_project(folder)).registry,
        clock=SystemClock(),
        rng=random.Random(),
        worker=f"killed-{os.getpid()}",
        observe=lambda event: None,
        each=store.queues.each,
        together=store.together,
    )


def main() -> None:
    """Work on the store until killed."""
    folder = Path(sys.argv[1])
    with LocalStore.open(folder / ".jobkit" / "local.db") as store:
        instance = Instance(
            store.queues,
            Processing(service_on(store, folder)).handle,
            waiter=store,
            concurrency=2,
            on_error=lambda queue, delivery, exc: None,
            max_dequeue_count=10_000,
        )
        instance.start()
        time.sleep(600)


if __name__ == "__main__":
    main()
