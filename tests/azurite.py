"""Azurite, Microsoft's emulator of Azure Storage, as a process of the tests' own on ports that were free."""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
import shutil
import socket
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Self

import pytest

from jobkit.runtime.storage.azure_account import Account

INSTALL = "npm install azurite@3.35.0 (see .ci/run), and name its folder in JOBKIT_TEST_AZURITE or have it on the path"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
START_S = 30.0
_HUBS = itertools.count(1)


def find_azurite() -> str | None:
    """Return the command; None when it is not installed."""
    folder = os.environ.get("JOBKIT_TEST_AZURITE")
    return shutil.which("azurite", path=f"{folder}/node_modules/.bin" if folder else None)


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listening.getsockname()[1] for listening in sockets]
    for listening in sockets:
        listening.close()
    return ports


def connection_string(queue_port: int, table_port: int) -> str:
    """Return what reaches it."""
    return (
        f"DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey={KEY};"
        f"QueueEndpoint=http://127.0.0.1:{queue_port}/devstoreaccount1;"
        f"TableEndpoint=http://127.0.0.1:{table_port}/devstoreaccount1;"
    )


class Azurite:
    """One process; it can be stopped and started again on the same ports, with `--location` on the same data."""

    def __init__(self, *options: str, log: Path | None = None, scheme: str = "http") -> None:
        """Keep the options beside those that it always has; `log` gets its access log."""
        command = find_azurite()
        if command is None:
            assert not os.environ.get("CI"), f"Azurite is missing: {INSTALL}"
            pytest.skip(f"Azurite is missing: {INSTALL}")
        self._log = log
        blob, self.queue, self.table = free_ports(3)
        ports = [f"--blobPort={blob}", f"--queuePort={self.queue}", f"--tablePort={self.table}"]
        hosts = [f"--{name}Host=127.0.0.1" for name in ("blob", "queue", "table")]
        always = ["--skipApiVersionCheck", "--disableTelemetry", *([] if log else ["--silent"])]
        self._command = [command, *always, *options, *hosts, *ports]
        self._listening = [
            f"Azurite {name} service is successfully listening at {scheme}://127.0.0.1:{port}".encode()
            for name, port in (("Queue", self.queue), ("Table", self.table))
        ]
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def connection_string(self) -> str:
        """What reaches it."""
        return connection_string(self.queue, self.table)

    def start(self) -> None:
        """Start it, and wait until it says that it listens: whatever else answers on its ports is another one."""
        with contextlib.ExitStack() as files:
            path = self._log or Path(files.enter_context(tempfile.TemporaryDirectory()), "output")
            output = files.enter_context(path.open("ab"))
            said = output.tell()
            self._process = process = subprocess.Popen(self._command, stdout=output, stderr=output, cwd=Path("/"))
            atexit.register(stop, process)
            deadline = time.monotonic() + START_S
            while any(each not in path.read_bytes()[said:] for each in self._listening):
                assert process.poll() is None, f"Azurite has ended: {path.read_text()}"
                assert time.monotonic() < deadline, "Azurite does not answer"
                time.sleep(0.05)

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            stop(self._process)
            self._process = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


@cache
def shared_azurite() -> str:
    """Start one for all tests of this process, in memory; return its connection string."""
    return Azurite("--inMemoryPersistence").connection_string


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process that was started here."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()


def new_account() -> tuple[Account, str]:
    """Return the account, and a hub in it that nobody has used."""
    return Account(connection_string=shared_azurite()), f"test{os.getpid()}x{next(_HUBS)}"
