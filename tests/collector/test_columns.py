"""Rows by columns are the rows of the reference, whatever a span holds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from rig import otlp
from rig.read_rows import BY_COLUMNS, ONE_BY_ONE, rows_of
from rig.sent_spans import RECEIVED, later_pair, requests

from otel_llm.failures import RAISE_ENV
from otel_llm_collector import journal
from otel_llm_collector.columns import keyed, reader
from otel_llm_collector.columns.request import Room
from otel_llm_collector.columns.wire import PADDING
from otel_llm_collector.flow import OneByOne
from otel_llm_collector.receiver import soundness
from otel_llm_collector.receiver.refusals import BadDataError
from otel_llm_collector.signals import SIGNALS
from otel_llm_semconv import attributes as a
from otel_llm_semconv.pricing.contracts import Contracts, read

CONTRACTS = """
[[contract]]
name = "ward"
provider = "openai"
endpoint = "*.clinic.example"
property = { ward = "3", bed = "true" }
multiplier = "0.5"

[[contract]]
name = "autumn"
provider = "openai"
model = "gpt-4o*"
since = 2025-10-09
until = 2025-10-10
prices = { input_mtok = "1" }
"""


@pytest.fixture(scope="module")
def contracts(tmp_path_factory: pytest.TempPathFactory) -> Contracts:
    path = tmp_path_factory.mktemp("contracts") / "contracts.toml"
    path.write_text(CONTRACTS)
    return replace(read(path), deployments={"chat-prod": "gpt-4o-mini", "unheard": "of"})


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(requests(), min_size=1, max_size=3))
def test_rows_are_those_of_the_reference(contracts: Contracts, payloads: list[bytes]) -> None:
    by_columns = rows_of(payloads, contracts, BY_COLUMNS)
    assert by_columns == rows_of(payloads, contracts, ONE_BY_ONE)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A request of which some bytes are others, gone, or there twice."""
    octets = bytearray(draw(requests()))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(0, len(octets) - 1)))
        size = draw(st.integers(0, 3))
        octets[place : place + size] = draw(st.binary(max_size=3) | st.just(bytes(octets[place : place + 40])))
    return bytes(octets)


def is_valid(payload: bytes) -> bool:
    """Whether the receiver would take it."""
    try:
        ExportTraceServiceRequest.FromString(payload)
    except DecodeError:
        return False
    return True


@pytest.mark.parametrize("answered", ["chat-prod", "gpt-4o-mini-2024-07-18", ""])
@pytest.mark.parametrize("told", ["gpt-4o", "", None])
def test_a_deployment_is_priced_as_by_the_reference(contracts: Contracts, answered: str, told: str | None) -> None:
    names = {"gen_ai.request.model": "chat-prod", "gen_ai.response.model": answered}
    more = {} if told is None else {"otel_llm.deployed_model": told}
    spans = [otlp.span(otlp.chat(1000, number) | names | more, start_ns=RECEIVED) for number in range(3)]
    payloads = [otlp.request(*spans, scope=scope).SerializeToString() for scope in ("otel_llm", "by-hand")]
    by_columns = rows_of(payloads, contracts, BY_COLUMNS)
    assert by_columns == rows_of(payloads, contracts, ONE_BY_ONE)
    assert {row["deployed_model"] for row in by_columns["spans"]} == {told or "gpt-4o-mini"}


@pytest.mark.parametrize("provider", ["anthropic", "openai"])
@pytest.mark.parametrize("cached", [0, 499, 500, 501, (1 << 62) + 1])
def test_a_cache_that_does_not_fit_is_counted_as_by_the_reference(provider: str, cached: int) -> None:
    told = {"gen_ai.provider.name": provider, "gen_ai.usage.cache_read.input_tokens": cached}
    told |= {"gen_ai.usage.input_tokens": 500}
    payload = otlp.request(otlp.span(otlp.chat(500, 1) | told, start_ns=RECEIVED), scope="by-hand").SerializeToString()
    by_columns = rows_of([payload], Contracts(), BY_COLUMNS)
    assert by_columns == rows_of([payload], Contracts(), ONE_BY_ONE)
    is_apart = provider == "anthropic" and cached > 500
    assert by_columns["spans"][0]["input_tokens"] == 500 + cached * is_apart


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(mutated().filter(is_valid))
def test_a_request_that_is_spelled_otherwise_is_read_as_well(contracts: Contracts, payload: bytes) -> None:
    assert rows_of([payload], contracts, BY_COLUMNS) == rows_of([payload], contracts, ONE_BY_ONE)


SIZES = st.sampled_from(
    [1, 11, 12, 13, 14, 60, 80, 90, 100, 116, 117, 118, 119, 120, 121, 122, 123, 124, 125, 126, 127]
)
LONG = st.sampled_from([128, 129, 1000, 16_370, 16_376, 16_377, 16_378, 16_379, 16_383, 16_384, 16_385])
KEYS = ["k", "key", "gen_ai.request.model", "gen_ai.usage.input_tokens", "otel_llm.property.ward", "x" * 55, "y" * 127]


@st.composite
def alike(draw: st.DrawFn) -> bytes:
    """Spans of one emitter: the same keys at the same places, values of all lengths; then and now another."""
    keys = draw(st.lists(st.sampled_from(KEYS), min_size=1, max_size=5, unique=True))
    kinds = {key: draw(st.sampled_from(["text", "text", "count", "list", "double", "octets"])) for key in keys}
    spans = []
    for _ in range(draw(st.integers(2, 6))):
        told = {key: draw_value(draw, kinds[key]) for key in draw(st.permutations(keys) | st.just(keys))}
        if draw(st.integers(0, 8)) == 0:
            told[draw(st.sampled_from([*KEYS, "z" * 128]))] = draw_value(draw, "text")
        trace, span = (draw(st.binary(min_size=size, max_size=size)) for size in (16, 8))
        spans.append(otlp.span(told, start_ns=RECEIVED, trace_id=trace, span_id=span))
        if draw(st.integers(0, 12)) == 0:
            spans[-1].attributes.append(spans[-1].attributes[0])
    return otlp.request(*spans, scope="by-hand").SerializeToString()


def draw_value(draw: st.DrawFn, kind: str) -> Any:
    match kind:
        case "text":
            return draw(st.sampled_from("aä")) * draw(SIZES | SIZES | LONG)
        case "count":
            return draw(st.sampled_from([0, 1, -1]) | st.integers(0, 62).map(lambda bits: (1 << bits) + 1))
        case "list":
            return ["s" * draw(SIZES)]
        case "octets":
            return b"\xff" * draw(SIZES)
    return draw(st.floats(allow_nan=False))


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(alike(), min_size=1, max_size=2))
def test_spans_that_are_alike_but_for_their_values(contracts: Contracts, payloads: list[bytes]) -> None:
    assert rows_of(payloads, contracts, BY_COLUMNS) == rows_of(payloads, contracts, ONE_BY_ONE)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(alike(), st.data())
def test_one_of_many_that_are_alike_is_spoilt(contracts: Contracts, payload: bytes, data: st.DataObject) -> None:
    octets = bytearray(payload)
    octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    assume(is_valid(bytes(octets)))
    spoilt = [payload, bytes(octets)]
    assert rows_of(spoilt, contracts, BY_COLUMNS) == rows_of(spoilt, contracts, ONE_BY_ONE)


def in_more_octets(number: int, octets: int) -> bytes:
    """A number of one octet, spelled in so many."""
    return bytes([number | 0x80, *[0x80] * (octets - 2), 0])


@pytest.mark.parametrize("octets", [2, 5, 6])
@pytest.mark.parametrize("part", ["tag", "length"])
@pytest.mark.parametrize("level", ["resource_spans", "scope_spans", "spans"])
def test_a_tag_or_a_length_in_more_octets_than_it_needs(level: str, part: str, octets: int) -> None:
    """Protobuf takes five; such a request has its rows as any other, and what it refuses is not stored."""
    span = otlp.span(start_ns=RECEIVED)
    for field in ("name", "attributes"):
        span.ClearField(field)  # type: ignore[arg-type] # lengths of one octet
    payload = span.SerializeToString()
    for name, tag in (("spans", 0x12), ("scope_spans", 0x12), ("resource_spans", 0x0A)):
        is_long = {"tag": part == "tag" and name == level, "length": part == "length" and name == level}
        head = [
            in_more_octets(n, octets) if is_long[of] else bytes([n])
            for of, n in (("tag", tag), ("length", len(payload)))
        ]
        payload = b"".join(head) + payload
    try:
        kept, accepted = soundness.check(SIGNALS[journal.TRACES], payload)
    except BadDataError:
        assert octets == 6
        return
    assert (kept, accepted.stored, octets < 6) == (payload, 1, True)
    rows = rows_of([payload], Contracts(), BY_COLUMNS)
    assert rows == rows_of([payload], Contracts(), ONE_BY_ONE)
    assert len(rows["spans"]) == 1


def test_more_keys_at_one_place_than_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyed, "_KEYS_MAX", 3)
    spans = [otlp.span({f"key-{number % 5}": "x", "last": number}, start_ns=RECEIVED) for number in range(20)]
    payload = otlp.request(*spans, scope="by-hand").SerializeToString()
    assert rows_of([payload], Contracts(), BY_COLUMNS) == rows_of([payload], Contracts(), ONE_BY_ONE)


@pytest.mark.parametrize("attributes", [0, 200, 240, 250, 255, 256, 300])
def test_as_many_attributes_as_there_may_be(attributes: int) -> None:
    spans = [otlp.span({f"k{n}": n for n in range(count)}, start_ns=RECEIVED) for count in (attributes, 3)]
    payload = otlp.request(*spans, scope="by-hand").SerializeToString()
    assert rows_of([payload], Contracts(), BY_COLUMNS) == rows_of([payload], Contracts(), ONE_BY_ONE)


def test_a_value_that_cannot_be_read_is_never_taken_for_a_text() -> None:
    name, value = a.INPUT_MESSAGES, AnyValue(double_value=1e300).SerializeToString()
    odd = otlp.span(start_ns=RECEIVED).SerializeToString() + later_pair(name.encode(), value)
    spans = [otlp.span({name: text}, start_ns=RECEIVED) for text in ("[]", "x" * 300)] + [Span.FromString(odd)]
    payload = otlp.request(*spans, scope="opentelemetry.instrumentation.genai.openai").SerializeToString()
    assert rows_of([payload], Contracts(), BY_COLUMNS) == rows_of([payload], Contracts(), ONE_BY_ONE)


def test_attributes_are_kept_in_the_order_in_which_they_were_sent() -> None:
    orders = [["a", "b", "otel_llm.property.x", "c"], ["c", "otel_llm.property.x", "b"], ["b", "a"]] * 3
    spans = [otlp.span(dict.fromkeys(names, 1), start_ns=RECEIVED + place) for place, names in enumerate(orders)]
    payload = otlp.request(*spans, scope="by-hand").SerializeToString()
    rows = sorted(rows_of([payload], Contracts(), BY_COLUMNS)["spans"], key=lambda row: row["start_time_ns"])
    assert [list(row["attributes"]) for row in rows] == orders


def usual(scope: str) -> bytes:
    messages = dict.fromkeys(a.CONTENT[:2], '[{"role":"user","parts":[{"type":"text","content":"hi"}]}]')
    told = {"gen_ai.response.finish_reasons": ["stop"], "gen_ai.request.temperature": 0.7, "session.id": "s"}
    spans = [otlp.span(otlp.chat(1000, number, **messages, **told), start_ns=RECEIVED) for number in range(10)]
    spans += [otlp.span({"http.request.method": "GET", "otel_llm.property.ward": "3"}, start_ns=RECEIVED)]
    spans[0].status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR, message="boom"))
    spans[1].flags = 257
    return otlp.request(*spans, scope=scope).SerializeToString()


@pytest.mark.parametrize("scope", [a.SCOPE_APP, "by-hand", "opentelemetry.instrumentation.genai.openai"])
def test_what_is_usual_is_read_by_columns(scope: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def one_by_one(*_: Any) -> Any:
        raise AssertionError("a usual span is taken for an odd one")

    monkeypatch.setattr(OneByOne, "item", one_by_one)
    assert len(rows_of([usual(scope)], Contracts(), BY_COLUMNS)["spans"]) == 11


def test_where_columns_fail_rows_are_made_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = rows_of([usual("by-hand")], Contracts(), BY_COLUMNS)
    monkeypatch.delenv(RAISE_ENV, raising=False)

    def failing(*_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(reader, "spans_table", failing)
    payload = usual("by-hand")
    assert len(rows_of([payload], Contracts(), BY_COLUMNS)["spans"]) == len(expected["spans"])


@pytest.mark.parametrize(
    ("runs", "sizes"),
    [
        ([], []),
        ([1], [1]),
        ([10_000] * 3, [30_000]),
        ([512] * 59, [29 * 512, 30 * 512]),  # between requests
        ([30_100, 108], [15_104, 15_104]),  # one request that is too long for a part
        ([20_000] * 4, [26_666, 26_667, 26_667]),  # and such as would make the parts too unequal
    ],
)
def test_many_spans_are_read_in_equal_parts(runs: list[int], sizes: list[int]) -> None:
    assert [last - first for first, last in reader._slices(runs)] == sizes


def test_a_room_is_used_again_once_nobody_reads_in_it() -> None:
    room = Room(bytes_max=1000)
    first = room.take(900)
    reader = first.data[100:200]
    assert not np.shares_memory(room.take(10), first)
    del reader
    second = room.take(10)
    place, second[:] = second.ctypes.data, 1
    del second
    third = room.take(5)
    assert third.ctypes.data == place
    assert not third[5:].any()
    assert len(third) == 5 + PADDING
    large = room.take(1001)
    assert room.take(5).ctypes.data != large.ctypes.data
