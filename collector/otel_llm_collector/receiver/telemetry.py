"""What the collector says of itself, for Prometheus: counted here, or read from what its other processes wrote down."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ..alerts.told import Told, read_told
from ..forward.state import read_states
from ..native import native
from ..signals import Signal
from ..tally import read_tally
from . import refusals
from .soundness import Accepted

PREFIX: Final = "otel_llm_collector_"
#: Class of refusal -> the word for it; the first that fits.
REASONS: Final[dict[type[refusals.RefusedError], str]] = {
    refusals.BusyError: "busy",
    refusals.TooLargeError: "too_large",
    refusals.UnknownSenderError: "unknown_sender",
    refusals.ForbiddenError: "forbidden",
    refusals.NothingThereError: "no_route",
    refusals.WrongMethodError: "wrong_method",
    refusals.WrongTypeError: "wrong_type",
    refusals.FaultError: "fault",
    refusals.BadDataError: "bad_data",
}
_FLUSH_BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
_GROUP_BUCKETS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Telemetry:
    """The metrics of a collector on a data directory."""

    def __init__(self, data: Path) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry(auto_describe=False)
        build = Info(PREFIX + "build", "Its version, and whether it reads spans natively", registry=self.registry)
        build.info({"version": version("otel-llm"), "native": "yes" if native else "no"})
        self._requests = self._counter("requests", "Requests that were stored", "signal", "door")
        self._items = self._counter("items", "Spans, log records and data points that were stored", "signal")
        self._bytes = self._counter("bytes", "Bytes of stored requests, decompressed", "signal")
        self._rejected = self._counter(
            "rejected_items", "Items left out of stored requests: without ids, without a name", "signal"
        )
        self._refused = self._counter("refused_requests", "Requests that were not stored, and why", "door", "reason")
        self.flush_seconds = self._histogram(
            "flush_seconds", "Time to write a group of requests to the disk, fsync included", _FLUSH_BUCKETS
        )
        self.flush_requests = self._histogram("flush_requests", "Requests that shared an fsync", _GROUP_BUCKETS)
        self.torn_bytes = self._gauge("torn_bytes", "Bytes cut off the journal at the start: never acknowledged")
        self.journal_bytes = self._gauge("journal_bytes", "Journal that waits for the converter")
        self.journal_lag = self._gauge("journal_lag_seconds", "Since when the oldest of it waits")
        self.is_full = self._gauge("full", "1 while journal or disk are full and clients are told to wait")
        self.memory_bytes = self._gauge("memory_bytes", "Requests in memory, read or waiting for the disk")
        self.waiting = self._gauge("waiting_requests", "Requests that wait for the disk")
        self.connections = self._gauge("connections", "HTTP connections")
        self._queries = self._counter("queries", "Queries over HTTP, by the status of their answer", "status")
        self.answers_cut = self._counter("answers_cut", "Answers to queries whose client did not read them in time")
        self.queries_running = self._gauge("queries_running", "Queries that are computed or sent")
        self.queries_waiting = self._gauge("queries_waiting", "Queries that wait for their turn")
        self.registry.register(_OfOthers(data))

    def stored(self, door: str, signal: Signal, size: int, accepted: Accepted) -> None:
        """Count a request that is on disk."""
        requests, items, sizes, rejected = self._of(signal.name, door)
        requests.inc()
        items.inc(accepted.stored)
        sizes.inc(size)
        if accepted.rejected:
            rejected.inc(accepted.rejected)

    def refused(self, door: str, error: refusals.RefusedError) -> None:
        """Count a request that is not."""
        reason = next(word for kind, word in REASONS.items() if isinstance(error, kind))
        self._refused.labels(door, reason).inc()

    def asked(self, status: int) -> None:
        """Count a query that was answered, or refused."""
        self._queries.labels(str(status)).inc()

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self.registry)

    @functools.cache  # noqa: B019 - there is one for the life of the process
    def _of(self, signal: str, door: str) -> tuple[Any, Any, Any, Any]:
        by_signal = (metric.labels(signal) for metric in (self._items, self._bytes, self._rejected))
        return (self._requests.labels(signal, door), *by_signal)  # type: ignore[return-value]  # four of them

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(PREFIX + name, meaning, labels, registry=self.registry)

    def _gauge(self, name: str, meaning: str) -> Gauge:
        return Gauge(PREFIX + name, meaning, registry=self.registry)

    def _histogram(self, name: str, meaning: str, buckets: Iterable[float]) -> Histogram:
        return Histogram(PREFIX + name, meaning, registry=self.registry, buckets=tuple(buckets))


class _OfOthers(Collector):
    """What converter, upkeep, supervisor, forwarder and alerts wrote down a second ago at most."""

    def __init__(self, data: Path) -> None:
        self._data = data

    def collect(self) -> Iterator[Metric]:
        yield from self._converter()
        yield from self._forward()
        yield from _alerts(read_told(self._data))

    def _converter(self) -> Iterator[Metric]:
        tally = read_tally(self._data)
        yield _count("rows", "Rows that were written", "table", tally.rows)
        yield _count("repeated_rows", "Rows that were there already: sent again", "table", tally.repeated)
        unreadable = CounterMetricFamily(
            PREFIX + "unreadable_items",
            "Items, or pieces of the journal, that could not become rows: the segment is in quarantine",
        )
        unreadable.add_metric([], tally.unreadable)
        yield unreadable
        yield _count("work_runs", "Batches converted, steps of compaction, files recounted", "work", tally.runs)
        yield _count("work_seconds", "Time that these took", "work", tally.seconds)
        yield _count("silent_processes", "Processes ended since they did not answer any more", "process", tally.silent)

    def _forward(self) -> Iterator[Metric]:
        states = read_states(self._data)
        for field, meaning in _FORWARD_COUNTS.items():
            counts = {state.url: getattr(state, field) for state in states}
            yield _count(f"forward_{field}", meaning, "target", counts)
        for field, (name, meaning) in _FORWARD_GAUGES.items():
            gauge = GaugeMetricFamily(PREFIX + name, meaning, labels=["target"])
            for state in states:
                gauge.add_metric([state.url], getattr(state, field))
            yield gauge


_FORWARD_COUNTS: Final = {
    "sent": "Requests handed on",
    "rejected": "Requests that the target will never take",
    "items_rejected": "Items of requests that it took in part",
    "dropped": "Requests that it will never get: more waited than its queue takes",
    "failures": "Times that it could not be reached or had no room",
}
_FORWARD_GAUGES: Final = {
    "behind_bytes": ("forward_behind_bytes", "Journal and archive that wait for the target"),
    "lag_s": ("forward_lag_seconds", "Since when the oldest of it waits"),
}


def _alerts(told: Told) -> Iterator[Metric]:
    firing = GaugeMetricFamily(
        PREFIX + "alert_firing",
        "1 for each group of a rule that is in breach, 1000 of them at most",
        labels=["alert", "kind", "group"],
    )
    value = GaugeMetricFamily(
        PREFIX + "alert_value", "Its value when it was last in breach", labels=["alert", "kind", "group"]
    )
    for alert, kind, group, measured in told.firing:
        firing.add_metric([alert, kind, group], 1)
        if measured is not None:
            value.add_metric([alert, kind, group], measured)
    yield from (firing, value)
    for name, (label, meaning) in _ALERT_GAUGES.items():
        gauge = GaugeMetricFamily(f"{PREFIX}alert_{name}", meaning, labels=[label])
        for key, number in sorted(getattr(told, name).items()):
            gauge.add_metric([key], number)
        yield gauge
    for name, meaning in _ALERT_COUNTS.items():
        yield _count(f"alert_{name}", meaning, "channel", getattr(told, name))


_ALERT_GAUGES: Final = {
    "groups_firing": ("alert", "Groups of a rule that are in breach, all of them"),
    "looked_at_seconds": ("alert", "When a rule was last looked at, in seconds since 1970"),
    "failing": ("alert", "How often in a row a rule could not be looked at"),
    "messages_waiting": ("channel", "Messages that wait for a channel"),
}
_ALERT_COUNTS: Final = {
    "messages_sent": "Messages that a channel has taken",
    "message_failures": "Times that it has not",
    "messages_dropped": "Messages that it will never get: tried for a day, or more than 1000 waited",
}


def _count(name: str, meaning: str, label: str, counts: Any) -> Metric:
    family = CounterMetricFamily(PREFIX + name, meaning, labels=[label])
    for value, count in sorted(counts.items()):
        family.add_metric([value], count)
    return family
