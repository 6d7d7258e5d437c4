"""Tables whose service cuts a query's pages as the Table service does, and Azurite does not: some are empty, and only the last has no token."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from azure.core.credentials import AzureNamedKeyCredential
from azure.data.tables import TableServiceClient

from jobkit.runtime.storage import azure_tables

NEXT = ("NextPartitionKey", "NextRowKey")
#: Rows by their keys, and the token of the page after; a service may leave a token's row out.
PAGES: dict[tuple[str, str], tuple[list[str], tuple[str, str] | None]] = {
    ("", ""): ([], ("a", "")),
    ("a", ""): ([], ("a", "2")),
    ("a", "2"): (["2", "3"], ("b", "1")),
    ("b", "1"): ([], ("b", "4")),
    ("b", "4"): (["4"], ("c", "0")),
    ("c", "0"): ([], None),
}


#: The rows of all pages.
ROWS = [row for rows, _ in PAGES.values() for row in rows]


class Service(BaseHTTPRequestHandler):
    """Answers any query with the page that its token names."""

    asked: list[tuple[str, str]]

    def do_GET(self) -> None:
        given = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        token = (given.get(NEXT[0], [""])[0], given.get(NEXT[1], [""])[0])
        self.asked.append(token)
        rows, following = PAGES[token]
        found = [{"odata.etag": f"W/{row}", "PartitionKey": "p", "RowKey": row, "status": "queued"} for row in rows]
        body = json.dumps({"value": found}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json;odata=minimalmetadata")
        self.send_header("Content-Length", str(len(body)))
        for name, value in zip(NEXT, following or (), strict=False):
            if value:
                self.send_header(f"x-ms-continuation-{name}", value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def tables_in_pages() -> Iterator[tuple[azure_tables.AzureTables, list[tuple[str, str]]]]:
    asked: list[tuple[str, str]] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Asked", (Service,), {"asked": asked}))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        address = f"http://127.0.0.1:{server.server_port}/account"
        with TableServiceClient(address, credential=AzureNamedKeyCredential("account", "a2V5")) as service:
            yield azure_tables.AzureTables(service, hub="hub"), asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
