"""Exporting without ever holding up the app: its threads never wait, its end waits a bounded time.

A collector that is down, hangs or is slow costs spans (scores, metrics), never time: what does not fit the queue or
the time left is dropped, counted by reason, and said once, with the number and what to do about it.

The SDK ends each signal by itself, each in its own time. Here they share `exit_ms_max`: who ends takes an equal share
of what is left, so that what a quick one leaves is there for the next. Spans come last and have all the rest.
"""

from __future__ import annotations

import functools
import logging
import re
import threading
import time
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, Final, TypeVar
from weakref import WeakSet

from opentelemetry.sdk._logs import ReadableLogRecord, ReadWriteLogRecord
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.metrics.export import (
    MetricExporter,
    MetricExportResult,
    MetricsData,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from .failures import guarded, places_of
from .finisher import finisher
from .losses import Losses

QUEUE: Final = "the queue is full"
EXPORT: Final = "the collector did not take them"
SHUTDOWN: Final = "the process ended first"
FLUSH_S_MAX: Final = 30.0
CHILD_DRAIN_S_MAX: Final = 0.5
EXIT_MS_MAX: Final = 1_200
_LEFT_MS_MIN: Final = 200

_logger = logging.getLogger("otel_llm")
#: Loggers of the SDK that report the same drop once a batch, or more often.
_NOISY: Final = (
    "opentelemetry.exporter.otlp.common.http",
    "opentelemetry.exporter.otlp.proto.grpc.exporter",
    "opentelemetry.exporter.otlp.proto.http._log_exporter",
    "opentelemetry.exporter.otlp.proto.http.metric_exporter",
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "opentelemetry.sdk._shared_internal",
)

T = TypeVar("T")


class Drops(Losses):
    """What was lost of one signal; the detail is its endpoint."""

    def __init__(self, what: str = "span(s)") -> None:
        super().__init__(
            what,
            "otel-llm dropped %d %s: %s. Is a collector listening at %s? Start one with `otel-llm collector`, "
            "or set OTEL_EXPORTER_OTLP_ENDPOINT. The app is not affected; further drops are counted, not logged.",
        )


drops: Final = Drops()
log_drops: Final = Drops("log record(s) or score(s)")
#: Metrics are sums since the start, unless delta is asked for: an export makes up for those that failed before it.
metric_drops: Final = Drops("export(s) of metrics")
_quiet = threading.local()


class _Mute(logging.Filter):
    """Holds back what the SDK logs about our own exports, and about nobody else's."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not getattr(_quiet, "on", False)


_mute = _Mute()


class Counting:
    """Counts the failures of one exporter. `in_flight` is the number of items that an answer is awaited for."""

    def __init__(self, exporter: object, lost: Drops) -> None:
        self.lost = lost
        self.in_flight = 0
        # user, password and query may be secrets, and this is logged
        self.endpoint = re.sub(r"(?<=//)[^/]*@|\?.*", "", str(getattr(exporter, "_endpoint", "its endpoint")))
        for name in _NOISY:
            logging.getLogger(name).addFilter(_mute)

    def call(self, count: int, export: Callable[[], T], success: T, failure: T) -> T:
        """What the export answers, failure where it raises."""
        _quiet.on = True
        self.in_flight = count
        result = failure
        try:
            result = export()
        except Exception as error:  # counted below like an answer that is no
            _logger.debug("export failed\n%s", places_of(error))
        finally:
            _quiet.on = False
        if result is not success and self.in_flight:
            self.lost.add(count, EXPORT, self.endpoint)
        self.in_flight = 0
        return result

    def give_up(self, waiting: int = 0) -> None:
        """The process ends: what waits and what is on its way is lost."""
        in_flight, self.in_flight = self.in_flight, 0
        self.lost.add(waiting + in_flight, SHUTDOWN, self.endpoint)


class CountingExporter(SpanExporter):
    """A span exporter whose failures are counted."""

    def __init__(self, inner: SpanExporter) -> None:
        self.inner = inner
        self.counting = Counting(inner, drops)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        success, failure = SpanExportResult.SUCCESS, SpanExportResult.FAILURE
        return self.counting.call(len(spans), lambda: self.inner.export(spans), success, failure)

    def shutdown(self) -> None:
        self.inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self.inner.force_flush(timeout_millis)


class CountingLogExporter(LogRecordExporter):
    """A log exporter whose failures are counted."""

    def __init__(self, inner: LogRecordExporter) -> None:
        self.inner = inner
        self.counting = Counting(inner, log_drops)

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        success, failure = LogRecordExportResult.SUCCESS, LogRecordExportResult.FAILURE
        return self.counting.call(len(batch), lambda: self.inner.export(batch), success, failure)

    def shutdown(self) -> None:
        self.inner.shutdown()  # type: ignore[no-untyped-call]  # the SDK's, untyped

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self.inner.force_flush(timeout_millis)


class CountingMetricExporter(MetricExporter):
    """A metric exporter whose failures are counted."""

    def __init__(self, inner: MetricExporter) -> None:
        super().__init__(inner._preferred_temporality, inner._preferred_aggregation)
        self.inner = inner
        self.counting = Counting(inner, metric_drops)

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any) -> MetricExportResult:
        success, failure = MetricExportResult.SUCCESS, MetricExportResult.FAILURE
        export = functools.partial(self.inner.export, metrics_data, timeout_millis, **kwargs)
        return self.counting.call(1, export, success, failure)

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        self.inner.shutdown(timeout_millis)

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        return self.inner.force_flush(timeout_millis)


#: What still has to end with the process.
_unended: Final[WeakSet[Any]] = WeakSet()


def _share_ms(one: Any, exit_ms_max: int) -> int:
    """Milliseconds that `one` may take to end: all of them, or at the end of the process its share of what is left."""
    waiting = max(1, len(_unended))
    _unended.discard(one)
    spent_s = finisher.exit_spent_s
    share_ms = int(exit_ms_max - spent_s * 1000) // waiting if spent_s else exit_ms_max
    return max(_LEFT_MS_MIN, share_ms)  # at least a moment, in which a collector on this machine takes what is queued


class _BoundedBatch:
    """The SDK's batch processors with a bound on their end (milliseconds) and on a flush."""

    _batch_processor: Any
    _counting: Counting
    _exit_ms_max: int

    def _bound(self, counting: Counting, exit_ms_max: int) -> None:
        self._counting = counting
        self._exit_ms_max = exit_ms_max
        _unended.add(self)
        _end_with_children(self)

    @property
    def _is_full(self) -> bool:
        batch = self._batch_processor
        return bool(len(batch._queue) >= batch._max_queue_size)

    def shutdown(self) -> None:
        batch = self._batch_processor
        if batch._shutdown:
            return
        batch.shutdown(timeout_millis=_share_ms(self, self._exit_ms_max))
        self._counting.give_up(len(batch._queue))

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
        return bool(self._batch_processor.force_flush())


class BoundedSpanProcessor(_BoundedBatch, BatchSpanProcessor):
    """Spans in batches; `exit_ms_max` is how long the end of the process may wait for them."""

    def __init__(self, exporter: SpanExporter, exit_ms_max: int = EXIT_MS_MAX, **options: Any) -> None:
        counted = CountingExporter(exporter)
        super().__init__(counted, **options)
        self._bound(counted.counting, exit_ms_max)

    def on_end(self, span: ReadableSpan) -> None:
        if not self._is_full:
            super().on_end(span)
        elif span.context and span.context.trace_flags.sampled:
            self._counting.lost.add(1, QUEUE, self._counting.endpoint)


class BoundedLogProcessor(_BoundedBatch, BatchLogRecordProcessor):
    """Log records in batches, the scores among them."""

    def __init__(self, exporter: LogRecordExporter, exit_ms_max: int = EXIT_MS_MAX, **options: Any) -> None:
        counted = CountingLogExporter(exporter)
        super().__init__(counted, **options)
        self._bound(counted.counting, exit_ms_max)

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        if not self._is_full:
            super().on_emit(log_record)
        else:
            self._counting.lost.add(1, QUEUE, self._counting.endpoint)


class BoundedMetricReader(PeriodicExportingMetricReader):
    """The SDK's periodic reader with a bound on its end, and which a fork leaves sound."""

    def __init__(self, exporter: MetricExporter, exit_ms_max: int = EXIT_MS_MAX, **options: Any) -> None:
        counted = CountingMetricExporter(exporter)
        self._counting = counted.counting
        self._exit_ms_max = exit_ms_max
        super().__init__(counted, **options)
        _unended.add(self)
        _end_with_children(self)

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        if self._shutdown:
            return
        super().shutdown(min(timeout_millis, _share_ms(self, self._exit_ms_max)), **kwargs)
        self._counting.give_up()

    def _at_fork_reinit(self) -> None:
        """A child counts from zero, what the parent counted is the parent's, and waits for no lock of a lost thread."""
        self._export_lock = threading.Lock()
        consumer: Any = getattr(self._collect, "__self__", None)
        if consumer is not None:
            consumer._lock = threading.Lock()
            consumer.add_metric_reader(self)  # in place of the storage that it had
        super()._at_fork_reinit()  # type: ignore[no-untyped-call]  # the SDK's, untyped


def _end_with_children(one: Any) -> None:
    """Have a `multiprocessing` child export before it ends: it leaves without `atexit`."""
    import wrapt

    def watch(module: ModuleType) -> None:
        def finalize(found: Any) -> None:
            module.Finalize(None, _end, args=(found,), exitpriority=0)

        module.register_after_fork(one, finalize)
        if module.process.parent_process() is not None:  # made in a child: no fork follows
            finalize(one)

    wrapt.register_post_import_hook(watch, "multiprocessing.util")
    _watch_pools()


@functools.cache
def _watch_pools() -> None:
    """Pools whose children are ended otherwise: Celery's by `os._exit`, those of `with Pool()` by a signal."""
    import wrapt

    def wrap(owner: Any, name: str, before: Callable[[Any], None]) -> None:
        original = getattr(owner, name)

        @functools.wraps(original)
        def hooked(pool: Any, *args: Any, **kwargs: Any) -> Any:
            guarded(before, pool)
            return original(pool, *args, **kwargs)

        setattr(owner, name, hooked)

    def end_worker(_: Any) -> None:
        for one in list(_unended):
            _end(one)

    wrapt.register_post_import_hook(lambda module: wrap(module.Worker, "_do_exit", end_worker), "billiard.pool")
    wrapt.register_post_import_hook(lambda module: wrap(module.Pool, "terminate", _end_idle), "multiprocessing.pool")


def _end_idle(pool: Any) -> None:
    """Let the children of a pool that has nothing left to do end by themselves, which exports, before they are killed.

    No handler of the signal in the child could do that: it may come while the child's main thread waits for a lock of
    the pool, which no signal interrupts, and a child that does not die is waited for for ever.
    """
    from multiprocessing.connection import wait
    from multiprocessing.process import BaseProcess

    if pool._cache or pool._state != "RUN":
        return  # it is to stop what it does
    children = [one for one in pool._pool if isinstance(one, BaseProcess)]
    if not children:
        return  # threads
    pool.close()
    deadline = time.monotonic() + EXIT_MS_MAX / 1000
    for child in children:
        wait([child.sentinel], max(0.0, deadline - time.monotonic()))


def _end(one: Any) -> None:
    from .stream import close_live

    if not finisher.exit_spent_s:
        finisher.exit_began()
    close_live()
    finisher.drain(CHILD_DRAIN_S_MAX)
    one.shutdown()
