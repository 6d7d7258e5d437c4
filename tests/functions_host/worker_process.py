"""The host's end of the worker: starts the process, asks it, notices its death and starts another."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import secrets
import subprocess
import threading
import time
import uuid
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Listener
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).with_name("worker.py")
START_S = 60.0
#: What a process needs of its surroundings; the rest of its environment is the app's settings. Not CONTAINER_NAME: with
#: it the worker believes that it runs on a Consumption plan.
INHERITED = ("PATH", "HOME", "LANG", "TMPDIR", "SYSTEMROOT")

Value = tuple[str, Any]


class InvocationFailed(Exception):
    """Raised when a function raised, or when its worker died; its text is the traceback."""


class WorkerDied(InvocationFailed):
    """Raised when the worker died before it answered."""


@dataclass(frozen=True, slots=True)
class Log:
    """A record that the worker sent, or a line that it wrote to stdout or stderr (the category, then)."""

    level: str
    category: str
    text: str
    invocation: str = ""


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the app, with its bindings as `function.json` would have them."""

    id: str
    name: str
    bindings: tuple[dict[str, Any], ...]

    @property
    def trigger(self) -> dict[str, Any]:
        """The binding that starts it."""
        return next(binding for binding in self.bindings if binding["type"].endswith("Trigger"))


@dataclass
class _Process:
    process: subprocess.Popen[str]
    connection: Connection
    sending: threading.Lock = field(default_factory=threading.Lock)
    waiting: dict[int, Future[dict[str, Any]]] = field(default_factory=dict)


class WorkerProcess:
    """One worker at a time. Thread-safe: any number of threads may ask."""

    def __init__(self, app: Path, python: str, settings: Mapping[str, str], *, most_restarts: int) -> None:
        self._app = app
        self._python = python
        self._settings = settings
        self._most_restarts = most_restarts
        self._numbers = itertools.count(1)
        self._changed = threading.Condition()
        self._now: _Process | None = None
        self._stopping = False
        self.started = 0
        self.logs: list[Log] = []
        self.functions: dict[str, Function] = {}
        self.broken = ""

    @property
    def pid(self) -> int:
        """The running worker's process."""
        return self._running().process.pid

    def start(self) -> None:
        """Start the process, and have it index the app; what goes wrong with that stands in `broken`."""
        key = secrets.token_bytes(16)
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        with Listener(("127.0.0.1", 0), authkey=key) as listener:
            listener._listener._socket.settimeout(START_S)  # type: ignore[attr-defined]  # noqa: SLF001 - it has no other way
            process = subprocess.Popen(
                # -P: not the folder of this script, whose modules no app may see
                [self._python, "-P", str(SCRIPT), str(listener.address[1]), str(self._app)],
                cwd=self._app,
                env=inherited
                | dict(self._settings)
                | {"AzureWebJobsScriptRoot": str(self._app), "JOBKIT_TEST_CONNECTION_KEY": key.hex()},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            self.started += 1
            for name in ("stdout", "stderr"):
                threading.Thread(target=self._read, args=(getattr(process, name), name), daemon=True).start()
            try:
                now = _Process(process, listener.accept())
            except OSError as exc:
                process.kill()
                raise AssertionError(f"the worker does not come: {self.logs}") from exc
        threading.Thread(target=self._receive, args=(now,), daemon=True).start()
        threading.Thread(target=self._watch, args=(now,), daemon=True).start()
        try:
            answer = self._ask(now, {"kind": "start", "app": str(self._app)})
        except InvocationFailed as exc:  # the app can't be indexed: users see nothing but 404s
            self.broken = str(exc)
            answer = {"functions": []}
        self.functions = {
            each["name"]: Function(each["id"], each["name"], tuple(json.loads(text) for text in each["bindings"]))
            for each in answer["functions"]
        }
        with self._changed:
            if now.process.poll() is None:
                self._now = now
            self._changed.notify_all()
        if self._stopping:  # it was being started then
            self._end(now)

    def invoke(self, function: Function, value: Value, metadata: Mapping[str, Value]) -> Value | None:
        """Run a function and return what it returns. Raises InvocationFailed, WorkerDied."""
        request = {
            "kind": "invoke",
            "invocation": str(uuid.uuid4()),
            "function": function.id,
            "argument": function.trigger["name"],
            "value": value,
            "metadata": dict(metadata),
        }
        found: Value | None = self._ask(self._running(), request)["value"]
        return found

    def modules(self) -> dict[str, str | None]:
        """Return which modules the worker has imported, and from which files."""
        found: dict[str, str | None] = self._ask(self._running(), {"kind": "modules"})["value"]
        return found

    def stop(self) -> None:
        """Let the process end, and see that it has."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._now is not None:
            self._end(self._now)

    def _end(self, now: _Process) -> None:
        with contextlib.suppress(OSError), now.sending:
            now.connection.send(None)
        try:
            now.process.wait(5)
        except subprocess.TimeoutExpired:
            now.process.kill()
            now.process.wait()
        now.connection.close()

    def _running(self) -> _Process:
        with self._changed:
            deadline = time.monotonic() + START_S
            while self._now is None and not self._stopping and time.monotonic() < deadline:
                self._changed.wait(START_S)
            if self._now is None:
                raise WorkerDied(self.broken or "no worker")
            return self._now

    def _ask(self, now: _Process, request: dict[str, Any]) -> dict[str, Any]:
        number = next(self._numbers)
        now.waiting[number] = future = Future()
        try:
            with now.sending:
                now.connection.send({"number": number, **request})
        except (OSError, ValueError) as exc:
            raise WorkerDied(str(exc)) from exc
        if now.process.poll() is not None and not future.done():  # it died before it could be known that this one waits
            future.set_result({"died": True})
        answer = future.result()
        if "died" in answer:
            raise WorkerDied(f"the worker has exited with {now.process.returncode}")
        if "error" in answer:
            raise InvocationFailed(answer["error"])
        return answer

    def _receive(self, now: _Process) -> None:
        while True:
            try:
                message = now.connection.recv()
            except (EOFError, OSError):
                return
            if "log" in message:
                self.logs.append(Log(**message["log"]))
            elif (future := now.waiting.pop(message["number"], None)) is not None:
                future.set_result(message)

    def _read(self, stream: Any, name: str) -> None:
        with stream:
            for line in stream:
                self.logs.append(Log("ERROR" if name == "stderr" else "INFO", name, line.rstrip("\n")))

    def _watch(self, now: _Process) -> None:
        """When the process ends, fail what it was asked, as the host in Azure does, and start another one."""
        code = now.process.wait()
        with self._changed:
            self._now = None if self._now is now else self._now
            restart = not self._stopping and self.started <= self._most_restarts
            if not self._stopping and not restart:
                self.broken = f"the worker has died {self.started} times, with {code} at last"
        for number in list(now.waiting):
            if (future := now.waiting.pop(number, None)) is not None and not future.done():
                future.set_result({"died": True})
        if restart:
            self.start()
