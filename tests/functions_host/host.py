"""A small Functions host: loads an app into Microsoft's worker, and feeds its triggers as the host in Azure does."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from azure.storage.queue import QueueServiceClient

from functions_host.http_front import HttpFront
from functions_host.installed import worker_python
from functions_host.queue_listener import QueueListener, QueueOptions
from functions_host.worker_process import Function, InvocationFailed, Log, Value, WorkerProcess

KEY = "the-key-of-the-functions"
SETTING = re.compile(r"%([^%]+)%")


class FunctionsHost:
    """Runs one app. Its settings are the values of its local.settings.json and, over them, `settings`.

    `longest_wait_s` takes the place of host.json's `maxPollingInterval`, so that tests need not wait for seconds. A
    worker that dies is started again, `most_restarts` times (in Azure, three deaths within half an hour make the
    platform start a new host).
    """

    def __init__(
        self,
        app: Path,
        settings: Mapping[str, str] | None = None,
        *,
        longest_wait_s: float = 0.2,
        most_restarts: int = 20,
    ) -> None:
        self.settings = {**_local_settings(app), **(settings or {})}
        self._document: dict[str, Any] = json.loads((app / "host.json").read_text("utf-8"))
        options = QueueOptions.read(self._document)
        self.options = QueueOptions(**{**_fields(options), "longest_wait_s": longest_wait_s})
        self.worker = WorkerProcess(app, worker_python(), self.settings, most_restarts=most_restarts)
        self._listeners: list[QueueListener] = []
        self._front: HttpFront | None = None

    def __enter__(self) -> Self:
        self.worker.start()
        try:
            prefix = self._document.get("extensions", {}).get("http", {}).get("routePrefix", "api")
            self._front = HttpFront(self.functions.values(), prefix, self.worker.invoke, key=KEY)
            self._listeners = [
                self._listener(function)
                for function in self.functions.values()
                if function.trigger["type"] == "queueTrigger"
            ]
        except BaseException:
            self.worker.stop()
            raise
        self._front.start()
        for listener in self._listeners:
            listener.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._front is not None:
            self._front.stop()
        self.worker.stop()  # what is in progress fails, and is settled by its listener
        for listener in self._listeners:
            listener.stop()

    @property
    def url(self) -> str:
        """Where the HTTP functions are."""
        assert self._front is not None
        return self._front.url

    @property
    def functions(self) -> dict[str, Function]:
        """The app's functions by name; none when it can't be indexed (`worker.broken` tells why)."""
        return self.worker.functions

    @property
    def logs(self) -> list[Log]:
        """What worker and host have logged."""
        return self.worker.logs

    def fire(self, name: str) -> Value | None:
        """Let a timer trigger be due, and wait for its function. Raises InvocationFailed."""
        now = datetime.now(UTC).isoformat()
        timer = {
            "Schedule": {"AdjustForDST": True},
            "ScheduleStatus": {"Last": now, "LastUpdated": now, "Next": now},
            "IsPastDue": False,
        }
        return self.worker.invoke(self.functions[name], ("json", json.dumps(timer)), {})

    def _listener(self, function: Function) -> QueueListener:
        trigger = function.trigger
        service = QueueServiceClient.from_connection_string(self.settings[trigger["connection"]])

        def invoke(text: str, metadata: dict[str, Value]) -> None:
            try:
                self.worker.invoke(function, ("string", text), metadata)
            except InvocationFailed as exc:
                self.logs.append(Log("ERROR", "host", f"Executed 'Functions.{function.name}' (Failed)\n{exc}"))
                raise

        queue = SETTING.sub(lambda found: self.settings[found[1]], trigger["queueName"]).lower()
        return QueueListener(service, queue, self.options, invoke, on_poison=self._notify, warn=self._warn)

    def _notify(self, queue: str) -> None:
        for listener in self._listeners:
            if listener.queue == queue:
                listener.notify()

    def _warn(self, text: str) -> None:
        self.logs.append(Log("WARNING", "host", text))


def _fields(options: QueueOptions) -> dict[str, Any]:
    return {name: getattr(options, name) for name in options.__slots__}


def _local_settings(app: Path) -> dict[str, str]:
    path = app / "local.settings.json"
    if not path.is_file():
        return {}
    found: dict[str, str] = json.loads(path.read_text("utf-8"))["Values"]
    return found
