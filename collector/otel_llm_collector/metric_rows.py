"""From a stored metrics request to rows of `metrics`, one a data point."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric

from otel_llm_semconv import attributes as a
from otel_llm_semconv.identity import content_key, row_id

from .decode import attributes_of, surrounded, text_of
from .normalise import Row, moment_of, signed, string_in

_TEMPORALITIES: Final[Mapping[int, str]] = {
    AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA: "delta",
    AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE: "cumulative",
}
#: Fields of points -> their columns. A field that may be absent is told from one that is zero.
_NUMBERS: Final = {"as_double": "value", "as_int": "value_int"}
_SUMS: Final = {"count": "count", "sum": "sum", "min": "min", "max": "max"}
_BUCKETS: Final = {"bucket_counts": "bucket_counts", "explicit_bounds": "bucket_bounds"}
_COLUMNS: Final[Mapping[str, Mapping[str, str]]] = {
    "gauge": _NUMBERS,
    "sum": _NUMBERS,
    "histogram": {**_SUMS, **_BUCKETS},
    "exponential_histogram": _SUMS,
    "summary": {"count": "count", "sum": "sum"},
}
_TOLD: Final = ("attributes", "start_time_unix_nano", "time_unix_nano")


@dataclass(slots=True)
class SentPoint:
    """One data point of a request with what surrounds it. `metric` is its metric without points, as protobuf."""

    point: Any
    key: int
    type: str
    head: Metric
    metric: bytes
    resource_attributes: Mapping[str, AnyValue]
    resource: bytes
    scope: bytes


@dataclass(frozen=True, slots=True)
class PointRow:
    """The row of one point."""

    key: int
    day: date
    row: Row


def read_points(payload: bytes) -> Iterator[SentPoint]:
    """The points of a stored request, in their order there."""
    request = ExportMetricsServiceRequest.FromString(payload)
    same: Counter[int] = Counter()
    for around, metrics in surrounded(request.resource_metrics, "scope_metrics", "metrics"):
        for metric in metrics:
            type = metric.WhichOneof("data")
            head, points = _split(metric, type)
            told = head.SerializeToString()
            about = around.resource_attributes, around.resource, around.scope
            for point in points:
                key = content_key(same, around.resource, around.scope, told, point.SerializeToString())
                yield SentPoint(point, key, type or "", head, told, *about)


def _split(metric: Metric, type: str | None) -> tuple[Metric, list[Any]]:
    """A metric without its points, and those."""
    if type is None:
        return metric, []
    head = Metric()
    head.CopyFrom(metric)
    getattr(head, type).ClearField("data_points")
    return head, getattr(metric, type).data_points


def point_row(sent: SentPoint, received_ns: int) -> PointRow:
    """The row of one point, received at `received_ns`. Total: whatever a valid point holds becomes a row."""
    point, about = sent.point, sent.resource_attributes
    moment, is_sound = moment_of(point.time_unix_nano, received_ns)
    attributes, repeated = attributes_of(point)
    texts = {name: text_of(value) for name, value in attributes.items()}
    data = getattr(sent.head, sent.type)
    values = _values(point, sent.type)
    row = {
        "row_id": row_id(sent.key),
        "date": moment.date(),
        "time": moment,
        "time_ns": signed(point.time_unix_nano),
        "start_time_ns": signed(point.start_time_unix_nano),
        "name": sent.head.name,
        "type": sent.type,
        "unit": sent.head.unit or None,
        "temporality": _TEMPORALITIES.get(getattr(data, "aggregation_temporality", 0)),
        "is_monotonic": getattr(data, "is_monotonic", None),
        **values,
        "service_name": string_in(about, a.SERVICE_NAME),
        "environment": string_in(about, a.ENVIRONMENT, a.ENVIRONMENT_OLD),
        "clock_flag": None if is_sound else ("out_of_range" if point.time_unix_nano else "zero_time"),
        "attributes": [(name, text) for name, (text, _) in texts.items()],
        "attribute_types": "".join(letter for _, letter in texts.values()),
        "metric": sent.metric,
        "side": _side(sent, repeated),
        "resource": sent.resource,
        "scope": sent.scope,
    }
    return PointRow(sent.key, row["date"], row)


def _values(point: Any, type: str) -> Row:
    row: Row = {column: _value(point, field) for field, column in _COLUMNS[type].items()}
    if row.get("value_int") is not None:
        row["value"] = float(row["value_int"])
    return row


def _value(point: Any, field: str) -> Any:
    described = point.DESCRIPTOR.fields_by_name[field]
    if described.has_presence and not point.HasField(field):
        return None
    found = getattr(point, field)
    if described.is_repeated:
        return [signed(each) if isinstance(each, int) else each for each in found]
    return signed(found) if field == "count" else found


def _side(sent: SentPoint, repeated: list[Any]) -> bytes:
    """What no column tells, unknown fields included."""
    rest = type(sent.point)()
    rest.CopyFrom(sent.point)
    for field in (*_TOLD, *_COLUMNS[sent.type]):
        rest.ClearField(field)
    rest.attributes.extend(repeated)
    return bytes(rest.SerializeToString())
