"""A second cursor over the journal: hands every stored request on, unchanged, to another OTLP receiver.

Works from closed segments, in `journal/` or already in `archive/`, so a slow or dead target never delays the answer
to a sender. The place reached is on disk: after a restart forwarding goes on there (a request can arrive twice).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

import urllib3

from otel_llm.errors import UsageError

from . import journal

_LOG = logging.getLogger(__name__)

_POLL_S: Final = 0.1
_TIMEOUT_S: Final = 10.0
_BACKOFF_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
_RETRYABLE_HTTP: Final = frozenset({429, 502, 503, 504})
_GRPC_METHOD: Final = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


class RejectedError(Exception):
    """The target will never take this request."""


class UnreachableError(Exception):
    """The target does not take it now."""


class Target(Protocol):
    """Where requests go. `send` raises RejectedError or UnreachableError."""

    def send(self, payload: bytes) -> None: ...

    def close(self) -> None: ...


class HttpTarget:
    """OTLP/HTTP: `http(s)://host:port`, with `/v1/traces` appended where there is no path."""

    def __init__(self, url: str) -> None:
        self._url = url if urlsplit(url).path.strip("/") else url.rstrip("/") + "/v1/traces"
        self._pool = urllib3.PoolManager(retries=False, timeout=_TIMEOUT_S, maxsize=1)

    def send(self, payload: bytes) -> None:
        headers = {"content-type": "application/x-protobuf"}
        try:
            answer = self._pool.request("POST", self._url, body=payload, headers=headers)
        except urllib3.exceptions.HTTPError as error:
            raise UnreachableError(str(error)) from None
        if answer.status in _RETRYABLE_HTTP:
            raise UnreachableError(f"status {answer.status}")
        if answer.status >= 300:
            raise RejectedError(f"status {answer.status}")

    def close(self) -> None:
        self._pool.clear()


class GrpcTarget:
    """OTLP/gRPC: `grpc://host:port`, or `grpcs://` with TLS."""

    def __init__(self, url: str) -> None:
        import grpc

        self._grpc = grpc
        parts = urlsplit(url)
        secure = parts.scheme == "grpcs"
        self._channel = (
            grpc.secure_channel(parts.netloc, grpc.ssl_channel_credentials())
            if secure
            else grpc.insecure_channel(parts.netloc)
        )
        self._export = self._channel.unary_unary(_GRPC_METHOD, None, None)

    def send(self, payload: bytes) -> None:
        try:
            self._export(payload, timeout=_TIMEOUT_S)
        except self._grpc.RpcError as error:
            code = error.code()
            if code in {self._grpc.StatusCode.INVALID_ARGUMENT, self._grpc.StatusCode.UNIMPLEMENTED}:
                raise RejectedError(code.name) from None
            raise UnreachableError(code.name) from None

    def close(self) -> None:
        self._channel.close()


SCHEMES: Final[dict[str, Callable[[str], Target]]] = {
    "http": HttpTarget,
    "https": HttpTarget,
    "grpc": GrpcTarget,
    "grpcs": GrpcTarget,
}


def check_url(url: str) -> str:
    """The URL of a forward target, or UsageError with what is wrong."""
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none, a bracket that does not close
        is_good = False
    if not is_good:
        raise UsageError(f"--forward {url!r}: give http://HOST:PORT, https://, grpc:// or grpcs://")
    return url


class Forwarder:
    """One target's thread. `sent` and `rejected` count requests."""

    def __init__(self, data: Path, url: str) -> None:
        self._data = data
        self._url = url
        self._target: Target = SCHEMES[urlsplit(url).scheme](url)
        self._cursor_path = journal.journal_dir(data) / f"forward-{hashlib.sha256(url.encode()).hexdigest()[:12]}.json"
        self._segment, self._offset = self._load_cursor()
        self._stopping = threading.Event()
        self.sent = 0
        self.rejected = 0
        self._thread = threading.Thread(target=self._run, name=f"forward {url}", daemon=True)

    def start(self) -> None:
        self._save_cursor()
        self._thread.start()

    def stop(self, wait_s: float = 3.0) -> None:
        """Send what is closed by now, as far as that goes in `wait_s` seconds; the rest goes at the next start."""
        self._stopping.set()
        self._thread.join(wait_s)
        self._target.close()

    def _run(self) -> None:
        while True:
            last_round = self._stopping.is_set()
            with contextlib.suppress(_StoppedError):
                while segment := self._next_segment():
                    self._forward_segment(segment)
            if last_round:
                return
            self._stopping.wait(_POLL_S)

    def _next_segment(self) -> journal.Segment | None:
        """The closed segment at the cursor, or the next higher one where a number was never filled."""
        while self._segment < journal.next_number(self._data):
            open_path = journal.journal_dir(self._data) / f"{self._segment:012d}.open"
            if open_path.exists():
                return None
            if found := journal.find_segment(self._data, self._segment):
                return found
            if self._segment == journal.next_number(self._data) - 1:
                return None  # about to be opened
            self._segment, self._offset = self._segment + 1, 0
        return None

    def _forward_segment(self, segment: journal.Segment) -> None:
        for frame in _frames_wherever(self._data, segment, self._offset):
            if frame.kind == journal.TRACES:
                self._deliver(frame.payload)
            self._offset = frame.end
        self._segment, self._offset = segment.number + 1, 0
        self._save_cursor()

    def _deliver(self, payload: bytes) -> None:
        for attempt in range(1 << 30):
            try:
                self._target.send(payload)
            except RejectedError as error:
                self.rejected += 1
                _LOG.warning("%s rejects a request (%s): dropped there, kept here", self._url, error)
                return
            except UnreachableError as error:
                self._wait(attempt, error)
            else:
                self.sent += 1
                return

    def _wait(self, attempt: int, error: UnreachableError) -> None:
        if attempt == 0:
            _LOG.warning("forward to %s waits: %s", self._url, error)
        self._save_cursor()
        if self._stopping.wait(_BACKOFF_S[min(attempt, len(_BACKOFF_S) - 1)]):
            raise _StoppedError

    def _load_cursor(self) -> tuple[int, int]:
        try:
            stored = json.loads(self._cursor_path.read_text())
            return int(stored["segment"]), int(stored["offset"])
        except FileNotFoundError:
            return self._first_unseen(), 0

    def _first_unseen(self) -> int:
        """A new target gets what is stored from now on: the archive is history."""
        waiting = journal.closed_segments(journal.journal_dir(self._data))
        return waiting[0].number if waiting else journal.next_number(self._data)

    def _save_cursor(self) -> None:
        journal.replace_file(self._cursor_path, json.dumps({"segment": self._segment, "offset": self._offset}))


class _StoppedError(Exception):
    """The forwarder was told to stop while it waited."""


def _frames_wherever(data: Path, segment: journal.Segment, offset: int) -> Iterator[journal.Frame]:
    """The sound frames after `offset` of a segment that the converter may move to the archive at any moment."""
    for path in (segment.path, journal.archive_dir(data) / segment.path.name):
        try:
            for frame in journal.read_sound_frames(path):
                if isinstance(frame, journal.CorruptFrameError):
                    _LOG.warning("%s; forwarding goes on behind it", frame)
                elif frame.end > offset:
                    yield frame
        except FileNotFoundError:
            continue
        return


def start(data: Path, url: str) -> Forwarder:
    """Start forwarding to `url`; UsageError for a URL that names no OTLP target."""
    forwarder = Forwarder(data, check_url(url))
    forwarder.start()
    return forwarder
