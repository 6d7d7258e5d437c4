"""Another process on a local store: `child.py FILE VERB [ARGUMENT …]`; it tells on stdout what it has done."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from jobkit.local import LocalStore
from jobkit.runtime.clock import SystemClock
from jobkit.runtime.errors import EntityExists, StoreUnavailable
from jobkit.runtime.storage.ports import Entity

FOREVER_S = 3600.0


def say(text: object) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def send(store: LocalStore, count: str) -> None:
    """Send numbered messages, once a line on stdin says so."""
    say("ready")
    sys.stdin.readline()
    for n in range(int(count)):
        store.queues.send("tasks", f"{os.getpid()}-{n}")
    say("sent")


def hold(store: LocalStore, limit: str) -> None:
    """Receive and keep."""
    found = store.queues.receive("tasks", limit=int(limit), visibility_s=FOREVER_S)
    say(" ".join(sorted(delivery.body for delivery in found)))
    sys.stdin.readline()


def hold_and_fork(store: LocalStore, limit: str) -> None:
    """Receive and keep; a forked process outlives this one, without the store."""
    found = store.queues.receive("tasks", limit=int(limit), visibility_s=FOREVER_S)
    forked = os.fork()
    if forked == 0:
        time.sleep(FOREVER_S)
        os._exit(0)
    say(forked)
    say(" ".join(sorted(delivery.body for delivery in found)))
    sys.stdin.readline()


def use_after_fork(store: LocalStore) -> None:
    """Use the store in a forked process, which also closes it; then here."""
    store.queues.send("tasks", "before")
    held = store.queues.receive("tasks", limit=1, visibility_s=FOREVER_S)
    if os.fork() == 0:
        try:
            store.queues.send("tasks", "forked")
        except StoreUnavailable as refused:
            say(refused)
        store.close()
        os._exit(0)
    os.wait()
    store.queues.send("tasks", "after")
    say([delivery.body for delivery in store.queues.receive("tasks", limit=32, visibility_s=FOREVER_S)])
    store.queues.delete("tasks", held[0])


def share(store: LocalStore, rows: str) -> None:
    """Race for rows and messages with whoever does the same; tell which this process won."""
    say("ready")
    sys.stdin.readline()
    won: list[str] = []
    for n in range(int(rows)):
        try:
            store.tables.insert("tasks", Entity(partition="p", row=f"{n:04}", properties={"by": os.getpid()}))
        except EntityExists:
            continue
        won.append(f"row{n}")
    while found := store.queues.receive("tasks", limit=4, visibility_s=FOREVER_S):
        for delivery in found:
            store.queues.delete("tasks", delivery)
            won.append(delivery.body)
    say(" ".join(won))


def write_until_refused(store: LocalStore, limit_bytes: str) -> None:
    """Write with files limited as on a full disk; then without the limit again."""
    import resource
    import signal

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit_bytes), hard))
    written = 0
    try:
        while True:
            store.queues.send("tasks", f"{written}:" + "x" * 40_000)
            written += 1
    except StoreUnavailable as refused:
        say(refused)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    store.queues.send("tasks", "at last")
    found: list[str] = []
    while received := store.queues.receive("tasks", limit=32, visibility_s=FOREVER_S):
        found += [delivery.body.split(":")[0] for delivery in received]
    expected = [str(n) for n in range(written)]
    say("intact" if found in ([*expected, "at last"], [*expected, str(written), "at last"]) else found)


def as_nobody(path: Path, verb: str) -> None:
    """Open as a user who may write nothing, and try a verb."""
    if os.getuid() == 0:
        os.setuid(65534)
    try:
        with LocalStore.open(path, clock=SystemClock()) as store:
            if verb == "read":
                say([entity.row for entity in store.tables.query("tasks", "p")])
            else:
                store.queues.send("tasks", "hello")
    except StoreUnavailable as refused:
        say(refused)


VERBS: dict[str, Callable[..., None]] = {
    "send": send,
    "hold": hold,
    "hold-and-fork": hold_and_fork,
    "use-after-fork": use_after_fork,
    "share": share,
    "write-until-refused": write_until_refused,
}

if __name__ == "__main__":
    file, verb, *arguments = sys.argv[1:]
    if verb == "as-nobody":
        as_nobody(Path(file), *arguments)
    else:
        with LocalStore.open(file, clock=SystemClock()) as opened:
            VERBS[verb](opened, *arguments)
