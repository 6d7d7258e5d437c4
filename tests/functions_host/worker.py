"""The worker: the process in which Microsoft's `azure-functions-runtime` indexes an app and runs its functions.

Started by `worker_process.py` with a Python that has that package; it answers to the connection's other end what the
package answers to its requests. In Azure, gRPC stands between the two; here the messages are dicts over a loopback
socket, and the classes below stand in for the generated ones.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable
from multiprocessing.connection import Client, Connection
from types import SimpleNamespace
from typing import Any


class Message:
    """A protobuf message: the fields that were set, and which one of them it is when it holds one of several."""

    def __init__(self, **fields: Any) -> None:
        vars(self).update(fields)

    def WhichOneof(self, _group: str) -> str | None:  # noqa: N802 - protobuf's name
        return next(iter(vars(self)), None)


class TypedData(Message):
    """A value, in the field that names its type."""


class RpcHttp(Message):
    """A request or a response."""


class ParameterBinding(Message):
    """An argument: its name, and its value as `data`."""

    def WhichOneof(self, _group: str) -> str:  # noqa: N802 - protobuf's name
        return "data"


class BindingInfo(Message):
    """A binding, with the numbers of `FunctionRpc.proto`."""

    out = 1
    inout = 2
    undefined = 0


class StatusResult(Message):
    """How a request went, with the numbers of `FunctionRpc.proto`."""

    Failure = 0
    Success = 1


class Protos:
    """The module of generated classes, as far as the package asks for it."""

    BindingInfo = BindingInfo
    ParameterBinding = ParameterBinding
    RpcHttp = RpcHttp
    StatusResult = StatusResult
    TypedData = TypedData

    def __getattr__(self, _name: str) -> type[Message]:
        return Message


class Sender(logging.Handler):
    """Sends log records to the host, as the worker in Azure does: the text alone, without a record's other fields."""

    def __init__(self, send: Callable[[dict[str, Any]], None], invocation: Callable[[], str | None]) -> None:
        super().__init__()
        self._send = send
        self._invocation = invocation

    def emit(self, record: logging.LogRecord) -> None:
        self._send(
            {
                "log": {
                    "level": record.levelname,
                    "category": record.name,
                    "text": self.format(record),
                    "invocation": self._invocation() or "",
                }
            }
        )


class Worker:
    """Handles the host's requests, each in a task of its own."""

    def __init__(self, connection: Connection) -> None:
        import azure_functions_runtime as runtime

        self._runtime = runtime
        self._connection = connection
        self._sending = threading.Lock()
        root = logging.getLogger()
        root.addHandler(Sender(self._send, runtime.invocation_id_cv.get))
        root.setLevel(logging.INFO)

    async def serve(self) -> None:
        """Answer requests until the host closes the connection."""
        loop = asyncio.get_running_loop()
        tasks: set[asyncio.Task[None]] = set()  # a task that nobody remembers may be collected
        while (request := await loop.run_in_executor(None, self._receive)) is not None:
            task = loop.create_task(self._answer(request))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    def _receive(self) -> dict[str, Any] | None:
        try:
            return self._connection.recv()
        except (EOFError, ConnectionError):
            return None

    def _send(self, message: dict[str, Any]) -> None:
        with self._sending:
            self._connection.send(message)

    async def _answer(self, request: dict[str, Any]) -> None:
        try:
            answer = await getattr(self, f"_{request['kind']}")(request)
        except Exception:  # noqa: BLE001 - the host tells of it
            answer = {"error": traceback.format_exc()}
        self._send({"number": request["number"], **answer})

    async def _start(self, request: dict[str, Any]) -> dict[str, Any]:
        """Index the app and load its functions; return them with their bindings."""
        self._runtime.start_threadpool_executor()
        init = Message(capabilities={}, function_app_directory=request["app"])
        properties = {"protos": Protos(), "host": "127.0.0.1"}
        found = await self._runtime.worker_init_request(
            SimpleNamespace(request=Message(worker_init_request=init), properties=properties)
        )
        if error := _error(found):
            return {"error": error}
        found = await self._runtime.functions_metadata_request(SimpleNamespace(request=None, properties={}))
        functions = [
            {"id": each.function_id, "name": each.name, "bindings": list(each.raw_bindings)}
            for each in found.function_metadata_results or ()
        ]
        for function in functions:
            load = Message(function_id=function["id"])
            loaded = await self._runtime.function_load_request(
                SimpleNamespace(request=Message(function_load_request=load), properties={})
            )
            if error := _error(loaded):
                return {"error": error}
        return {"functions": functions}

    async def _invoke(self, request: dict[str, Any]) -> dict[str, Any]:
        """Run a function; return what it returned, or the error."""
        invocation = Message(
            invocation_id=request["invocation"],
            function_id=request["function"],
            input_data=[ParameterBinding(name=request["argument"], data=_typed(request["value"]))],
            trigger_metadata={name: _typed(value) for name, value in request["metadata"].items()},
            trace_context=Message(trace_parent="", trace_state="", attributes={}),
            retry_context=Message(retry_count=0, max_retry_count=0, exception=None),
        )
        found = await self._runtime.invocation_request(
            SimpleNamespace(request=Message(invocation_request=invocation), properties={})
        )
        if error := _error(found):
            return {"error": error}
        value = found.return_value
        return {"value": None if value is None else _plain(value)}

    async def _modules(self, _request: dict[str, Any]) -> dict[str, Any]:
        """Tell what has been imported, and from where."""
        return {"value": {name: getattr(module, "__file__", None) for name, module in list(sys.modules.items())}}


def _typed(value: tuple[str, Any]) -> TypedData:
    kind, content = value
    if kind == "http":
        body = TypedData(bytes=content["body"]) if content["body"] else TypedData()
        return TypedData(http=RpcHttp(**{**content, "body": body}))
    return TypedData(**{kind: content})


def _plain(data: TypedData) -> tuple[str, Any]:
    ((kind, content),) = vars(data).items()
    if kind == "http":
        ((_, body),) = vars(content.body).items()
        return kind, {"status": int(content.status_code), "headers": content.headers, "body": body}
    return kind, content


def _error(answer: Any) -> str | None:
    if answer.result.status == StatusResult.Success:
        return None
    return answer.result.exception.stack_trace or answer.result.exception.message


def main() -> None:
    """Run with the port of the host's listener and the app's folder, which comes last on the path, as on most plans."""
    port, app = sys.argv[1:]
    sys.path.insert(0, f"{app}/.python_packages/lib/site-packages")
    sys.path.append(app)
    if os.environ.get("JOBKIT_TEST_APP_FIRST"):  # and of others
        sys.path.insert(0, sys.path.pop())
    key = bytes.fromhex(os.environ.pop("JOBKIT_TEST_CONNECTION_KEY"))
    with Client(("127.0.0.1", int(port)), authkey=key) as connection:
        asyncio.run(Worker(connection).serve())
    os._exit(0)  # whatever still runs: the host has gone


if __name__ == "__main__":
    main()
