"""Exporting without ever holding up the app: its threads never wait, its end waits a bounded time.

A collector that is down, hangs or is slow costs spans, never time: what does not fit the queue or the time left is
dropped, counted by reason, and said once, with the number and what to do about it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Sequence
from types import ModuleType
from typing import Any, Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from .finisher import finisher

QUEUE: Final = "the queue is full"
EXPORT: Final = "the collector did not take them"
SHUTDOWN: Final = "the process ended first"
FLUSH_S_MAX: Final = 30.0
CHILD_DRAIN_S_MAX: Final = 0.5
_LEFT_MS_MIN: Final = 200

_logger = logging.getLogger("otel_llm")
#: Loggers of the SDK that report the same drop once a batch, or more often.
_NOISY: Final = (
    "opentelemetry.exporter.otlp.common.http",
    "opentelemetry.exporter.otlp.proto.grpc.exporter",
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "opentelemetry.sdk._shared_internal",
)


class Drops:
    """Spans that were lost, by reason. The first loss is a WARNING; later ones are only counted."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._told = False

    def add(self, count: int, reason: str, endpoint: str) -> None:
        """Count spans as lost and say so, the first time."""
        if count <= 0:
            return
        with self._lock:
            self.counts[reason] += count
            told, self._told = self._told, True
        if not told:
            _logger.warning(
                "otel-llm dropped %d span(s): %s. Is a collector listening at %s? Start one with `otel-llm collector`, "
                "or set OTEL_EXPORTER_OTLP_ENDPOINT. The app is not affected; further drops are counted, not logged.",
                count,
                reason,
                endpoint,
            )


drops: Final = Drops()
_quiet = threading.local()


class _Mute(logging.Filter):
    """Holds back what the SDK logs about our own exports, and about nobody else's."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not getattr(_quiet, "on", False)


_mute = _Mute()


class CountingExporter(SpanExporter):
    """An exporter whose failures are counted. `in_flight` is the number of spans that an answer is awaited for."""

    def __init__(self, inner: SpanExporter) -> None:
        self.inner = inner
        self.in_flight = 0
        self.endpoint = str(getattr(inner, "_endpoint", "its endpoint"))
        for name in _NOISY:
            logging.getLogger(name).addFilter(_mute)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        _quiet.on = True
        self.in_flight = len(spans)
        result = SpanExportResult.FAILURE
        try:
            result = self.inner.export(spans)
        except Exception as error:  # counted below like an answer that is no
            _logger.debug("export failed", exc_info=error)
        finally:
            _quiet.on = False
        if result is not SpanExportResult.SUCCESS and self.in_flight:
            drops.add(len(spans), EXPORT, self.endpoint)
        self.in_flight = 0
        return result

    def shutdown(self) -> None:
        self.inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self.inner.force_flush(timeout_millis)


class BoundedSpanProcessor(BatchSpanProcessor):
    """The SDK's batch processor with a bound on its end (`exit_ms_max`, milliseconds) and on a flush."""

    def __init__(self, exporter: SpanExporter, exit_ms_max: int = 1_200) -> None:
        self._counting = CountingExporter(exporter)
        self._exit_ms_max = exit_ms_max
        super().__init__(self._counting)
        _end_with_children(self)

    def on_end(self, span: ReadableSpan) -> None:
        batch = self._batch_processor
        if len(batch._queue) < batch._max_queue_size:
            super().on_end(span)
        elif span.context and span.context.trace_flags.sampled:
            drops.add(1, QUEUE, self._counting.endpoint)

    def shutdown(self) -> None:
        batch = self._batch_processor
        if batch._shutdown:
            return
        # at least a moment, in which a collector on this machine takes what is queued
        left_ms = max(_LEFT_MS_MIN, self._exit_ms_max - int(finisher.exit_spent_s * 1000))
        batch.shutdown(timeout_millis=left_ms)
        in_flight, self._counting.in_flight = self._counting.in_flight, 0
        drops.add(len(batch._queue) + in_flight, SHUTDOWN, self._counting.endpoint)

    def force_flush(self, timeout_millis: int | None = None) -> bool:
        """Export what is queued, waiting at most that long: the SDK's own would wait for the collector."""
        timeout_s = FLUSH_S_MAX if timeout_millis is None else timeout_millis / 1000
        done: list[bool] = []
        flush = threading.Thread(target=lambda: done.append(self._flush()), name="otel-llm-flush", daemon=True)
        deadline = time.monotonic() + timeout_s
        flush.start()
        flush.join(max(0.0, deadline - time.monotonic()))
        return bool(done and done[0])

    def _flush(self) -> bool:
        flushed: Any = self._batch_processor.force_flush()
        return bool(flushed)


def _end_with_children(processor: BoundedSpanProcessor) -> None:
    """Have a `multiprocessing` child export before it ends: it leaves without `atexit`."""
    import wrapt

    def watch(module: ModuleType) -> None:
        module.register_after_fork(processor, lambda one: module.Finalize(None, _end, args=(one,), exitpriority=0))

    wrapt.register_post_import_hook(watch, "multiprocessing.util")


def _end(processor: BoundedSpanProcessor) -> None:
    from .stream import close_live

    close_live()
    finisher.drain(CHILD_DRAIN_S_MAX)
    processor.shutdown()
