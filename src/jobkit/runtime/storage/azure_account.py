"""Which storage account is meant, and the SDK's clients for it: by the settings that Functions itself reads.

`AzureWebJobsStorage` is a connection string (`UseDevelopmentStorage=true` is Azurite on its usual ports), or there are
`AzureWebJobsStorage__accountName`, or `__tableServiceUri` and `__queueServiceUri`, for an identity (and `__clientId`
for a user-assigned one). Source: "Reference for connections" in Microsoft's Azure Functions developer guide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from jobkit.runtime.errors import InvalidSetting
from jobkit.runtime.settings import LOCAL_SETTINGS

if TYPE_CHECKING:
    from azure.data.tables import TableServiceClient
    from azure.storage.queue import QueueServiceClient

SETTING: Final = "AzureWebJobsStorage"
# A call that never gets an answer must end within half a minute, the SDK's tries included.
_TIMES: Final[dict[str, Any]] = {"connection_timeout": 5, "read_timeout": 20}
#: A process's threads (PYTHON_THREADPOOL_THREAD_COUNT is 32 in a generated app), its sends and what else it may ask
#: for: a connection above what the pool keeps is closed after one call, and the next one shakes hands anew.
_CONNECTIONS: Final = 64
_RETRIES: Final[dict[str, Any]] = {"retry_total": 3, "retry_connect": 2, "retry_read": 2, "retry_backoff_factor": 0.5}
#: The queues' SDK has a policy of its own: it knows no backoff factor, and would wait 15 s before its second try.
_QUEUE_RETRIES: Final[dict[str, Any]] = {
    **_RETRIES,
    "initial_backoff": 1,
    "increment_base": 2,
    "random_jitter_range": 1,
}
_DEVELOPMENT: Final = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;"
    # Azurite's key, which Microsoft documents: the same everywhere, and no secret.
    "AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;"
    "TableEndpoint=http://127.0.0.1:10002/devstoreaccount1;QueueEndpoint=http://127.0.0.1:10001/devstoreaccount1;"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A storage account: by a connection string, or by the addresses of its services and an identity.

    Nothing that is secret is part of its text.
    """

    connection_string: str = field(default="", repr=False)
    tables_url: str = ""
    queues_url: str = ""
    client_id: str = ""

    def table_service(self) -> TableServiceClient:
        """Make the client of the account's tables."""
        from azure.data.tables import TableServiceClient

        client: Any = TableServiceClient  # its keywords are not typed
        if self.connection_string:
            tables: TableServiceClient = client.from_connection_string(
                self.connection_string, **_transport(), **_RETRIES
            )
        else:
            tables = client(self.tables_url, credential=_credential(self.client_id), **_transport(), **_RETRIES)
        return tables

    def queue_service(self, *, retries: bool = True) -> QueueServiceClient:
        """Make the client of the account's queues; without `retries` what is sent is sent once."""
        from azure.storage.queue import QueueServiceClient

        client: Any = QueueServiceClient
        how = {**_transport(), **(_QUEUE_RETRIES if retries else {"retry_total": 0})}
        if self.connection_string:
            queues: QueueServiceClient = client.from_connection_string(self.connection_string, **how)
        else:
            queues = client(self.queues_url, credential=_credential(self.client_id), **how)
        return queues


@cache
def _credential(client_id: str) -> Any:
    """Return the identity; all clients of a process share it, and so its tokens."""
    from azure.identity import DefaultAzureCredential

    return DefaultAzureCredential(managed_identity_client_id=client_id or None)


def _transport() -> dict[str, Any]:
    """Return how a client connects: the SDK's own transport, with as many connections as a process may need."""
    from azure.core.pipeline.transport import RequestsTransport

    transport: Any = RequestsTransport(**_TIMES)
    transport.open()
    for adapter in transport.session.adapters.values():
        adapter.init_poolmanager(len(transport.session.adapters), _CONNECTIONS)
    return {"transport": transport, **_TIMES}


def find_account(settings: Mapping[str, str]) -> Account:
    """Find the account that the settings name. Raises InvalidSetting, which never repeats a connection string."""
    text = settings.get(SETTING, "").strip()
    if text:
        if text.rstrip(";").lower() == "usedevelopmentstorage=true":
            text = _DEVELOPMENT
        elif "=" not in text:
            raise InvalidSetting(setting=SETTING, value="…", reason="is no connection string")
        return Account(connection_string=text)
    name = settings.get(f"{SETTING}__accountName", "")
    tables = settings.get(f"{SETTING}__tableServiceUri", f"https://{name}.table.core.windows.net" if name else "")
    queues = settings.get(f"{SETTING}__queueServiceUri", f"https://{name}.queue.core.windows.net" if name else "")
    if not tables or not queues:
        raise InvalidSetting(
            setting=SETTING,
            value="(not set)",
            reason="give a connection string (UseDevelopmentStorage=true for Azurite), or "
            f"{SETTING}__accountName, in the environment or in {LOCAL_SETTINGS}",
        )
    return Account(tables_url=tables, queues_url=queues, client_id=settings.get(f"{SETTING}__clientId", ""))
