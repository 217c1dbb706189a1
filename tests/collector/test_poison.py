"""Whatever a sender puts into a valid span, the converter goes on."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from rig import otlp
from rig.lake import count, store

from otel_llm.failures import RAISE_ENV
from otel_llm_collector import converter as converting
from otel_llm_collector import journal
from otel_llm_collector.converter import Converter
from otel_llm_collector.decode import read_spans
from otel_llm_collector.lake.schema import memory_schema
from otel_llm_collector.normalise import normalise
from otel_llm_semconv import attributes as a
from otel_llm_semconv import tables

NAMES = [c.attribute for t in tables.TABLES.values() for c in t if c.attribute]
NAMES += [a.COST_AMOUNT, a.RESPONSE_TIME_TO_FIRST_CHUNK, a.USAGE_STATUS, a.PROPERTY_PREFIX, a.PROPERTY_PREFIX + "k", ""]


def _array(items: list[AnyValue]) -> AnyValue:
    array = AnyValue()
    array.array_value.values.extend(items)
    return array


SCALARS = st.one_of(
    st.text(max_size=8),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.floats(),
    st.booleans(),
    st.binary(max_size=4),
)
VALUES = st.recursive(
    SCALARS.map(otlp.any_value),
    lambda inner: st.lists(inner, max_size=3).map(_array),
    max_leaves=6,
)
U64 = st.one_of(st.integers(0, (1 << 64) - 1), st.sampled_from([0, 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]))


@st.composite
def spans(draw: st.DrawFn) -> Span:
    names = draw(st.lists(st.sampled_from(NAMES) | st.text(max_size=6), max_size=8))
    return Span(
        trace_id=draw(st.binary(min_size=16, max_size=16)),
        span_id=draw(st.binary(min_size=8, max_size=8)),
        parent_span_id=draw(st.binary(max_size=9)),
        name=draw(st.text(max_size=8)),
        kind=draw(st.integers(-(1 << 31), (1 << 31) - 1)),  # type: ignore[arg-type]
        start_time_unix_nano=draw(U64),
        end_time_unix_nano=draw(U64),
        attributes=[KeyValue(key=name, value=draw(VALUES)) for name in names]
        + [KeyValue(key=a.OPERATION, value=otlp.any_value(draw(st.sampled_from(["chat", "x"]))))],
    )


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(spans(), min_size=1, max_size=4))
def test_every_span_becomes_a_row_that_fits_the_table(batch: list[Span]) -> None:
    records = read_spans(otlp.request(*batch).SerializeToString())
    rows = [normalise(record, time.time_ns()).row for record in records]
    assert pa.Table.from_pylist(rows, memory_schema("spans")).num_rows == len(batch)


@pytest.fixture(autouse=True)
def _raise_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RAISE_ENV, "true")


def test_a_span_that_we_fail_on_holds_up_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(RAISE_ENV)
    store(tmp_path, otlp.request(*(otlp.span(otlp.chat(), name=name) for name in ("good", "poison", "fine"))))

    def failing(record: Any, received_ns: int, *more: Any) -> Any:
        if record.span.name == "poison":
            raise ZeroDivisionError
        return normalise(record, received_ns, *more)

    monkeypatch.setattr(converting, "normalise", failing)
    converter = Converter(tmp_path)
    assert converter.convert_some()
    assert not converter.convert_some()
    assert count(tmp_path) == 2
    assert len(list((tmp_path / "journal" / "quarantine").iterdir())) == 1
    assert len(journal.closed_segments(journal.archive_dir(tmp_path))) == 1


def test_a_row_that_does_not_fit_leaves_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(RAISE_ENV)
    request = otlp.request(*(otlp.span(otlp.chat(), name=name) for name in ("good", "poison", "fine")))
    store(tmp_path, request)

    def misfit(record: Any, received_ns: int, *more: Any) -> Any:
        normalised = normalise(record, received_ns, *more)
        if record.span.name == "poison":
            normalised.row["input_tokens"] = 1 << 70
        return normalised

    with monkeypatch.context() as patched:
        patched.setattr(converting, "normalise", misfit)
        assert Converter(tmp_path).convert_some()
    assert count(tmp_path) == 2
    assert len(list((tmp_path / "journal" / "quarantine").iterdir())) == 1
    store(tmp_path, request)  # once it can be stored, the span that is sent again is
    assert Converter(tmp_path).convert_some()
    assert count(tmp_path) == 3


def test_a_large_resource_is_stored_once_not_once_a_row(tmp_path: Path) -> None:
    request = otlp.request(*(otlp.span(otlp.chat()) for _ in range(3000)))
    request.resource_spans[0].resource.attributes.add(key="big", value=otlp.any_value("x" * 1_000_000))
    store(tmp_path, request)
    assert Converter(tmp_path).convert_some()
    assert count(tmp_path) == 3000
    assert sum(path.stat().st_size for path in (tmp_path / "spans").glob("date=*/*.parquet")) < 1_000_000


@pytest.mark.parametrize("kind", [journal.TRACES, journal.LOGS, journal.METRICS])
def test_a_request_that_cannot_be_parsed_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: int
) -> None:
    """Nothing that the receiver takes is like this; if it were, it would be kept apart."""
    monkeypatch.setenv(RAISE_ENV, "0")
    long_tag = bytes.fromhex("0a 0a 92 80 80 80 80 00 02 18 01 00")
    writer = journal.Writer(tmp_path)
    good = otlp.request(otlp.span(otlp.chat())).SerializeToString()
    for frame_kind, payload in ((kind, long_tag), (kind, b"\x0a\xff\xff"), (journal.TRACES, good)):
        writer.append([(journal.frame_header(frame_kind, time.time_ns(), payload), payload)])
    writer.rotate()
    converter = Converter(tmp_path)
    while converter.convert_some():
        pass
    assert count(tmp_path) == 1
    assert [path.name for path in journal.quarantine_dir(tmp_path).iterdir()] == ["000000000001.seg"]
