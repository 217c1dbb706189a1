"""The two ways to hand a request on, OTLP over HTTP and over gRPC, and what the answers mean."""

from __future__ import annotations

import contextlib
import zlib
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import urllib3

from ..signals import SIGNALS, Signal
from .destination import SCHEMES, Destination

_TIMEOUT_S: Final = 10.0
_RETRYABLE_HTTP: Final = frozenset({429, 502, 503, 504})
_DENIED_HTTP: Final = frozenset({401, 403})
_RETRY_INFO: Final = "google.rpc.RetryInfo"
#: As OpenTelemetry's specification has it.
_ANSWER_BYTES_MAX: Final = 4 * 1024 * 1024
_GZIP: Final = 31  # window bits of zlib with a gzip head


class RejectedError(Exception):
    """The target will never take this request."""


class DeniedError(RejectedError):
    """Nor anything else, until somebody gives us another key."""

    after_s = None


class UnreachableError(Exception):
    """The target does not take it now; `after_s` is when it wants to be asked again, where it says so."""

    def __init__(self, reason: str, after_s: float | None = None) -> None:
        super().__init__(reason)
        self.after_s = after_s


class Target(Protocol):
    """Where requests go."""

    def send(self, kind: int, payload: bytes) -> int:
        """Hand a request on. Returns how many of its items the target has rejected, which are not to be sent again.

        Raises RejectedError, UnreachableError.
        """

    def close(self) -> None: ...


class HttpTarget:
    """OTLP/HTTP: the signal's path is appended to the URL's, as `OTEL_EXPORTER_OTLP_ENDPOINT` has it."""

    def __init__(self, destination: Destination) -> None:
        self._urls = {kind: destination.url_of(signal.path) for kind, signal in SIGNALS.items()}
        self._headers = {
            **destination.sent_headers,
            "content-encoding": "gzip",
            "content-type": "application/x-protobuf",
            "user-agent": "otel-llm",
        }
        self._pool = urllib3.PoolManager(retries=False, timeout=_TIMEOUT_S, maxsize=1)

    def send(self, kind: int, payload: bytes) -> int:
        signal = SIGNALS[kind]
        packer = zlib.compressobj(1, zlib.DEFLATED, _GZIP)
        body = packer.compress(payload) + packer.flush()
        try:
            answer, said = self._ask(self._urls[kind], body)
        except urllib3.exceptions.HTTPError as error:
            raise UnreachableError(str(error)) from None
        if answer.status in _RETRYABLE_HTTP:
            raise UnreachableError(f"status {answer.status}", _seconds(answer.headers.get("retry-after")))
        if answer.status in _DENIED_HTTP:
            raise DeniedError(f"status {answer.status}")
        if answer.status >= 300:
            raise RejectedError(f"status {answer.status}")
        is_protobuf = "json" not in answer.headers.get("content-type", "")
        return _rejected(signal, said) if is_protobuf else 0

    def _ask(self, url: str, body: bytes) -> tuple[urllib3.BaseHTTPResponse, bytes]:
        """An answer, and what it says. What is longer than any of OTLP is not read to its end."""
        answer = self._pool.request(
            "POST", url, body=body, headers=self._headers, redirect=False, preload_content=False
        )
        said = answer.read(_ANSWER_BYTES_MAX)
        if len(said) < _ANSWER_BYTES_MAX:
            answer.release_conn()
        else:
            answer.close()
        return answer, said

    def close(self) -> None:
        self._pool.clear()


class GrpcTarget:
    """OTLP/gRPC: `grpc://host:port`, or `grpcs://` with TLS."""

    def __init__(self, destination: Destination) -> None:
        import grpc

        self._grpc = grpc
        address, is_secure = destination.address, SCHEMES[urlsplit(destination.url).scheme][1]
        options, gzip = (("grpc.max_send_message_length", -1),), grpc.Compression.Gzip
        self._channel = (
            grpc.secure_channel(address, grpc.ssl_channel_credentials(), options, gzip)
            if is_secure
            else grpc.insecure_channel(address, options, gzip)
        )
        self._headers = tuple(destination.sent_headers.items())
        self._calls = {kind: self._channel.unary_unary(signal.method, None, None) for kind, signal in SIGNALS.items()}

    def send(self, kind: int, payload: bytes) -> int:
        codes = self._grpc.StatusCode
        try:
            answer = self._calls[kind](payload, timeout=_TIMEOUT_S, metadata=self._headers)
        except self._grpc.RpcError as error:
            code = error.code()
            after_s = _retry_after_s(error.trailing_metadata())
            full = code is codes.RESOURCE_EXHAUSTED and after_s is None  # retryable only where it says when
            if full or code in {codes.INVALID_ARGUMENT, codes.UNIMPLEMENTED}:
                raise RejectedError(code.name) from None
            if code in {codes.UNAUTHENTICATED, codes.PERMISSION_DENIED}:
                raise DeniedError(code.name) from None
            raise UnreachableError(code.name, after_s) from None
        return _rejected(SIGNALS[kind], answer)

    def close(self) -> None:
        self._channel.close()


def connect(destination: Destination) -> Target:
    """The target of a destination; nothing is asked of it yet."""
    is_grpc, _ = SCHEMES[urlsplit(destination.url).scheme]
    return GrpcTarget(destination) if is_grpc else HttpTarget(destination)


def _rejected(signal: Signal, answer: bytes) -> int:
    """How many items an answer rejects; none where it is no OTLP answer, as of a proxy."""
    message = signal.answer()
    try:
        message.ParseFromString(answer)
    except Exception:
        return 0
    return int(getattr(message.partial_success, signal.rejected))


def _seconds(retry_after: str | None) -> float | None:
    """Retry-After in seconds, also where it is a date."""
    if not retry_after:
        return None
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        moment = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    return max(0.0, (moment - datetime.now(moment.tzinfo)).total_seconds())


def _retry_after_s(metadata: Any) -> float | None:
    """The delay of a RetryInfo among the details of a status, where that can be read."""
    from google.protobuf.message import DecodeError
    from google.rpc.error_details_pb2 import RetryInfo
    from google.rpc.status_pb2 import Status

    for name, value in metadata or ():
        if name == "grpc-status-details-bin":
            with contextlib.suppress(DecodeError):
                for detail in Status.FromString(value).details:
                    if detail.type_url.endswith(_RETRY_INFO):
                        info = RetryInfo.FromString(detail.value)
                        return float(info.retry_delay.seconds + info.retry_delay.nanos / 1e9)
    return None
