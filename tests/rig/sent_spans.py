"""Spans as hypothesis makes them: nearly all as SDKs send them, some as nobody should."""

from __future__ import annotations

from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from otel_llm_collector.columns import speech
from otel_llm_semconv import attributes as a
from otel_llm_semconv.dialects import DIALECTS
from rig import otlp

RECEIVED = 1_760_000_000_000_000_000
WORDS = "|x|openai|OpenAI|aws|gpt-4o-mini|nobody-knows|chat|embeddings|invoke_agent|reported|estimated|flex|USD|EUR"
WORDS += "|chat-prod|provider|a.clinic.example|3|ünïcode|twelve bytes|thirteen byte|fourteen bytes"
MESSAGES = [
    '[{"role":"user","parts":[{"type":"text","content":"hi"}]}]',
    '[{"role":"user","content":"hi"}]',
    '[{"role":"user","parts":[],"text":"x"}]',
    '[{"type":"text","content":"be brief"}]',
    '["be brief"]',
    '"parts"',
    "[]",
    "{",
]
TEXTS = st.sampled_from([*WORDS.split("|"), *MESSAGES])
NUMBERS = st.sampled_from([0, 1, 127, 128, 300, 1000, -1, 1 << 31, 1 << 40, 1 << 56, (1 << 63) - 1, -(1 << 63)])
DOUBLES = st.floats() | st.sampled_from(
    [0.0, -0.0, 0.1, 1e-05, 1e16, 0.0000000000005, 0.0000000000015, 12.5, 999_999.5]
)
SCALARS: st.SearchStrategy[AnyValue] = st.one_of(
    st.builds(AnyValue, string_value=TEXTS | st.text(max_size=20)),
    st.builds(AnyValue, int_value=NUMBERS | st.integers(-(1 << 63), (1 << 63) - 1)),
    st.builds(AnyValue, double_value=DOUBLES),
    st.builds(AnyValue, bool_value=st.booleans()),
    st.builds(AnyValue, bytes_value=st.binary(max_size=20)),
    st.just(AnyValue()),
)


def array_of(items: list[AnyValue]) -> AnyValue:
    found = AnyValue()
    found.array_value.values.extend(items)
    if not items:
        found.array_value.SetInParent()
    return found


def mapping_of(items: dict[str, AnyValue]) -> AnyValue:
    found = AnyValue()
    found.kvlist_value.SetInParent()
    for key, value in items.items():
        found.kvlist_value.values.add(key=key, value=value)
    return found


VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3).map(array_of)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3).map(mapping_of)
        | st.lists(TEXTS, max_size=3).map(otlp.any_value)
    ),
    max_leaves=4,
)
#: What the value of an attribute is nearly always: then a span is read by columns.
NATURAL = {
    "s": st.builds(AnyValue, string_value=TEXTS.filter(bool)),
    "i": st.builds(AnyValue, int_value=st.integers(0, 2000)),
    "d": st.builds(AnyValue, double_value=st.floats(0, 100)),
    "di": st.builds(AnyValue, double_value=st.floats(0, 2)) | st.builds(AnyValue, int_value=st.integers(0, 3)),
    "b": st.builds(AnyValue, bool_value=st.booleans()),
    "j": st.lists(TEXTS, max_size=3).map(otlp.any_value),
}
READ = sorted(name for name, fit in speech._FITS.items() if fit.letters)
MARKS = sorted({mark for dialect in DIALECTS for mark in dialect.marks + dialect.mark_prefixes})
FREE = ["otel_llm.property.ward", "otel_llm.property.bed", "otel_llm.property.", "http.request.method", ""]
NAMES = st.sampled_from(READ * 8 + FREE * 8 + MARKS + sorted(speech._FITS) + ["k" * 200])


@st.composite
def pairs(draw: st.DrawFn) -> list[KeyValue]:
    """Some attributes, nearly all of them as they should be."""
    names = draw(st.lists(NAMES, max_size=12, unique=draw(st.integers(0, 30)) > 0))
    found = []
    for name in names:
        fit = speech._FITS.get(name)
        natural = NATURAL.get(fit.letters) if fit is not None else None
        is_odd = fit is not None and draw(st.integers(0, 60)) == 0
        found.append(KeyValue(key=name, value=draw(VALUES if is_odd or natural is None else natural)))
    return found


def call() -> list[KeyValue]:
    return [KeyValue(key=key, value=otlp.any_value(value)) for key, value in otlp.chat(1000, 200).items()]


def delimited(tag: int, octets: bytes) -> bytes:
    size, head = len(octets), bytearray([tag])
    while size > 0x7F:
        head.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*head, size]) + octets


def later_pair(key: bytes, value: bytes) -> bytes:
    """An attribute of a span with a field that this version of the protocol does not know."""
    return delimited(0x4A, delimited(0x0A, key) + delimited(0x12, value + b"\xfa\x07\x01x"))


LATER = [
    later_pair(b"k", AnyValue(string_value="v").SerializeToString()),
    later_pair(b"gen_ai.request.model", b""),
    later_pair(b"m", delimited(0x2A, delimited(0x0A, b"\x0a\x01v\xfa\x07\x01x"))),
]


TIMES = st.one_of(
    st.integers(RECEIVED - 10**12, RECEIVED + 10**12),
    st.sampled_from(
        [0, 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, RECEIVED - 400 * 86_400 * 10**9, RECEIVED + 86_400 * 10**9]
    ),
)


@st.composite
def spans(draw: st.DrawFn) -> bytes:
    own = draw(pairs())
    told = [] if draw(st.booleans()) else [pair for pair in call() if pair.key not in {one.key for one in own}]
    span = Span(
        trace_id=draw(st.binary(min_size=16, max_size=16)),
        span_id=draw(st.binary(min_size=8, max_size=8)),
        parent_span_id=draw(st.sampled_from([b"", b"\1" * 8])),
        name=draw(TEXTS),
        kind=draw(st.integers(0, 5)),
        start_time_unix_nano=draw(TIMES),
        end_time_unix_nano=draw(TIMES),
        attributes=told + own,
        flags=draw(st.sampled_from([0, 256, 257, (1 << 32) - 1])),
    )
    if draw(st.booleans()):
        span.status.CopyFrom(Status(code=draw(st.integers(0, 2)), message=draw(TEXTS)))
    octets = b""
    match draw(st.integers(0, 40)):
        case 0:
            span.events.add(name="exception", time_unix_nano=5).attributes.extend(draw(pairs()))
        case 1:
            span.links.add(trace_id=b"\1" * 16, span_id=b"\2" * 8)
        case 2:
            span.trace_state, span.dropped_attributes_count = "k=v", 3
        case 3:
            octets = draw(
                st.sampled_from(
                    [b"\xfa\x07\x02hi", b"\x2a\x01x", b"\x4a\x00", b"\x7a\x00", b"\x7b\x7c", b"\x30\x63", *LATER]
                )
            )
        case 4:
            span.trace_id = draw(st.binary(max_size=20))
        case 5:
            span.kind = draw(st.sampled_from([6, -1]))  # type: ignore[assignment]
        case 6:
            span.status.code = draw(st.sampled_from([3, -1]))  # type: ignore[assignment]
    return span.SerializeToString() + octets


SCOPES = st.sampled_from(
    ["", "app", a.SCOPE_APP, "opentelemetry.instrumentation.genai.openai"] * 8
    + ["opentelemetry.instrumentation.genai.bedrock"]
    + [scope for dialect in DIALECTS for scope in (*dialect.scopes, *dialect.scope_prefixes)]
)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A request, written level by level, so that spans may be spelled as no library would."""
    found = b""
    for _ in range(draw(st.integers(1, 2))):
        resource = ResourceSpans(schema_url=draw(TEXTS))
        resource.resource.attributes.extend(draw(pairs()))
        if draw(st.booleans()):
            resource.resource.attributes.add(key=a.SERVICE_NAME, value=AnyValue(string_value="svc"))
        inner = resource.SerializeToString()
        for _ in range(draw(st.integers(0, 2))):
            scope = ScopeSpans(schema_url=draw(TEXTS))
            scope.scope.name = draw(SCOPES)
            told = [delimited(0x12, span) for span in draw(st.lists(spans(), max_size=4))]
            inner += delimited(0x12, b"".join(told) + scope.SerializeToString())
        found += delimited(0x0A, inner)
    return found + draw(st.sampled_from([b"", b"", b"\xfa\x07\x02hi"]))
