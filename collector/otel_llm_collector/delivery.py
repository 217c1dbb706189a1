"""The two ways by which a command brings OTLP requests in: to a running collector, or into a data directory that has
none. Either way they are stored before they are converted, as all that is received.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

from opentelemetry.util.re import parse_env_headers

from otel_llm.errors import OtelLlmError, UsageError
from otel_llm_semconv.pricing.contracts import Contracts

from . import journal
from .forward.destination import SCHEMES, Destination, without_secrets
from .forward.targets import RejectedError, Target, UnreachableError, connect
from .process import LockedError, lock
from .receiver.intake import SEGMENT_BYTES_MAX

_ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
_PROTOCOL: Final = "OTEL_EXPORTER_OTLP_PROTOCOL"
_HEADERS: Final = "OTEL_EXPORTER_OTLP_HEADERS"
ENDPOINT_DEFAULT: Final = "http://127.0.0.1:4318"
#: Full segments that wait for conversion: what is converted at once goes into few files.
_SEGMENTS_MAX: Final = 4
_PATIENCE_S: Final = 60.0
_PAUSE_S: Final = 0.5
_PAUSE_S_MAX: Final = 10.0


class Delivery(Protocol):
    """Where requests are brought."""

    def take(self, kind: int, payload: bytes, received_ns: int) -> int:
        """Bring one in. `received_ns` is the moment that it counts as received at, where that is ours to say.

        Returns how many of its items were refused; raises OtelLlmError where it cannot be brought in.
        """


class ToCollector:
    """To a collector, or any receiver of OTLP, which may have no room for a while."""

    def __init__(self, target: Target, shown: str, patience_s: float = _PATIENCE_S) -> None:
        self._target = target
        self._shown = shown
        self._patience_s = patience_s

    def take(self, kind: int, payload: bytes, received_ns: int) -> int:
        """Send a request until it is taken, for a minute at most."""
        deadline = time.monotonic() + self._patience_s
        while True:
            try:
                return self._target.send(kind, payload)
            except RejectedError as error:
                raise OtelLlmError(f"{self._shown} refuses it: {error}{_hint(str(error))}") from None
            except UnreachableError as error:
                if time.monotonic() >= deadline:
                    text = f"{self._shown} does not take it: {error}; start `otel-llm collector`, or correct the URL"
                    raise OtelLlmError(text) from None
                time.sleep(min(error.after_s or _PAUSE_S, _PAUSE_S_MAX))


class ToDirectory:
    """Into the journal of a data directory, and from there into its tables, in this process.

    `convert` brings the oldest segments into the tables, and says whether there were any; `repeated` counts rows that
    were in the tables already.
    """

    def __init__(self, writer: journal.Writer, convert: Callable[[], bool], repeated: Mapping[str, int]) -> None:
        self._writer = writer
        self._convert = convert
        self._full = 0
        self.repeated = repeated

    def take(self, kind: int, payload: bytes, received_ns: int) -> int:
        """Store a request; convert when enough of them wait."""
        self._writer.append([(journal.frame_header(kind, received_ns, payload), payload)])
        if self._writer.size >= SEGMENT_BYTES_MAX:
            self._writer.rotate()
            self._full += 1
        if self._full >= _SEGMENTS_MAX:
            self.convert()
        return 0

    def convert(self) -> None:
        """Bring all that is stored into the tables."""
        self._writer.rotate()
        while self._convert():
            pass
        self._full = 0


@contextlib.contextmanager
def to_collector(url: str | None) -> Iterator[ToCollector]:
    """A way to the collector at a URL, else to that of the OTEL_ variables, else to the one on this machine."""
    address = _checked(url or _from_environment())
    destination = Destination(address, parse_env_headers(os.environ.get(_HEADERS, ""), liberal=True))
    target = connect(destination)
    try:
        yield ToCollector(target, destination.shown, _PATIENCE_S if url else 0.0)
    finally:
        target.close()


@contextlib.contextmanager
def to_directory(data: Path, contracts: Contracts) -> Iterator[ToDirectory]:
    """A way into a data directory. Raises UsageError where a collector is at work there."""
    from .converter import Converter

    folder = journal.journal_dir(data)
    with contextlib.ExitStack() as held:
        try:
            for role in ("receiver", "converter"):
                held.enter_context(lock(folder / f"{role}.lock", "import", wait_s=0))
        except LockedError:
            cure = f"send to it with --collector {ENDPOINT_DEFAULT}, or wherever it listens"
            raise UsageError(f"a collector is at work on {data}: {cure}") from None
        writer = journal.Writer(data)
        converter = Converter(data, contracts)
        delivery = ToDirectory(writer, converter.convert_some, converter.tally.repeated)
        try:
            yield delivery
        finally:
            delivery.convert()
            while converter.recount_some():
                pass
            converter.close()


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_good = False
    if not is_good:
        shown = without_secrets(url)
        raise UsageError(
            f"{shown!r} is no address of a collector: give http://HOST:4318, https://, grpc:// or grpcs://"
        )
    return url


def _from_environment() -> str:
    url = os.environ.get(_ENDPOINT) or ENDPOINT_DEFAULT
    is_grpc = os.environ.get(_PROTOCOL) == "grpc" and url.startswith("http")
    return "grpc" + url.removeprefix("http") if is_grpc else url


def _hint(reason: str) -> str:
    return f"; set {_HEADERS}=authorization=Bearer%20TOKEN" if "401" in reason or "UNAUTHENTICATED" in reason else ""
