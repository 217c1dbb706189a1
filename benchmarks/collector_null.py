"""Servers that do nothing, as processes: HTTP that says 200, and gRPC with a handler that returns at once."""

from __future__ import annotations

import asyncio
import sys

import grpc
import uvloop
from collector_load import EXPORT

from otel_llm_collector.receiver.connection import Answer, Request
from otel_llm_collector.receiver.intake import Budget
from otel_llm_collector.receiver.refusals import RefusedError
from otel_llm_collector.receiver.server import HttpServer


class Nothing:
    """A site that takes everything and keeps nothing."""

    body_bytes_max = 1 << 30
    budget = Budget(1 << 40)

    def look(self, _: Request) -> None: ...

    def refuse(self, _: Request, error: RefusedError) -> Answer:
        return Answer(400, error.reason.encode())

    async def answer(self, _: Request) -> Answer:
        return Answer(200, b"", ((b"content-type", b"application/x-protobuf"),))


async def serve_http() -> None:
    server = HttpServer(Nothing(), "127.0.0.1:0", None)
    await server.start()
    print(server.address, flush=True)
    await asyncio.Event().wait()


async def serve_grpc() -> None:
    async def export(_: bytes, __: object) -> bytes:
        return b""

    server = grpc.aio.server()
    service, method = EXPORT.strip("/").split("/")
    handler = grpc.unary_unary_rpc_method_handler(export)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"127.0.0.1:{port}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve_grpc() if sys.argv[1:] == ["grpc"] else serve_http())
