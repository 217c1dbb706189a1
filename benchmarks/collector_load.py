"""Senders for `collector.py`: ready-made requests with fresh ids, over a few connections or many."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import cast

import grpc
import numpy as np
import numpy.typing as npt
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from span_load import Load

_TEMPLATES = 12
_ID_BYTES = 24  # 16 of the trace, 8 of the span
_HEAD = b"POST /v1/traces HTTP/1.1\r\nhost: h\r\ncontent-type: application/x-protobuf\r\n%scontent-length: %d\r\n\r\n"
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


class Bodies:
    """Requests of `spans` spans. None is sent twice: each gets ids of its own, in 30 us."""

    def __init__(self, *, content: bool, spans: int, packed: bool = False) -> None:
        made = list(Load(content=content).requests(spans * _TEMPLATES, spans))
        self.spans = spans
        self.packed = packed
        self._templates = itertools.cycle([(np.frombuffer(body, np.uint8), _places(body)) for body in made])
        self.bytes_a_span = sum(map(len, made)) / len(made) / spans
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[bytes]:
        while True:
            with self._lock:
                template, places = next(self._templates)
            body = template.copy()
            body[places] = np.frombuffer(os.urandom(places.size), np.uint8).reshape(places.shape)
            yield gzip.compress(body.tobytes(), 1) if self.packed else body.tobytes()

    def http(self) -> Iterator[bytes]:
        """The same as whole HTTP requests."""
        encoding = b"content-encoding: gzip\r\n" if self.packed else b""
        for body in self:
            yield _HEAD % (encoding, len(body)) + body


def _places(body: bytes) -> npt.NDArray[np.int64]:
    """Where the ids of each span lie: field 1 is the trace's, field 2 follows it."""
    starts, place = [], 0
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        for span in resource.scope_spans[0].spans:
            place = body.index(b"\x0a\x10" + span.trace_id + b"\x12\x08" + span.span_id, place)
            starts.append(place + 2)
            place += 2
    offsets = np.r_[np.arange(16), np.arange(18, 26)]
    return np.asarray(starts)[:, None] + offsets[None, :]


class Senders:
    """A few connections that send one request after the other, while `may_send` says so. `acknowledged` are (when, how
    many spans) in order.
    """

    def __init__(self, address: str, bodies: Bodies, connections: int, may_send: Callable[[], bool]) -> None:
        self._address = address
        self._bodies = bodies
        self._may_send = may_send
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._send) for _ in range(connections)]
        self.acknowledged: list[tuple[float, int]] = []
        self.refused = 0

    def run(self, seconds: float) -> None:
        """Send for so long."""
        for thread in self._threads:
            thread.start()
        time.sleep(seconds)
        self._stop.set()
        for thread in self._threads:
            thread.join()

    @property
    def spans(self) -> int:
        """How many were acknowledged."""
        return sum(count for _, count in self.acknowledged)

    def _send(self) -> None:
        host, _, port = self._address.partition(":")
        with socket.create_connection((host, int(port))) as connection:
            for request in self._bodies.http():
                while not self._may_send() and not self._stop.is_set():
                    time.sleep(0.005)
                if self._stop.is_set():
                    return
                connection.sendall(request)
                if connection.recv(4096).startswith(b"HTTP/1.1 200"):
                    self.acknowledged.append((time.monotonic(), self._bodies.spans))
                else:
                    self.refused += 1


class _Asking(asyncio.Protocol):
    """One connection that asks again as soon as it is answered."""

    def __init__(self, requests: Iterator[bytes], done: Callable[[], bool]) -> None:
        self._requests, self._done = requests, done
        self.answers = 0
        self.over = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        transport.write(next(self._requests))

    def data_received(self, data: bytes) -> None:
        self.answers += data.startswith(b"HTTP/1.1 200")
        if self._done():
            self._transport.close()
            self.over.set_result(None)
        else:
            self._transport.write(next(self._requests))


async def ask_http(address: str, bodies: Bodies, connections: int, seconds: float) -> int:
    """Requests that were answered with success over so many connections."""
    host, _, port = address.partition(":")
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    requests = bodies.http()
    askers = [_Asking(requests, lambda: loop.time() > end) for _ in range(connections)]
    for asker in askers:
        await loop.create_connection(lambda asker=asker: asker, host, int(port))  # type: ignore[misc]
    await asyncio.gather(*(asker.over for asker in askers))
    return sum(asker.answers for asker in askers)


async def ask_grpc(address: str, bodies: Bodies, concurrent: int, seconds: float) -> int:
    """The same over gRPC: so many calls at once on one channel."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    requests = iter(bodies)
    answers = 0

    async with grpc.aio.insecure_channel(address) as channel:
        export = channel.unary_unary(EXPORT, None, None)

        async def ask() -> None:
            nonlocal answers
            while loop.time() < end:
                await export(next(requests))
                answers += 1

        await asyncio.gather(*(ask() for _ in range(concurrent)))
    return answers
