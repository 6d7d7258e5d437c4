"""A Function App as `jobkit new-app` makes it, on a hub of its own, and what a client asks of it by HTTP."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue import QueueServiceClient

from azurite import new_account
from functions_host.host import KEY, FunctionsHost
from jobkit.scaffold.app import make_app
from waiting import WITHIN_S, wait_until


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, with its JSON document."""

    status: int
    headers: Message
    text: str

    @property
    def document(self) -> Any:
        return json.loads(self.text)


class MadeApp:
    """The app's folder and settings; `client` asks a host that runs it."""

    def __init__(self, folder: Path, *, controllers: Mapping[str, str] | None = None) -> None:
        make_app(folder)
        self.folder = folder
        account, self.hub = new_account()
        self.account = account
        self.settings = {"AzureWebJobsStorage": account.connection_string, "JOBKIT_HUB": self.hub}
        self.service = QueueServiceClient.from_connection_string(account.connection_string)
        for name, text in (controllers or {}).items():
            (folder / "controllers" / f"{name}.py").write_text(text)
        self.set_queues(visibilityTimeout="00:00:01")

    def set_queues(self, **options: Any) -> None:
        """Change `extensions.queues` of host.json."""
        path = self.folder / "host.json"
        document = json.loads(path.read_text("utf-8"))
        document["extensions"]["queues"].update(options)
        path.write_text(json.dumps(document))

    def host(self, **options: Any) -> FunctionsHost:
        """Return a host for it, to be entered."""
        return FunctionsHost(self.folder, self.settings, **options)

    def send(self, queue: str, text: str, *, encoded: bool = True) -> None:
        """Put a text into a queue of the hub, as a foreigner would."""
        client = self.service.get_queue_client(f"{self.hub}-{queue}")
        client.send_message(base64.b64encode(text.encode()).decode() if encoded else text)

    def count(self, queue: str) -> int:
        """Count a queue's messages, hidden ones included; none are in one that nobody has sent to."""
        try:
            found = self.service.get_queue_client(f"{self.hub}-{queue}").get_queue_properties()
        except ResourceNotFoundError:
            return 0
        return int(found.approximate_message_count or 0)


class Client:
    """Asks an app by HTTP, with its key."""

    def __init__(self, host: FunctionsHost) -> None:
        self.host = host

    def get(self, path: str) -> Answer:
        return ask(f"{self.host.url}/api/{path}")

    def post(self, path: str, body: Any = None) -> Answer:
        return ask(f"{self.host.url}/api/{path}", "POST", b"" if body is None else json.dumps(body).encode())

    def run(self, job_type: str, params: Any, *, within_s: float = WITHIN_S) -> Any:
        """Submit a job, wait until it has ended, and return its document."""
        return self.ended(self.post(f"jobs/{job_type}", params).document["job_id"], within_s=within_s)

    def ended(self, job_id: str, *, within_s: float = WITHIN_S) -> Any:
        """Wait until a job has ended, and return its document."""
        shown: list[Any] = []

        def has_ended() -> bool:
            answer = self.get(f"jobs/{job_id}")
            if answer.status == 500 and not answer.text:  # the worker has died over it
                return False
            shown.append(answer.document)
            return shown[-1]["status"] in ("completed", "failed")

        wait_until(has_ended, "the job has ended", every_s=0.1, within_s=within_s)
        return shown[-1]


def ask(url: str, method: str = "GET", body: bytes | None = None, key: str = KEY) -> Answer:
    """Make a request; an error is an answer too."""
    request = urllib.request.Request(url, method=method, data=body, headers={"x-functions-key": key})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return Answer(answer.status, answer.headers, answer.read().decode())
    except urllib.error.HTTPError as exc:
        with exc:
            return Answer(exc.code, exc.headers, exc.read().decode())
