"""A log record or a data point that is built again from its row is the one that was sent."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from rig import otlp

from otel_llm_collector.log_rows import log_rows
from otel_llm_collector.metric_rows import point_row, read_points
from otel_llm_collector.rebuild import VALUE_OF
from otel_llm_collector.records import read_records

NOW = 1_760_000_000_000_000_000
UNKNOWN = b"\xfa\x07\x03abc"  # field 127
U64 = st.integers(0, 2**64 - 1)
DOUBLES = st.floats(allow_nan=False) | st.just(math.nan)  # told as text: there is one NaN
SCALARS = st.one_of(
    st.text(max_size=5), st.integers(-(2**63), 2**63 - 1), DOUBLES, st.booleans(), st.binary(max_size=3)
)
VALUES = st.one_of(
    st.just(AnyValue()),
    SCALARS.map(otlp.any_value),
    st.lists(
        st.one_of(st.text(max_size=3), st.integers(-9, 9), st.lists(st.text(max_size=2), max_size=2)), max_size=3
    ).map(otlp.any_value),
)
PAIRS = st.lists(st.builds(KeyValue, key=st.sampled_from(["", "k", "event.name", "user.id"]), value=VALUES), max_size=4)


def with_attributes(message: Any, row: dict[str, Any]) -> None:
    """The first value of each key, then those that repeat one, as they stand in the side."""
    repeated = [KeyValue.FromString(pair.SerializeToString()) for pair in message.attributes]
    del message.attributes[:]
    for (name, text), letter in zip(row["attributes"], row["attribute_types"], strict=True):
        message.attributes.add(key=name, value=VALUE_OF[letter](text))
    message.attributes.extend(repeated)


def by_key(message: Any) -> bytes:
    """The message with its attributes in an order: those that repeat a key come last in a row."""
    pairs = sorted((pair.key, place) for place, pair in enumerate(message.attributes))
    copy = type(message)()
    copy.CopyFrom(message)
    del copy.attributes[:]
    copy.attributes.extend(message.attributes[place] for _, place in pairs)
    return bytes(copy.SerializeToString(deterministic=True))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_record_comes_back(data: st.DataObject) -> None:
    record = LogRecord(
        time_unix_nano=data.draw(U64),
        observed_time_unix_nano=data.draw(U64),
        severity_number=data.draw(st.integers(0, 24)),
        severity_text=data.draw(st.text(max_size=3)),
        attributes=data.draw(PAIRS),
        dropped_attributes_count=data.draw(st.integers(0, 2**32 - 1)),
        flags=data.draw(st.integers(0, 2**32 - 1)),
        trace_id=data.draw(st.sampled_from([b"", b"\0" * 16, b"\1" * 16, b"odd"])),
        span_id=data.draw(st.sampled_from([b"", b"\0" * 8, b"\1" * 8, b"odd"])),
        event_name=data.draw(st.sampled_from(["", "e"])),
        body=data.draw(st.one_of(st.none(), VALUES)),
    )
    record.MergeFromString(data.draw(st.sampled_from([b"", UNKNOWN])))
    (sent,) = read_records(otlp.logs(record).SerializeToString())
    row = log_rows(sent, NOW).row
    found = LogRecord.FromString(row["side"])
    found.time_unix_nano, found.observed_time_unix_nano = row["time_ns"] % 2**64, row["observed_time_ns"] % 2**64
    found.severity_number, found.severity_text = row["severity_number"] or 0, row["severity_text"] or ""
    for name in ("trace_id", "span_id"):
        if row[name]:
            setattr(found, name, bytes.fromhex(row[name]))
    if row["event_name"] and "event.name" not in dict(row["attributes"]):
        found.event_name = row["event_name"]
    if row["body_type"]:
        found.body.CopyFrom(VALUE_OF[row["body_type"]](row["body"]))
    with_attributes(found, row)
    assert by_key(found) == by_key(record)


NUMBERS = {"as_double": st.floats(), "as_int": st.integers(-(2**63), 2**63 - 1)}
SUMS = {"count": U64, "sum": st.floats(), "min": st.floats(), "max": st.floats()}
LISTS = {"bucket_counts": st.lists(U64, max_size=3), "explicit_bounds": st.lists(st.floats(), max_size=3)}
FIELDS: dict[str, Any] = {
    "gauge": NUMBERS,
    "sum": NUMBERS,
    "histogram": SUMS | LISTS,
    "exponential_histogram": SUMS | {"scale": st.integers(-9, 9), "zero_count": U64},
    "summary": {"count": U64, "sum": st.floats()},
}
COLUMN_OF = {"as_double": "value", "as_int": "value_int", "explicit_bounds": "bucket_bounds"}


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_point_comes_back(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(sorted(FIELDS)))
    metric = Metric(name="m", unit=data.draw(st.text(max_size=3)), description="d")
    metric.MergeFromString(UNKNOWN)
    point = getattr(metric, kind).data_points.add(time_unix_nano=data.draw(U64), start_time_unix_nano=data.draw(U64))
    chosen = [name for name in FIELDS[kind] if data.draw(st.booleans())]
    for name in chosen[:1] if kind in ("gauge", "sum") else chosen:
        drawn = data.draw(FIELDS[kind][name])
        getattr(point, name).extend(drawn) if isinstance(drawn, list) else setattr(point, name, drawn)
    point.attributes.extend(data.draw(PAIRS))
    point.flags = data.draw(st.integers(0, 2**32 - 1))
    point.MergeFromString(data.draw(st.sampled_from([b"", UNKNOWN])))
    (sent,) = read_points(otlp.metrics(metric).SerializeToString())
    row = point_row(sent, NOW).row
    found = type(point).FromString(row["side"])
    found.time_unix_nano, found.start_time_unix_nano = row["time_ns"] % 2**64, row["start_time_ns"] % 2**64
    for name in FIELDS[kind]:
        value = row.get(COLUMN_OF.get(name, name))
        if value is None or (name == "as_double" and row["value_int"] is not None):
            continue
        if isinstance(value, list):
            getattr(found, name).extend(each % 2**64 if isinstance(each, int) else each for each in value)
        else:
            setattr(found, name, value % 2**64 if name == "count" else value)
    with_attributes(found, row)
    assert by_key(found) == by_key(point)
    whole = Metric.FromString(row["metric"])
    getattr(whole, kind).data_points.append(found)
    assert (whole.name, whole.unit, whole.description) == (metric.name, metric.unit, "d")
    assert UNKNOWN in row["metric"]
