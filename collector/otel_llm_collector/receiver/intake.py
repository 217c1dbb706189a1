"""What both doors of the receiver share: validate a request, put it on disk with its neighbours, then say so.

Requests that arrive while a write is under way wait for the next one, so a busy receiver pays one fsync for many.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans

from .. import journal

_LOG = logging.getLogger(__name__)

#: Bytes of requests that may be in memory at once, read or waiting for the disk; above it clients are told to wait.
IN_FLIGHT_BYTES_MAX: Final = 192 * 1024 * 1024
#: A segment is closed, and so handed to the converter, at this age or size, whichever comes first.
SEGMENT_AGE_S_MAX: Final = 0.4
SEGMENT_BYTES_MAX: Final = 8 * 1024 * 1024
RETRY_AFTER_S: Final = 1
#: From this size on a request is weighed before it is parsed, and both happen beside the event loop.
LARGE_BYTES_MIN: Final = 8 * 1024 * 1024


class RefusedError(Exception):
    """A request that is not stored. `reason` is for people; the doors translate the class to a status."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class BadDataError(RefusedError):
    """Not OTLP, or not what this door takes: sending it again cannot help (400, INVALID_ARGUMENT)."""


class TooLargeError(RefusedError):
    """Larger than the limit, before or after decompression (413, RESOURCE_EXHAUSTED)."""


class BusyError(RefusedError):
    """No room right now: send it again after a while (503, UNAVAILABLE)."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What was stored, and how many spans of the request were not, with the reason."""

    rejected_spans: int = 0
    message: str = ""


@dataclass(frozen=True, slots=True)
class _Waiting:
    header: bytes
    payload: bytes
    done: asyncio.Future[None]


class Intake:
    """Accepts trace requests on behalf of the HTTP and gRPC doors. Lives in one event loop."""

    def __init__(self, writer: journal.Writer) -> None:
        self._writer = writer
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._waiting: list[_Waiting] = []
        self._wake = asyncio.Event()
        self._in_flight = 0
        self._task = asyncio.create_task(self._write_groups())

    @contextlib.contextmanager
    def admit(self, size: int) -> Iterator[None]:
        """Hold `size` bytes of the memory budget, or raise BusyError."""
        if self._in_flight + size > IN_FLIGHT_BYTES_MAX:
            raise BusyError(f"the receiver holds {self._in_flight} bytes already; send this again in a moment")
        self._in_flight += size
        try:
            yield
        finally:
            self._in_flight -= size

    async def store_traces(self, payload: bytes) -> Accepted:
        """Store one ExportTraceServiceRequest; returns once it is on disk. Raises RefusedError."""
        if len(payload) < LARGE_BYTES_MIN:
            sound, accepted = check_traces(payload)
        else:  # elsewhere, so that the other requests do not wait
            sound, accepted = await asyncio.to_thread(_check_large, payload)
        if sound:
            await self._append(journal.TRACES, sound)
        return accepted

    async def close(self) -> None:
        """Write what is waiting, close the segment, stop."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        await self._write_group()
        await self._on_disk(self._writer.rotate)
        self._disk.shutdown()

    async def _append(self, kind: int, payload: bytes) -> None:
        header = journal.frame_header(kind, time.time_ns(), payload)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(header, payload, done))
        self._wake.set()
        await done

    async def _write_groups(self) -> None:
        opened_at = 0.0
        while True:
            if self._writer.size == 0:
                await self._wake.wait()
                opened_at = time.monotonic()
            age_left = opened_at + SEGMENT_AGE_S_MAX - time.monotonic()
            if age_left <= 0 or self._writer.size >= SEGMENT_BYTES_MAX:
                await self._rotate()
                continue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), age_left)
            self._wake.clear()
            await asyncio.shield(self._write_group())

    async def _rotate(self) -> None:
        try:
            await asyncio.shield(self._on_disk(self._writer.rotate))
        except Exception as error:
            _LOG.error("cannot close a journal segment, will try again: %s", error)
            await asyncio.sleep(RETRY_AFTER_S)

    async def _write_group(self) -> None:
        group, self._waiting = self._waiting, []
        if not group:
            return
        try:
            await self._on_disk(self._writer.append, [(item.header, item.payload) for item in group])
        except Exception as error:
            _LOG.error("the journal cannot be written: %s", error)
            _settle(group, BusyError(f"the journal cannot be written ({error}); nothing was stored"))
        else:
            _settle(group, None)

    async def _on_disk(self, call: Callable[..., None], *args: object) -> None:
        await asyncio.get_running_loop().run_in_executor(self._disk, call, *args)


def _settle(group: list[_Waiting], error: RefusedError | None) -> None:
    for item in group:
        if item.done.done():  # the client went away meanwhile
            continue
        if error is None:
            item.done.set_result(None)
        else:
            item.done.set_exception(error)


def check_traces(payload: bytes) -> tuple[bytes, Accepted]:
    """The request with its sound spans only ('' if there is none to store), and what was rejected.

    Raises BadDataError where the bytes are no ExportTraceServiceRequest, or carry spans of which none has valid ids.
    """
    try:
        request = ExportTraceServiceRequest.FromString(payload)
    except DecodeError:
        raise BadDataError(
            "the body is not an OTLP ExportTraceServiceRequest: cut short, nested too deeply, or no UTF-8"
        ) from None
    total = rejected = 0
    for scope_spans in (scope for resource in request.resource_spans for scope in resource.scope_spans):
        spans = scope_spans.spans
        sound = [span for span in spans if _has_ids(span.trace_id, span.span_id)]
        total += len(spans)
        if len(sound) < len(spans):
            rejected += len(spans) - len(sound)
            kept = ScopeSpans(spans=sound)
            del spans[:]
            spans.extend(kept.spans)
    if rejected == 0:
        return (payload if total else b""), Accepted()
    reason = f"{rejected} of {total} spans have no valid trace id and span id"
    if rejected == total:
        raise BadDataError(f"{reason}; if this is logs or metrics, send it to /v1/logs or /v1/metrics")
    return request.SerializeToString(), Accepted(rejected, reason)


def _check_large(payload: bytes) -> tuple[bytes, Accepted]:
    from .weight import check_weight

    check_weight(payload)
    return check_traces(payload)


def trace_response(accepted: Accepted) -> ExportTraceServiceResponse:
    """The answer of success; `partial_success` stays unset unless there is something to say."""
    response = ExportTraceServiceResponse()
    if accepted.rejected_spans or accepted.message:
        response.partial_success.rejected_spans = accepted.rejected_spans
        response.partial_success.error_message = accepted.message
    return response


def _has_ids(trace_id: bytes, span_id: bytes) -> bool:
    return len(trace_id) == 16 and len(span_id) == 8 and any(trace_id) and any(span_id)
