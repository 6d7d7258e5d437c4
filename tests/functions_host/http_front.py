"""The front of HTTP triggers: routes, keys, and the request and response as the host hands them on."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from functions_host.worker_process import Function, InvocationFailed, Value

Invoke = Callable[[Function, Value, dict[str, Value]], Value | None]


@dataclass(frozen=True, slots=True)
class Route:
    """A function's route as a pattern, with the methods that it takes (none: all)."""

    function: Function
    pattern: re.Pattern[str]
    literals: int
    methods: frozenset[str]
    level: str

    @staticmethod
    def of(function: Function, prefix: str) -> Route:
        """Read it from the binding; a parameter is a whole segment."""
        trigger = function.trigger
        path = f"{prefix}/{trigger.get('route') or function.name}".strip("/")
        parts = [
            f"(?P<{segment[1:-1]}>[^/]+)" if segment.startswith("{") else re.escape(segment)
            for segment in path.split("/")
        ]
        return Route(
            function,
            re.compile("/" + "/".join(parts), re.IGNORECASE),
            sum(not segment.startswith("{") for segment in path.split("/")),
            frozenset(method.upper() for method in trigger.get("methods") or ()),
            str(trigger.get("authLevel", "function")).lower(),
        )


class HttpFront:
    """Serves the HTTP triggers on a loopback port."""

    def __init__(self, functions: Iterable[Function], prefix: str, invoke: Invoke, *, key: str) -> None:
        routes = [Route.of(function, prefix) for function in functions if function.trigger["type"] == "httpTrigger"]
        self._routes = sorted(routes, key=lambda route: -route.literals)  # the most literal one decides
        self._invoke = invoke
        self._key = key
        self._server = _Server(("127.0.0.1", 0), _handler_for(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """Where it is served."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> None:
        """Start to serve."""
        self._thread.start()

    def stop(self) -> None:
        """Stop, and free the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, method: str, target: str, headers: Any, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Answer a request: 404 without a route for path and method, 401 without its key, 500 when the function raised."""
        url = urlsplit(target)
        query = {name: ",".join(values) for name, values in parse_qs(url.query).items()}
        for route in self._routes:
            found = route.pattern.fullmatch(url.path.rstrip("/"))
            if found is None or (route.methods and method not in route.methods):
                continue
            if route.level != "anonymous" and self._key not in (headers.get("x-functions-key"), query.get("code")):
                return 401, {}, b""
            params = {name: unquote(value) for name, value in found.groupdict().items()}
            request = {
                "method": method,
                "url": f"http://{headers['host']}{target}",
                "headers": {name.lower(): value for name, value in headers.items() if value},
                "query": query,
                "params": params,
                "body": body,
            }
            metadata: dict[str, Value] = {name: ("string", value) for name, value in params.items()}
            try:
                value = self._invoke(route.function, ("http", request), metadata)
            except InvocationFailed:
                return 500, {}, b""
            return _response(value)
        return 404, {}, b""


def _response(value: Value | None) -> tuple[int, dict[str, str], bytes]:
    if value is None:
        return 204, {}, b""
    kind, content = value
    if kind == "http":
        body = content["body"]
        return content["status"], content["headers"], body.encode() if isinstance(body, str) else body
    return 200, {"content-type": "text/plain; charset=utf-8"}, str(content).encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def _handler_for(front: HttpFront) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            status, headers, content = front.answer(self.command, self.path, self.headers, body)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = _serve  # noqa: N815 - the base class's names

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class's name
            """Say nothing: the tests look at answers."""

    return Handler
