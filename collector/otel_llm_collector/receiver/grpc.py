"""The gRPC door: OTLP/gRPC's three services, on the raw bytes so that what was sent is what is stored."""

from __future__ import annotations

from typing import Any, Final, NoReturn

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from otel_llm.errors import OtelLlmError

from ..signals import SIGNALS, Signal
from .access import Access
from .intake import Intake
from .refusals import RETRY_AFTER_S, BusyError, RefusedError, TooLargeError, UnknownSenderError
from .soundness import Accepted, answer

#: Requests that are handled at once; above it a client is told to wait. (grpc's own limit answers in a way that OTLP
#: clients must take for final.)
_CONCURRENT_MAX: Final = 512
#: Requests that wait until they are looked at. From 1000 on the library would cancel some, without a word of why.
_PENDING_MAX: Final = 10_000

_DOOR: Final = "grpc"
#: The answer of nearly all requests: a message in which nothing is set.
_ACCEPTED: Final = b""
_Context = grpc.aio.ServicerContext[bytes, bytes]


class GrpcDoor:
    """The services of one server. `address` is host:port; port 0 takes a free one."""

    def __init__(
        self,
        intake: Intake,
        access: Access,
        address: str,
        body_bytes_max: int,
        credentials: grpc.ServerCredentials | None,
    ) -> None:
        self._intake = intake
        self._access = access
        limits = [
            ("grpc.max_receive_message_length", body_bytes_max),
            ("grpc.so_reuseport", 0),
            ("grpc.server.max_pending_requests", _PENDING_MAX),
            ("grpc.server.max_pending_requests_hard_limit", _PENDING_MAX),
        ]
        self._handled = 0
        self._server = grpc.aio.server(options=limits)
        self._server.add_generic_rpc_handlers(tuple(map(self._service, SIGNALS.values())))
        try:
            port = (
                self._server.add_secure_port(address, credentials)
                if credentials
                else self._server.add_insecure_port(address)
            )
        except RuntimeError:
            raise OtelLlmError(f"cannot listen on {address}; choose another address with --grpc") from None
        self.address = f"{address.rpartition(':')[0]}:{port}"

    async def start(self) -> None:
        await self._server.start()

    async def stop(self, grace_s: float) -> None:
        await self._server.stop(grace_s)

    def _service(self, signal: Signal) -> grpc.GenericRpcHandler[bytes, bytes]:
        async def export(request: bytes, context: _Context) -> bytes:
            self._handled += 1
            try:
                accepted = await self._store(signal, request, context)
            except RefusedError as error:
                self._intake.telemetry.refused(_DOOR, error)
                await _abort(context, error, _in_services(error.reason))
            finally:
                self._handled -= 1
            return bytes(answer(signal, accepted).SerializeToString()) if accepted.reason else _ACCEPTED

        handler = grpc.unary_unary_rpc_method_handler(export)
        return grpc.method_handlers_generic_handler(signal.service, {"Export": handler})

    async def _store(self, signal: Signal, request: bytes, context: _Context) -> Accepted:
        tenant = self._access.tenant(_authorization(context)) if self._access.asks else ""
        if self._handled > _CONCURRENT_MAX:
            raise BusyError(f"{_CONCURRENT_MAX} requests are being handled already; send this again in a moment")
        self._intake.budget.take(len(request))
        try:
            accepted = await self._intake.store(signal, request, tenant)
            self._intake.telemetry.stored(_DOOR, signal, len(request), accepted)
            return accepted
        finally:
            self._intake.budget.give(len(request))


def _authorization(context: _Context) -> str:
    for name, value in context.invocation_metadata() or ():
        if name == "authorization":
            return value if isinstance(value, str) else value.decode("latin-1")
    return ""


def _in_services(reason: str) -> str:
    """Where the way out is a path of HTTP, the service that is the same."""
    for signal in SIGNALS.values():
        reason = reason.replace(signal.path, signal.service.rpartition(".")[2])
    return reason


async def _abort(context: Any, error: RefusedError, reason: str) -> NoReturn:
    code = grpc.StatusCode.INVALID_ARGUMENT
    if isinstance(error, BusyError):
        code = grpc.StatusCode.UNAVAILABLE
        context.set_trailing_metadata((("grpc-status-details-bin", _retry_status(reason)),))
    elif isinstance(error, TooLargeError):
        code = grpc.StatusCode.RESOURCE_EXHAUSTED
    elif isinstance(error, UnknownSenderError):
        code = grpc.StatusCode.UNAUTHENTICATED
    await context.abort(code, reason)
    raise AssertionError  # abort always raises


def _retry_status(reason: str) -> bytes:
    """The rich status that makes a client retry: RetryInfo with a delay (OTLP specification, gRPC throttling)."""
    info = AnyMessage()
    info.Pack(RetryInfo(retry_delay=Duration(seconds=RETRY_AFTER_S)))
    status = Status(code=grpc.StatusCode.UNAVAILABLE.value[0], message=reason, details=[info])
    return bytes(status.SerializeToString())
